// Speed of replay and restart on the embedded log. Prints one JSON object per line:
// see bench/report.hpp. What is compared runs in the same run on the same disk.
//
//   events_bench [--records N] [--folder F]

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/report.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "events/projection/example_projector.hpp"
#include "events/projection/projection.hpp"
#include "events/record/chain.hpp"
#include "sdk/base/contract.hpp"

namespace trv::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t batch_records = 256;
const record::ShardId shard(0);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::unique_ptr<log::LmdbEventLog> open_log(const std::filesystem::path& folder) {
  auto log = log::LmdbEventLog::open(folder);
  TRV_ASSERT(log.has_value());
  return std::move(*log);
}

log::LogWriter claimed(log::EventLog& log) {
  const auto claim = log.claim(shard, "bench", base::Uuid());
  TRV_ASSERT(claim.has_value());
  return log::LogWriter(*claim);
}

void append(log::EventLog& log, const log::LogWriter& writer, log::Batch batch) {
  const auto ticket = log.append(writer.claim(), std::move(batch));
  TRV_ASSERT(ticket.has_value());
  const auto settled = log.settle(*ticket);
  TRV_ASSERT(settled.has_value() && settled->outcome == log::Outcome::appended);
}

void fill(const std::filesystem::path& folder, std::uint64_t records) {
  const auto log = open_log(folder);
  log::LogWriter writer = claimed(*log);
  while (writer.next().value() <= records) append(*log, writer, writer.batch(4096, 100));
}

projection::ProjectionOptions options_in(const std::filesystem::path& folder) {
  projection::ProjectionOptions options;
  options.folder = folder;
  return options;
}

void measure_replay(const std::filesystem::path& folder, std::uint64_t records) {
  fill(folder / "log", records);
  const auto log = open_log(folder / "log");
  const auto bounds = log->bounds(shard);
  TRV_ASSERT(bounds.has_value());
  const double count = static_cast<double>(bounds->last.value());
  {
    auto reader = log->read(shard, record::Lsn(1));
    record::ChainVerifier chain(shard);
    const auto start = Clock::now();
    while (chain.last() < bounds->last) {
      const auto stored = (*reader)->next(base::Duration::zero());
      TRV_ASSERT(stored.has_value() && stored->has_value());
      const auto view = record::RecordView::over((*stored)->bytes);
      TRV_ASSERT(view.has_value() && chain.accept(*view).has_value());
    }
    report({.name = "read_and_verify_chain", .value = count / seconds_since(start), .unit = "records/s"});
  }
  projection::ExampleProjector projector;
  auto projection = projection::Projection::open(options_in(folder / "replay"), shard, {&projector});
  TRV_ASSERT(projection.has_value());
  const auto start = Clock::now();
  const double cpu_start = cpu_seconds();
  TRV_ASSERT((*projection)->catch_up(*log).has_value());
  const double rate = count / seconds_since(start);
  report({.name = "replay_example_cpu", .value = (cpu_seconds() - cpu_start) / count * 1e6, .unit = "us per record"});
  report({.name = "replay_example", .value = rate, .unit = "records/s", .floor = at_least(300'000)});
}

/// A process that holds log and projection is killed; how long until another one is where it was.
void measure_restart(const std::filesystem::path& folder) {
  const pid_t child = ::fork();
  TRV_ASSERT(child >= 0);
  if (child == 0) {
    const auto log = open_log(folder / "log");
    projection::ExampleProjector projector;
    auto projection = projection::Projection::open(options_in(folder / "replay"), shard, {&projector});
    TRV_ASSERT(projection.has_value() && (*projection)->catch_up(*log).has_value());
    // Acknowledged by the log, not yet in the projection.
    log::LogWriter writer = claimed(*log);
    append(*log, writer, writer.batch(batch_records, 100));
    ::kill(::getpid(), SIGKILL);
  }
  TRV_ASSERT(::waitpid(child, nullptr, 0) == child);
  const auto start = Clock::now();
  const auto log = open_log(folder / "log");
  projection::ExampleProjector projector;
  auto projection = projection::Projection::open(options_in(folder / "replay"), shard, {&projector});
  TRV_ASSERT(projection.has_value());
  const log::LogWriter writer = claimed(*log);
  const auto caught_up = (*projection)->catch_up(*log);
  TRV_ASSERT(caught_up.has_value() && !caught_up->rebuilt);
  TRV_ASSERT(caught_up->to.next() == writer.claim().next);
  const double seconds = seconds_since(start);
  report({.name = "restart_example_after_kill", .value = seconds * 1000, .unit = "ms", .floor = at_most(5'000)});
}

int run(int argc, char** argv) {
  std::uint64_t records = 200'000;
  std::filesystem::path folder = std::filesystem::temp_directory_path() / fmt::format("events_bench_{}", ::getpid());
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--records")
      records = std::strtoull(argv[i + 1], nullptr, 10);
    else if (flag == "--folder")
      folder = argv[i + 1];
  }
  if (argc % 2 == 0 || records == 0) {
    give_up("usage: events_bench [--records N] [--folder F]");
  }
  measure_replay(folder, records);
  measure_restart(folder);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
