// trav log: the log under travd. No server is asked.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "events/copy/log_copy.hpp"
#include "events/lmdb/folder_lock.hpp"
#include "kernel/cli/commands/data_place.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/progress_line.hpp"
#include "kernel/config/event_log.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/random.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;
using base::fail;

struct LogArguments {
  std::string from;
  std::string to;
};

bool is_same(const std::filesystem::path& one, const std::filesystem::path& other) {
  std::error_code error;
  return std::filesystem::weakly_canonical(one, error) == std::filesystem::weakly_canonical(other, error);
}
bool is_same_folder(const Place& one, const Place& other) {
  return is_same(one.data(), other.data());
}

base::Status check_places(const Place& from, const Place& to) {
  if (!from.is_kafka() && !config::has_embedded_log(from.config)) {
    return fail(ErrorCode::invalid, fmt::format("--from: {} has no log: {} does not exist", from.name,
                                                (from.data() / "log/data.mdb").string()));
  }
  const bool is_one = from.is_kafka() ? from.text() == to.text() : !to.is_kafka() && is_same_folder(from, to);
  if (!is_one) return {};
  return fail(ErrorCode::invalid, fmt::format("--from and --to both name {}", from.text()));
}

/// A daemon of this machine that runs on one of the folders holds its lock.
base::Result<std::vector<lmdb::FolderLock>> lock(const Place& from, const Place& to) {
  std::vector<lmdb::FolderLock> locks;
  std::error_code error;
  // The folder of a source on Kafka may be on another machine.
  if (std::filesystem::exists(from.data(), error) && !is_same_folder(from, to)) {
    TRV_TRY_ASSIGN(auto source, lmdb::FolderLock::acquire(from.data()));
    locks.push_back(std::move(source));
  }
  TRV_TRY_ASSIGN(auto destination, lmdb::FolderLock::acquire(to.data()));
  locks.push_back(std::move(destination));
  return locks;
}

struct CopiedShard {
  log::ShardId id;
  copy::Copied done;
};

json::Value as_json(const std::vector<CopiedShard>& shards) {
  json::Value list = json::Value::array();
  for (const CopiedShard& one : shards) {
    json::Value item = json::Value::object();
    item.set("shard", json::Value(one.id.value()));
    item.set("records", json::Value(one.done.records));
    item.set("found", json::Value(one.done.found));
    item.set("bytes", json::Value(one.done.bytes));
    item.set("last_hash", json::Value(base::to_hex(one.done.last_hash)));
    list.push_back(std::move(item));
  }
  return list;
}

/// The shards of the source that have records. Error: invalid where the destination has no room for one of them.
base::Result<std::vector<log::ShardId>> shards_of(const Place& from, log::EventLog& log, const Place& to) {
  std::vector<log::ShardId> shards;
  for (std::uint64_t number = 0; number < from.config.shards; ++number) {
    TRV_TRY_ASSIGN(const log::Bounds bounds, log.bounds(log::ShardId(number)));
    if (bounds.last == log::Lsn(0)) continue;
    if (number >= to.config.shards) {
      return fail(ErrorCode::invalid, fmt::format("--to: shard {} of the source has records, but the key shards of {} "
                                                  "is {}; set it to {} or more",
                                                  number, to.name, to.config.shards, number + 1));
    }
    shards.emplace_back(number);
  }
  return shards;
}

base::Result<bool> is_empty(const Place& place, log::EventLog& log) {
  for (std::uint64_t number = 0; number < place.config.shards; ++number) {
    TRV_TRY_ASSIGN(const log::Bounds bounds, log.bounds(log::ShardId(number)));
    if (bounds.last != log::Lsn(0)) return false;
  }
  return true;
}

std::string what_next(const Place& from, const Place& to) {
  std::string text;
  if (!is_same(from.beside_log(), to.beside_log())) {
    text += fmt::format("\nKeys, secrets, packages and blobs lie beside the log: copy them from {} to {}.",
                        from.beside_log().string(), to.beside_log().string());
    if (from.config.shares_shards() && !to.config.shares_shards()) {
      text += fmt::format("\nThe copied keys are sealed: before travd starts, trav cluster unseal {} --key {}",
                          to.beside_log().string(), from.config.node_cluster_key_file);
    }
  }
  if (to.is_kafka() && config::has_embedded_log(to.config)) {
    text += fmt::format("\nBefore travd starts on the copy: mv {0}/log {0}.log-before-kafka", to.data().string());
  }
  return text;
}

/// An embedded log that was made for a copy, of which nothing came: travd would take it for the folder's log.
void remove_if_unused(const Place& to) {
  const auto half = copy::unfinished_copy(to.data());
  std::error_code ignored;
  if (half && half->empty()) std::filesystem::remove_all(to.data() / "log", ignored);
}

class LogCopy {
 public:
  LogCopy(Session& session, Place from, Place to)
      : session_(session), from_(std::move(from)), to_(std::move(to)), line_(session.world()) {}

  base::Result<ExitCode> run() {
    TRV_TRY_ASSIGN(const std::string half, copy::unfinished_copy(from_.data()));
    if (half == from_.text()) {
      return fail(ErrorCode::conflict,
                  fmt::format("--from: {} is the part of a copy that was cut off; finish that copy first", half));
    }
    // Before a log is asked, which may take long: a kill leaves no folder that travd takes for a new one.
    TRV_TRY_ASSIGN(before_, copy::unfinished_copy(to_.data()));
    TRV_TRY(copy::begin_copy(to_.data(), to_.text()));
    const base::Duration start = session_.world().clock.monotonic();
    const auto done = copy_shards();
    line_.clear();
    if (!done) return fail(abandoned(done.error()));
    TRV_TRY(copy::end_copy(to_.data()));
    report(*done, session_.world().clock.monotonic() - start);
    return ExitCode::ok;
  }

 private:
  base::Result<std::vector<CopiedShard>> copy_shards() {
    TRV_TRY_ASSIGN(const config::OpenedLog source, config::open_log(from_.config));
    TRV_TRY_ASSIGN(const auto shards, shards_of(from_, *source.log, to_));
    TRV_TRY_ASSIGN(const config::OpenedLog destination, config::open_log(to_.config));
    TRV_TRY_ASSIGN(const bool empty, is_empty(to_, *destination.log));
    if (!empty && before_ != to_.text()) {
      return fail(ErrorCode::conflict,
                  fmt::format("--to: {} has records; name an empty folder, or a topic without records", to_.text()));
    }
    std::vector<CopiedShard> done;
    for (const log::ShardId shard : shards) {
      const auto copied = copy::copy_shard(*source.log, *destination.log, shard, random_, progress(shard));
      if (!copied) {
        const auto nothing_came = is_empty(to_, *destination.log);
        has_part_ = !nothing_came || !*nothing_came;
        return fail(copied.error());
      }
      done.push_back({shard, *copied});
    }
    return done;
  }

  /// Where nothing was copied, the folder is as it was before.
  base::Error abandoned(base::Error error) const {
    if (has_part_) return error;
    const base::Status undone = before_.empty() ? copy::end_copy(to_.data()) : copy::begin_copy(to_.data(), before_);
    return undone ? error : undone.error();
  }

  copy::Progress progress(log::ShardId shard) {
    return [this, shard](std::uint64_t done, std::uint64_t total, bool checking) {
      if (!line_.is_due()) return;
      line_.show(
          fmt::format("shard {}: {} {} of {} records", shard.value(), checking ? "checked" : "copied", done, total));
    };
  }

  void report(const std::vector<CopiedShard>& done, base::Duration took) {
    std::uint64_t records = 0;
    std::uint64_t copied = 0;
    for (const CopiedShard& one : done) {
      records += one.done.records;
      copied += one.done.records - one.done.found;
    }
    const double seconds = std::max(std::chrono::duration<double>(took).count(), 1e-3);
    const double rate = static_cast<double>(copied) / seconds;
    if (session_.as_json()) {
      session_.print_value({{"from", from_.text()},
                            {"to", to_.text()},
                            {"shards", as_json(done)},
                            {"records", records},
                            {"seconds", seconds},
                            {"records_per_second", rate}});
      return;
    }
    for (const CopiedShard& one : done) {
      session_.print(fmt::format("shard {}: {} records, the last has the hash {}", one.id.value(), one.done.records,
                                 base::to_hex(one.done.last_hash)));
    }
    session_.print(
        fmt::format("{} records are in {}; {} were copied in {:.1f} s, {:.0f} a second. Each was read again "
                    "from the copy, and the chain is whole.{}",
                    records, to_.text(), copied, seconds, rate, what_next(from_, to_)));
  }

  Session& session_;
  const Place from_;
  const Place to_;
  ProgressLine line_;
  base::SystemRandom random_;
  std::string before_;  // the copy that was unfinished in the folder, if any
  bool has_part_ = false;
};

}  // namespace

void add_log(CommandTree& tree) {
  const auto arguments = std::make_shared<LogArguments>();
  Noun noun = tree.noun("log", "Log: what travd writes everything to, embedded or on Apache Kafka");
  noun.verb("copy", "Copy the log into an empty one, while travd is stopped; run again to go on after a break")
      .option("--from", "FILE|FOLDER", arguments->from,
              "The configuration of travd, or its data folder where the log is embedded", Need::required)
      .option("--to", "FILE|FOLDER", arguments->to, "The same for the copy", Need::required)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(Place from, place_of(session.world(), "--from", arguments->from));
        TRV_TRY_ASSIGN(Place to, place_of(session.world(), "--to", arguments->to));
        TRV_TRY(check_places(from, to));
        TRV_TRY_ASSIGN(const auto locks, lock(from, to));
        const bool had_log = config::has_embedded_log(to.config);
        auto done = LogCopy(session, from, to).run();
        if (!done && !to.is_kafka() && !had_log) remove_if_unused(to);
        return done;
      });
  noun.example("trav log copy --from /var/lib/travertine --to on-kafka.toml")
      .example("trav log copy --from on-kafka.toml --to /var/lib/travertine");
}

}  // namespace trv::cli
