#include "kernel/gateway/at_owner.hpp"

#include <charconv>

#include "kernel/node/forwarder.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::gateway {
namespace {

constexpr std::string_view token_prefix = "trv_";
constexpr std::size_t token_bytes_max = 128;

/// The shard that another node says; null where it says none, or one that this node does not own.
node::Shard* said_by_node(const node::Node& node, const http::Request& request) {
  if (!request.is_from_node()) return nullptr;
  const std::string_view text = request.header(node::forwarded_header).value_or("");
  const std::size_t space = std::min(text.find(' '), text.size());
  std::uint64_t id = node.shards().size();
  std::from_chars(text.data() + std::min(space + 1, text.size()), text.data() + text.size(), id);
  if (id >= node.shards().size() || !node.shards()[id]->is_owned()) return nullptr;
  return node.shards()[id].get();
}

/// Null for a request that names no tenant, which every node refuses alike.
base::Result<node::Shard*> shard_of(const node::Node& node, const http::Request& request) {
  if (node::Shard* const said = said_by_node(node, request)) return said;
  if (request.route().find("{tenant}") == std::string_view::npos) {
    const auto tenant = tenant_of_caller(request);
    return tenant ? node.home_of(*tenant) : nullptr;
  }
  const std::string_view tenant = request.parameter("tenant");
  return base::check_label("tenant", tenant) ? node.home_of(base::TenantId(tenant)) : nullptr;
}

}  // namespace

std::optional<base::TenantId> tenant_of_token(std::string_view token) {
  if (!token.starts_with(token_prefix) || token.size() > token_bytes_max) return std::nullopt;
  token.remove_prefix(token_prefix.size());
  const std::string_view tenant = token.substr(0, token.find('_'));
  if (tenant.size() == token.size() || !base::check_label("tenant", tenant)) return std::nullopt;
  return base::TenantId(tenant);
}

bool is_for_page(const http::Request& request) noexcept {
  const bool is_read = request.method() == "GET" || request.method() == "HEAD";
  const std::string_view route = request.route();
  const bool is_status = route == "/v1/tenants/{tenant}/status" || route == "/v1/tenants/{tenant}/status.json";
  return is_read &&
         (is_status || route.ends_with("/pages") || route.ends_with("/pages/") || route.ends_with("/pages/{path...}"));
}

std::string token_of(const http::Request& request) {
  const auto behind = [header = request.header("Authorization").value_or("")](std::string_view scheme) {
    const bool is_so =
        header.size() > scheme.size() && base::equal_ignoring_case(header.substr(0, scheme.size()), scheme);
    return is_so ? header.substr(scheme.size()) : std::string_view();
  };
  if (const std::string_view token = behind("Bearer "); !token.empty()) return std::string(token);
  if (!is_for_page(request)) return {};
  const auto pair = base::from_base64(behind("Basic "));
  if (!pair) return {};
  const std::string_view text = base::as_text(*pair);
  const std::size_t colon = text.find(':');
  return colon == std::string_view::npos ? std::string() : std::string(text.substr(colon + 1));
}

std::optional<base::TenantId> tenant_of_caller(const http::Request& request) {
  if (request.header("Authorization")) return tenant_of_token(token_of(request));
  const auto named = request.header(tenant_header);
  if (request.certificate_names().empty() || !named || !base::check_label("tenant", *named)) return std::nullopt;
  return base::TenantId(*named);
}

bool is_elsewhere(const node::Node& node, const node::Shard& shard, const http::Request& request) {
  return node.is_shared() && !shard.is_owned() && said_by_node(node, request) == nullptr;
}

bool is_fresh_enough(const node::Shard& shard, const http::Request& request) {
  const auto position = request.query(freshness_parameter);
  // The query of what a plugin serves is the plugin's.
  const bool is_read = (request.method() == "GET" || request.method() == "HEAD") &&
                       request.route().find("/serve") == std::string_view::npos;
  if (!position || !is_read || !shard.is_serving()) return false;
  if (request.route().find("{tenant}") == std::string_view::npos) return false;
  const std::string_view tenant = request.parameter("tenant");
  if (!base::check_label("tenant", tenant)) return false;
  return shard.has_reached(freshness_parameter, *position, base::TenantId(tenant)).value_or(false);
}

http::Handler at_owner(const node::Node& node, http::Handler handler) {
  return [&node, handler = std::move(handler)](const http::Request& request, http::Responder responder) {
    if (!node.is_shared()) return handler(request, std::move(responder));
    const auto shard = shard_of(node, request);
    if (!shard) return responder.fail(shard.error());
    const bool answers = *shard == nullptr || (*shard)->is_owned() || is_fresh_enough(**shard, request);
    if (answers) return handler(request, std::move(responder));
    node.forward(**shard, std::move(responder));
  };
}

}  // namespace trv::gateway
