#pragma once
// A request is answered by the node that owns its tenant's shard, whichever node it came to.

#include "kernel/http/router.hpp"
#include "kernel/node/node.hpp"

namespace trv::gateway {

/// The tenant that the text of a token names; nullopt for what cannot be a token of ours.
[[nodiscard]] std::optional<base::TenantId> tenant_of_token(std::string_view token);

/// Whether it is for a page, of a plugin or of how a tenant is, which a browser opens by itself.
[[nodiscard]] bool is_for_page(const http::Request& request) noexcept;

/// The token of the Authorization header; empty where there is none. Of a page it may be the password of Basic, which a
/// browser asks for.
[[nodiscard]] std::string token_of(const http::Request& request);

/// In a request without a token: the tenant in which the client's certificate has one. A page of a browser cannot send
/// it to another origin unasked, so that a certificate in a browser speaks for nobody but its user.
inline constexpr std::string_view tenant_header = "Travertine-Tenant";
/// The tenant that the caller says is its own: by its token or, with a certificate, by the header above. nullopt: it
/// says none.
[[nodiscard]] std::optional<base::TenantId> tenant_of_caller(const http::Request& request);

/// Whether another node is to answer: it owns the shard, and has not sent the request here to be answered.
[[nodiscard]] bool is_elsewhere(const node::Node& node, const node::Shard& shard, const http::Request& request);

/// By this parameter of a query a client says what the answer to its read must know at least: a position.
inline constexpr std::string_view freshness_parameter = "min_position";
/// Whether a read says what its answer must know at least, and this node knows that, whichever node owns the shard.
[[nodiscard]] bool is_fresh_enough(const node::Shard& shard, const http::Request& request);

/// Calls `handler` on the node that owns the shard of the tenant in the path or, without one, in the token; elsewhere
/// sends the request there, unless this one is fresh enough. Without other nodes: `handler`.
[[nodiscard]] http::Handler at_owner(const node::Node& node, http::Handler handler);

}  // namespace trv::gateway
