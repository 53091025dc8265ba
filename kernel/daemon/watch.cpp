#include "kernel/daemon/watch.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <fstream>
#include <map>

#include "kernel/daemon/room.hpp"
#include "kernel/daemon/version.hpp"
#include "kernel/telemetry/objectives.hpp"
#include "kernel/telemetry/rounded.hpp"

namespace trv::daemon {
namespace {

using telemetry::Check;
using telemetry::Condition;
using telemetry::Sample;

constexpr std::size_t points_shown = 360;
constexpr auto certificate_warning = std::chrono::days(30);
constexpr auto outlook_warning = std::chrono::days(14);
constexpr double clock_step_s = 2;  ///< more than a synchronised clock is ever corrected by between two looks
constexpr double map_warning = 0.8;
constexpr std::size_t quarantines_looked_at = 10'000;
constexpr std::size_t timers_looked_at = 1'000;

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return file ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// "2026-12-24"
std::string day_of(base::Timestamp time) {
  return time.to_rfc3339().substr(0, 10);
}

/// What waits in a shard: effects, and timers. Nothing of one that is replayed.
void add_queues(json::Value& to, const node::Shard& shard, gateway::Dispatchers dispatchers, base::Timestamp now) {
  if (!shard.is_serving() || !shard.is_owned()) return;
  const auto txn = shard.begin_read();
  if (!txn) return;
  const auto outbox = shard.outbox().counts(*txn);
  const auto timers = shard.timers().count(*txn);
  const auto due = shard.timers().due(*txn, now, timers_looked_at);
  if (!outbox || !timers || !due) return;
  const effects::DispatcherMetrics effects = dispatchers[shard.id().value()]->metrics();
  to.set("effects", {{"pending", outbox->pending},
                     {"parked", outbox->parked},
                     {"under_way", effects.under_way},
                     {"waiting", effects.waiting},
                     {"outcomes", effects.outcomes}});
  to.set("timers", {{"set", *timers}, {"due", due->size()}});
}

}  // namespace

void Watch::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    do look();
    while (!wake.wait_for(lock, stop, telemetry::sample_every, [&stop] { return stop.stop_requested(); }));
  });
}

void Watch::look() {
  const Sample now = sample();
  compare_clocks(now);
  past_.add(now);
  warn_of_what_runs_out();
}

Sample Watch::sample() const {
  Sample out{.time = watched_.clock.now(), .requests = requests_.read()};
  for (const auto& shard : watched_.node.shards()) {
    const shard::ShardMetrics metrics = shard->metrics();
    out.records += metrics.records;
    out.commands_waiting += metrics.queue_length;
    if (!shard->is_serving()) continue;
    if (const auto stats = shard->projection().stats()) {
      out.projection_bytes = std::max(out.projection_bytes, stats->used_bytes);
    }
    const auto txn = shard->begin_read();
    if (!txn) continue;
    const auto counts = shard->outbox().counts(*txn);
    if (!counts) continue;
    out.effects_pending += counts->pending;
    out.effects_parked += counts->parked;
  }
  const egress::BrokerMetrics outgoing = watched_.broker.metrics();
  out.outgoing = outgoing.in_flight;
  out.outgoing_waiting = outgoing.waiting;
  for (const auto& [name, one] : quarantines()) out.plugins_in_quarantine += one.tenants;
  for (const auto& plugin : watched_.plugins.metrics()) {
    out.plugin_calls += plugin.instance.succeeded + plugin.instance.failed;
    out.plugin_calls_failed += plugin.instance.failed;
  }
  out.memory_bytes = resident_bytes();
  out.cpu_s = cpu_seconds();
  std::error_code error;
  const auto disk = std::filesystem::space(watched_.data_folder, error);
  if (!error) out.disk_free_bytes = disk.available;
  if (watched_.log_stats) {
    if (const auto stats = watched_.log_stats()) out.log_bytes = stats->used_bytes;
  }
  return out;
}

// Timers, tokens and certificates go by the wall clock.
void Watch::compare_clocks(const Sample& now) {
  const base::Duration monotonic = watched_.clock.monotonic();
  const auto before = std::exchange(looked_, std::pair(now.time, monotonic));
  if (!before) return;
  const double step = std::chrono::duration<double>((now.time - before->first) - (monotonic - before->second)).count();
  if (std::abs(step) < clock_step_s) return;
  watched_.logger->warn(
      "the clock of this machine was set {} by {:.0f} s; a shard's time never runs backwards, so that timers wait for "
      "a clock that was set back. Keep it synchronised (chrony, systemd-timesyncd)",
      step > 0 ? "forward" : "back", std::abs(step));
  const std::scoped_lock lock(mutex_);
  clock_set_ = {now.time, step};
}

void Watch::warn_of_what_runs_out() {
  const base::Timestamp now = watched_.clock.now();
  if (warned_ && now - *warned_ < std::chrono::days(1) && now >= *warned_) return;
  std::vector<Check> room;
  add_room(room);
  for (const Check& check : room) {
    if (!check.name.ends_with(":full") || check.condition == Condition::pass) continue;
    watched_.logger->warn("{}", check.output);
    warned_ = now;
  }
}

std::vector<Check> Watch::checks() const {
  std::vector<Check> checks;
  const std::string reason = watched_.why_not_ready();
  checks.push_back({.name = "server:ready",
                    .component = {},
                    .condition = reason.empty() ? Condition::pass : Condition::fail,
                    .output = reason});
  add_shards(checks);
  add_room(checks);
  add_effects(checks);
  add_quarantines(checks);
  add_backups(checks);
  const telemetry::RequestFigures requests = past_.requests_of(std::chrono::minutes(5));
  const telemetry::Objective& availability = telemetry::objectives().front();
  const double burn = telemetry::burn_of(availability, requests);
  Check failing{.name = "requests:failed",
                .component = {},
                .value = static_cast<double>(requests.failed()),
                .unit = "requests of the last 5 minutes"};
  if (burn > 14.4 && requests.total() >= 100) {
    failing.condition = Condition::warn;
    failing.output = fmt::format("{} of {} requests failed in the last 5 minutes; the log says why", requests.failed(),
                                 requests.total());
  }
  checks.push_back(std::move(failing));
  if (const auto ends = watched_.certificate_ends()) {
    const base::Duration left = *ends - watched_.clock.now();
    Check certificate{.name = "certificate:expires",
                      .component = {},
                      .value = std::floor(std::chrono::duration<double>(left).count() / 86'400),
                      .unit = "days"};
    if (left < certificate_warning) {
      certificate.condition = left <= base::Duration(0) ? Condition::fail : Condition::warn;
      certificate.output =
          fmt::format("the certificate of the API ends on {}; put another one into its file", day_of(*ends));
    }
    checks.push_back(std::move(certificate));
  }
  const std::scoped_lock lock(mutex_);
  const bool was_set = clock_set_ && watched_.clock.now() - clock_set_->first < std::chrono::hours(1);
  Check clock{.name = "clock:step", .component = {}, .value = was_set ? clock_set_->second : 0, .unit = "s"};
  if (was_set) {
    clock.condition = Condition::warn;
    clock.output = fmt::format("the clock of the machine was set {} by {:.0f} s at {}",
                               clock_set_->second > 0 ? "forward" : "back", std::abs(clock_set_->second),
                               clock_set_->first.to_rfc3339());
  }
  checks.push_back(std::move(clock));
  return checks;
}

void Watch::add_shards(std::vector<Check>& checks) const {
  for (const auto& shard : watched_.node.shards()) {
    const std::string reason = shard->why_not_ready();
    // One that another node owns is followed here, and is not asked to be ready.
    const bool matters = !watched_.node.is_shared() || shard->is_owned();
    Check check{.name = "shard:ready",
                .component = fmt::format("shard {}", shard->id().value()),
                .value = static_cast<double>(shard->metrics().applied_lsn),
                .unit = "records"};
    if (!reason.empty() && matters) {
      check.condition = Condition::fail;
      check.output = reason;
    }
    checks.push_back(std::move(check));
  }
}

void Watch::add_room(std::vector<Check>& checks) const {
  const base::Timestamp now = watched_.clock.now();
  const auto add = [&](std::string name, std::string component, double value, std::string unit, Condition condition,
                       std::string output) {
    checks.push_back({std::move(name), std::move(component), condition, value, std::move(unit), std::move(output)});
  };
  const auto runs_out = [&](const std::optional<base::Timestamp>& when, std::string_view what,
                            std::string_view advice) {
    const bool is_soon = when && *when - now < outlook_warning;
    const double days = when ? std::floor(std::chrono::duration<double>(*when - now).count() / 86'400) : 0;
    checks.push_back({.name = fmt::format("{}:full", what),
                      .component = {},
                      .condition = is_soon ? Condition::warn : Condition::pass,
                      .value = when ? std::optional(days) : std::nullopt,
                      .unit = when ? "days" : "",
                      .output = is_soon ? fmt::format("the {} will be full on {} if it goes on filling as in the last "
                                                      "hours; {}",
                                                      what, day_of(*when), advice)
                                        : ""});
  };
  std::error_code error;
  const auto disk = std::filesystem::space(watched_.data_folder, error);
  if (!error) {
    const base::Status room = disk_has_room(watched_.data_folder);
    add("disk:free", {}, static_cast<double>(disk.available), "bytes", room ? Condition::pass : Condition::fail,
        room ? std::string() : std::string(room.error().message()));
    runs_out(past_.empty_at(&Sample::disk_free_bytes), "disk", "free some space on it, or move the data folder");
  }
  const auto add_map = [&](std::string name, std::string component, const base::Result<lmdb::EnvStats>& stats) {
    if (!stats || stats->map_bytes == 0) return;
    const double used = static_cast<double>(stats->used_bytes) / static_cast<double>(stats->map_bytes);
    add(std::move(name), std::move(component), telemetry::rounded(used), "of data.map_gib",
        used < map_warning ? Condition::pass : Condition::warn,
        used < map_warning ? std::string()
                           : fmt::format("{:.0f} % of data.map_gib are used; raise it and restart travd", used * 100));
  };
  if (watched_.log_stats) {
    const auto stats = watched_.log_stats();
    add_map("log:used", {}, stats);
    if (stats) runs_out(past_.full_at(&Sample::log_bytes, stats->map_bytes), "log", "raise data.map_gib");
  }
  for (const auto& shard : watched_.node.shards()) {
    if (!shard->is_serving()) continue;
    add_map("projection:used", fmt::format("shard {}", shard->id().value()), shard->projection().stats());
  }
}

void Watch::add_effects(std::vector<Check>& checks) const {
  const Sample now = sample();
  const std::uint64_t parked = now.effects_parked;
  checks.push_back({.name = "effects:pending",
                    .component = {},
                    .value = static_cast<double>(now.effects_pending),
                    .unit = "effects"});
  checks.push_back({.name = "effects:parked",
                    .component = {},
                    .condition = parked == 0 ? Condition::pass : Condition::warn,
                    .value = static_cast<double>(parked),
                    .unit = "effects",
                    .output = parked == 0 ? ""
                                          : "effects that ended travd are not tried again before somebody has looked: "
                                            "trav effect list, trav effect release"});
}

std::map<std::pair<std::string, std::string>, Watch::Quarantined> Watch::quarantines() const {
  std::map<std::pair<std::string, std::string>, Quarantined> all;
  for (const auto& shard : watched_.node.shards()) {
    if (!shard->is_serving() || !shard->is_owned()) continue;
    const auto txn = shard->begin_read();
    if (!txn) continue;
    const auto found = shard->tenancy().quarantines(*txn, quarantines_looked_at);
    if (!found) continue;
    for (const tenancy::QuarantinedVersion& one : *found) {
      Quarantined& sum = all.try_emplace({one.plugin, one.version}, Quarantined{.since = one.since}).first->second;
      sum.since = std::min(sum.since, one.since);
      ++sum.tenants;
    }
  }
  return all;
}

void Watch::add_quarantines(std::vector<Check>& checks) const {
  std::string names;
  std::uint64_t count = 0;
  for (const auto& [name, one] : quarantines()) {
    names += fmt::format("{}{} {}", names.empty() ? "" : ", ", name.first, name.second);
    count += one.tenants;
  }
  checks.push_back({.name = "plugins:quarantine",
                    .component = {},
                    .condition = count == 0 ? Condition::pass : Condition::warn,
                    .value = static_cast<double>(count),
                    .unit = "versions of tenants",
                    .output = count == 0 ? ""
                                         : fmt::format("plugins crashed too often and are not called until a tenant "
                                                       "releases them: {}; trav plugin release",
                                                       names)});
}

void Watch::add_backups(std::vector<Check>& checks) const {
  const auto backups = watched_.backups();
  if (!backups) return;
  const double age = std::floor(std::chrono::duration<double>(backups->age).count());
  const bool has_none = backups->failures > 0 && !backups->last_success;
  const bool is_old = has_none || backups->age > 3 * watched_.backup_interval;
  checks.push_back({.name = "backup:age",
                    .component = {},
                    .condition = is_old ? Condition::warn : Condition::pass,
                    .value = age,
                    .unit = "s",
                    .output = has_none ? "no backup has succeeded since travd began; the log says why"
                              : is_old ? fmt::format("the last {:.0f} s are in no backup; the log says why, and "
                                                     "`trav backup verify` what is in the target",
                                                     age)
                                       : ""});
  if (backups->drills + backups->drill_failures == 0) return;
  // The last one counts; a failure since the process began is a warning until a drill has succeeded after it.
  const bool has_failed = backups->drill_failures > 0 && backups->drills == 0;
  checks.push_back(
      {.name = "backup:drill",
       .component = {},
       .condition = has_failed ? Condition::warn : Condition::pass,
       .value = std::chrono::duration<double>(backups->recovery_time).count(),
       .unit = "s to recover",
       .output = has_failed ? "no drill of the backups has succeeded since travd began; the log says why" : ""});
}

gateway::Health Watch::health() const {
  const auto all = checks();
  return {.is_failing = telemetry::worst_of(all) == Condition::fail,
          .document = telemetry::to_document(all, version(), watched_.name)};
}

json::Value Watch::status() const {
  json::Value shards = json::Value::array();
  for (const auto& shard : watched_.node.shards()) {
    const shard::ShardMetrics metrics = shard->metrics();
    const std::string reason = shard->why_not_ready();
    json::Value one = {{"shard", shard->id().value()},
                       {"role", shard->is_owned() ? "owner" : "standby"},
                       {"ready", reason.empty()},
                       {"records", metrics.applied_lsn},
                       {"waiting", metrics.queue_length}};
    add_queues(one, *shard, watched_.dispatchers, watched_.clock.now());
    const auto snapshots = watched_.snapshots.list(shard->id());
    if (snapshots && !snapshots->empty()) one.set("snapshot", snapshots->front().taken.to_rfc3339());
    shards.push_back(std::move(one));
  }
  json::Value plugins = json::Value::array();
  for (const auto& plugin : watched_.plugins.metrics()) {
    plugins.push_back({{"id", plugin.plugin},
                       {"version", plugin.version},
                       {"succeeded", plugin.instance.succeeded},
                       {"failed", plugin.instance.failed},
                       {"under_way", plugin.instance.in_flight}});
  }
  json::Value quarantined = json::Value::array();
  for (const auto& [name, one] : quarantines()) {
    quarantined.push_back({{"plugin", name.first},
                           {"version", name.second},
                           {"tenants", one.tenants},
                           {"since", one.since.to_rfc3339()}});
  }
  const egress::BrokerMetrics outgoing = watched_.broker.metrics();
  json::Value status = {{"time", watched_.clock.now().to_rfc3339()},
                        {"health", health().document},
                        {"objectives", telemetry::to_json(telemetry::objectives(), past_)},
                        {"series", past_.series(points_shown)},
                        {"shards", std::move(shards)},
                        {"outgoing", {{"under_way", outgoing.in_flight}, {"waiting", outgoing.waiting}}},
                        {"quarantines", std::move(quarantined)},
                        {"plugins", std::move(plugins)}};
  const auto backups = watched_.backups();
  if (!backups) return status;
  const auto seconds = [](base::Duration time) { return std::chrono::duration<double>(time).count(); };
  json::Value shown = {
      {"succeeded", backups->backups}, {"failed", backups->failures}, {"age_s", seconds(backups->age)}};
  if (backups->last_success) shown.set("last", backups->last_success->to_rfc3339());
  if (backups->last_drill) {
    shown.set("drill", {{"last", backups->last_drill->to_rfc3339()},
                        {"recovery_point_s", seconds(backups->recovery_point)},
                        {"recovery_time_s", seconds(backups->recovery_time)}});
  }
  status.set("backups", std::move(shown));
  return status;
}

}  // namespace trv::daemon
