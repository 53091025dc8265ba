#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "kernel/egress/url.hpp"
#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/gateway/secret_change.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/text_check.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::gateway {
namespace {

using tenancy::Connection;
using tenancy::Resource;

json::Value to_object(const Connection& connection) {
  json::Value authentication = {{"scheme", connection.scheme}};
  if (connection.scheme == "basic") authentication.set("user", connection.user);
  if (connection.scheme == "header") authentication.set("header", connection.user);
  return {{"name", connection.name},
          {"plugin", connection.plugin},
          {"base_url", connection.base_url},
          {"auth", std::move(authentication)},
          {"has_secret", !connection.secret.empty()},
          {"has_webhook_secret", !connection.webhook_secret.empty()},
          {"allow_private_network", connection.allow_private_network}};
}

/// What a request asks for; secrets are still in the clear and go to the secret store before anything else happens.
struct Wanted {
  Connection connection;
  std::optional<std::string> secret;
  std::optional<std::string> webhook_secret;
};

base::Result<Wanted> parse(const http::Request& request) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(request.body(), {"plugin", "base_url", "auth", "secret", "webhook_secret",
                                                               "allow_private_network"}));
  Wanted wanted;
  Connection& connection = wanted.connection;
  connection.name = request.parameter("name");
  TRV_TRY_ASSIGN(const auto plugin, body.optional_text("plugin"));
  if (plugin) TRV_TRY(base::check_label("plugin", *plugin));
  connection.plugin = plugin.value_or("");
  TRV_TRY_ASSIGN(connection.base_url, body.text("base_url"));
  TRV_TRY(egress::parse_base_url(connection.base_url));
  TRV_TRY_ASSIGN(const auto authentication, body.optional_object("auth", {"scheme", "user", "header"}));
  connection.scheme = "none";
  if (authentication) {
    TRV_TRY_ASSIGN(connection.scheme, authentication->text("scheme"));
    TRV_TRY_ASSIGN(const auto user, authentication->optional_text("user"));
    TRV_TRY_ASSIGN(const auto header, authentication->optional_text("header"));
    // Also the one that the scheme does not use: it is held to the same rule.
    TRV_TRY(base::check_text("auth.user", user.value_or(""), {.characters_min = 0, .characters_max = 200}));
    TRV_TRY(base::check_text("auth.header", header.value_or(""), {.characters_min = 0, .characters_max = 200}));
    if (user) TRV_TRY(egress::check_user(*user));
    if (header && !header->empty()) TRV_TRY(egress::check_secret_header(*header));
    connection.user = connection.scheme == "header" ? header.value_or("") : user.value_or("");
  }
  TRV_TRY_ASSIGN(wanted.secret, body.optional_text("secret"));
  TRV_TRY_ASSIGN(wanted.webhook_secret, body.optional_text("webhook_secret"));
  TRV_TRY_ASSIGN(connection.allow_private_network, body.flag("allow_private_network"));
  return wanted;
}

std::vector<std::string> references_of(const Connection& connection) {
  return {connection.secret, connection.webhook_secret};
}

/// The schemes that the plugin's service takes, by the manifests of `packages`; empty: they do not say. A connection
/// that none of them names may be for each of theirs.
base::Result<std::set<package::AuthScheme>> schemes_of(const std::vector<tenancy::Package>& packages,
                                                       const std::string& connection) {
  std::set<package::AuthScheme> named;
  std::set<package::AuthScheme> all;
  for (const tenancy::Package& one : packages) {
    const auto manifest = package::parse_manifest(one.manifest, package::ManifestForm::packed);
    // It was checked when it was installed.
    if (!manifest) return fail(ErrorCode::corrupt, "a stored manifest cannot be read: " + manifest.error().message());
    for (const package::Connection& declared : manifest->connections) {
      all.insert(declared.auth.begin(), declared.auth.end());
      if (declared.name == connection) named.insert(declared.auth.begin(), declared.auth.end());
    }
  }
  return named.empty() ? all : named;
}

/// Packages are the platform's: what a tenant's decision must know of them is read there and goes along. False where
/// the plugin is not installed. Error: invalid (its service does not take the scheme).
base::Result<bool> fits_plugin(const node::Shard& platform, const Connection& connection) {
  if (connection.plugin.empty()) return false;
  TRV_TRY_ASSIGN(const auto txn, platform.begin_read());
  TRV_TRY_ASSIGN(const auto packages, platform.tenancy().loaded_packages(txn, connection.plugin));
  TRV_TRY_ASSIGN(const auto schemes, schemes_of(packages, connection.name));
  // Without credentials nothing is sent that a service could not take; deliveries may come in.
  if (schemes.empty() || connection.scheme == "none") return !packages.empty();
  std::vector<std::string_view> texts;
  for (const auto scheme : schemes) texts.push_back(package::to_string(scheme));
  if (std::ranges::find(texts, connection.scheme) != texts.end()) return true;
  return fail(ErrorCode::invalid, fmt::format("auth.scheme is \"{}\", and the service of plugin '{}' takes {}",
                                              connection.scheme, connection.plugin, fmt::join(texts, " or ")));
}

// A secret that is not sent again is kept.
base::Status apply_connection(const node::Shard& platform, const Secrets& kept_secrets, Call& call) {
  egress::SecretStore& store = kept_secrets.store;
  TRV_TRY_ASSIGN(const Wanted wanted, parse(call.request()));
  TRV_TRY_ASSIGN(const bool plugin_installed, fits_plugin(platform, wanted.connection));
  auto connection = std::make_shared<Connection>(wanted.connection);
  auto secrets = std::make_shared<SecretChange>();
  const auto keep = [&](const std::optional<std::string>& secret, std::string& reference) -> base::Status {
    if (!secret) return {};
    TRV_TRY_ASSIGN(reference, store.put(call.tenant, *secret));
    secrets->brought.push_back(reference);
    return {};
  };
  base::Status kept = keep(wanted.secret, connection->secret);
  if (kept) kept = keep(wanted.webhook_secret, connection->webhook_secret);
  if (!kept) {
    settle_secrets(store, call.tenant, *secrets, false);
    call.responder.fail_storing(kept.error());
    return {};
  }
  shard::Command command = command_of(call);
  node::Shard& shard = call.shard;
  auto held = std::make_shared<Call>(std::move(call));
  command.decide = [&tenancy = shard.tenancy(), connection, secrets, plugin_installed, sent = *connection](
                       const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
    *connection = sent;
    secrets->decided = false;
    TRV_TRY_ASSIGN(const auto before, tenancy.connection(state, context.tenant, sent.name));
    if (before && connection->secret.empty() && connection->scheme != "none") connection->secret = before->secret;
    if (before && connection->webhook_secret.empty()) connection->webhook_secret = before->webhook_secret;
    TRV_TRY_ASSIGN(shard::Decision decision,
                   tenancy::decide(tenancy, state, context, tenancy::ApplyConnection{*connection, plugin_installed}));
    secrets->replaced =
        before ? no_longer_named(references_of(*before), references_of(*connection)) : std::vector<std::string>();
    secrets->decided = true;
    return decision;
  };
  command.done = [kept_secrets, held, connection, secrets](const base::Result<shard::Applied>& outcome) {
    follow(
        kept_secrets.follower,
        [&store = kept_secrets.store, held, secrets, took_effect = outcome.has_value()] {
          settle_secrets(store, held->tenant, *secrets, took_effect);
        },
        [held, connection, outcome] {
          if (!outcome) return held->responder.fail(outcome.error());
          held->responder.send(with_position(*held, *outcome, http::json(200, to_object(*connection))));
        });
  };
  shard.submit(std::move(command));
  return {};
}

// Who removes a connection takes its secrets back: also requests that wait in line do not send them any more.
base::Status remove_connection(const Secrets& secrets, Call& call) {
  const tenancy::RemoveConnection remove{std::string(call.request().parameter("name"))};
  auto named = std::make_shared<std::vector<std::string>>();
  shard::Command command = command_of(call);
  node::Shard& shard = call.shard;
  auto held = std::make_shared<Call>(std::move(call));
  command.decide = [&tenancy = shard.tenancy(), remove, named](
                       const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
    TRV_TRY_ASSIGN(const auto before, tenancy.connection(state, context.tenant, remove.name));
    *named = before ? no_longer_named(references_of(*before), {}) : std::vector<std::string>();
    return tenancy::decide(tenancy, state, context, remove);
  };
  command.done = [secrets, held, named](const base::Result<shard::Applied>& outcome) {
    if (!outcome) return held->responder.fail(outcome.error());
    follow(
        secrets.follower,
        [&store = secrets.store, held, named] {
          for (const std::string& reference : *named) (void)store.remove(held->tenant, reference);
        },
        [held, change = *outcome] { held->responder.send(with_position(*held, change, http::empty(204))); });
  };
  shard.submit(std::move(command));
  return {};
}

}  // namespace

void add_connection_routes(http::Router& router, const node::Node& node, const Secrets& secrets) {
  router.route("GET", "/v1/tenants/{tenant}/connections",
               guarded(node, Resource::connections,
                       list_of(&tenancy::TenancyStore::connections, to_object, &tenancy::Connection::name)));
  router.route("PUT", "/v1/tenants/{tenant}/connections/{name}",
               guarded(node, Resource::connections,
                       [&node, secrets](Call& call) { return apply_connection(node.platform(), secrets, call); }),
               {.may_wait = true});
  router.route(
      "DELETE", "/v1/tenants/{tenant}/connections/{name}",
      guarded(node, Resource::connections, [secrets](Call& call) { return remove_connection(secrets, call); }));
}

}  // namespace trv::gateway
