#pragma once
// The one composition root: builds everything, passes it on, starts it in order and stops it in the other.

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "kernel/config/config.hpp"
#include "kernel/logging/log.hpp"
#include "kernel/otlp/exporter.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::node {
class Shard;
}

namespace trv::daemon {

/// What a start did, for the person who started it.
struct StartReport {
  std::uint16_t port = 0;
  std::string log;             ///< which one it is, for people
  std::string node;            ///< among others, for people; empty where it is alone
  std::string restored;        ///< what the folder was restored from, for people; empty where it was not
  std::uint64_t records = 0;   ///< in the log
  std::uint64_t replayed = 0;  ///< records applied to bring the projection up to date
  /// The shards whose projections were not good, and from what each was made anew and why.
  std::vector<std::pair<std::uint64_t, std::string>> rebuilt;
  std::size_t plugins = 0;                    ///< loaded
  std::vector<std::string> problems;          ///< what was not in the way, but should be known
  bool is_new_folder = false;                 ///< the very first start
  std::optional<std::string> operator_token;  ///< of the first start, or asked for; shown once, kept only as a hash
};

/// The shards of a log with everything around them. start() and stop() from one thread.
class Kernel {
 public:
  /// `clock`, `random`, `log` and `exporter` (null: nothing is exported) must outlive the kernel; `random` is used from
  /// several threads and must be fit for keys.
  Kernel(config::Config config, const base::Clock& clock, base::Random& random, const logging::Log& log,
         otlp::Exporter* exporter = nullptr);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Before start(): a data folder that another process has is waited for, with all done before that can be.
  void take_over() noexcept { takes_over_ = true; }
  /// Whether start() waits for the data folder, or has it. Any thread.
  [[nodiscard]] bool has_come_to_folder() const noexcept { return has_come_to_folder_; }
  /// Returns when every shard is ready; each serves from the moment that it is. Errors: conflict (data folder or port
  /// in use), denied or unavailable (folder not writable), corrupt; cancelled after end_start().
  [[nodiscard]] base::Result<StartReport> start();
  /// Ends a start that is under way, in order. Any thread.
  void end_start() { ending_.request_stop(); }
  /// Whether a shard serves. Any thread.
  [[nodiscard]] bool is_serving() const noexcept { return is_serving_; }
  /// Whether the threads that answer requests have all done something since the last call. One thread, between start()
  /// and stop().
  [[nodiscard]] bool has_moved();
  /// Takes a new certificate of the API, where its files have changed; `at_once`: reads them whatever they are. The
  /// thread of start().
  void look_at_certificate(bool at_once);
  /// What was found damaged and is only mended by a start; empty: nothing. The thread of start().
  [[nodiscard]] std::string damage() const;
  /// Applies the keys that need no restart; `config` differs from the one before in nothing else. Errors: of a trust
  /// file and of permissions that cannot be read; nothing was applied then. The thread of start().
  [[nodiscard]] base::Status reload(const config::Config& config);
  /// Answers what is under way, for at most ten seconds, and closes the projection cleanly. Idempotent.
  void stop();

 private:
  struct Parts;
  [[nodiscard]] base::Status compose(StartReport& report);
  [[nodiscard]] base::Status join(StartReport& report);
  [[nodiscard]] base::Status prepare(const node::Shard& shard, StartReport& report);
  void serve(const node::Shard& shard);
  [[nodiscard]] base::Result<bool> first_start(StartReport& report);

  config::Config config_;
  const base::Clock& clock_;
  base::Random& random_;
  const logging::Log& log_;
  otlp::Exporter* const exporter_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::unique_ptr<Parts> parts_;
  std::stop_source ending_;
  std::atomic<bool> is_serving_ = false;
  std::atomic<std::size_t> served_ = 0;  ///< shards that have begun to serve
  bool takes_over_ = false;
  std::atomic<bool> has_come_to_folder_ = false;
};

}  // namespace trv::daemon
