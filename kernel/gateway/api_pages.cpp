// Pages that plugins bring: static files for browsers.

#include <fmt/format.h>

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/http/conditional.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using plugin_host::Page;

/// Under which a browser shows a page: what is of this origin alone, in no frame, and nothing of it leaves by itself.
http::Response guarded_page(http::Response response) {
  return std::move(response)
      .with("Content-Security-Policy",
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
      .with("X-Content-Type-Options", "nosniff")
      .with("Referrer-Policy", "no-referrer")
      .with("Cross-Origin-Opener-Policy", "same-origin")
      .with("Cross-Origin-Resource-Policy", "same-origin")
      .with("Cache-Control", "private, no-cache");
}

/// Of the version that is the current one.
base::Status send_page(const plugin_host::PluginHost& plugins, Call& call, std::string_view path) {
  const std::string_view plugin = call.request().parameter("id");
  TRV_TRY_ASSIGN(const auto grant, [&]() -> base::Result<std::optional<tenancy::Grant>> {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    return call.shard.tenancy().grant(txn, call.tenant, plugin);
  }());
  if (!grant) {
    return fail(ErrorCode::not_found, fmt::format("plugin '{}' is not enabled for tenant '{}'",
                                                  base::utf8_prefix(plugin, 63), call.tenant.value()));
  }
  TRV_TRY_ASSIGN(const Page page, plugins.page(plugin, grant->version, call.tenant, path));
  http::Response response;
  response.content_type = page.type;
  response.body = base::as_text(page.bytes);
  return call.send(http::tagged(call.request(), fmt::format("\"{}\"", base::to_hex(page.sha256)),
                                guarded_page(std::move(response))));
}

}  // namespace

void add_page_routes(http::Router& router, const node::Node& node, const Packages& packages) {
  const auto add = [&](std::string_view pattern, auto handle) {
    router.route("GET", pattern, guarded(node, Resource::plugins, handle, {.query = QueryRule::by_handler}),
                 {.may_wait = true});
  };
  const auto* plugins = &packages.host;
  add("/v1/tenants/{tenant}/plugins/{id}/pages/{path...}",
      [plugins](Call& call) { return send_page(*plugins, call, call.request().parameter("path")); });
  add("/v1/tenants/{tenant}/plugins/{id}/pages/", [plugins](Call& call) { return send_page(*plugins, call, ""); });
  // Links of a page are below it only where its own address ends in '/'.
  add("/v1/tenants/{tenant}/plugins/{id}/pages",
      [](Call& call) { return call.send(http::empty(308).with("Location", "pages/")); });
}

}  // namespace trv::gateway
