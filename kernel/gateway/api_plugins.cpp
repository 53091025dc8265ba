#include <boost/json/parse.hpp>

#include <tuple>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/decisions.hpp"

namespace trv::gateway {
namespace {

using tenancy::Grant;
using tenancy::Package;
using tenancy::Resource;
using tenancy::Verb;

constexpr std::size_t package_bytes_max = std::size_t{64} << 20;

/// The manifest as it was installed: it was checked then, so what cannot be read now is damage.
base::Result<boost::json::object> manifest_of(const Package& package) {
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(package.manifest, error);
  if (error || !value.is_object()) return base::fail(base::ErrorCode::corrupt, "a stored manifest cannot be read");
  return std::move(value.as_object());
}

boost::json::object to_object(const Package& package) {
  boost::json::object object = {{"id", package.plugin},
                                {"version", package.version},
                                {"package_sha256", base::to_hex(package.package_sha256)},
                                {"library_sha256", base::to_hex(package.library_sha256)},
                                {"installed", package.installed.to_rfc3339()}};
  boost::json::array operations;
  if (const auto manifest = manifest_of(package)) {
    if (const auto* title = manifest->if_contains("title")) object["title"] = *title;
    if (const auto* listed = manifest->if_contains("operations"); listed != nullptr && listed->is_array()) {
      for (const auto& operation : listed->as_array()) operations.push_back(operation.at("name"));
    }
  }
  object["operations"] = std::move(operations);
  return object;
}

boost::json::object to_object(const Grant& grant) {
  return {{"id", grant.plugin}, {"version", grant.version}, {"enabled_at", grant.enabled.to_rfc3339()}};
}

/// A version never changes what it is. The command asks again; here it keeps a library that would be refused from being
/// loaded in the place of the one that is installed. Error: conflict.
base::Status check_version_is_free(const node::Shard& platform, const plugin_host::Installed& installed) {
  const auto& [id, version] = std::tie(installed.manifest.id, installed.manifest.version);
  TRV_TRY_ASSIGN(const auto txn, platform.begin_read());
  TRV_TRY_ASSIGN(const auto known, platform.tenancy().package(txn, id, version));
  if (!known || known->package_sha256 == installed.package_digest) return {};
  return base::fail(base::ErrorCode::conflict,
                    "plugin '" + id + "' version " + version + " is installed from another package (SHA-256 " +
                        base::to_hex(known->package_sha256) + "); give the new one a new version");
}

// The library is loaded before the installation becomes a fact: what does not load is refused with the reason, and
// nothing of it stays on disk. Once it is loaded its file stays, also where the shard cannot take the command now.
void install(plugin_host::PluginStore& packages, plugin_host::PluginHost& plugins, Call call) {
  if (auto refused = refuse_encoding(call.request())) return call.responder.send(*std::move(refused));
  const auto installed = packages.install(base::as_bytes(call.request().body()));
  if (!installed) {
    // A file that differs from its digest is the sender's mistake here, not damage of ours.
    const bool sent_so = installed.error().code() == base::ErrorCode::corrupt;
    return call.responder.fail_storing(sent_so ? base::Error(base::ErrorCode::invalid, installed.error().message())
                                               : installed.error());
  }
  base::Status loaded = check_version_is_free(call.shard, *installed);
  if (loaded) loaded = plugins.load(installed->package_digest);
  if (!loaded) {
    base::Error error = std::move(loaded).error();
    if (const auto discarded = packages.discard(installed->package_digest); !discarded) {
      error = std::move(error).in(discarded.error().message());
    }
    return call.responder.fail(error);
  }
  packages.keep(installed->package_digest);
  Package package;
  package.plugin = installed->manifest.id;
  package.version = installed->manifest.version;
  package.package_sha256 = installed->package_digest;
  package.library_sha256 = installed->library_digest;
  package.manifest = installed->manifest.text;
  decide(std::move(call), tenancy::InstallPackage{package}, [package](const Change& change) mutable {
    const bool is_new = change.last >= change.first;
    package.installed = change.time;
    return http::json(is_new ? 201 : 200, boost::json::value(to_object(package)));
  });
}

void show_package(const node::Shard& platform, Call call) {
  const std::string id(call.request().parameter("id"));
  const std::string version(call.request().parameter("version"));
  const auto txn = platform.begin_read();
  if (!txn) return call.responder.fail(txn.error());
  const auto package = platform.tenancy().package(*txn, id, version);
  if (!package) return call.responder.fail(package.error());
  if (!*package) {
    return call.responder.fail(
        base::Error(base::ErrorCode::not_found, "plugin '" + id + "' version '" + version + "' is not installed"));
  }
  const auto manifest = manifest_of(**package);
  if (!manifest) return call.responder.fail(manifest.error());
  // As it was installed: reading it again could change how its numbers are written.
  std::string text = to_text(to_object(**package));
  text.pop_back();
  text += ",\"manifest\":" + (*package)->manifest + "}";
  call.responder.send(http::json_text(200, std::move(text)));
}

// Packages are the platform's: what a tenant's decision must know of them is read there and goes along.
void enable(const node::Shard& platform, Call call) {
  const auto body = Body::parse(call.request().body(), {"version"});
  if (!body) return call.responder.fail(body.error());
  const auto version = body->text("version");
  if (!version) return call.responder.fail(version.error());
  tenancy::EnablePlugin enable{.plugin = std::string(call.request().parameter("id")), .version = *version};
  const auto txn = platform.begin_read();
  if (!txn) return call.responder.fail(txn.error());
  const auto package = platform.tenancy().package(*txn, enable.plugin, enable.version);
  if (!package) return call.responder.fail(package.error());
  if (*package) enable.package_sha256 = (*package)->package_sha256;
  decide(std::move(call), enable, [enable](const Change& change) {
    return http::json(200, boost::json::value(to_object(Grant{enable.plugin, enable.version, change.time})));
  });
}

void disable(Call call) {
  const tenancy::DisablePlugin disable{std::string(call.request().parameter("id"))};
  decide(std::move(call), disable, [](const shard::Applied&) { return http::empty(204); });
}

}  // namespace

void add_plugin_routes(http::Router& router, const node::Node& node, plugin_host::PluginStore& packages,
                       plugin_host::PluginHost& plugins) {
  router.route("POST", "/v1/plugins",
               guarded(node, Resource::packages, Verb::write,
                       [&packages, &plugins](Call call) { install(packages, plugins, std::move(call)); },
                       {.body = BodyRule::by_handler}),
               {.body_bytes_max = package_bytes_max, .may_wait = true});
  router.route("GET", "/v1/plugins", guarded(node, Resource::packages, Verb::read, [&node](Call call) {
                 answer_list(
                     node.platform(), std::move(call),
                     [&node](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
                       return node.platform().tenancy().packages(txn, after, count);
                     },
                     [](const auto& one) { return to_object(one); },
                     [](const auto& one) { return one.plugin + "/" + one.version; });
               }));
  router.route("GET", "/v1/plugins/{id}/{version}", guarded(node, Resource::packages, Verb::read, [&node](Call call) {
                 show_package(node.platform(), std::move(call));
               }));
  router.route("GET", "/v1/tenants/{tenant}/plugins", guarded(node, Resource::plugins, Verb::read, [](Call call) {
                 answer_list(
                     std::move(call), &tenancy::TenancyStore::grants, [](const auto& one) { return to_object(one); },
                     [](const auto& one) { return one.plugin; });
               }));
  router.route(
      "PUT", "/v1/tenants/{tenant}/plugins/{id}",
      guarded(node, Resource::plugins, Verb::write, [&node](Call call) { enable(node.platform(), std::move(call)); }));
  router.route("DELETE", "/v1/tenants/{tenant}/plugins/{id}", guarded(node, Resource::plugins, Verb::write, disable));
}

}  // namespace trv::gateway
