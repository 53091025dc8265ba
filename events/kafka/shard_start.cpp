#include "events/kafka/shard_start.hpp"

#include <fmt/format.h>

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

/// Whether the entry is the record that the position names.
bool is_at(const Entry& entry, const Position& position, const record::EntryHead& head) {
  if (static_cast<std::uint64_t>(entry.offset) != position.offset) return false;
  if (head.kind != record::EntryKind::record || head.lsn != position.lsn) return false;
  const auto id = record::event_id_of(entry.bytes);
  return id && *id == position.event_id;
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

base::Result<ShardStart> start_of(const std::shared_ptr<Consumers>& consumers, log::ShardId shard, Lsn from,
                                  const log::EnginePosition& hint) {
  TRV_EXPECTS(from >= Lsn(1));
  const auto position = Position::decode(hint);
  const bool is_hinted = position && position->lsn <= from;
  const auto hinted = is_hinted ? static_cast<std::int64_t>(position->offset) : 0;
  TRV_TRY_ASSIGN(auto reader, PartitionReader::open(consumers, partition_of(shard), hinted));
  if (is_hinted && reader->low() <= hinted && hinted < reader->high()) {
    TRV_TRY_ASSIGN(const Entry entry, stored_entry(*reader, shard));
    const auto head = record::peek(entry.bytes);
    if (head && head->shard == shard && is_at(entry, *position, *head)) {
      const VoidRule rule(shard, head->epoch, head->lsn);
      TRV_TRY(reader->seek(hinted));
      return ShardStart{std::move(reader), rule, head->lsn};
    }
  }
  if (is_hinted) TRV_TRY(reader->seek(reader->low()));
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
  if (from < head.lsn) return begins_behind(shard, head.lsn, from);
  const VoidRule rule(shard, head.epoch, head.lsn);
  TRV_TRY(reader->seek(entry.offset));
  return ShardStart{std::move(reader), rule, head.lsn};
}

std::unexpected<base::Error> begins_behind(log::ShardId shard, Lsn first, Lsn from) {
  return fail(ErrorCode::not_found, fmt::format("the log of shard {} begins at lsn {}; lsn {} was trimmed",
                                                shard.value(), first.value(), from.value()));
}

}  // namespace trv::kafka
