#include "kernel/gateway/delivery.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"

namespace trv::gateway {
namespace {

using tenancy::DeliveryProof;
using tenancy::Webhook;

constexpr std::string_view key = "hush";
const base::Timestamp now(1'700'000'000LL * 1'000'000'000);

Webhook signed_webhook(std::string signed_text = "{body}") {
  Webhook webhook;
  webhook.name = "orders";
  webhook.type = "com.example.order.created";
  webhook.header = "X-Signature-256";
  webhook.prefix = "sha256=";
  webhook.encoding = "hex";
  webhook.signed_text = std::move(signed_text);
  webhook.timestamp_header = "X-Timestamp";
  webhook.tolerance_s = 300;
  webhook.id_header = "X-Delivery-Id";
  return webhook;
}

std::string signature(std::string_view message, std::string_view secret = key) {
  return "sha256=" + base::to_hex(base::hmac_sha256(base::as_bytes(secret), base::as_bytes(message)));
}

using Headers = std::vector<std::pair<std::string, std::string>>;
http::Request request_with(std::string_view body, const Headers& headers) {
  http::Request request;
  request.set_method("POST");
  request.append_body(body);
  for (const auto& [name, value] : headers) request.add_header(name, value);
  return request;
}

std::string refusal(const Webhook& webhook, std::string_view body, const Headers& headers, base::Timestamp at = now) {
  const auto checked = check_delivery(webhook, request_with(body, headers), {.key = key, .token = {}}, at);
  if (checked) return "";
  EXPECT_EQ(checked.error().code(), base::ErrorCode::unauthenticated);
  EXPECT_EQ(checked.error().message().find(signature(body)), std::string::npos);
  return checked.error().message();
}

base::Result<ingest::Received> event_of(const Webhook& webhook, std::string_view body, const Headers& headers) {
  return delivered_event(webhook, request_with(body, headers), "acme", "new-id", now);
}

TEST(Delivery, who_signs_the_body_may_deliver_and_nobody_else) {
  const Webhook webhook = signed_webhook();
  EXPECT_EQ(refusal(webhook, "{}", {{"x-signature-256", signature("{}")}}), "");
  EXPECT_NE(refusal(webhook, "{} ", {{"X-Signature-256", signature("{}")}}).find("HMAC-SHA256"), std::string::npos);
  EXPECT_NE(refusal(webhook, "{}", {{"X-Signature-256", signature("{}", "guess")}}), "");
  EXPECT_EQ(refusal(webhook, "{}", {{"X-Signature-256", signature("{}").substr(7)}}), "");
  EXPECT_NE(refusal(webhook, "{}", {{"X-Signature-256", signature("{}").substr(0, 50)}}), "");
  EXPECT_NE(refusal(webhook, "{}", {{"X-Signature-256", "sha256="}}), "");
  EXPECT_NE(refusal(webhook, "{}", {}).find("is missing"), std::string::npos);
  const Headers twice = {{"X-Signature-256", signature("{}")}, {"X-Signature-256", signature("{}")}};
  EXPECT_NE(refusal(webhook, "{}", twice).find("occurs twice"), std::string::npos);
  // While a secret is changed there is a signature by each.
  EXPECT_EQ(refusal(webhook, "{}", {{"X-Signature-256", signature("{}", "new") + " " + signature("{}")}}), "");
  std::string many;
  for (int i = 0; i < 8; ++i) many += signature("{}", "guess") + " ";
  EXPECT_NE(refusal(webhook, "{}", {{"X-Signature-256", many + signature("{}")}}), "");
}

TEST(Delivery, header_prefix_and_encoding_are_the_senders) {
  Webhook webhook = signed_webhook("{id}.{timestamp}.{body}");
  webhook.header = "webhook-signature";
  webhook.prefix = "v1,";
  webhook.encoding = "base64";
  webhook.timestamp_header = "webhook-timestamp";
  webhook.id_header = "webhook-id";
  const base::Digest digest = base::hmac_sha256(base::as_bytes(key), base::as_bytes("m-1.1700000000.{body}"));
  const Headers headers = {{"webhook-id", "m-1"},
                           {"webhook-timestamp", "1700000000"},
                           {"webhook-signature", "v1," + base::to_base64(digest)}};
  // A body that looks like a part of what is signed is a body.
  EXPECT_EQ(refusal(webhook, "{body}", headers), "");
  const auto event = event_of(webhook, "7", headers);
  ASSERT_TRUE(event) << event.error().message();
  EXPECT_EQ(event->id, "m-1");
}

TEST(Delivery, a_signed_time_is_tolerated_for_so_long_and_its_copy_is_a_duplicate) {
  const Webhook webhook = signed_webhook("{timestamp}.{body}");
  const auto at = [](std::string_view time) {
    return Headers{{"X-Timestamp", std::string(time)}, {"X-Signature-256", signature(fmt::format("{}.x", time))}};
  };
  for (const char* time : {"1700000000", "1699999700", "1700000300"}) EXPECT_EQ(refusal(webhook, "x", at(time)), "");
  EXPECT_NE(refusal(webhook, "x", at("1699999699")).find("301 s before"), std::string::npos);
  EXPECT_NE(refusal(webhook, "x", at("1700000301")).find("301 s after"), std::string::npos);
  for (const char* time : {"soon", "1700000000.5", "-1", "99999999999999999999"}) {
    EXPECT_NE(refusal(webhook, "x", at(time)).find("not a time in seconds"), std::string::npos) << time;
  }
  EXPECT_NE(refusal(webhook, "x", {{"X-Signature-256", signature(".x")}}).find("'X-Timestamp' is missing"),
            std::string::npos);
  // The time is signed: another one does not fit.
  Headers moved = at("1699999000");
  moved[0].second = "1700000000";
  EXPECT_NE(refusal(webhook, "x", moved).find("HMAC-SHA256"), std::string::npos);

  const auto first = event_of(webhook, "1", at("1700000000"));
  const auto copy = event_of(webhook, "1", at("1700000000"));
  const auto later = event_of(webhook, "1", at("1700000001"));
  ASSERT_TRUE(first && copy && later);
  EXPECT_EQ(first->id, copy->id);
  EXPECT_NE(first->id, later->id);
}

TEST(Delivery, a_token_in_the_path_is_compared_by_its_digest) {
  Webhook webhook = signed_webhook();
  webhook.proof = DeliveryProof::token;
  webhook.token_sha256 = base::sha256(base::as_bytes("abc"));
  const auto check = [&](std::string_view token) {
    return check_delivery(webhook, request_with("{}", {}), {.key = {}, .token = token}, now).has_value();
  };
  EXPECT_TRUE(check("abc"));
  for (const char* token : {"", "ab", "abcd", "ABC"}) EXPECT_FALSE(check(token)) << token;
  webhook.token_sha256 = base::sha256(base::BytesView());
  EXPECT_FALSE(check(""));
}

TEST(Delivery, a_body_is_data_by_its_content_type) {
  const Webhook webhook = signed_webhook();
  const auto data = [&](std::string_view body, std::string type) {
    Headers headers = {{"X-Delivery-Id", "d-1"}};
    if (!type.empty()) headers.emplace_back("Content-Type", std::move(type));
    const auto event = event_of(webhook, body, headers);
    if (!event) return "refused: " + event.error().message();
    EXPECT_EQ(event->type, "com.example.order.created");
    EXPECT_EQ(event->source, "/v1/tenants/acme/hooks/orders");
    EXPECT_EQ(event->id, "d-1");
    EXPECT_EQ(event->channel, "webhook:orders");
    return event->data + event->data_base64 + " " + event->datacontenttype;
  };
  EXPECT_EQ(data(R"({"a": 1})", ""), R"({"a":1} )");
  EXPECT_EQ(data(R"({"a": 1})", "application/json"), R"({"a":1} application/json)");
  EXPECT_EQ(data("a=1&b=2", "application/x-www-form-urlencoded"), R"("a=1&b=2" application/x-www-form-urlencoded)");
  EXPECT_EQ(data("\x01\x02", "application/octet-stream"), "AQI= application/octet-stream");
  EXPECT_EQ(data("", "application/json"), " application/json");
  EXPECT_NE(data("{", "application/json").find("refused: request body"), std::string::npos);
  // Without an id each delivery is one of its own.
  const auto event = event_of(webhook, "1", {});
  ASSERT_TRUE(event);
  EXPECT_EQ(event->id, "new-id");
}

TEST(Delivery, a_cloud_event_is_taken_as_it_is_and_claims_no_other_type) {
  Webhook webhook = signed_webhook();
  const std::string body =
      R"({"specversion":"1.0","id":"e1","source":"/shop","type":"com.example.order.created","data":7,"region":"eu"})";
  const Headers structured = {{"Content-Type", "application/cloudevents+json"}, {"X-Delivery-Id", "d"}};
  const auto taken = event_of(webhook, body, structured);
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(taken->id, "e1");
  EXPECT_EQ(taken->source, "/shop");
  EXPECT_EQ(taken->extensions, R"({"region":"eu"})");
  EXPECT_EQ(taken->data, "7");
  const auto refused = [&](const Headers& headers, std::string_view text) {
    const auto event = event_of(webhook, text, headers);
    return event ? std::string() : event.error().message();
  };
  Headers binary = {
      {"ce-specversion", "1.0"}, {"ce-id", "e1"}, {"ce-source", "/shop"}, {"ce-type", "com.example.other"}};
  EXPECT_NE(
      refused(binary, "7").find("'type' is 'com.example.other'; webhook 'orders' takes 'com.example.order.created'"),
      std::string::npos);
  binary[3].second = webhook.type;
  EXPECT_EQ(refused(binary, "7"), "");
  webhook.source = "/other";
  EXPECT_NE(refused(binary, "7").find("'source' is '/shop'"), std::string::npos);
  const Headers batch = {{"Content-Type", "application/cloudevents-batch+json"}};
  EXPECT_NE(refused(batch, "[" + body + "," + body + "]").find("2 events"), std::string::npos);
  // Other JSON that looks like one is data.
  const auto data = event_of(webhook, body, {{"Content-Type", "application/json"}});
  ASSERT_TRUE(data);
  EXPECT_EQ(data->id, "new-id");
}

}  // namespace
}  // namespace trv::gateway
