// Webhooks that tenants declare themselves: what is delivered becomes an event of a type that was said before.

#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/at_owner.hpp"
#include "kernel/gateway/body.hpp"
#include "kernel/gateway/cloud_event.hpp"
#include "kernel/gateway/delivery.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/gateway/secret_change.hpp"
#include "kernel/tenancy/decisions.hpp"

namespace trv::gateway {
namespace {

using base::Status;
using tenancy::DeliveryProof;
using tenancy::Webhook;

constexpr std::string_view default_header = "X-Signature-256";
constexpr std::string_view default_prefix = "sha256=";
constexpr std::string_view default_timestamp_header = "X-Timestamp";
constexpr std::string_view default_id_header = "X-Delivery-Id";
constexpr std::int64_t default_tolerance_s = 300;
constexpr std::size_t token_bytes = 32;

json::Value verification_of(const Webhook& webhook) {
  json::Value verification = {{"scheme", to_string(webhook.proof)}};
  if (webhook.proof == DeliveryProof::token) return verification;
  verification.set("header", webhook.header);
  verification.set("prefix", webhook.prefix);
  verification.set("encoding", webhook.encoding);
  verification.set("secret_encoding", webhook.secret_encoding);
  verification.set("signed", webhook.signed_text);
  if (webhook.timestamp_header.empty()) return verification;
  verification.set("timestamp_header", webhook.timestamp_header);
  verification.set("tolerance_s", std::int64_t{webhook.tolerance_s});
  return verification;
}

json::Value to_object(const base::TenantId& tenant, const Webhook& webhook) {
  const std::string path = delivery_path(tenant.value(), webhook.name);
  return {{"name", webhook.name},
          {"type", webhook.type},
          {"source", webhook.source.empty() ? path : webhook.source},
          {"verification", verification_of(webhook)},
          {"id_header", webhook.id_header},
          {"path", webhook.proof == DeliveryProof::token ? path + "/{token}" : path}};
}

/// What a request asks for; the secret is still in the clear and goes to the secret store before anything else happens.
struct Wanted {
  Webhook webhook;
  std::optional<std::string> secret;
  bool is_new_token = false;
};

Status read_signature(const Body& verification, Webhook& webhook) {
  TRV_TRY_ASSIGN(const auto header, verification.optional_text("header"));
  TRV_TRY_ASSIGN(const auto prefix, verification.optional_text("prefix"));
  TRV_TRY_ASSIGN(const auto encoding, verification.optional_text("encoding"));
  TRV_TRY_ASSIGN(const auto secret_encoding, verification.optional_text("secret_encoding"));
  TRV_TRY_ASSIGN(const auto signed_text, verification.optional_text("signed"));
  TRV_TRY_ASSIGN(const auto timestamp_header, verification.optional_text("timestamp_header"));
  TRV_TRY_ASSIGN(const auto tolerance_s, verification.optional_integer("tolerance_s"));
  webhook.header = header.value_or(std::string(default_header));
  webhook.prefix = prefix.value_or(std::string(default_prefix));
  webhook.encoding = encoding.value_or("hex");
  webhook.secret_encoding = secret_encoding.value_or("text");
  webhook.signed_text = signed_text.value_or("{body}");
  if (!base::signs_time(webhook.signed_text)) {
    if (!timestamp_header && !tolerance_s) return {};
    return fail(ErrorCode::invalid,
                "verification.timestamp_header and verification.tolerance_s are for a time that is signed; set "
                "verification.signed to what the sender signs, such as {timestamp}.{body}");
  }
  webhook.timestamp_header = timestamp_header.value_or(std::string(default_timestamp_header));
  const std::int64_t tolerated = tolerance_s.value_or(default_tolerance_s);
  if (tolerated < 1 || tolerated > base::delivery_tolerance_s_max) {
    return fail(ErrorCode::invalid, fmt::format("verification.tolerance_s is {}; expected 1 to {} (a day)", tolerated,
                                                base::delivery_tolerance_s_max));
  }
  webhook.tolerance_s = static_cast<std::uint32_t>(tolerated);
  return {};
}

Result<Wanted> parse(const http::Request& request) {
  TRV_TRY_ASSIGN(const Body body,
                 Body::parse(request.body(), {"type", "source", "verification", "id_header", "secret", "new_token"}));
  Wanted wanted;
  Webhook& webhook = wanted.webhook;
  webhook.name = request.parameter("name");
  TRV_TRY_ASSIGN(webhook.type, body.text("type"));
  TRV_TRY(check_own_type(webhook.type));
  TRV_TRY_ASSIGN(const auto source, body.optional_text("source"));
  webhook.source = source.value_or("");
  TRV_TRY_ASSIGN(const auto id_header, body.optional_text("id_header"));
  webhook.id_header = id_header.value_or(std::string(default_id_header));
  TRV_TRY_ASSIGN(wanted.secret, body.optional_text("secret"));
  TRV_TRY_ASSIGN(wanted.is_new_token, body.flag("new_token"));
  TRV_TRY_ASSIGN(const auto verification,
                 body.optional_object("verification", {"scheme", "header", "prefix", "encoding", "secret_encoding",
                                                       "signed", "timestamp_header", "tolerance_s"}));
  std::string scheme(to_string(DeliveryProof::hmac_sha256));
  if (verification) {
    TRV_TRY_ASSIGN(scheme, verification->text("scheme"));
  }
  if (scheme == to_string(DeliveryProof::token)) {
    webhook.proof = DeliveryProof::token;
    if (wanted.secret) {
      return fail(ErrorCode::invalid, "'secret' is for verification.scheme hmac-sha256; with token the path is secret");
    }
    return wanted;
  }
  if (scheme != to_string(DeliveryProof::hmac_sha256)) {
    return fail(ErrorCode::invalid,
                fmt::format("verification.scheme '{}' is not known; use hmac-sha256 or token", scheme));
  }
  if (wanted.is_new_token) return fail(ErrorCode::invalid, "'new_token' is for verification.scheme token");
  static const Body nothing = *Body::parse("{}", {});
  TRV_TRY(read_signature(verification ? *verification : nothing, webhook));
  if (wanted.secret && webhook.secret_encoding == "base64") {
    TRV_TRY(base::signing_key(base::SecretEncoding::base64, *wanted.secret));
  }
  return wanted;
}

/// A declaration on its way.
struct Declaration {
  Webhook webhook;
  std::string token;  ///< empty: the one that is there stays
  SecretChange secrets;
};

// A secret that is not sent again is kept, and so is a token.
Status declare(const Secrets& kept_secrets, base::Random& random, Call& call) {
  TRV_TRY_ASSIGN(const Wanted wanted, parse(call.request()));
  auto declaration = std::make_shared<Declaration>();
  declaration->webhook = wanted.webhook;
  if (wanted.secret) {
    auto reference = kept_secrets.store.put(call.tenant, *wanted.secret);
    if (!reference) {
      call.responder.fail_storing(reference.error());
      return {};
    }
    declaration->webhook.secret = *reference;
    declaration->secrets.brought.push_back(*std::move(reference));
  }
  std::string new_token;
  if (wanted.webhook.proof == DeliveryProof::token) {
    base::Bytes bytes(token_bytes);
    random.fill(bytes);
    new_token = base::to_hex(bytes);
  }
  shard::Command command = command_of(call);
  auto held = std::make_shared<Call>(std::move(call));
  command.decide = [&tenancy = held->shard.tenancy(), declaration, new_token, is_new_token = wanted.is_new_token,
                    sent = declaration->webhook](const lmdb::Txn& state,
                                                 shard::DecisionContext& context) -> Result<shard::Decision> {
    Webhook& webhook = declaration->webhook;
    webhook = sent;
    declaration->token.clear();
    declaration->secrets.decided = false;
    TRV_TRY_ASSIGN(const auto before, tenancy.webhook(state, context.tenant, sent.name));
    if (sent.proof == DeliveryProof::token) {
      const bool stays = before && before->proof == DeliveryProof::token && !is_new_token;
      if (!stays) declaration->token = new_token;
      webhook.token_sha256 = stays ? before->token_sha256 : base::sha256(base::as_bytes(new_token));
    } else if (before && webhook.secret.empty()) {
      webhook.secret = before->secret;
    }
    TRV_TRY_ASSIGN(shard::Decision decision,
                   tenancy::decide(tenancy, state, context, tenancy::DeclareWebhook{webhook}));
    declaration->secrets.replaced = no_longer_named({before ? before->secret : ""}, {webhook.secret});
    declaration->secrets.decided = true;
    return decision;
  };
  command.done = [kept_secrets, held, declaration](const Result<shard::Applied>& outcome) {
    follow(
        kept_secrets.follower,
        [&store = kept_secrets.store, held, declaration, took_effect = outcome.has_value()] {
          settle_secrets(store, held->tenant, declaration->secrets, took_effect);
        },
        [held, declaration, outcome] {
          if (!outcome) return held->responder.fail(outcome.error());
          json::Value answer = to_object(held->tenant, declaration->webhook);
          // Shown this once: only its digest is kept.
          if (!declaration->token.empty()) {
            answer.set("path",
                       delivery_path(held->tenant.value(), declaration->webhook.name) + "/" + declaration->token);
          }
          held->responder.send(with_position(*held, *outcome, http::json(200, answer)));
        });
  };
  held->shard.submit(std::move(command));
  return {};
}

Status remove(const Secrets& secrets, Call& call) {
  const tenancy::RemoveWebhook remove{std::string(call.request().parameter("name"))};
  auto named = std::make_shared<std::vector<std::string>>();
  shard::Command command = command_of(call);
  auto held = std::make_shared<Call>(std::move(call));
  command.decide = [&tenancy = held->shard.tenancy(), remove, named](
                       const lmdb::Txn& state, shard::DecisionContext& context) -> Result<shard::Decision> {
    TRV_TRY_ASSIGN(const auto before, tenancy.webhook(state, context.tenant, remove.name));
    *named = no_longer_named({before ? before->secret : ""}, {});
    return tenancy::decide(tenancy, state, context, remove);
  };
  command.done = [secrets, held, named](const Result<shard::Applied>& outcome) {
    if (!outcome) return held->responder.fail(outcome.error());
    follow(
        secrets.follower,
        [&store = secrets.store, held, named] {
          for (const std::string& reference : *named) (void)store.remove(held->tenant, reference);
        },
        [held, change = *outcome] { held->responder.send(with_position(*held, change, http::empty(204))); });
  };
  held->shard.submit(std::move(command));
  return {};
}

Status list(Call& call) {
  return answer_list(
      call.shard, call,
      [&](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
        return call.shard.tenancy().webhooks(txn, call.tenant, after, count);
      },
      [&](const Webhook& webhook) { return to_object(call.tenant, webhook); },
      [](const Webhook& webhook) { return webhook.name; });
}

/// Where deliveries come in.
struct Door {
  const node::Node& node;
  egress::SecretStore& secrets;
  blob::BlobStore& blobs;
  std::shared_ptr<DeliveryCounts> counts;
};

/// A webhook with what its senders must know.
struct Opened {
  node::Shard& shard;
  Webhook webhook;
  std::string key;
};

// Whatever is missing answers alike, so that an outsider learns nothing about tenants and what they use.
Result<Opened> open(const Door& door, const http::Request& request) {
  const base::Error not_found(ErrorCode::not_found, "no such webhook");
  const base::TenantId tenant(request.parameter("tenant"));
  if (!base::check_label("tenant id", tenant.value())) return fail(not_found);
  TRV_TRY_ASSIGN(node::Shard * shard, door.node.shard_of(tenant));
  TRV_TRY_ASSIGN(const auto txn, shard->begin_read());
  TRV_TRY_ASSIGN(auto webhook, shard->tenancy().webhook(txn, tenant, request.parameter("name")));
  if (!webhook) return fail(not_found);
  Opened opened{.shard = *shard, .webhook = *std::move(webhook), .key = {}};
  if (opened.webhook.proof == DeliveryProof::token) return opened;
  TRV_TRY_ASSIGN(opened.key, door.secrets.reveal(tenant, opened.webhook.secret));
  return opened;
}

http::Response receipt_response(const Receipt& receipt) {
  const auto ids = [](const std::vector<base::Uuid>& all) {
    json::Value list = json::Value::array();
    for (const base::Uuid& id : all) list.push_back(id.to_string());
    return list;
  };
  return http::json(202, {{"event", receipt.event.to_string()},
                          {"duplicate", receipt.duplicate},
                          {"started", ids(receipt.started)},
                          {"heard", ids(receipt.heard)}});
}

void deliver(const Door& door, http::Responder responder, std::string_view token) {
  const http::Request& request = responder.request();
  const auto opened = open(door, request);
  if (!opened) return responder.fail(opened.error());
  const base::Timestamp now = door.node.now();
  const DeliverySecret secret{.key = opened->key, .token = token};
  if (const auto checked = check_delivery(opened->webhook, request, secret, now); !checked) {
    ++door.counts->refused;
    return responder.fail(checked.error());
  }
  auto refused = is_cloud_event(request) ? refuse_cloud_event_media(request) : refuse_encoding(request);
  if (refused) return responder.send(*std::move(refused));
  auto received =
      delivered_event(opened->webhook, request, request.parameter("tenant"), opened->shard.new_id().to_string(), now);
  if (!received) return responder.fail(received.error());
  if (const auto kept = keep_large_data(door.blobs, *received); !kept) return responder.fail_storing(kept.error());

  auto receipt = std::make_shared<Receipt>();
  shard::Command command;
  command.tenant = base::TenantId(request.parameter("tenant"));
  command.actor = "webhook:" + opened->webhook.name;
  command.correlation_id = opened->shard.new_id();
  command.traceparent = traceparent_of(request);
  command.decide = [&shard = opened->shard, received = *std::move(received), receipt](const lmdb::Txn& state,
                                                                                      shard::DecisionContext& context) {
    instance::DecisionBudget budget;
    return receive(shard.ingest(), shard.decision_state(), state, context, received, *receipt, budget);
  };
  auto held = std::make_shared<http::Responder>(std::move(responder));
  command.done = [held, receipt, counts = door.counts](const Result<shard::Applied>& outcome) {
    if (!outcome) return held->fail(outcome.error());
    ++(receipt->duplicate ? counts->duplicate : counts->taken);
    held->send(receipt_response(*receipt));
  };
  opened->shard.submit(std::move(command));
}

}  // namespace

void add_hook_routes(http::Router& router, const node::Node& node, const Secrets& secrets, blob::BlobStore& blobs,
                     base::Random& random, std::shared_ptr<DeliveryCounts> counts) {
  const http::RouteOptions delivery = {.body_bytes_max = event_body_bytes_max, .may_wait = true};
  const Door door{node, secrets.store, blobs, std::move(counts)};
  router.route("GET", "/v1/tenants/{tenant}/hooks", guarded(node, Resource::connections, list));
  router.route(
      "PUT", "/v1/tenants/{tenant}/hooks/{name}",
      guarded(node, Resource::connections, [secrets, &random](Call& call) { return declare(secrets, random, call); }),
      {.may_wait = true});
  router.route("DELETE", "/v1/tenants/{tenant}/hooks/{name}",
               guarded(node, Resource::connections, [secrets](Call& call) { return remove(secrets, call); }));
  router.route("POST", "/v1/tenants/{tenant}/hooks/{name}",
               at_owner(node, [door](const http::Request&,
                                     http::Responder responder) { deliver(door, std::move(responder), ""); }),
               delivery);
  router.route("POST", "/v1/tenants/{tenant}/hooks/{name}/{token}",
               at_owner(node,
                        [door](const http::Request& request, http::Responder responder) {
                          deliver(door, std::move(responder), request.parameter("token"));
                        }),
               delivery);
}

}  // namespace trv::gateway
