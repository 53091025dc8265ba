#pragma once
// Webhooks: is it really from the sender, and what event does it mean.
//
// Pure functions of the plugin's declaration and the request; any thread. Headers and body are hostile input: bounded
// in size, depth and evaluation.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/egress/request.hpp"
#include "kernel/expression/program.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t webhook_body_bytes_max = std::size_t{25} << 20;
inline constexpr std::size_t webhook_headers_max = 100;
inline constexpr std::size_t webhook_header_bytes_max = 32'768;  ///< all names and values together

/// One webhook of a plugin with its expressions compiled. Immutable; cheap to copy.
struct WebhookDeclaration {
  std::string plugin;
  std::string version;
  package::Webhook manifest;
  expression::Program event_type;
  expression::Program event_source;
  std::optional<expression::Program> event_subject;
  std::optional<expression::Program> delivery_id;
  std::optional<expression::Program> challenge;
};

/// What a delivery becomes; the daemon makes the CloudEvent of it.
struct WebhookEvent {
  std::string type;
  std::string source;
  std::string subject;      ///< empty = none
  std::string delivery_id;  ///< empty = no de-duplication
  json::Value data;         ///< the parsed body
  /// Set where the sender only asks whether somebody is there: this text is the answer, and there is no event.
  std::optional<std::string> challenge;
};

/// Compiles the expressions of webhooks[index]. Error: invalid, names the member of the manifest, with line and column.
[[nodiscard]] base::Result<WebhookDeclaration> compile_webhook(const package::Manifest& manifest, std::size_t index);

/// Whether the sender knew the secret, by the scheme of the manifest (sdk/base/delivery_proof.hpp). None passes.
/// Errors: unauthenticated (says which header and what is wrong with it, never the digest expected), too_large.
[[nodiscard]] base::Status verify_webhook(const WebhookDeclaration& webhook, const std::vector<egress::Header>& headers,
                                          base::BytesView body, std::string_view secret, base::Timestamp now);

/// Evaluates the declaration's expressions on {"headers": {<lower-case name>: <value>}, "body": <parsed body>}; of
/// headers with one name the last counts. Where a time is signed and the manifest has no delivery_id, the digest of
/// what was signed is the id. Errors: invalid (body is not JSON or not a form; an expression failed or gave no string;
/// names the member), too_large.
[[nodiscard]] base::Result<WebhookEvent> map_webhook(const WebhookDeclaration& webhook,
                                                     const std::vector<egress::Header>& headers, std::string_view body,
                                                     base::Timestamp now);

}  // namespace trv::plugin_host
