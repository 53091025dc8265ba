#include "kernel/daemon/hosting.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "kernel/daemon/process.hpp"
#include "kernel/logging/log.hpp"
#include "kernel/plugin_host/plugin_store.hpp"
#include "kernel/tenancy/plugin_decisions.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::daemon {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (const auto part : std::views::split(text, ',')) {
    std::string_view word(part.begin(), part.end());
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

/// The second part of an effect's key, "tenant/instance/task/attempt"; empty where it has none.
std::string_view instance_of(std::string_view key) {
  const std::size_t from = key.find('/');
  if (from == std::string_view::npos) return {};
  key.remove_prefix(from + 1);
  return key.substr(0, key.find('/'));
}

}  // namespace

std::vector<std::string> unknown_in_process(const config::Config& config,
                                            const std::vector<tenancy::Package>& installed) {
  std::vector<std::string_view> known;
  for (const tenancy::Package& package : installed) known.push_back(package.plugin);
  std::vector<std::string> out;
  for (const std::string& id : words_of(config.plugins_in_process)) {
    if (std::ranges::find(known, id) != known.end()) continue;
    const std::string_view meant = base::nearest(id, known);
    out.push_back(fmt::format(
        "plugins.in_process: no plugin '{}' is installed{}", id,
        meant.empty() ? "; the word has no effect until one is" : fmt::format("; did you mean '{}'?", meant)));
  }
  return out;
}

base::Result<Hosting> begin_hosting(const config::Config& config, const std::filesystem::path& folder,
                                    const base::Clock& clock, const std::shared_ptr<spdlog::logger>& logger) {
  Hosting hosting;
  plugin_host::HostConfiguration& configuration = hosting.configuration;
  TRV_TRY_ASSIGN(configuration.trial_program, beside_this_program("trav-plugin-host"));
  configuration.run_on_caller = false;  // a plugin that hangs must not hold the dispatcher
  configuration.in_process = words_of(config.plugins_in_process);
  TRV_TRY_ASSIGN(configuration.permissions, operator_permissions(config));
  for (const std::string& plugin : configuration.in_process) {
    logger->warn("plugins.in_process: plugin {} has the power of travd", plugin);
  }
  if (config.plugins_isolation == "off") {
    logger->warn("plugins.isolation is off: every plugin has the power of travd");
    return hosting;
  }
  TRV_TRY(plugin_host::PluginStore::make_folder(folder));
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(folder, error);
  if (error) return base::fail(base::ErrorCode::unavailable, fmt::format("{}: {}", folder.string(), error.message()));
  auto groups = sandbox::ControlGroups::open(
      {.memory_bytes = config.plugins_tenant_memory_mib << 20, .cpu_percent = config.plugins_tenant_cpu_percent},
      [logger](const std::string& problem) {
        logger->warn("a plugin's process is not bounded together with its tenant's others: {}", problem);
      });
  if (!groups) {
    hosting.remarks.push_back(
        fmt::format("memory and processor time of a tenant's plugins are bounded for each process, not together: {}",
                    groups.error().message()));
  }
  const std::string bounds = groups ? (*groups)->description() : "each process alone";
  const bool needs_all = config.plugins_isolation == "required";
  auto isolation = plugin_host::Isolation::start({.program = configuration.trial_program,
                                                  .folder = absolute,
                                                  .needs_namespaces = needs_all,
                                                  .service = config.plugins_zygote_socket},
                                                 {}, clock, groups ? *std::move(groups) : nullptr);
  if (!isolation) {
    configuration.no_isolation = fmt::format(
        "{}; an operator may run it in travd's own process (plugins.in_process), or give up this wall for all "
        "(plugins.isolation = \"best-effort\")",
        isolation.error().message());
    logger->warn("{}", isolation.error().message());
    return hosting;
  }
  hosting.isolation = *std::move(isolation);
  configuration.isolation = hosting.isolation.get();
  const sandbox::Walls& walls = hosting.isolation->walls();
  if (!walls.no_namespaces.empty()) {
    logger->warn("plugins share the namespaces of this host: {}", walls.no_namespaces);
  }
  if (walls.landlock_version == 0)
    hosting.remarks.emplace_back("plugins are isolated without Landlock, which this kernel does not have");
  logger->debug("plugins are isolated: {}landlock {}, system calls, limits; bounds: {}",
                walls.no_namespaces.empty() ? "namespaces, a file tree of their own, " : "", walls.landlock_version,
                bounds);
  return hosting;
}

base::Result<std::vector<package::Permission>> operator_permissions(const config::Config& config) {
  auto permissions = package::parse_permissions(words_of(config.plugins_permissions));
  if (!permissions) return base::fail(std::move(permissions).error().in("plugins.permissions"));
  return permissions;
}

base::Result<trust::Policy> package_policy(const config::Config& config, std::vector<std::string>& remarks) {
  const auto require = trust::Policy::require_of(config.plugins_require);
  TRV_ASSERT(require.has_value());
  trust::Policy policy{.require = *require, .trust_file = config.plugins_trust};
  TRV_TRY_ASSIGN(const trust::Roots roots, policy.roots());
  if (policy.require == trust::Require::none) {
    remarks.emplace_back("plugins.require is none: packages are installed signed or not, and -dev versions, too");
  } else {
    remarks.push_back(fmt::format("plugins.require is {}: {} names {} keys", config.plugins_require, policy.trust_file,
                                  roots.all().size()));
  }
  return policy;
}

plugin_host::CrashSink crash_recorder(node::Node& node, std::shared_ptr<spdlog::logger> logger) {
  return [&node, logger = std::move(logger)](const plugin_host::ProcessCrash& crash) {
    logger->warn(
        "plugin {} {} failed in its process for tenant {}: {}{}", crash.plugin, crash.version, crash.tenant.value(),
        crash.why,
        crash.quarantined ? fmt::format("; it is in quarantine until trav plugin release {}", crash.plugin) : "");
    const auto shard = node.shard_of(crash.tenant);
    if (!shard) return logger->warn("the crash is not recorded: {}", shard.error().message());
    shard::Command command;
    command.tenant = crash.tenant;
    command.actor = "kernel";
    command.decide = [&tenancy = (*shard)->tenancy(),
                      note = tenancy::NoteCrash{crash.plugin, crash.version, crash.why, crash.quarantined}](
                         const lmdb::Txn& state, shard::DecisionContext& context) {
      return tenancy::decide(tenancy, state, context, note);
    };
    command.done = [logger](const base::Result<shard::Applied>& outcome) {
      if (!outcome) logger->warn("the crash is not recorded: {}", outcome.error().message());
    };
    (*shard)->submit(std::move(command));
  };
}

plugin_host::LogSink plugin_log(std::shared_ptr<spdlog::logger> logger, const Tracing* tracing) {
  return [logger = std::move(logger), tracing](const plugin_host::LogLine& line) {
    if (tracing != nullptr && line.span != nullptr) tracing->ended(line);
    using enum plugin_host::LogLevel;
    const auto level = line.level == debug     ? logging::Level::debug
                       : line.level == info    ? logging::Level::info
                       : line.level == warning ? logging::Level::warning
                                               : logging::Level::error;
    const std::string about = line.key.empty()
                                  ? std::string()
                                  : fmt::format(" (tenant {}, call {}, {})", line.tenant.value(), line.call, line.key);
    const std::string in_text = fmt::format("plugin {} {}{}: ", line.plugin, line.version, about);
    const std::string call = line.call == 0 ? std::string() : std::to_string(line.call);
    const std::array<logging::Field, 6> fields = {{{"plugin", line.plugin},
                                                   {"version", line.version},
                                                   {"tenant", line.tenant.value()},
                                                   {"instance", instance_of(line.key)},
                                                   {"call", call},
                                                   {"effect", line.key}}};
    logging::write(*logger, level, line.message,
                   {.fields = fields, .traceparent = line.traceparent, .in_text = in_text});
  };
}

}  // namespace trv::daemon
