#pragma once
// travd as a service of the host: by systemd where it runs, else by our own supervisor. One thread; it waits.

#include <memory>
#include <string>

#include "installer/steps/installation.hpp"
#include "installer/steps/supervise.hpp"
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
  /// Takes away what the host keeps for the service: an uninstallation. Precondition: stopped.
  virtual base::Status remove() = 0;
  /// The user that travd runs as and the data folder, which is that user's; `files` of a version describe them.
  virtual base::Status make_user(const std::filesystem::path& files) = 0;
  [[nodiscard]] virtual bool is_running() = 0;
  /// Until the current version is ready and says so at /readyz. Error: timeout, unavailable.
  [[nodiscard]] virtual base::Status check(std::string_view version, base::Duration patience) = 0;
  /// Whether it begins again when the host does.
  [[nodiscard]] virtual bool survives_reboot() const = 0;
};

/// `user`: who travd runs as; empty: as this process does.
[[nodiscard]] std::unique_ptr<Service> service_of(const Places& places, const config::Config& config, Changes& changes,
                                                  std::string user, const base::Clock& clock);

/// The travd that runs on this host, by whichever service; nullopt: none.
[[nodiscard]] std::optional<Running> running_here(const Places& places);

/// Whether /readyz of that configuration answers 200, within ten seconds. Error: unavailable.
[[nodiscard]] base::Status check_ready(const config::Config& config);
/// The folder with all that is in it becomes the user's, where it is another's.
[[nodiscard]] base::Status give_data(Changes& changes, const std::filesystem::path& folder, const std::string& user);

}  // namespace trv::steps
