#pragma once
// A delivery to a webhook that a tenant declared: may its sender deliver, and which event is it.
//
// Pure functions of the declaration and the request; any thread. Headers and body are hostile input.

#include <string>
#include <string_view>

#include "kernel/http/request.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "kernel/tenancy/model.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::gateway {

/// What a sender must know.
struct DeliverySecret {
  std::string_view key;    ///< of hmac_sha256
  std::string_view token;  ///< of token: what the path of the request has; empty: nothing
};

/// The path to which senders deliver, without a token.
[[nodiscard]] std::string delivery_path(std::string_view tenant, std::string_view webhook);

/// Whether the request proves that its sender knows the secret; compared in constant time. A signature of a time holds
/// as long as that is within the webhook's tolerance of `now`. Error: unauthenticated; says which header and
/// what is wrong with it, never what was expected.
[[nodiscard]] base::Status check_delivery(const tenancy::Webhook& webhook, const http::Request& request,
                                          const DeliverySecret& secret, base::Timestamp now);

/// The event of a request that was checked. A CloudEvent is taken as it is, once per (source, id). Any other body is
/// the data of an event of the webhook's type; its id is the delivery's, else the digest of what was signed where a
/// time is signed, so that a copy is a duplicate, else `new_id`. Errors: invalid, also for a CloudEvent of another type
/// or source than the webhook has, and for several in one delivery.
[[nodiscard]] base::Result<ingest::Received> delivered_event(const tenancy::Webhook& webhook,
                                                             const http::Request& request, std::string_view tenant,
                                                             std::string_view new_id, base::Timestamp now);

}  // namespace trv::gateway
