// trav backup: copies of what travd has, made while it runs, and what comes back from them. No server is asked.

#include "events/backup/backup.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <optional>

#include "events/keys/cluster_key.hpp"
#include "kernel/cli/commands/data_place.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/progress_line.hpp"
#include "kernel/cli/commands/session.hpp"
#include "kernel/config/backup_target.hpp"
#include "kernel/config/event_log.hpp"
#include "kernel/recovery/create.hpp"
#include "kernel/recovery/drill.hpp"
#include "kernel/recovery/open_target.hpp"
#include "kernel/recovery/restore.hpp"
#include "kernel/recovery/signing.hpp"
#include "kernel/recovery/verify.hpp"
#include "kernel/s3/place.hpp"
#include "sdk/base/random.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

struct BackupArguments {
  std::string target;
  std::string data;
  std::string to;
  std::string key;
  std::string until_time;
  std::string until_event;
  std::string until_lsn;
  std::string scratch;
  std::string config;
  bool new_base = false;
  bool with_state = false;
};

std::string size_text(std::uint64_t bytes) {
  return bytes < 10'000'000 ? fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3)
                            : fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

Result<std::optional<note::VerifierKey>> trusted_key(const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto key = note::VerifierKey::parse(text);
  if (!key) {
    return fail(ErrorCode::invalid, fmt::format("--key: '{}' is not a key as `trav backup create` prints it: {}", text,
                                                key.error().message()));
  }
  return std::optional(*std::move(key));
}

/// What a command works with.
class Work {
 public:
  Work(Session& session, const BackupArguments& arguments)
      : session_(session), arguments_(arguments), line_(session.world()) {}

  Result<std::unique_ptr<recovery::Target>> target() {
    TRV_TRY_ASSIGN(const config::Config config, target_config());
    return recovery::open_target(arguments_.target, config, session_.world().clock, random_);
  }
  recovery::Progress progress() {
    return [this](std::string_view what, std::uint64_t done, std::uint64_t total) {
      if (!line_.is_due()) return;
      line_.show(total == 0 ? fmt::format("{}: {}", what, done) : fmt::format("{}: {} of {}", what, done, total));
    };
  }

  Result<ExitCode> create() {
    TRV_TRY_ASSIGN(const auto to, target());
    TRV_TRY_ASSIGN(const recovery::Taken taken, take_segment(*to, arguments_.with_state));
    for (const std::string& problem : taken.problems) session_.warn(problem);
    print(taken);
    return ExitCode::ok;
  }

  Result<ExitCode> verify() {
    std::error_code error;
    if (is_folder() && std::filesystem::exists(std::filesystem::path(arguments_.target) / "backup.sha256", error)) {
      return verify_copy();
    }
    TRV_TRY_ASSIGN(const auto trusted, trusted_key(arguments_.key));
    TRV_TRY_ASSIGN(const auto from, target());
    TRV_TRY_ASSIGN(const recovery::Verified done, of_place(recovery::verify(*from, trusted, progress())));
    line_.clear();
    const recovery::Segment& last = *done.history.last();
    if (session_.as_json()) {
      json::Value value = json::Value::object();
      value.set("target", json::Value(from->name()));
      value.set("segments", json::Value(last.number));
      value.set("objects", json::Value(done.objects));
      value.set("bytes", json::Value(done.bytes));
      value.set("records", json::Value(done.records));
      value.set("files", json::Value(done.files));
      value.set("until", json::Value(last.cut.to_rfc3339()));
      value.set("key", json::Value(last.key));
      value.set("key_compared", json::Value(trusted.has_value()));
      session_.print_value(value);
      return ExitCode::ok;
    }
    session_.print(
        fmt::format("{}: {} segments, {} records, {} files, {}; all as they were backed up, up to {}\nsigned by {}{}",
                    from->name(), last.number, done.records, done.files, size_text(done.bytes), last.cut.to_rfc3339(),
                    last.key, trusted ? "" : ", as it says itself: give --key KEY to have that compared"));
    return ExitCode::ok;
  }

  Result<ExitCode> list() {
    TRV_TRY_ASSIGN(const auto trusted, trusted_key(arguments_.key));
    TRV_TRY_ASSIGN(const auto from, target());
    TRV_TRY_ASSIGN(const recovery::History history, of_place(recovery::read_history(*from, trusted)));
    if (history.last() == nullptr) {
      return fail(ErrorCode::not_found, fmt::format("{} holds no backup: it has no segments. Look at its name, or make "
                                                    "one with `trav backup create`",
                                                    from->name()));
    }
    if (session_.as_json()) {
      json::Value segments = json::Value::array();
      for (const recovery::Segment& one : history.segments) segments.push_back(as_json(one));
      session_.print_value(segments);
      return ExitCode::ok;
    }
    std::string text = "SEGMENT  BASE  UNTIL                        RECORDS  ADDED";
    for (const recovery::Segment& one : history.segments) {
      text += fmt::format("\n{:<7}  {:<4}  {}  {:>7}  {}", one.number, one.base, one.cut.to_rfc3339(), one.records,
                          size_text(one.bytes));
    }
    session_.print(text);
    return ExitCode::ok;
  }

  Result<ExitCode> restore() {
    TRV_TRY_ASSIGN(const recovery::Until moment, until());
    TRV_TRY_ASSIGN(const auto trusted, trusted_key(arguments_.key));
    if (is_folder() && config::is_within(arguments_.to, arguments_.target)) {
      return fail(ErrorCode::invalid, fmt::format("--to {} is in the backup {}; name a folder outside of it",
                                                  arguments_.to, arguments_.target));
    }
    TRV_TRY_ASSIGN(const auto from, target());
    TRV_TRY_ASSIGN(const recovery::Restored restored,
                   of_place(recovery::restore(*from, trusted, arguments_.to, moment, session_.world().clock, random_,
                                              progress())));
    line_.clear();
    if (session_.as_json()) {
      json::Value shards = json::Value::array();
      for (const recovery::RestoredShard& one : restored.shards) {
        json::Value shard = json::Value::object();
        shard.set("shard", json::Value(one.shard.value()));
        shard.set("last", json::Value(one.last.value()));
        shard.set("time", json::Value(one.time.to_rfc3339()));
        shards.push_back(std::move(shard));
      }
      json::Value value = json::Value::object();
      value.set("folder", json::Value(arguments_.to));
      value.set("segment", json::Value(restored.segment));
      value.set("records", json::Value(restored.records));
      value.set("files", json::Value(restored.files));
      value.set("bytes", json::Value(restored.bytes));
      value.set("shards", std::move(shards));
      session_.print_value(value);
      return ExitCode::ok;
    }
    std::string text = fmt::format("{}: {} records, {} files, {}", arguments_.to, restored.records, restored.files,
                                   size_text(restored.bytes));
    for (const recovery::RestoredShard& one : restored.shards) {
      text +=
          fmt::format("\n  shard {} up to record {}, {}", one.shard.value(), one.last.value(), one.time.to_rfc3339());
    }
    session_.print(text + fmt::format("\nNext: travd --data {}\nDo not run it beside the original: effects of "
                                      "instances that had not ended go out again.",
                                      arguments_.to));
    return ExitCode::ok;
  }

  Result<ExitCode> drill() {
    TRV_TRY_ASSIGN(const auto trusted, trusted_key(arguments_.key));
    TRV_TRY_ASSIGN(const auto from, target());
    std::optional<base::Duration> recovery_point;
    if (!arguments_.data.empty()) {
      TRV_TRY_ASSIGN(const recovery::History before, of_place(recovery::read_history(*from, trusted)));
      if (before.last() != nullptr) recovery_point = session_.world().clock.now() - before.last()->cut;
      TRV_TRY(take_segment(*from, true));
    }
    std::error_code error;
    const std::filesystem::path parent = arguments_.scratch.empty() ? std::filesystem::temp_directory_path(error)
                                                                    : std::filesystem::path(arguments_.scratch);
    TRV_TRY_ASSIGN(
        const recovery::Drilled done,
        of_place(recovery::drill(*from, trusted, parent, recovery_point, session_.world().clock, random_, progress())));
    line_.clear();
    if (session_.as_json()) {
      session_.print_value(recovery::as_json(done));
    } else {
      session_.print(recovery::as_text(done));
    }
    return done.has_problem() ? ExitCode::verification_failed : ExitCode::ok;
  }

  Result<ExitCode> schedule() {
    TRV_TRY_ASSIGN(const Place place, place_of(session_.world(), "--config", arguments_.config));
    const config::Config& config = place.config;
    if (config.backup_target.empty()) {
      return fail(
          ErrorCode::denied,
          fmt::format("{} has no backup.target: travd takes no backups. Set it, and restart travd", place.name));
    }
    TRV_TRY_ASSIGN(const auto to, recovery::open_target(config.backup_target, config, session_.world().clock, random_));
    TRV_TRY_ASSIGN(const recovery::History history, of_place(recovery::read_history(*to, std::nullopt)));
    json::Value value = json::Value::object();
    value.set("target", json::Value(config.backup_target));
    value.set("interval_seconds", json::Value(config.backup_interval_seconds));
    value.set("drill_interval_minutes", json::Value(config.backup_drill_interval_minutes));
    std::string text = fmt::format("{}: every {} s", config.backup_target, config.backup_interval_seconds);
    text += config.backup_drill_interval_minutes == 0
                ? std::string(", no drills")
                : fmt::format(", a drill every {} min", config.backup_drill_interval_minutes);
    if (const recovery::Segment* const last = history.last()) {
      value.set("segment", json::Value(last->number));
      value.set("until", json::Value(last->cut.to_rfc3339()));
      text += fmt::format("\nthe last segment is {}, up to {}", last->number, last->cut.to_rfc3339());
    } else {
      text += "\nnothing was backed up yet";
    }
    if (session_.as_json()) {
      session_.print_value(value);
    } else {
      session_.print(text);
    }
    return ExitCode::ok;
  }

 private:
  [[nodiscard]] bool is_folder() const { return !s3::is_url(arguments_.target); }

  /// A disk that fails is not a server that does not answer.
  template <typename T>
  Result<T> of_place(Result<T> result) const {
    const bool is_disk = !result && is_folder() && result.error().code() == ErrorCode::unavailable;
    return is_disk ? fail(ErrorCode::internal, result.error().message()) : std::move(result);
  }

  /// What an object storage needs: the keys of [backup], of the configuration that is named and of the environment.
  Result<config::Config> target_config() const {
    if (is_folder()) return config::Config{};
    config::Environment environment;
    const auto take = [&](std::string_view variable) {
      if (const auto value = session_.world().variable(variable)) environment.emplace(variable, *value);
    };
    for (const std::string_view variable : config::storage_variable_names) take(variable);
    for (const config::KeyDescription& key : config::described_keys()) {
      if (key.path.starts_with("backup.")) take(key.variable);
    }
    std::optional<std::filesystem::path> file;
    std::error_code error;
    if (!arguments_.config.empty()) {
      file = arguments_.config;
    } else if (std::filesystem::is_regular_file(arguments_.data, error)) {
      file = arguments_.data;
    }
    return config::load_config(file, environment, {.data_folder = "."});
  }

  static json::Value as_json(const recovery::Segment& segment) {
    json::Value shards = json::Value::array();
    for (const recovery::ShardSpan& one : segment.shards) {
      json::Value shard = json::Value::object();
      shard.set("shard", json::Value(one.shard.value()));
      shard.set("first", json::Value(one.first.value()));
      shard.set("last", json::Value(one.last.value()));
      shards.push_back(std::move(shard));
    }
    json::Value value = json::Value::object();
    value.set("segment", json::Value(segment.number));
    value.set("base", json::Value(segment.base));
    value.set("until", json::Value(segment.cut.to_rfc3339()));
    value.set("records", json::Value(segment.records));
    value.set("bytes", json::Value(segment.bytes));
    value.set("key", json::Value(segment.key));
    value.set("shards", std::move(shards));
    return value;
  }

  Result<recovery::Taken> take_segment(recovery::Target& to, bool with_states) {
    TRV_TRY_ASSIGN(const Place place, place_of(session_.world(), "--data", arguments_.data));
    if (!place.is_kafka() && !config::has_embedded_log(place.config)) {
      return fail(ErrorCode::invalid, fmt::format("--data: {} has no log: {} does not exist", place.name,
                                                  (place.data() / "log/data.mdb").string()));
    }
    if (is_folder() && config::is_within(arguments_.target, place.data())) {
      return fail(ErrorCode::invalid,
                  fmt::format("{} is in {}; choose a folder outside of it", arguments_.target, place.data().string()));
    }
    std::optional<keys::ClusterKey> cluster;
    if (place.config.shares_shards()) {
      TRV_TRY_ASSIGN(keys::ClusterKey key, keys::ClusterKey::load(place.config.node_cluster_key_file));
      cluster.emplace(std::move(key));
    }
    TRV_TRY_ASSIGN(const note::SigningKey key,
                   recovery::open_signing_key(place.beside_log(), cluster ? &*cluster : nullptr, random_));
    std::vector<recovery::StateDigest> states;
    if (with_states) {
      TRV_TRY_ASSIGN(states, recovery::states_in(place.data()));
    }
    TRV_TRY_ASSIGN(const config::OpenedLog log, config::open_log(place.config));
    recovery::Known known;
    const recovery::Source source{.data = place.data(),
                                  .beside = place.beside_log(),
                                  .log = *log.log,
                                  .shards = place.config.shards,
                                  .key = key,
                                  .clock = session_.world().clock};
    auto taken = of_place(
        recovery::take_segment(source, to, arguments_.new_base ? recovery::Begin::new_base : recovery::Begin::follow,
                               std::move(states), known, progress()));
    line_.clear();
    return taken;
  }

  void print(const recovery::Taken& taken) {
    const recovery::Segment& segment = taken.segment;
    if (session_.as_json()) {
      json::Value value = as_json(segment);
      value.set("target", json::Value(arguments_.target));
      value.set("added", json::Value(taken.is_added));
      session_.print_value(value);
      return;
    }
    if (!taken.is_added) {
      session_.print(fmt::format("{}: nothing had come since segment {}", arguments_.target, segment.number));
      return;
    }
    session_.print(fmt::format("{}: segment {}{}, {} records, {}; everything up to {} can be recovered\nsigned by {}",
                               arguments_.target, segment.number, segment.base == segment.number ? ", a base" : "",
                               segment.records, size_text(segment.bytes), segment.cut.to_rfc3339(), segment.key));
  }

  /// A copy of a data folder that an earlier version made.
  Result<ExitCode> verify_copy() {
    TRV_TRY_ASSIGN(const backup::Report done,
                   of_place(backup::verify(
                       arguments_.target, [this](std::string_view path, std::uint64_t bytes, std::uint64_t total) {
                         if (line_.is_due()) {
                           line_.show(fmt::format("{} {} of {}", path, size_text(bytes), size_text(total)));
                         }
                       })));
    line_.clear();
    if (session_.as_json()) {
      session_.print_value({{"folder", arguments_.target}, {"files", done.files}, {"bytes", done.bytes}});
    } else {
      session_.print(fmt::format("{}: {} files, {}, all as they were backed up", arguments_.target, done.files,
                                 size_text(done.bytes)));
    }
    return ExitCode::ok;
  }

  Result<recovery::Until> until() const {
    const int given = static_cast<int>(!arguments_.until_time.empty()) +
                      static_cast<int>(!arguments_.until_event.empty()) +
                      static_cast<int>(!arguments_.until_lsn.empty());
    if (given > 1) {
      return fail(ErrorCode::invalid, "--until-time, --until-event and --until-lsn exclude each other; give one");
    }
    if (!arguments_.until_time.empty()) {
      const auto time = base::Timestamp::from_rfc3339(arguments_.until_time);
      if (!time) {
        return fail(ErrorCode::invalid, fmt::format("--until-time: '{}' is not a time such as 2026-01-31T12:00:00Z",
                                                    arguments_.until_time));
      }
      return recovery::UntilTime{*time};
    }
    if (!arguments_.until_event.empty()) {
      const auto id = base::Uuid::parse(arguments_.until_event);
      if (!id) {
        return fail(ErrorCode::invalid,
                    fmt::format("--until-event: '{}' is not the id of an event, a UUID", arguments_.until_event));
      }
      return recovery::UntilEvent{*id};
    }
    if (arguments_.until_lsn.empty()) return recovery::UntilEnd{};
    const std::string_view text = arguments_.until_lsn;
    const std::size_t colon = text.find(':');
    const auto shard = whole_number(text.substr(0, colon));
    const auto lsn = colon == std::string_view::npos ? std::nullopt : whole_number(text.substr(colon + 1));
    if (!shard || !lsn || *lsn == 0) {
      return fail(ErrorCode::invalid,
                  fmt::format("--until-lsn: '{}' is not SHARD:LSN, such as 0:1234 for record 1234 of shard 0", text));
    }
    return recovery::UntilLsn{.shard = record::ShardId(*shard), .lsn = record::Lsn(*lsn)};
  }

  Session& session_;
  const BackupArguments& arguments_;
  ProgressLine line_;
  base::SystemRandom random_;
};

}  // namespace

void add_backup(CommandTree& tree) {
  const auto arguments = std::make_shared<BackupArguments>();
  Noun noun = tree.noun("backup", "Backups: made while travd runs, recovered to any moment");
  const auto with_target = [&](Verb verb) {
    verb.argument("TARGET", arguments->target, "The folder of the backup, or s3://bucket/prefix");
    verb.option("--config", "FILE", arguments->config,
                "A configuration whose [backup] says how the storage is reached; TRAV_BACKUP_… of the environment come "
                "on top");
    return verb;
  };
  const auto does = [arguments](Result<ExitCode> (Work::*work)()) {
    return [arguments, work](Session& session) { return (Work(session, *arguments).*work)(); };
  };
  const std::string key_help = "The key that must have signed every segment, as create prints it";
  with_target(noun.verb("create", "Back up what came since the last backup in the target; everything at first"))
      .option("--data", "PLACE", arguments->data,
              "The data folder of travd, or its configuration where the log is on Kafka", Need::required)
      .flag("--new-base", arguments->new_base, "Everything once more: recovery from here on needs nothing before it")
      .flag("--with-state", arguments->with_state, "Add digests of the live state, which a drill compares with")
      .does(does(&Work::create));
  with_target(noun.verb("verify", "Read every byte of a backup and hold it against signatures, digests and hash chain"))
      .option("--key", "KEY", arguments->key, key_help)
      .does(does(&Work::verify));
  with_target(noun.verb("list", "The segments of a backup"))
      .option("--key", "KEY", arguments->key, key_help)
      .does(does(&Work::list));
  with_target(noun.verb("restore", "Make a data folder of a backup, as of its end or of an earlier moment"))
      .option("--to", "FOLDER", arguments->to, "The data folder; it is empty or does not exist", Need::required)
      .option("--until-time", "TIME", arguments->until_time, "Every decision up to this time, in RFC 3339")
      .option("--until-event", "ID", arguments->until_event, "Up to the decision of this event")
      .option("--until-lsn", "SHARD:LSN", arguments->until_lsn, "Up to the decision of this record")
      .option("--key", "KEY", arguments->key, key_help)
      .does(does(&Work::restore));
  with_target(noun.verb("drill", "Restore into a scratch folder, replay, compare with the live state, and measure"))
      .option("--data", "PLACE", arguments->data, "First back this up, with digests of its live state")
      .option("--scratch", "FOLDER", arguments->scratch,
              "Where the scratch folder is made; by default that of the system")
      .option("--key", "KEY", arguments->key, key_help)
      .does(does(&Work::drill));
  noun.verb("schedule", "What travd backs up by itself, and how far it is")
      .option("--config", "FILE", arguments->config, "The configuration of travd", Need::required)
      .does(does(&Work::schedule));
  noun.example("trav backup create /backup/acme --data /var/lib/travertine")
      .example("trav backup verify /backup/acme --key travertine-backup+…")
      .example("trav backup restore /backup/acme --to /var/lib/restored --until-time 2026-01-31T12:00:00Z")
      .example("trav backup list s3://backups/acme --config travd.toml")
      .example("trav backup drill /backup/acme --data /var/lib/travertine --scratch /var/tmp");
}

}  // namespace trv::cli
