// Packages of the platform.

#include <algorithm>
#include <charconv>

#include "kernel/gateway/list.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/plugin_permissions.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/tenancy/plugin_decisions.hpp"

namespace trv::gateway {
namespace {

using tenancy::Package;
using tenancy::PackageStatus;
using tenancy::Resource;

constexpr base::Duration patience_max = std::chrono::seconds(30);

/// The manifest as it was installed: it was checked then, so what cannot be read now is damage.
base::Result<json::Value> manifest_of(const Package& package) {
  auto manifest = json::parse(package.manifest);
  if (!manifest || !manifest->is_object()) return fail(ErrorCode::corrupt, "a stored manifest cannot be read");
  return *std::move(manifest);
}

std::string_view name_of_time(PackageStatus status) noexcept {
  switch (status) {
    case PackageStatus::pending: return "requested";
    case PackageStatus::loaded: return "installed";
    case PackageStatus::refused: return "refused";
  }
  return {};
}

/// The name of a key as audit.md writes keys.
std::string name_of_key(const std::string& key) {
  return key.substr(0, key.find('+'));
}

/// What its signatures said when it was requested. A level that nobody here believes is not the package's level.
void set_signatures(json::Value& object, const tenancy::PackageSignatures& signatures) {
  if (signatures.content) object.set("content_sha256", base::to_hex(*signatures.content));
  if (signatures.publisher_key.empty()) return;
  object.set("publisher", {{"name", name_of_key(signatures.publisher_key)},
                           {"key", signatures.publisher_key},
                           {"trusted", signatures.publisher_trusted}});
  if (signatures.certifier_key.empty()) return;
  json::Value certifier = {{"name", name_of_key(signatures.certifier_key)},
                           {"key", signatures.certifier_key},
                           {"trusted", signatures.certifier_trusted},
                           {"level", signatures.level}};
  if (signatures.report) certifier.set("report_sha256", base::to_hex(*signatures.report));
  if (signatures.expires) certifier.set("expires", signatures.expires->to_rfc3339());
  object.set("certifier", std::move(certifier));
  if (signatures.certifier_trusted) object.set("level", signatures.level);
}

/// What the log says of it; "failed" where it is loaded by the log, and did not load at this node's start.
json::Value to_object(const plugin_host::PluginHost& plugins, const Package& package) {
  json::Value object = {{"id", package.plugin},
                        {"version", package.version},
                        {"status", to_string(package.status)},
                        {"package_sha256", base::to_hex(package.package_sha256)},
                        {name_of_time(package.status), package.changed.to_rfc3339()}};
  if (package.status == PackageStatus::refused) return object.with("reason", package.refusal->message());
  const auto failure = plugins.failure(package.plugin, package.version);
  if (failure && package.status == PackageStatus::loaded) {
    object.set("status", "failed");
    object.set("reason", *failure);
  }
  object.set("package_bytes", package.package_bytes);
  set_signatures(object, package.signatures);
  object.set("library_sha256", base::to_hex(package.library_sha256));
  json::Value operations = json::Value::array();
  if (const auto manifest = manifest_of(package)) {
    if (const json::Value* title = manifest->find("title")) object.set("title", *title);
    if (const json::Value* listed = manifest->find("operations"); listed != nullptr && listed->is_array()) {
      for (const json::Value& operation : listed->items()) {
        if (const json::Value* name = operation.find("name")) operations.push_back(*name);
      }
    }
  }
  object.set("operations", std::move(operations));
  if (const auto asks = asks_of(plugins, package)) {
    object.set("permissions", listed(asks->requested));
    object.set("permissions_allowed", listed(asks->allowed));
  }
  return object;
}

/// How long the sender wants to wait for the outcome: "wait=<seconds>" in Prefer (RFC 7240), at most patience_max.
base::Duration patience_of(const http::Request& request, base::Duration unless_said) {
  constexpr std::string_view name = "wait=";
  const std::string_view preference = request.header("Prefer").value_or("");
  if (!preference.starts_with(name)) return unless_said;
  std::uint32_t seconds = 0;
  const char* end = preference.data() + preference.size();
  const auto parsed = std::from_chars(preference.data() + name.size(), end, seconds);
  if (parsed.ec != std::errc() || parsed.ptr != end) return unless_said;
  return std::min<base::Duration>(patience_max, std::chrono::seconds(seconds));
}

http::Response outcome_of(const plugin_host::PluginHost& plugins, const Package& package, bool is_new) {
  if (package.status == PackageStatus::refused) return http::problem_of(*package.refusal);
  const json::Value body = to_object(plugins, package);
  if (package.status == PackageStatus::loaded) return http::json(is_new ? 201 : 200, body);
  return http::json(202, body).with("Location", "/v1/plugins/" + package.plugin + "/" + package.version);
}

// The archive is stored and the request for it recorded; what acts on it is the follower. The answer waits for that.
base::Status install(const Packages& packages, Call& call) {
  if (auto refused = refuse_encoding(call.request())) return call.send(*std::move(refused));
  auto stored = packages.store.put(base::as_bytes(call.request().body()));
  if (!stored) {
    // A file that differs from its digest is the sender's mistake here, not damage of ours.
    const bool sent_so = stored.error().code() == ErrorCode::corrupt;
    if (sent_so) return fail(ErrorCode::invalid, stored.error().message());
    call.responder.fail_storing(stored.error());
    return {};
  }
  const plugin_host::Stored& sent = **stored;
  TRV_TRY_ASSIGN(const bool runs, packages.follower.runs_as_recorded(sent.manifest, sent.package_digest));
  const auto policy = packages.policy.get();
  TRV_TRY_ASSIGN(trust::Roots roots, policy->roots());
  tenancy::RequestPackage request{.package = {.plugin = sent.manifest.id,
                                              .version = sent.manifest.version,
                                              .package_sha256 = sent.package_digest,
                                              .package_bytes = sent.package_bytes,
                                              .library_sha256 = sent.library_digest,
                                              .manifest = sent.manifest.text},
                                  .runs = runs,
                                  .applicant = {.plugin = sent.manifest.id,
                                                .version = sent.manifest.version,
                                                .content = sent.content_digest,
                                                .signers = sent.signers,
                                                .roots = std::move(roots),
                                                .policy = *policy}};
  const base::Duration patience = patience_of(call.request(), patience_max);
  const Package asked = request.package;
  return decide_then(
      std::move(call), std::move(request),
      [packages, asked, patience, held = *std::move(stored)](Call decided, const Result<Change>& change) mutable {
        held.reset();  // its record names it from here on, or nothing does
        packages.follower.wake();
        if (!change) return decided.responder.fail(change.error());
        packages.follower.await(
            asked, patience,
            [packages, is_new = change->last >= change->first,
             responder = std::move(decided.responder)](Result<Package> package) mutable {
              responder.answer(package ? Result<http::Response>(outcome_of(packages.host, *package, is_new))
                                       : fail(package.error()));
            });
      });
}

base::Result<http::Response> shown(const plugin_host::PluginHost& plugins, const Package& package) {
  const json::Value object = to_object(plugins, package);
  if (package.status == PackageStatus::refused) return http::json(200, object);
  TRV_TRY(manifest_of(package));
  return http::json_text(200, json::serialize_with(object, {{"manifest", package.manifest}}));
}

base::Status show_package(const node::Shard& platform, const Packages& packages, Call& call) {
  const std::string id(call.request().parameter("id"));
  const std::string version(call.request().parameter("version"));
  TRV_TRY_ASSIGN(const auto txn, platform.begin_read());
  TRV_TRY_ASSIGN(const auto package, platform.tenancy().package(txn, id, version));
  if (!package) return fail(ErrorCode::not_found, "plugin '" + id + "' version '" + version + "' is not installed");
  const base::Duration patience = patience_of(call.request(), base::Duration::zero());
  if (package->status != PackageStatus::pending || patience == base::Duration::zero()) {
    TRV_TRY_ASSIGN(http::Response answer, shown(packages.host, *package));
    return call.send(std::move(answer));
  }
  packages.follower.await(*package, patience,
                          [packages, responder = std::move(call.responder)](Result<Package> settled) mutable {
                            responder.answer(settled ? shown(packages.host, *settled) : fail(settled.error()));
                          });
  return {};
}

/// The tenants that have a version enabled, as far as their shards are followed here.
base::Result<std::vector<std::string>> tenants_with(const node::Node& node, const std::string& plugin,
                                                    const std::string& version) {
  constexpr std::size_t page = 500;
  std::vector<std::string> names;
  TRV_TRY_ASSIGN(const auto txn, node.platform().begin_read());
  for (std::string after;;) {
    TRV_TRY_ASSIGN(const auto tenants, node.platform().tenancy().tenants(txn, after, page));
    for (const tenancy::Tenant& tenant : tenants) {
      TRV_TRY_ASSIGN(const node::Shard* shard, node.shard_of(tenant.id));
      TRV_TRY_ASSIGN(const auto there, shard->begin_read());
      TRV_TRY_ASSIGN(const auto all, shard->tenancy().versions(there, tenant.id, plugin));
      if (std::ranges::find(all, version, &tenancy::Grant::version) != all.end()) names.push_back(tenant.id.value());
    }
    if (tenants.size() < page) return names;
    after = tenants.back().id.value();
  }
}

// It is recorded here; what ends the plugin and removes its files is the follower.
base::Status uninstall(const node::Node& node, const Packages& packages, Call& call) {
  tenancy::UninstallPackage command{.plugin = std::string(call.request().parameter("id")),
                                    .version = std::string(call.request().parameter("version"))};
  TRV_TRY_ASSIGN(command.enabled_in, tenants_with(node, command.plugin, command.version));
  return decide(std::move(call), std::move(command), [packages](const Change&) {
    packages.follower.wake();
    return http::empty(204);
  });
}

}  // namespace

void add_plugin_routes(http::Router& router, const node::Node& node, const Packages& packages) {
  router.route("POST", "/v1/plugins",
               guarded(node, Resource::packages, [packages](Call& call) { return install(packages, call); },
                       {.body = BodyRule::by_handler}),
               {.body_bytes_max = package::package_bytes_max, .may_wait = true});
  router.route("GET", "/v1/plugins", guarded(node, Resource::packages, [&node, packages](Call& call) {
                 return answer_list(
                     node.platform(), call,
                     [&node](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
                       return node.platform().tenancy().packages(txn, after, count);
                     },
                     [packages](const auto& one) { return to_object(packages.host, one); },
                     [](const auto& one) { return one.plugin + "/" + one.version; });
               }));
  router.route("DELETE", "/v1/plugins/{id}/{version}", guarded(node, Resource::packages, [&node, packages](Call& call) {
                 return uninstall(node, packages, call);
               }));
  router.route("GET", "/v1/plugins/{id}/{version}", guarded(node, Resource::packages, [&node, packages](Call& call) {
                 return show_package(node.platform(), packages, call);
               }));
}

}  // namespace trv::gateway
