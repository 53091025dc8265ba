#include "kernel/recovery/records.hpp"

#include <fmt/format.h>

#include "events/record/aligned_bytes.hpp"

namespace trv::recovery {

base::Result<Read> read_records(Target& target, const RecordsEntry& entry, const TakeRecord& take) {
  constexpr std::size_t prefix = 4;
  TRV_TRY_ASSIGN(const base::Bytes bytes, read_object(target, entry.object));
  const auto damaged = [&](std::string_view what) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{}: {}", target.place_of(entry.object.sha256), what));
  };
  record::AlignedBytes aligned;
  base::BytesView rest(bytes);
  Lsn next = entry.first;
  while (!rest.empty()) {
    if (rest.size() < prefix) return damaged("it ends in the middle of a record");
    const std::uint64_t size =
        prefix + (static_cast<std::uint64_t>(rest[0]) | static_cast<std::uint64_t>(rest[1]) << 8 |
                  static_cast<std::uint64_t>(rest[2]) << 16 | static_cast<std::uint64_t>(rest[3]) << 24);
    if (size > rest.size() || size > record::record_bytes_max) return damaged("it ends in the middle of a record");
    aligned.clear();
    aligned.append(rest.first(size));
    const auto record = record::RecordView::over(aligned.view(0, size));
    if (!record) return damaged(record.error().message());
    if (record->shard() != entry.shard || record->lsn() != next || next > entry.last) {
      return damaged(fmt::format("it has record {} of shard {} where record {} of shard {} is expected",
                                 record->lsn().value(), record->shard().value(), next.value(), entry.shard.value()));
    }
    TRV_TRY_ASSIGN(const Read read, take(*record));
    if (read == Read::stop) return Read::stop;
    next = next.next();
    rest = rest.subspan(size);
  }
  if (next != entry.last.next()) return damaged(fmt::format("record {} is missing", next.value()));
  return Read::go_on;
}

}  // namespace trv::recovery
