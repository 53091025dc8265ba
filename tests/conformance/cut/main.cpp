// trv_cut_log FROM TO RECORDS: TO becomes the embedded log of a process that ended behind the first RECORDS records of
// shard 0 in FROM, be it within a decision. FROM stays as it is; prints how many records it has. For tests.

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <span>

#include "events/log/lmdb_event_log.hpp"
#include "events/record/record.hpp"
#include "sdk/base/random.hpp"

namespace trv {
namespace {

constexpr log::ShardId shard{0};

base::Status put(log::EventLog& to, const record::RecordView& record, std::optional<log::Claim>& claim) {
  if (!claim || claim->epoch != record.epoch()) {
    base::SystemRandom random;
    TRV_TRY_ASSIGN(claim, to.claim_as(shard, record.epoch(), "cut", base::Uuid::v7(record.time(), random)));
  }
  log::Batch batch;
  batch.add(record);
  TRV_TRY_ASSIGN(const log::Ticket ticket, to.append(*claim, std::move(batch)));
  TRV_TRY_ASSIGN(const log::Settled settled, to.settle(ticket));
  if (settled.outcome == log::Outcome::appended) return {};
  return base::fail(base::ErrorCode::conflict, "another process has claimed the log");
}

base::Result<std::uint64_t> cut(const std::filesystem::path& from_folder, const std::filesystem::path& to_folder,
                                std::uint64_t records) {
  TRV_TRY_ASSIGN(const auto from, log::LmdbEventLog::open(from_folder));
  TRV_TRY_ASSIGN(const auto to, log::LmdbEventLog::open(to_folder));
  TRV_TRY_ASSIGN(const auto reader, from->read(shard, log::Lsn(1)));
  std::optional<log::Claim> claim;
  std::uint64_t found = 0;
  for (;;) {
    TRV_TRY_ASSIGN(const auto stored, reader->next(base::Duration(0)));
    if (!stored) return found;
    if (++found > records) continue;
    TRV_TRY_ASSIGN(const auto record, record::RecordView::over(stored->bytes));
    TRV_TRY(put(*to, record, claim));
  }
}

}  // namespace
}  // namespace trv

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  if (arguments.size() != 4) {
    fmt::print(stderr, "use: trv_cut_log FROM TO RECORDS\n");
    return 2;
  }
  const auto found = trv::cut(arguments[1], arguments[2], std::strtoull(arguments[3], nullptr, 10));
  if (!found) {
    fmt::print(stderr, "trv_cut_log: {}\n", found.error().message());
    return 1;
  }
  fmt::print("{}\n", *found);
  return 0;
}
