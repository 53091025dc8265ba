#include "kernel/gateway/workflow_obstacles.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "sdk/base/version.hpp"

namespace trv::gateway {
namespace {

using definition::Node;
using definition::Position;
using definition::Task;

/// Looks at one definition; holds what was read of the tenant for all its tasks.
class Obstacles {
 public:
  Obstacles(const Platform& platform, const Call& call, const Node& root, definition::Problems& problems)
      : platform_(platform), call_(call), root_(root), problems_(problems) {}

  base::Status look_at(const Task& task) {
    const Node* found = definition::at_pointer(root_, std::string_view(task.reference).substr(task.text_at));
    const Node nothing;
    const Node* node = found == nullptr ? &nothing : found;
    if (const auto* called = std::get_if<definition::PluginCall>(&task.body)) {
      return called->version.empty() ? look_at_protocol(task, *node, *called) : look_at(task, *node, *called);
    }
    if (const auto* script = std::get_if<definition::ProcessTask>(&task.body)) {
      if (!platform_.scripts.allows(script->language)) {
        problems_.warn(place(task, *node, "run"),
                       fmt::format("task '{}' runs a script in the language {}, which this server does not allow; its "
                                   "operator allows it with the key run.languages",
                                   task.name, script->language));
      }
      return {};
    }
    const auto* http = std::get_if<definition::HttpCall>(&task.body);
    if (http == nullptr) return {};
    if (!http->connection.empty()) TRV_TRY(connection(task, *node, http->connection, {}));
    const bool has_own = http->operation && http->operation->document_authentication &&
                         !http->operation->document_authentication->connection.empty();
    if (has_own) TRV_TRY(connection(task, *node, http->operation->document_authentication->connection, {}));
    if (http->authentication && !http->authentication->connection.empty()) {
      TRV_TRY(connection(task, *node, http->authentication->connection, {}));
    }
    return {};
  }

 private:
  static Position place(const Task& task, const Node& node, std::string_view property) {
    const Node* value = node.find(property);
    return value == nullptr ? task.position : value->position;
  }

  /// `call: mcp` and `call: a2a`: the language has them where their plugin is.
  base::Status look_at_protocol(const Task& task, const Node& node, definition::PluginCall called) {
    TRV_TRY_ASSIGN(const auto granted_now, call_.shard.begin_read());
    TRV_TRY_ASSIGN(const auto grant, call_.shard.tenancy().grant(granted_now, call_.tenant, called.plugin));
    if (grant) {
      called.version = grant->version;
      return look_at(task, node, called);
    }
    TRV_TRY_ASSIGN(const auto installed_now, platform_.node.platform().begin_read());
    TRV_TRY_ASSIGN(const auto known, platform_.node.platform().tenancy().packages(installed_now, "", plugins_max));
    const bool is_installed = std::ranges::any_of(known, [&](const tenancy::Package& one) {
      return one.plugin == called.plugin && one.status == tenancy::PackageStatus::loaded;
    });
    problems_.add(place(task, node, "call"),
                  fmt::format("task '{}' is a 'call: {}', which the plugin '{}' does, and that is not {}", task.name,
                              called.plugin, called.plugin,
                              is_installed ? fmt::format("enabled for tenant '{}'; enable it with `trav plugin enable "
                                                         "{}`",
                                                         call_.tenant.value(), called.plugin)
                                           : fmt::format("installed; install it with `trav plugin install "
                                                         "{}-VERSION.trvp --tenant {}`",
                                                         called.plugin, call_.tenant.value())));
    return {};
  }

  base::Status look_at(const Task& task, const Node& node, const definition::PluginCall& called) {
    const Position at = place(task, node, "call");
    const std::string of =
        fmt::format("task '{}' calls {}.{}:{}: ", task.name, called.plugin, called.operation, called.version);
    const tenancy::TenancyStore& packages = platform_.node.platform().tenancy();
    TRV_TRY_ASSIGN(const auto installed_now, platform_.node.platform().begin_read());
    TRV_TRY_ASSIGN(const auto granted_now, call_.shard.begin_read());
    TRV_TRY_ASSIGN(const auto grant,
                   call_.shard.tenancy().grant(granted_now, call_.tenant, called.plugin, called.version));
    const std::string version = grant ? grant->version : called.version;
    TRV_TRY_ASSIGN(const auto package, packages.package(installed_now, called.plugin, version));
    if (!package || package->status != tenancy::PackageStatus::loaded) {
      TRV_TRY_ASSIGN(const auto known, packages.packages(installed_now, "", plugins_max));
      std::vector<std::string_view> names;
      std::vector<std::string_view> versions;
      for (const tenancy::Package& one : known) {
        if (one.status != tenancy::PackageStatus::loaded) continue;
        names.push_back(one.plugin);
        if (one.plugin == called.plugin) versions.push_back(one.version);
      }
      const auto line = base::VersionLine::parse(called.version);
      const auto is_of_line = [&](std::string_view one) {
        const auto parsed = base::Version::parse(one);
        return line && parsed && line->contains(*parsed);
      };
      if (versions.empty()) {
        warn_unknown(at, of + fmt::format("plugin '{}' is not installed", called.plugin), called.plugin, names);
      } else if (std::ranges::any_of(versions, is_of_line)) {
        problems_.warn(at, of + fmt::format("tenant '{}' has enabled no version {} of plugin '{}'; there is {}: enable "
                                            "one with `trav plugin enable {} VERSION`",
                                            call_.tenant.value(), called.version, called.plugin,
                                            fmt::join(versions, ", "), called.plugin));
      } else {
        problems_.warn(at,
                       of + fmt::format("version {} of plugin '{}' is not installed; there is {}", called.version,
                                        called.plugin, fmt::join(versions, ", ")),
                       {.expected = fmt::format("{}", fmt::join(versions, ", "))});
      }
      return {};
    }
    const auto manifest = platform_.plugins.manifest(called.plugin, version);
    if (!manifest) {
      problems_.warn(at, of + manifest.error().message());
      return {};
    }
    if ((*manifest)->find_operation(called.operation) == nullptr) {
      std::vector<std::string_view> names;
      for (const auto& operation : (*manifest)->operations) names.push_back(operation.name);
      warn_unknown(
          at,
          of + fmt::format("plugin '{}' version {} has no operation '{}'", called.plugin, version, called.operation),
          called.operation, names);
      return {};
    }
    if (!grant) {
      TRV_TRY_ASSIGN(const auto enabled, call_.shard.tenancy().versions(granted_now, call_.tenant, called.plugin));
      std::vector<std::string_view> versions;
      for (const tenancy::Grant& one : enabled) versions.push_back(one.version);
      if (versions.empty()) {
        problems_.warn(
            at, of + fmt::format("plugin '{}' is not enabled for tenant '{}'", called.plugin, call_.tenant.value()));
      } else {
        problems_.warn(at,
                       of + fmt::format("tenant '{}' has enabled version {} of plugin '{}'; enable {} beside with "
                                        "`trav plugin enable {} {}`",
                                        call_.tenant.value(), fmt::join(versions, ", "), called.plugin, called.version,
                                        called.plugin, called.version),
                       {.suggestion = std::string(versions.back())});
      }
    }
    if (called.input.is_constant()) {
      const auto matches = platform_.plugins.check_input(called.plugin, version, called.operation,
                                                         json::serialize(called.input.constant_value()));
      if (!matches) problems_.warn(place(task, node, "with"), of + matches.error().message());
    }
    if (!(*manifest)->connections.empty()) return connection(task, node, called.connection, called.plugin);
    return {};
  }

  /// `plugin`: whose the connection must be; empty for the tenant's own.
  base::Status connection(const Task& task, const Node& node, const std::string& name, const std::string& plugin) {
    TRV_TRY_ASSIGN(const auto now, call_.shard.begin_read());
    TRV_TRY_ASSIGN(const auto found, call_.shard.tenancy().connection(now, call_.tenant, name));
    if (found && found->plugin == plugin) return {};
    const Node* metadata = node.find("metadata");
    const Node* named = metadata == nullptr ? nullptr : metadata->find("connection");
    const bool is_named = named != nullptr && named->text == name;
    const Position at = is_named ? named->position : place(task, node, "call");
    if (found) {
      problems_.warn(at, fmt::format("task '{}' uses the connection '{}', which is {}", task.name, name,
                                     found->plugin.empty() ? std::string("the tenant's own, not the plugin's")
                                                           : fmt::format("the plugin '{}'s", found->plugin)));
      return {};
    }
    TRV_TRY_ASSIGN(const auto known, call_.shard.tenancy().connections(now, call_.tenant, "", connections_max));
    std::vector<std::string_view> names;
    for (const tenancy::Connection& one : known) {
      if (one.plugin == plugin) names.push_back(one.name);
    }
    warn_unknown(at,
                 fmt::format("task '{}' uses the connection '{}', which tenant '{}' does not have", task.name, name,
                             call_.tenant.value()),
                 name, names, fmt::format("; make it with `trav connection set {}`", name));
    return {};
  }

  void warn_unknown(const Position& at, std::string message, std::string_view name,
                    const std::vector<std::string_view>& known, std::string_view otherwise = {}) {
    problems_.warn_unknown(at, std::move(message), name, known, otherwise);
  }

  static constexpr std::size_t plugins_max = 500;
  static constexpr std::size_t connections_max = 500;

  const Platform& platform_;
  const Call& call_;
  const Node& root_;
  definition::Problems& problems_;
};

}  // namespace

base::Status warn_of_obstacles(const Platform& platform, const Call& call, const definition::Definition& definition,
                               const Node& root, definition::Problems& problems) {
  Obstacles obstacles(platform, call, root, problems);
  for (const Task& task : definition.tasks) {
    if (problems.warnings() >= definition::Problems::kept_max) break;
    TRV_TRY(obstacles.look_at(task));
  }
  return {};
}

}  // namespace trv::gateway
