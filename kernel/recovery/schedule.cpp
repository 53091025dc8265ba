#include "kernel/recovery/schedule.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "kernel/recovery/drill.hpp"
#include "sdk/base/contract.hpp"

namespace trv::recovery {
namespace {

using base::Duration;
using base::ErrorCode;
using base::Result;

constexpr int nice_level = 10;
constexpr Duration look_interval = std::chrono::seconds(1);

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// A target that a stop ends at its next use.
class StoppableTarget final : public Target {
 public:
  StoppableTarget(Target& target, std::stop_token stop) : target_(target), stop_(std::move(stop)) {}

  const std::string& name() const noexcept override { return target_.name(); }
  std::string place_of(const base::Digest& object) const override { return target_.place_of(object); }
  std::string place_of(std::uint64_t segment) const override { return target_.place_of(segment); }
  Result<std::vector<std::uint64_t>> segments() override {
    TRV_TRY(go_on());
    return target_.segments();
  }
  Result<base::Bytes> manifest(std::uint64_t segment) override {
    TRV_TRY(go_on());
    return target_.manifest(segment);
  }
  Result<bool> add_manifest(std::uint64_t segment, base::BytesView bytes) override {
    TRV_TRY(go_on());
    return target_.add_manifest(segment, bytes);
  }
  Result<base::Bytes> get(const Object& object) override {
    TRV_TRY(go_on());
    return target_.get(object);
  }
  Result<bool> put(const Object& object, base::BytesView bytes) override {
    TRV_TRY(go_on());
    return target_.put(object, bytes);
  }

 private:
  base::Status go_on() const {
    if (!stop_.stop_requested()) return {};
    return base::fail(ErrorCode::cancelled, "travd stops");
  }

  Target& target_;
  const std::stop_token stop_;
};

}  // namespace

Schedule::Schedule(Policy policy, SchedulePorts ports, note::SigningKey key)
    : policy_(std::move(policy)), ports_(std::move(ports)), key_(std::move(key)) {
  TRV_EXPECTS(policy_.interval > Duration(0) && policy_.drill_interval >= Duration(0));
  TRV_EXPECTS(ports_.open && ports_.is_ours && ports_.states && ports_.note && ports_.warn);
}

Schedule::~Schedule() {
  stop();
}

void Schedule::start() {
  TRV_EXPECTS(!thread_.joinable());
  covered_ = ports_.clock.monotonic();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Schedule::stop() {
  thread_ = {};
}

Figures Schedule::figures() const {
  const std::scoped_lock lock(mutex_);
  Figures figures = figures_;
  figures.age = age();
  return figures;
}

Duration Schedule::age() const {
  return ports_.clock.monotonic() - covered_;
}

void Schedule::run(const std::stop_token& stop) {
  // Of this thread alone, on Linux.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice_level));
  remove_scratch();
  Duration backup_due = ports_.clock.monotonic();
  Duration drill_due = backup_due + policy_.drill_interval;
  while (!stop.stop_requested()) {
    const Duration now = ports_.clock.monotonic();
    if (now >= backup_due && ports_.is_ours()) {
      backup_due = now + policy_.interval;
      back_up(stop);
    }
    const bool has_drills = policy_.drill_interval > Duration(0);
    if (has_drills && ports_.clock.monotonic() >= drill_due && ports_.is_ours() && !stop.stop_requested()) {
      drill(stop);
      drill_due = ports_.clock.monotonic() + policy_.drill_interval;
    }
    std::unique_lock lock(mutex_);
    const Duration left = std::clamp(backup_due - ports_.clock.monotonic(), Duration(1'000'000), look_interval);
    pause_.wait_for(lock, stop, left, [] { return false; });
  }
}

/// Of a process that was killed in a drill.
void Schedule::remove_scratch() const {
  std::error_code error;
  std::filesystem::directory_iterator at(policy_.scratch, error);
  for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->path().filename().string().starts_with(scratch_name)) std::filesystem::remove_all(at->path(), ignored);
  }
}

Result<Taken> Schedule::take(const std::stop_token& stop, std::vector<StateDigest> states) {
  const Duration begun = ports_.clock.monotonic();
  TRV_TRY_ASSIGN(const auto target, ports_.open(stop));
  StoppableTarget stoppable(*target, stop);
  const Source source{.data = policy_.data,
                      .beside = policy_.beside,
                      .log = ports_.log,
                      .shards = policy_.shards,
                      .key = key_,
                      .clock = ports_.clock};
  TRV_TRY_ASSIGN(Taken taken, take_segment(source, stoppable, Begin::base_where_trimmed, std::move(states), known_));
  const std::scoped_lock lock(mutex_);
  ++figures_.backups;
  covered_ = begun;
  figures_.last_duration = ports_.clock.monotonic() - begun;
  figures_.last_success = ports_.clock.now();
  if (!taken.is_added) return taken;
  ++figures_.segments;
  figures_.records += taken.segment.records;
  figures_.bytes += taken.segment.bytes;
  return taken;
}

void Schedule::note_failure(std::string_view what, const base::Error& error, std::uint64_t Figures::* count,
                            Duration again) {
  if (error.code() == ErrorCode::cancelled) return;
  {
    const std::scoped_lock lock(mutex_);
    ++(figures_.*count);
  }
  ports_.warn(fmt::format("{} failed: {}; tried again in {:.0f} s", what, error.message(), seconds(again)));
}

void Schedule::back_up(const std::stop_token& stop) {
  const auto taken = take(stop, {});
  if (!taken) {
    return note_failure(fmt::format("the backup, {:.0f} s after the last one,", seconds(figures().age)), taken.error(),
                        &Figures::failures, policy_.interval);
  }
  for (const std::string& problem : taken->problems) ports_.warn("backup: " + problem);
}

void Schedule::drill(const std::stop_token& stop) {
  const auto drilled = drill_once(stop);
  if (!drilled) note_failure("the restore drill", drilled.error(), &Figures::drill_failures, policy_.drill_interval);
}

base::Status Schedule::drill_once(const std::stop_token& stop) {
  // What a loss now would cost, before the drill makes a backup of its own.
  const Duration recovery_point = figures().age;
  TRV_TRY_ASSIGN(auto states, ports_.states());
  TRV_TRY(take(stop, std::move(states)));
  TRV_TRY_ASSIGN(const auto target, ports_.open(stop));
  StoppableTarget stoppable(*target, stop);
  TRV_TRY_ASSIGN(const Drilled drilled, recovery::drill(stoppable, key_.verifier(), policy_.scratch, recovery_point,
                                                        ports_.clock, ports_.random, {}, stop));
  if (!drilled.is_good()) return base::fail(ErrorCode::corrupt, as_text(drilled));
  ports_.note(
      fmt::format("restore drill: recovery point {:.1f} s, recovery time {:.2f} s, {} records; the state is the "
                  "live one",
                  seconds(drilled.recovery_point), seconds(drilled.recovery_time()), drilled.restored.records));
  const std::scoped_lock lock(mutex_);
  ++figures_.drills;
  figures_.last_drill = drilled.begun;
  figures_.recovery_point = drilled.recovery_point;
  figures_.recovery_time = drilled.recovery_time();
  return {};
}

}  // namespace trv::recovery
