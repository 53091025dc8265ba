#pragma once
// The certificate that clients of the API are shown: from files, read again when they change.

#include <spdlog/fwd.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "kernel/config/certificate.hpp"
#include "sdk/base/clock.hpp"

namespace trv::daemon {

/// One thread looks; any thread asks.
class ServedCertificate {
 public:
  /// One whose time is over is served with an error in the log: clients that do not look go on. `clock` outlives it.
  /// Error: invalid, with the key and the file.
  [[nodiscard]] static base::Result<std::unique_ptr<ServedCertificate>> open(const config::Config& config,
                                                                             const base::Clock& clock,
                                                                             std::shared_ptr<spdlog::logger> logger);

  [[nodiscard]] http::TlsContext context() const;
  [[nodiscard]] base::Timestamp valid_until() const;

  /// Reads the files where they have changed and rest since the last look: who writes two of them is not disturbed. A
  /// pair that clients would not accept is logged, and the old one stays. From 30 days before its end on, a warning
  /// each day.
  void look();
  /// The same at once, changed or not.
  void read_again();

 private:
  /// What tells one state of the files from another.
  using State = std::array<std::int64_t, 12>;
  ServedCertificate(config::Config config, config::ServedIdentity identity, State state, const base::Clock& clock,
                    std::shared_ptr<spdlog::logger> logger);
  [[nodiscard]] static State state_of(const config::Config& config);
  void take(State state);
  void warn_of_end();

  const config::Config config_;
  const base::Clock& clock_;
  std::shared_ptr<spdlog::logger> logger_;
  State seen_;  ///< at the last look
  State read_;  ///< of what was read last, good or not
  std::optional<base::Timestamp> warned_;
  mutable std::mutex mutex_;
  config::ServedIdentity identity_;  // guarded by mutex_
};

}  // namespace trv::daemon
