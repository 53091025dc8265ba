#pragma once
// travd as a service of the host: by systemd where it runs, else by our own supervisor. One thread; it waits.

#include <memory>
#include <string>

#include "installer/steps/installation.hpp"
#include "kernel/config/config.hpp"
#include "sdk/base/clock.hpp"

namespace trv::steps {

/// A port.
class Service {
 public:
  virtual ~Service() = default;
  /// Begins the current version, also at each start of the host where the host can do that.
  virtual base::Status start() = 0;
  /// Ends travd and begins the version that is current now; connections wait meanwhile.
  virtual base::Status restart() = 0;
  virtual base::Status stop() = 0;
  [[nodiscard]] virtual bool is_running() = 0;
  /// Until the current version is ready and says so at /readyz. Error: timeout, unavailable.
  [[nodiscard]] virtual base::Status check(std::string_view version, base::Duration patience) = 0;
  /// Whether it begins again when the host does.
  [[nodiscard]] virtual bool survives_reboot() const = 0;
};

/// `user`: who travd runs as; empty: as this process does.
[[nodiscard]] std::unique_ptr<Service> service_of(const Places& places, const config::Config& config, Changes& changes,
                                                  std::string user, const base::Clock& clock);

}  // namespace trv::steps
