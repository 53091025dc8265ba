#pragma once
// How this host runs plugins: in processes of their own where it can and the operator did not choose otherwise.

#include <spdlog/fwd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "kernel/config/config.hpp"
#include "kernel/daemon/tracing.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/isolation.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/tenancy/model.hpp"
#include "kernel/trust/policy.hpp"
#include "sdk/base/clock.hpp"

namespace trv::daemon {

/// What isolates plugins, or why nothing does.
struct Hosting {
  std::unique_ptr<plugin_host::Isolation> isolation;
  plugin_host::HostConfiguration configuration;
  std::vector<std::string> remarks;  ///< for the log once the start has succeeded: one that fails says one line
};

/// Starts the zygote, where plugins are to be isolated: before any secret is read. Says in the log which walls this
/// host has. `folder` is that of the libraries and is made where it is missing. Errors: unavailable (trav-plugin-host
/// is missing, or the folder cannot be made); a host that cannot isolate is not one, but runs no plugin.
[[nodiscard]] base::Result<Hosting> begin_hosting(const config::Config& config, const std::filesystem::path& folder,
                                                  const base::Clock& clock,
                                                  const std::shared_ptr<spdlog::logger>& logger);

/// What a package needs to be installed here; says it in `remarks`, too. Errors: those of the trust file.
/// `plugins.permissions`. Error: invalid.
[[nodiscard]] base::Result<std::vector<package::Permission>> operator_permissions(const config::Config& config);
[[nodiscard]] base::Result<trust::Policy> package_policy(const config::Config& config,
                                                         std::vector<std::string>& remarks);

/// A line for each id of plugins.in_process that no installed package has.
[[nodiscard]] std::vector<std::string> unknown_in_process(const config::Config& config,
                                                          const std::vector<tenancy::Package>& installed);

/// Records each crash of a plugin's process where its tenant lives. `node` outlives what is returned.
[[nodiscard]] plugin_host::CrashSink crash_recorder(node::Node& node, std::shared_ptr<spdlog::logger> logger);

/// Lines of plugins in the daemon's log; the spans among them go to `tracing`, too, where it is not null. It outlives
/// what is returned.
[[nodiscard]] plugin_host::LogSink plugin_log(std::shared_ptr<spdlog::logger> logger, const Tracing* tracing);

}  // namespace trv::daemon
