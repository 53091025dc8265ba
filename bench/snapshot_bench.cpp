// How fast snapshots are taken of a shard that is in use, and a start begins with one.
//
//   snapshot_bench [--records N] [--rounds N] [--folder F]

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "bench/shard_under_test.hpp"
#include "events/projection/snapshots.hpp"
#include "sdk/base/file_copy.hpp"

namespace trv::bench {
namespace {

constexpr std::string_view hello = R"(
document: {dsl: 1.0.3, namespace: bench, name: hello, version: 1.0.0}
do:
  - greet: {set: {text: Hello, count: "${ 1 + 1 }"}}
)";
constexpr double mib = 1024 * 1024;

struct Sizes {
  std::uint64_t records = 200'000;
  std::uint64_t rounds = 3;
};

/// The middle one of several runs, each after `prepare`, in seconds.
double measure(std::uint64_t rounds, const std::function<void()>& prepare, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    prepare();
    const Stopwatch watch;
    work();
    seconds.push_back(watch.seconds());
  }
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

double rows_of(const projection::Projection& projection) {
  auto txn = must(projection.begin_read());
  double rows = 0;
  for (const std::string& name : must(txn.table_names())) {
    rows += static_cast<double>(must(must(txn.open_table(name)).count(txn)));
  }
  return rows;
}

std::uint64_t to_number(const char* text) {
  const std::uint64_t number = std::strtoull(text, nullptr, 10);
  if (number == 0) give_up("sizes start at 1");
  return number;
}

void measure_snapshots(const std::filesystem::path& folder, const Sizes& sizes) {
  const auto log = ShardUnderTest::open_log(folder);
  ShardUnderTest shard(folder / "projection", log, only_shard);
  shard.apply_definition(std::string(hello));
  progress("instances of one step, until the log has {} records", sizes.records);
  while (shard.metrics().records < sizes.records) shard.start_instance("hello");
  shard.drain();
  const double rows = rows_of(shard.projection());
  const auto records = static_cast<double>(must(shard.projection().committed()).lsn.value());

  base::SystemClock clock;
  base::SystemRandom random;
  const auto snapshots = must(projection::Snapshots::open(
      folder / "snapshots",
      {.log = *log, .clock = clock, .random = random, .report = [](const std::string& line) { give_up(line); }}));
  projection::Snapshot taken;
  const double take = measure(
      sizes.rounds, [&] { must(snapshots->keep_newest(only_shard, 1)); },
      [&] { taken = must(snapshots->take(shard.projection())); });
  const std::filesystem::path copy = folder / "copy";
  const double bare = measure(
      sizes.rounds, [&] { std::filesystem::remove(copy); },
      [&] { (void)must(base::copy_file(taken.folder / projection::content_name, copy, 0600)); });
  const double size = static_cast<double>(taken.bytes) / mib;
  progress("a snapshot of {} rows has {:.1f} MiB", rows, size);
  report({.name = "snapshot_take",
          .value = size / take,
          .unit = "MiB/s",
          .compares_with = "a copy of the snapshot's file with its SHA-256 and fsync",
          .ratio = bare / take});
  report({.name = "snapshot_take_rows", .value = rows / take, .unit = "rows/s"});

  const std::filesystem::path fresh = folder / "fresh";
  const auto begin = [&](projection::Snapshots* from) {
    return measure(
        sizes.rounds, [&] { std::filesystem::remove_all(fresh); },
        [&] {
          node::ShardStores stores;
          must(stores.open({.id = only_shard, .folder = fresh, .snapshots = from}));
          (void)must(stores.projection->catch_up(*log));
          if (stores.projection->applied().lsn.value() != static_cast<std::uint64_t>(records)) {
            give_up("the state is not at the end of its log");
          }
        });
  };
  const double restore = begin(snapshots.get());
  const double replay = begin(nullptr);
  report({.name = "snapshot_restore",
          .value = size / restore,
          .unit = "MiB/s",
          .compares_with = "a replay of the same log",
          .ratio = replay / restore});
  report({.name = "snapshot_restore_rows", .value = rows / restore, .unit = "rows/s"});
  report({.name = "snapshot_restore_records",
          .value = records / restore,
          .unit = "records/s that need no replay",
          .compares_with = "a replay of the same log",
          .ratio = replay / restore});
}

int run(int argc, char** argv) {
  Sizes sizes;
  std::filesystem::path parent;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) give_up(fmt::format("{} is not a flag, or lacks its value", flag));
    if (flag == "--records") {
      sizes.records = to_number(argv[i + 1]);
    } else if (flag == "--rounds") {
      sizes.rounds = to_number(argv[i + 1]);
    } else if (flag == "--folder") {
      parent = argv[i + 1];
    } else {
      give_up(fmt::format("{} is not a flag", flag));
    }
  }
  const ScratchFolder scratch("snapshot_bench", parent);
  measure_snapshots(scratch.path(), sizes);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
