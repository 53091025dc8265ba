#include "events/kafka/shard_start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {

using base::ErrorCode;
using base::fail;
using log::Lsn;
using record::VoidRule;

namespace {

constexpr std::size_t position_bytes = 32;
/// Entries. A writer names a position at least so often, unless it has none.
constexpr std::int64_t window_min = 2 * std::int64_t{counted_every};
constexpr std::int64_t window_growth = 8;
/// Fewer entries are read sooner than a place among them is found.
constexpr std::int64_t worth_a_jump = 2 * window_min;
constexpr int turns_max = 8;

/// Whether the entry is the record that the position names.
bool is_at(const Entry& entry, const Position& position, const record::EntryHead& head) {
  return head.kind == record::EntryKind::record && position_of(entry, head) == position;
}

/// The position of a record that an entry between the offsets names as one that counts, the last such that is not
/// behind `from`. It looks at the last entries first.
base::Result<std::optional<Position>> counted_before(const std::shared_ptr<Consumers>& consumers, log::ShardId shard,
                                                     const Watermarks& between, Lsn from) {
  TRV_EXPECTS(between.low < between.high);
  for (std::int64_t window = window_min;; window *= window_growth) {
    const std::int64_t begin = std::max(between.low, between.high - window);
    TRV_TRY_ASSIGN(const auto reader, PartitionReader::open(consumers, partition_of(shard), begin));
    std::optional<Position> found;
    while (reader->place() < between.high) {
      TRV_TRY_ASSIGN(const Entry entry, stored_entry(*reader, shard));
      const auto header = reader->header(counted_header);
      if (!header || header->size() != position_bytes) continue;
      const auto named = Position::decode(log::EnginePosition(*header));
      const bool is_before = named && named->lsn <= from && static_cast<std::int64_t>(named->offset) < entry.offset;
      if (is_before && (!found || found->lsn < named->lsn)) found = named;
    }
    if (found || begin == between.low) return found;
  }
}

/// Goes to the record that the position names. False, and nothing is changed, where another entry is there.
base::Result<bool> move_to(ShardStart& start, log::ShardId shard, const Position& position) {
  PartitionReader& reader = *start.reader;
  const std::int64_t before = reader.place();
  const auto offset = static_cast<std::int64_t>(position.offset);
  if (offset <= before || offset >= reader.high()) return false;
  reader.seek(offset);
  TRV_TRY_ASSIGN(const Entry entry, stored_entry(reader, shard));
  const auto head = record::peek(entry.bytes);
  if (!head || head->shard != shard || !is_at(entry, position, *head)) {
    reader.seek(before);
    return false;
  }
  start.rule = VoidRule(shard, head->epoch, head->lsn);
  reader.give_again();
  return true;
}

}  // namespace

log::EnginePosition Position::encoded() const {
  std::array<std::uint8_t, position_bytes> bytes{};
  const std::uint64_t number = lsn.value();
  std::memcpy(bytes.data(), &offset, sizeof offset);
  std::memcpy(bytes.data() + 8, &number, sizeof number);
  std::memcpy(bytes.data() + 16, event_id.bytes().data(), 16);
  return log::EnginePosition(bytes);
}

std::optional<Position> Position::decode(const log::EnginePosition& position) {
  const base::BytesView bytes = position.bytes();
  if (bytes.size() != position_bytes) return std::nullopt;
  Position found;
  std::uint64_t number = 0;
  std::array<std::uint8_t, 16> id{};
  std::memcpy(&found.offset, bytes.data(), sizeof found.offset);
  std::memcpy(&number, bytes.data() + 8, sizeof number);
  std::memcpy(id.data(), bytes.data() + 16, id.size());
  if (found.offset > std::uint64_t{1} << 62 || number == 0) return std::nullopt;
  found.lsn = Lsn(number);
  found.event_id = base::Uuid(id);
  return found;
}

base::Result<Entry> stored_entry(PartitionReader& reader, log::ShardId shard) {
  const base::SystemClock clock;
  const base::Duration deadline = clock.monotonic() + entry_within;
  do {
    TRV_TRY_ASSIGN(auto entry, reader.next(std::chrono::milliseconds(100)));
    if (entry) return *entry;
  } while (clock.monotonic() < deadline);
  return fail(ErrorCode::unavailable,
              fmt::format("the entry of shard {} at offset {} did not come within {} s", shard.value(), reader.place(),
                          std::chrono::duration_cast<std::chrono::seconds>(entry_within).count()));
}

base::Result<ShardStart> beginning_of(const std::shared_ptr<Consumers>& consumers, log::ShardId shard) {
  TRV_TRY_ASSIGN(auto reader, PartitionReader::open(consumers, partition_of(shard), 0));
  if (reader->low() == 0) return ShardStart{std::move(reader), VoidRule(shard), Lsn(1)};
  // trim() leaves a record that counts at the beginning.
  TRV_TRY_ASSIGN(const Entry entry, stored_entry(*reader, shard));
  TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry.bytes));
  if (head.kind != record::EntryKind::record) {
    return fail(
        ErrorCode::corrupt,
        fmt::format("{} begins with a claim at offset {}: entries before it were deleted by something else than "
                    "this system; set retention.ms and retention.bytes of the topic to -1",
                    describe(consumers->settings(), partition_of(shard)), entry.offset));
  }
  const VoidRule rule(shard, head.epoch, head.lsn);
  reader->give_again();
  return ShardStart{std::move(reader), rule, head.lsn};
}

base::Result<ShardStart> start_of(const std::shared_ptr<Consumers>& consumers, log::ShardId shard, Lsn from,
                                  const log::EnginePosition& hint) {
  TRV_EXPECTS(from >= Lsn(1));
  TRV_TRY_ASSIGN(ShardStart start, beginning_of(consumers, shard));
  if (from < start.first) return begins_behind(shard, start.first, from);
  if (const auto hinted = Position::decode(hint); hinted && hinted->lsn <= from) {
    TRV_TRY(move_to(start, shard, *hinted));
  }
  // Void entries keep a record behind the offset that lsns alone would give it: the rest of the way is found in turns.
  for (int turn = 0; turn < turns_max; ++turn) {
    const std::int64_t place = start.reader->place();
    const std::int64_t left = start.reader->high() - place;
    const std::uint64_t lsns = from.value() - start.rule.next().value();
    const std::int64_t jump = lsns < static_cast<std::uint64_t>(left) ? static_cast<std::int64_t>(lsns) : left;
    if (jump <= worth_a_jump) break;
    TRV_TRY_ASSIGN(const auto near, counted_before(consumers, shard, {.low = place, .high = place + jump}, from));
    if (!near) break;
    TRV_TRY_ASSIGN(const bool is_moved, move_to(start, shard, *near));
    if (!is_moved) break;
  }
  TRV_ENSURES(start.rule.next() <= from || start.rule.next() == start.first);
  return start;
}

std::unexpected<base::Error> begins_behind(log::ShardId shard, Lsn first, Lsn from) {
  return fail(ErrorCode::not_found, fmt::format("the log of shard {} begins at lsn {}; lsn {} was trimmed",
                                                shard.value(), first.value(), from.value()));
}

}  // namespace trv::kafka
