#pragma once
// The backups and drills that a daemon makes by itself.

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "audit/note/key.hpp"
#include "events/log/event_log.hpp"
#include "kernel/recovery/create.hpp"
#include "kernel/recovery/figures.hpp"
#include "kernel/recovery/target.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::recovery {

struct Policy {
  base::Duration interval = std::chrono::seconds(60);  ///< from the beginning of a backup to that of the next
  base::Duration drill_interval{0};                    ///< from the end of a drill to the next; 0: none
  std::filesystem::path data;                          ///< as Source
  std::filesystem::path beside;                        ///< as Source
  std::filesystem::path scratch;                       ///< where a drill has its scratch folder
  std::uint64_t shards = 1;
};

struct SchedulePorts {
  /// The target; what it waits for ends with `stop`.
  std::function<base::Result<std::unique_ptr<Target>>(const std::stop_token& stop)> open;
  log::EventLog& log;
  const base::Clock& clock;
  base::Random& random;
  std::function<bool()> is_ours;                                   ///< this process is the one that takes backups now
  std::function<base::Result<std::vector<StateDigest>>()> states;  ///< of the live projections
  std::function<void(const std::string& line)> note;
  std::function<void(const std::string& line)> warn;
};

/// Has a thread of its own, of low priority, on which everything is called. A failure is a warning, and is tried again
/// after the interval; it stops nothing. start() and stop() from one thread; figures() from any.
class Schedule {
 public:
  Schedule(Policy policy, SchedulePorts ports, note::SigningKey key);
  ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  void start();
  /// A backup or drill under way is given up. Idempotent.
  void stop();
  [[nodiscard]] Figures figures() const;

 private:
  void run(const std::stop_token& stop);
  void remove_scratch() const;
  void back_up(const std::stop_token& stop);
  void drill(const std::stop_token& stop);
  [[nodiscard]] base::Result<Taken> take(const std::stop_token& stop, std::vector<StateDigest> states);
  [[nodiscard]] base::Status drill_once(const std::stop_token& stop);
  [[nodiscard]] base::Duration age() const;
  /// After the mutex was released.
  void note_failure(std::string_view what, const base::Error& error, std::uint64_t Figures::* count,
                    base::Duration again);

  const Policy policy_;
  const SchedulePorts ports_;
  const note::SigningKey key_;
  Known known_;  ///< of the thread
  mutable std::mutex mutex_;
  std::condition_variable_any pause_;
  Figures figures_;           ///< without the age
  base::Duration covered_{};  ///< monotonic: what had happened by then can be recovered
  std::jthread thread_;
};

}  // namespace trv::recovery
