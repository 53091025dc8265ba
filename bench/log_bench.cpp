// The event log against what it is made of: the embedded one against LMDB, the one on Kafka against librdkafka. Equal
// promises: durable with durable. Both sides of a figure take turns in one run, on the same disk or broker.
//
//   log_bench [--only append|embedded|kafka|replay|disk] [--records N] [--scale F] [--folder F] [--brokers HOST:PORT,…]
//   [--data F]
//
// Without brokers only the embedded log is measured; bench/broker.py starts some. `--data` is the folder of the first
// broker's partitions.

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <vector>

#include "bench/bare_kafka.hpp"
#include "bench/bare_lmdb.hpp"
#include "bench/report.hpp"
#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/topic.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "events/projection/example_projector.hpp"
#include "events/projection/projection.hpp"
#include "events/record/chain.hpp"

namespace trv::bench {
namespace {

constexpr std::array<std::size_t, 4> batch_sizes = {1, 16, 256, 4096};
constexpr std::array<std::size_t, 2> record_sizes = {256, 4096};
constexpr std::string_view bare_topic = "bare";
constexpr std::int32_t partitions = 8;  ///< the first for appends, one for replay, one for each size on the disk
const record::ShardId append_shard(0);
const record::ShardId replay_shard(1);
constexpr std::uint32_t first_disk_shard = 2;

struct Options {
  std::string only;
  std::uint64_t records = 1'000'000;
  std::size_t batch = 0;  ///< only this; 0: all
  double scale = 1;
  std::filesystem::path parent;
  std::string brokers;
  std::filesystem::path data;

  [[nodiscard]] bool runs(std::string_view part) const { return only.empty() || only == part; }
  [[nodiscard]] bool skips(std::size_t size) const { return batch != 0 && batch != size; }
};

/// Processor time of the first broker so far; 0 where none is known.
double broker_seconds(const std::filesystem::path& data) {
  std::ifstream pid_file(data.parent_path() / "pid");
  long pid = 0;
  if (data.empty() || !(pid_file >> pid)) return 0;
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  const std::string line((std::istreambuf_iterator<char>(stat)), {});
  // Behind the name, which may hold anything, are the state and ten numbers before those of user and system.
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 2)));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  if (!(fields >> user >> system)) give_up("the broker has ended");
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// What one side needed for each of its turns.
struct Turns {
  explicit Turns(std::filesystem::path of_broker = {}) : data(std::move(of_broker)) {}

  std::filesystem::path data;  ///< of the broker whose processor time is counted
  std::vector<double> seconds;
  double cpu = 0;         ///< of this process, in all turns
  double broker_cpu = 0;  ///< of the broker
  double records = 0;

  template <typename Work>
  void take(std::size_t count, const Work& work) {
    const double broker_before = broker_seconds(data);
    const double cpu_before = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    const Stopwatch watch;
    work();
    seconds.push_back(watch.seconds() / static_cast<double>(count));
    cpu += cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
    broker_cpu += broker_seconds(data) - broker_before;
    records += static_cast<double>(count);
  }
  /// Records a second, of the turn in the middle.
  [[nodiscard]] double rate() const {
    std::vector<double> sorted = seconds;
    std::ranges::sort(sorted);
    return 1 / sorted[sorted.size() / 2];
  }
  [[nodiscard]] double cpu_us() const { return cpu / records * 1e6; }
  [[nodiscard]] double broker_cpu_us() const { return broker_cpu / records * 1e6; }
};

void report_sides(const std::string& name, const Turns& log, const std::string& bare_name, const Turns& bare,
                  std::optional<double> goal) {
  constexpr std::string_view unit = "records/s, median of turns";
  report({.name = name,
          .value = log.rate(),
          .unit = unit,
          .compares_with = fmt::format("{}: {:.0f}", bare_name, bare.rate()),
          .ratio = log.rate() / bare.rate(),
          .floor = goal ? std::optional(ratio_at_least(*goal)) : std::nullopt});
  report({.name = name + "_cpu",
          .value = log.cpu_us(),
          .unit = "us per record, all threads of the process",
          .compares_with = fmt::format("{}: {:.2f}", bare_name, bare.cpu_us()),
          .ratio = log.cpu_us() / bare.cpu_us()});
  if (bare.broker_cpu == 0) return;
  report({.name = name + "_broker_cpu",
          .value = log.broker_cpu_us(),
          .unit = "us per record, of the first broker",
          .compares_with = fmt::format("{}: {:.2f}", bare_name, bare.broker_cpu_us()),
          .ratio = log.broker_cpu_us() / bare.broker_cpu_us()});
}

/// A payload that makes a record of the writer at least so long, by less than 8 bytes.
std::size_t payload_for(std::size_t record_bytes) {
  record::RecordEncoder encoder;
  for (std::size_t payload = 0;; ++payload) {
    const auto record = must(
        encoder.encode(record::example_draft(100'000, payload),
                       {.shard = append_shard, .lsn = record::Lsn(1), .epoch = record::Epoch(1), .prev_hash = {}}));
    if (record.stored().size() >= record_bytes) return payload;
  }
}

log::LogWriter claimed(log::EventLog& log, record::ShardId shard) {
  return log::LogWriter(must(log.claim(shard, "bench", base::Uuid())));
}

void settle(log::EventLog& log, const log::Ticket& ticket) {
  if (must(log.settle(ticket)).outcome != log::Outcome::appended) give_up("an append was lost");
}

/// Appends with so many batches on their way at most.
void append(log::EventLog& log, const log::LogWriter& writer, std::vector<log::Batch> batches, std::size_t depth) {
  std::deque<log::Ticket> under_way;
  for (log::Batch& batch : batches) {
    if (under_way.size() == depth) {
      settle(log, under_way.front());
      under_way.pop_front();
    }
    under_way.push_back(must(log.append(writer.claim(), std::move(batch))));
  }
  for (const log::Ticket& ticket : under_way) settle(log, ticket);
}

/// Ready for one turn: batches of a writer, all of one size.
std::vector<log::Batch> prepare(log::LogWriter& writer, std::size_t batches, std::size_t records, std::size_t payload) {
  std::vector<log::Batch> prepared;
  for (std::size_t i = 0; i < batches; ++i) prepared.push_back(writer.batch(records, payload));
  return prepared;
}

std::size_t scaled(double scale, std::size_t count) {
  return std::max<std::size_t>(2, static_cast<std::size_t>(scale * static_cast<double>(count)));
}

/// Runs them in an order that changes with every round, so that a slow moment hits each in its turn.
void take_turns(std::size_t round, std::vector<std::function<void()>> sides) {
  std::ranges::rotate(sides, sides.begin() + static_cast<std::ptrdiff_t>(round % sides.size()));
  for (const auto& side : sides) side();
}

void measure_embedded_append(const Options& options) {
  const ScratchFolder folder("log_bench", options.parent);
  for (const std::size_t record_bytes : record_sizes) {
    const std::size_t payload = payload_for(record_bytes);
    for (const std::size_t batch : batch_sizes) {
      if (options.skips(batch)) continue;
      const std::string size = fmt::format("{}_of_{}", batch, record_bytes);
      BareLmdb bare(folder.path() / ("bare_" + size));
      const auto log = must(log::LmdbEventLog::open(folder.path() / size));
      log::LogWriter writer = claimed(*log, append_shard);
      const std::size_t rounds = std::clamp<std::size_t>((std::size_t{512} << 20) / (batch * record_bytes), 24, 400);
      Turns encoding;
      Turns of_log;
      Turns of_bare;
      for (std::size_t round = 0; round < scaled(options.scale, rounds); ++round) {
        std::vector<log::Batch> batches;
        encoding.take(batch, [&] { batches = prepare(writer, 1, batch, payload); });
        const log::Batch same = batches.front();
        take_turns(round, {[&] { of_bare.take(batch, [&] { bare.append(same); }); },
                           [&] { of_log.take(batch, [&] { append(*log, writer, std::move(batches), 1); }); }});
      }
      report_sides("embedded_append_" + size, of_log, "bare LMDB", of_bare, 0.9);
      if (batch != 256) continue;
      report({.name = fmt::format("record_encode_and_hash_{}", record_bytes),
              .value = encoding.rate(),
              .unit = "records/s, median of turns"});
    }
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }
}

/// The headers that the log gives such a record.
rd_kafka_headers_t* headers_of(const record::RecordView& record) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(10);
  const auto add = [headers](std::string_view name, const std::string& value) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  };
  add("ce_specversion", "1.0");
  add("ce_id", record.event_id().to_string());
  add("ce_type", std::string(record.type()));
  add("ce_source", fmt::format("/tenants/{}/{}", record.tenant(), record.stream_kind()));
  add("ce_subject", std::string(record.stream_id()));
  add("ce_time", record.time().to_rfc3339());
  add("ce_sequence", fmt::format("{}", record.lsn().value()));
  add("ce_epoch", fmt::format("{}", record.epoch().value()));
  add("content-type", "application/vnd.travertine.record");
  return headers;
}

/// One turn of the bare producer: each batch acknowledged, with so many on their way at most.
class BareTurn {
 public:
  enum class Headers { same, none };

  BareTurn(const std::vector<log::Batch>& batches, Headers headers) : batches_(batches), headers_(headers) {
    if (headers == Headers::none) return;
    for (const log::Batch& batch : batches) {
      for (std::size_t i = 0; i < batch.size(); ++i) ready_.push_back(headers_of(batch.view(i)));
    }
  }
  void run(BareProducer& producer, std::size_t depth) {
    const std::uint64_t before = producer.sent();
    const std::size_t each = batches_.front().size();
    std::size_t next = 0;
    for (std::size_t b = 0; b < batches_.size(); ++b) {
      if (b >= depth) producer.await(before + (b - depth + 1) * each);
      for (std::size_t i = 0; i < each; ++i) {
        producer.send(batches_[b].at(i), "acme", headers_ == Headers::none ? nullptr : ready_[next++]);
      }
    }
    producer.await(producer.sent());
  }

 private:
  const std::vector<log::Batch>& batches_;
  Headers headers_;
  std::vector<rd_kafka_headers_t*> ready_;
};

void measure_kafka_append(const Options& options, const kafka::Settings& settings) {
  kafka::KafkaEventLog log(settings);
  log::LogWriter writer = claimed(log, append_shard);
  BareProducer bare(options.brokers, std::string(bare_topic));
  for (const std::size_t record_bytes : record_sizes) {
    const std::size_t payload = payload_for(record_bytes);
    for (const std::size_t batch : batch_sizes) {
      if (options.skips(batch)) continue;
      for (const std::size_t depth : {std::size_t{1}, std::size_t{4}}) {
        const std::size_t batches = std::clamp<std::size_t>((std::size_t{16} << 20) / (batch * record_bytes), 4, 128);
        const std::size_t records = batch * batches;
        Turns of_log(options.data);
        Turns of_bare(options.data);
        Turns of_values(options.data);
        for (std::size_t round = 0; round < scaled(options.scale, 9); ++round) {
          std::vector<log::Batch> own = prepare(writer, batches, batch, payload);
          const std::vector<log::Batch> same = own;
          BareTurn whole(same, BareTurn::Headers::same);
          BareTurn values(same, BareTurn::Headers::none);
          take_turns(round, {[&] { of_bare.take(records, [&] { whole.run(bare, depth); }); },
                             [&] { of_log.take(records, [&] { append(log, writer, std::move(own), depth); }); },
                             [&] { of_values.take(records, [&] { values.run(bare, depth); }); }});
        }
        const std::string name = fmt::format("kafka_append_{}_of_{}_depth_{}", batch, record_bytes, depth);
        report_sides(name, of_log, "bare producer, same messages", of_bare,
                     batch >= 256 ? std::optional(0.9) : std::nullopt);
        report_sides(name + "_to_values", of_log, "bare producer, values without headers", of_values, std::nullopt);
      }
    }
  }
}

void read_all(log::EventLog& log, record::Lsn last, record::ChainVerifier* chain) {
  const auto reader = must(log.read(replay_shard, record::Lsn(1)));
  for (record::Lsn lsn(1); lsn <= last; lsn = lsn.next()) {
    const auto stored = must(reader->next(std::chrono::seconds(30)));
    if (!stored || stored->lsn != lsn) give_up("the log does not deliver what it holds");
    if (chain != nullptr) must(chain->accept(must(record::RecordView::over(stored->bytes))));
  }
}

/// Takes a new projection to the end of the log.
void catch_up(const Options& options, log::EventLog& log, std::vector<projection::Projector*> projectors,
              record::Lsn last, Turns& turns) {
  const ScratchFolder folder("log_bench_replay", options.parent);
  projection::ProjectionOptions where;
  where.folder = folder.path();
  const auto projection = must(projection::Projection::open(where, replay_shard, std::move(projectors)));
  turns.take(last.value(), [&] { must(projection->catch_up(log)); });
  if (projection->applied().lsn != last) give_up("the projection is not at the end of the log");
}

void measure_kafka_replay(const Options& options, const kafka::Settings& settings) {
  kafka::KafkaEventLog log(settings);
  log::LogWriter writer = claimed(log, replay_shard);
  const std::size_t payload = payload_for(record_sizes.front());
  while (writer.next().value() <= options.records) append(log, writer, prepare(writer, 8, 1024, payload), 4);
  const record::Lsn last = must(log.bounds(replay_shard)).last;
  Turns of_bare(options.data);
  Turns of_log(options.data);
  Turns verified;
  Turns replayed;
  Turns projected;
  for (std::size_t round = 0; round < scaled(options.scale, 5); ++round) {
    take_turns(round, {[&] {
                         of_bare.take(last.value(), [&] {
                           read_bare(options.brokers, settings.topic, replay_shard.value(), last.value());
                         });
                       },
                       [&] { of_log.take(last.value(), [&] { read_all(log, last, nullptr); }); },
                       [&] {
                         record::ChainVerifier chain(replay_shard);
                         verified.take(last.value(), [&] { read_all(log, last, &chain); });
                       },
                       [&] { catch_up(options, log, {}, last, replayed); },
                       [&] {
                         projection::ExampleProjector projector;
                         catch_up(options, log, {&projector}, last, projected);
                       }});
  }
  const auto report_rate = [&](const std::string& name, const Turns& turns, std::optional<Floor> floor) {
    report({.name = name,
            .value = turns.rate(),
            .unit = "records/s, median of turns",
            .compares_with = fmt::format("bare consumer: {:.0f}", of_bare.rate()),
            .ratio = turns.rate() / of_bare.rate(),
            .floor = floor});
    report({.name = name + "_cpu", .value = turns.cpu_us(), .unit = "us per record, all threads of the process"});
  };
  report_rate("kafka_read", of_log, at_least(500'000));
  report_rate("kafka_read_and_verify", verified, std::nullopt);
  report_rate("kafka_replay_verified", replayed, at_least(500'000));
  report_rate("kafka_replay_example", projected, std::nullopt);
}

/// Blocks that the files of a folder have on the disk.
double disk_bytes(const std::filesystem::path& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    struct stat file{};
    if (::stat(entry.path().c_str(), &file) != 0) give_up("the files of a log cannot be counted");
    bytes += static_cast<double>(file.st_blocks) * 512;
  }
  return bytes;
}

void measure_disk(const Options& options, log::EventLog& log, std::string_view name,
                  const std::function<std::filesystem::path(record::ShardId)>& files) {
  std::uint32_t next_shard = first_disk_shard;
  for (const std::size_t payload : {std::size_t{64}, std::size_t{256}, std::size_t{4096}}) {
    const record::ShardId shard(next_shard++);
    log::LogWriter writer = claimed(log, shard);
    const double before = disk_bytes(files(shard));
    const std::size_t batches = scaled(options.scale, 100);
    append(log, writer, prepare(writer, batches, 256, payload), 1);
    const auto events = static_cast<double>(batches * 256);
    const double each = (disk_bytes(files(shard)) - before) / events;
    const double record = static_cast<double>(writer.batch(1, payload).bytes());
    report({.name = fmt::format("{}_bytes_per_event_of_{}", name, payload),
            .value = each,
            .unit = fmt::format("bytes on disk; the record has {:.0f}", record),
            .compares_with = "bytes of the payload",
            .ratio = each / static_cast<double>(payload)});
  }
}

void measure_disks(const Options& options, const std::optional<kafka::Settings>& settings) {
  const ScratchFolder folder("log_bench_disk", options.parent);
  const auto embedded = must(log::LmdbEventLog::open(folder.path()));
  measure_disk(options, *embedded, "embedded", [&](record::ShardId) { return folder.path(); });
  if (!settings || options.data.empty()) return;
  kafka::KafkaEventLog log(*settings);
  measure_disk(options, log, "kafka", [&](record::ShardId shard) {
    return options.data / fmt::format("{}-{}", settings->topic, shard.value());
  });
}

/// The topics of the brokers, as `trav cluster init` makes them.
kafka::Settings with_topics(const Options& options) {
  kafka::Settings settings;
  settings.brokers = options.brokers;
  settings.topic = "log-bench";
  const auto brokers = std::ranges::count(options.brokers, ',') + 1;
  const kafka::TopicShape shape{.partitions = partitions,
                                .replication = static_cast<std::int16_t>(brokers),
                                .in_sync_min = static_cast<std::int16_t>(brokers == 1 ? 1 : 2)};
  must(kafka::create_topic(settings, shape));
  kafka::Settings bare = settings;
  bare.topic = bare_topic;
  must(kafka::create_topic(bare, shape));
  return settings;
}

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--only") options.only = argv[i + 1];
    if (flag == "--records") options.records = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--batch") options.batch = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--scale") options.scale = std::strtod(argv[i + 1], nullptr);
    if (flag == "--folder") options.parent = argv[i + 1];
    if (flag == "--brokers") options.brokers = argv[i + 1];
    if (flag == "--data") options.data = argv[i + 1];
  }
  if (argc % 2 == 0 || options.records == 0 || !(options.scale > 0)) {
    give_up(
        "usage: log_bench [--only append|embedded|kafka|replay|disk] [--records N] [--scale F] [--folder F] [--brokers "
        "B] [--data F]");
  }
  std::optional<kafka::Settings> settings;
  if (!options.brokers.empty()) settings = with_topics(options);
  if (options.runs("append") || options.runs("embedded")) measure_embedded_append(options);
  if (settings && (options.runs("append") || options.runs("kafka"))) measure_kafka_append(options, *settings);
  if (settings && options.runs("replay")) measure_kafka_replay(options, *settings);
  if (options.runs("disk")) measure_disks(options, settings);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
