#include "kernel/recovery/restore.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include "events/log/lmdb_event_log.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/recovery/records.hpp"
#include "kernel/recovery/restored_log.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using std::filesystem::path;

constexpr std::string_view unfinished_file = "backup.unfinished";  // as events/backup: travd refuses the folder
constexpr std::size_t restored_bytes_max = 1'000'000;
constexpr std::uint64_t map_bytes = std::uint64_t{16384} << 30;
constexpr unsigned shards_max = 256;

std::unexpected<base::Error> failed(std::string_view doing, const path& file, int cause) {
  const ErrorCode code = cause == ENOSPC || cause == EDQUOT ? ErrorCode::exhausted : ErrorCode::unavailable;
  return fail(code, fmt::format("cannot {} {}: {}", doing, file.string(), std::generic_category().message(cause)));
}

/// Where a shard ends.
struct Limit {
  std::optional<Lsn> lsn;               ///< up to the decision of this record
  std::optional<base::Timestamp> time;  ///< up to the last decision of this time
};

/// What is restored: the segments from `base` on, and of each shard up to its limit.
struct Plan {
  std::uint64_t base = 0;
  std::uint64_t needed = 0;  ///< the last segment that has what is asked for
  std::uint64_t end = 0;     ///< the last segment before another base: one behind `needed` may have a straggler
  Limit others;              ///< of the shards that are not in `limits`
  std::map<ShardId, Limit> limits;
  std::string until;  ///< for people

  [[nodiscard]] const Limit& of(ShardId shard) const {
    const auto found = limits.find(shard);
    return found == limits.end() ? others : found->second;
  }
};

struct Place {
  std::uint64_t segment;
  ShardId shard;
  Lsn lsn;
  base::Timestamp time;
};

class Planning {
 public:
  Planning(Target& target, const History& history) : target_(target), history_(history) {}

  Result<Plan> plan(const Until& until) {
    return std::visit([&](const auto& one) { return plan_until(one); }, until);
  }

 private:
  Plan plan_of(std::uint64_t needed) const {
    Plan plan{
        .base = history_.at(needed).base, .needed = needed, .end = needed, .others = {}, .limits = {}, .until = {}};
    while (plan.end < history_.segments.size() && history_.at(plan.end + 1).base == plan.base) ++plan.end;
    return plan;
  }

  Result<Plan> plan_until(const UntilEnd&) {
    Plan plan = plan_of(history_.segments.size());
    plan.until = "the end of the backup";
    return plan;
  }

  Result<Plan> plan_until(const UntilTime& until) {
    const auto found =
        std::ranges::find_if(history_.segments, [&](const Segment& one) { return one.cut >= until.time; });
    Plan plan = plan_of(found == history_.segments.end() ? history_.segments.size() : found->number);
    plan.others.time = until.time;
    plan.until = until.time.to_rfc3339();
    return plan;
  }

  Result<Plan> plan_until(const UntilLsn& until) {
    const auto has = [&](const Segment& one) {
      return until.shard.value() < one.shards.size() && one.shards[until.shard.value()].last >= until.lsn &&
             one.shards[until.shard.value()].first <= until.lsn;
    };
    const auto found = std::ranges::find_if(history_.segments, has);
    if (found == history_.segments.end()) {
      return fail(ErrorCode::invalid, fmt::format("{} does not have record {} of shard {}; {}", target_.name(),
                                                  until.lsn.value(), until.shard.value(), what_is_there()));
    }
    TRV_TRY_ASSIGN(const auto place, find(*found, [&](const record::RecordView& record) {
                     return record.shard() == until.shard && record.lsn() == until.lsn;
                   }));
    if (!place) {
      return fail(ErrorCode::corrupt, fmt::format("segment {} lacks record {} of shard {}", found->number,
                                                  until.lsn.value(), until.shard.value()));
    }
    return plan_at(*place);
  }

  Result<Plan> plan_until(const UntilEvent& until) {
    for (const Segment& segment : history_.segments) {
      TRV_TRY_ASSIGN(const auto place,
                     find(segment, [&](const record::RecordView& record) { return record.event_id() == until.id; }));
      if (place) return plan_at(*place);
    }
    return fail(ErrorCode::invalid,
                fmt::format("{} does not have event {}; {}", target_.name(), until.id.to_string(), what_is_there()));
  }

  Result<Plan> plan_until(const UntilStates& until) {
    TRV_EXPECTS(until.segment >= 1 && until.segment <= history_.segments.size());
    Plan plan = plan_of(until.segment);
    for (const StateDigest& state : history_.at(until.segment).states) plan.limits[state.shard].lsn = state.lsn;
    plan.until = fmt::format("the states of segment {}", until.segment);
    return plan;
  }

  Plan plan_at(const Place& place) const {
    Plan plan = plan_of(place.segment);
    plan.others.time = place.time;
    plan.limits[place.shard].lsn = place.lsn;
    plan.until =
        fmt::format("record {} of shard {}, of {}", place.lsn.value(), place.shard.value(), place.time.to_rfc3339());
    return plan;
  }

  template <typename Matches>
  Result<std::optional<Place>> find(const Segment& segment, const Matches& matches) {
    TRV_TRY_ASSIGN(const Contents contents, contents_of(target_, segment));
    std::optional<Place> place;
    for (const RecordsEntry& entry : contents.records) {
      TRV_TRY(read_records(target_, entry, [&](const record::RecordView& record) -> Result<Read> {
        if (!matches(record)) return Read::go_on;
        place = {.segment = segment.number, .shard = record.shard(), .lsn = record.lsn(), .time = record.time()};
        return Read::stop;
      }));
      if (place) break;
    }
    return place;
  }

  std::string what_is_there() const {
    std::string text = "it goes up to ";
    for (const ShardSpan& one : history_.last()->shards) {
      text += fmt::format("{}record {} of shard {}", one.shard == ShardId(0) ? "" : ", ", one.last.value(),
                          one.shard.value());
    }
    return text;
  }

  Target& target_;
  const History& history_;
};

class Restoring {
 public:
  Restoring(Target& target, const History& history, Plan plan, path to, base::Random& random, const Progress& progress)
      : target_(target),
        history_(history),
        plan_(std::move(plan)),
        to_(std::move(to)),
        random_(random),
        progress_(progress) {}

  Result<Restored> run() {
    done_.segment = plan_.needed;
    TRV_TRY(write_log());
    TRV_TRY(refuse_nothing());
    TRV_TRY(write_files());
    return std::move(done_);
  }

 private:
  struct ShardState {
    RestoredLog log;
    Lsn first;
    bool is_done = false;
  };

  Status write_log() {
    TRV_TRY_ASSIGN(const auto log,
                   log::LmdbEventLog::open(to_ / "log", {.map_bytes = map_bytes, .shards_max = shards_max}));
    std::map<ShardId, ShardState> shards;
    for (std::uint64_t number = plan_.base; number <= plan_.end; ++number) {
      const Segment& segment = history_.at(number);
      for (const ShardSpan& span : segment.shards) {
        if (shards.contains(span.shard)) continue;
        TRV_TRY_ASSIGN(RestoredLog one, RestoredLog::begin(*log, span.shard, span.first, random_));
        shards.emplace(span.shard, ShardState{.log = std::move(one), .first = span.first});
      }
      const bool is_over =
          number > plan_.needed && std::ranges::all_of(shards, [](const auto& one) { return one.second.is_done; });
      if (is_over) break;
      TRV_TRY_ASSIGN(Contents contents, contents_of(target_, segment));
      for (const RecordsEntry& entry : contents.records) {
        const auto shard = shards.find(entry.shard);
        if (shard == shards.end()) return fail(ErrorCode::corrupt, "a list names a shard that its manifest does not");
        if (!shard->second.is_done) TRV_TRY(add(entry, shard->second, number));
      }
      if (number <= done_.segment) {
        for (FileEntry& file : contents.files) {
          std::string name = file.path;
          files_.insert_or_assign(std::move(name), std::move(file));
        }
      }
    }
    for (auto& [shard, state] : shards) {
      TRV_TRY(state.log.finish());
      const record::ChainVerifier& chain = state.log.chain();
      const bool has_any = chain.epoch() > Epoch(0);
      done_.shards.push_back({.shard = shard,
                              .first = state.first,
                              .last = chain.last(),
                              .time = has_any ? chain.time() : base::Timestamp()});
      const Limit& limit = plan_.of(shard);
      if (limit.lsn && chain.last() < *limit.lsn) {
        return fail(ErrorCode::invalid,
                    fmt::format("{} has shard {} up to record {} only, and not up to {}", target_.name(), shard.value(),
                                chain.last().value(), limit.lsn->value()));
      }
    }
    return {};
  }

  Status add(const RecordsEntry& entry, ShardState& shard, std::uint64_t segment) {
    const Limit& limit = plan_.of(entry.shard);
    if (limit.lsn == Lsn(0)) {
      shard.is_done = true;
      return {};
    }
    const auto take = [&](const record::RecordView& record) -> Result<Read> {
      if (limit.time && record.time() > *limit.time) {
        shard.is_done = true;
        return Read::stop;
      }
      TRV_TRY(shard.log.add(record));
      ++done_.records;
      done_.bytes += record.stored().size();
      done_.segment = std::max(done_.segment, segment);
      if (limit.lsn && record.lsn() >= *limit.lsn && record.decision_end()) {
        shard.is_done = true;
        return Read::stop;
      }
      return Read::go_on;
    };
    TRV_TRY(read_records(target_, entry, take));
    if (progress_) progress_("records", done_.records, 0);
    return {};
  }

  Status refuse_nothing() const {
    const bool has_any =
        std::ranges::any_of(done_.shards, [](const RestoredShard& one) { return one.last >= one.first; });
    const bool was_asked = plan_.others.time.has_value() || !plan_.limits.empty();
    if (has_any || !was_asked) return {};
    return fail(ErrorCode::invalid, fmt::format("{} has nothing as old as {}", target_.name(), plan_.until));
  }

  Status write_files() {
    std::map<ShardId, bool> has_snapshot;
    for (const auto& [name, file] : files_) {
      if (name.starts_with("snapshots/") && !note_snapshot(name, has_snapshot)) continue;
      TRV_TRY(write(file));
      ++done_.files;
      done_.bytes += file.whole.bytes;
      if (progress_) progress_(name, done_.files, files_.size());
    }
    for (const RestoredShard& one : done_.shards) {
      if (one.first == Lsn(1) || has_snapshot[one.shard]) continue;
      return fail(
          ErrorCode::invalid,
          fmt::format("{} has no snapshot of shard {} as old as {}, and the log before it was trimmed; choose a "
                      "later moment",
                      target_.name(), one.shard.value(), plan_.until));
    }
    return base::sync_file_system(to_);
  }

  /// Whether the snapshot is of a state that the restored log leads on from.
  bool note_snapshot(std::string_view name, std::map<ShardId, bool>& has_snapshot) const {
    const path parts(name);
    auto part = std::next(parts.begin());
    const auto number_of = [](const std::string& text) {
      std::uint64_t number = 0;
      std::from_chars(text.data(), text.data() + text.size(), number);
      return number;
    };
    const ShardId shard(number_of(part->string()));
    const Lsn lsn(number_of((++part)->string()));
    const auto restored = std::ranges::find(done_.shards, shard, &RestoredShard::shard);
    if (restored == done_.shards.end() || lsn > restored->last) return false;
    has_snapshot[shard] = true;
    return true;
  }

  Status write(const FileEntry& entry) const {
    const path file = to_ / entry.path;
    TRV_TRY(make_folders(file.parent_path()));
    const base::OpenFile opened(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!opened.is_open()) return failed("make", file, errno);
    base::Sha256 whole;
    const std::vector<Object> parts = entry.parts.empty() ? std::vector{entry.whole} : entry.parts;
    for (const Object& part : parts) {
      TRV_TRY_ASSIGN(const base::Bytes bytes, read_object(target_, part));
      whole.add(bytes);
      for (base::BytesView rest(bytes); !rest.empty();) {
        const ssize_t count = ::write(opened.number(), rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed("write", file, errno);
        rest = rest.subspan(static_cast<std::size_t>(count));
      }
    }
    if (whole.digest() != entry.whole.sha256) {
      return fail(ErrorCode::corrupt,
                  fmt::format("the parts of {} in {} are not the file", entry.path, target_.name()));
    }
    if (::fchmod(opened.number(), entry.mode) != 0) return failed("set the mode of", file, errno);
    return {};
  }

  Status make_folders(const path& folder) const {
    std::error_code error;
    if (std::filesystem::is_directory(folder, error)) return {};
    if (folder != to_) TRV_TRY(make_folders(folder.parent_path()));
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed("make", folder, errno);
    return {};
  }

  Target& target_;
  const History& history_;
  const Plan plan_;
  const path to_;
  base::Random& random_;
  const Progress& progress_;
  Files files_;
  Restored done_;
};

Status make_empty(const path& to) {
  std::error_code error;
  if (std::filesystem::exists(to, error) &&
      !(std::filesystem::is_directory(to, error) && std::filesystem::is_empty(to, error))) {
    return fail(ErrorCode::conflict, fmt::format("{} is not an empty folder; choose another one", to.string()));
  }
  std::filesystem::create_directories(to, error);
  if (!error) std::filesystem::permissions(to, std::filesystem::perms::owner_all, error);
  if (error) return failed("make", to, error.value());
  return base::write_file(to / unfinished_file, ".unfinished",
                          base::as_bytes("This folder was not restored whole. Remove it and restore again.\n"), 0600);
}

std::string description(const Target& target, const Plan& plan, const Restored& restored, base::Timestamp now) {
  json::Value shards = json::Value::array();
  for (const RestoredShard& one : restored.shards) {
    shards.push_back(json::Value{{"shard", static_cast<std::int64_t>(one.shard.value())},
                                 {"last", static_cast<std::int64_t>(one.last.value())},
                                 {"time", one.time.to_rfc3339()}});
  }
  json::Value value = json::Value::object();
  value.set("from", json::Value(target.name()));
  value.set("segment", json::Value(restored.segment));
  value.set("until", json::Value(plan.until));
  value.set("restored_at", json::Value(now.to_rfc3339()));
  value.set("shards", std::move(shards));
  return json::serialize(value) + "\n";
}

}  // namespace

Result<Restored> restore(Target& target, const std::optional<note::VerifierKey>& trusted, const path& to,
                         const Until& until, const base::Clock& clock, base::Random& random, const Progress& progress) {
  TRV_TRY_ASSIGN(const History history, read_history(target, trusted));
  if (history.last() == nullptr) {
    return fail(ErrorCode::not_found, fmt::format("{} holds no backup: it has no segments", target.name()));
  }
  TRV_TRY_ASSIGN(Plan plan, Planning(target, history).plan(until));
  TRV_TRY(make_empty(to));
  TRV_TRY_ASSIGN(Restored restored, Restoring(target, history, plan, to, random, progress).run());
  TRV_TRY(base::write_file(to / restored_file, ".restored",
                           base::as_bytes(description(target, plan, restored, clock.now())), 0600));
  if (::unlink((to / unfinished_file).c_str()) != 0) return failed("remove", to / unfinished_file, errno);
  TRV_TRY(base::sync_folder(to));
  return restored;
}

Result<std::string> restored_line(const path& data) {
  const auto stored = base::read_file(data / restored_file, restored_bytes_max);
  if (!stored && stored.error().code() == ErrorCode::not_found) return std::string();
  if (!stored) return fail(stored.error());
  const auto value = json::parse(base::as_text(*stored));
  const auto text = [&](std::string_view member) -> std::string {
    const json::Value* const found = value ? value->find(member) : nullptr;
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : "?";
  };
  return fmt::format("restored from {} up to {}, at {}", text("from"), text("until"), text("restored_at"));
}

}  // namespace trv::recovery
