#include "kernel/plugin_host/webhook.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/base/digest.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

package::Manifest manifest() {
  package::Manifest manifest;
  manifest.id = "tracker";
  manifest.version = "1.2.3";
  package::Webhook webhook;
  webhook.name = "events";
  webhook.verification.scheme = package::VerificationScheme::hmac_sha256;
  webhook.verification.signature.header = "x-signature";
  webhook.verification.signature.prefix = "sha256=";
  webhook.delivery_id = ".headers[\"x-delivery\"]";
  webhook.event_type = "\"example.\" + .headers[\"x-event\"]";
  webhook.event_source = ".body.repository.url";
  webhook.event_subject = ".body.number | if . then tostring else null end";
  manifest.webhooks.push_back(webhook);
  return manifest;
}

WebhookDeclaration declaration(const package::Manifest& of = manifest()) {
  auto compiled = compile_webhook(of, 0);
  EXPECT_TRUE(compiled) << compiled.error().message();
  return *std::move(compiled);
}

std::string signature(std::string_view body, std::string_view secret) {
  return "sha256=" + base::to_hex(base::hmac_sha256(base::as_bytes(secret), base::as_bytes(body)));
}

constexpr base::Timestamp now = base::Timestamp(1);
constexpr std::string_view body = R"({"repository":{"url":"https://example.com/r"},"number":7})";

TEST(VerifyWebhook, the_sender_who_knows_the_secret_passes) {
  const std::vector<egress::Header> headers = {{"X-Signature", signature(body, "secret")}};
  EXPECT_TRUE(verify_webhook(declaration(), headers, base::as_bytes(body), "secret", now));
}

TEST(VerifyWebhook, base64_and_no_prefix_pass_too) {
  package::Manifest of = manifest();
  of.webhooks[0].verification.signature.prefix = "";
  of.webhooks[0].verification.signature.encoding = base::SignatureEncoding::base64;
  const std::string digest = base::to_base64(base::hmac_sha256(base::as_bytes("secret"), base::as_bytes(body)));
  EXPECT_TRUE(verify_webhook(declaration(of), {{"x-signature", digest}}, base::as_bytes(body), "secret", now));
  EXPECT_FALSE(verify_webhook(declaration(of), {{"x-signature", signature(body, "secret")}}, base::as_bytes(body),
                              "secret", now));
}

TEST(VerifyWebhook, everybody_else_is_unauthenticated) {
  const std::string good = signature(body, "secret");
  std::string flipped = good;
  flipped.back() = flipped.back() == '0' ? '1' : '0';
  const std::vector<std::vector<egress::Header>> wrong = {
      {},
      {{"X-Other", good}},
      {{"X-Signature", ""}},
      {{"X-Signature", good.substr(7)}},
      {{"X-Signature", "sha1=" + good.substr(7)}},
      {{"X-Signature", "sha256="}},
      {{"X-Signature", good.substr(0, 40)}},
      {{"X-Signature", good + "00"}},
      {{"X-Signature", good + "z"}},
      {{"X-Signature", flipped}},
      {{"X-Signature", good}, {"x-signature", good}},
      {{"X-Signature", signature(body, "other")}},
      {{"X-Signature", signature("{}", "secret")}},
  };
  for (const auto& headers : wrong) {
    const base::Status status = verify_webhook(declaration(), headers, base::as_bytes(body), "secret", now);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::unauthenticated);
    EXPECT_THAT(status.error().message(), Not(HasSubstr(good.substr(7))));
  }
  EXPECT_EQ(verify_webhook(declaration(), {{"X-Signature", signature(body, "")}}, base::as_bytes(body), "", now)
                .error()
                .code(),
            ErrorCode::unauthenticated);
}

TEST(VerifyWebhook, scheme_none_passes_and_bounds_hold) {
  package::Manifest of = manifest();
  of.webhooks[0].verification = {};
  EXPECT_TRUE(verify_webhook(declaration(of), {}, base::as_bytes(body), "", now));
  const base::Bytes big(webhook_body_bytes_max + 1);
  EXPECT_EQ(verify_webhook(declaration(of), {}, big, "", now).error().code(), ErrorCode::too_large);
  const std::vector<egress::Header> many(webhook_headers_max + 1, {"a", "b"});
  EXPECT_EQ(verify_webhook(declaration(of), many, base::as_bytes(body), "", now).error().code(), ErrorCode::too_large);
}

TEST(MapWebhook, a_delivery_becomes_an_event) {
  const auto event =
      map_webhook(declaration(), {{"X-Event", "issues"}, {"X-DELIVERY", "d-1"}}, body, base::Timestamp());
  ASSERT_TRUE(event) << event.error().message();
  EXPECT_EQ(event->type, "example.issues");
  EXPECT_EQ(event->source, "https://example.com/r");
  EXPECT_EQ(event->subject, "7");
  EXPECT_EQ(event->delivery_id, "d-1");
}

TEST(MapWebhook, what_gives_no_text_is_invalid_and_names_the_member) {
  const WebhookDeclaration webhook = declaration();
  const std::vector<egress::Header> headers = {{"X-Event", "issues"}, {"X-Delivery", "d-1"}};
  const auto no_subject = map_webhook(webhook, headers, R"({"repository":{"url":"u"}})", {});
  ASSERT_TRUE(no_subject);
  EXPECT_EQ(no_subject->subject, "");
  const auto no_source = map_webhook(webhook, headers, "{}", {});
  ASSERT_FALSE(no_source);
  EXPECT_EQ(no_source.error().code(), ErrorCode::invalid);
  EXPECT_THAT(no_source.error().message(), HasSubstr("event.source"));
  EXPECT_FALSE(map_webhook(webhook, headers, "[]", {}));
  EXPECT_FALSE(map_webhook(webhook, headers, "{", {}));
  EXPECT_FALSE(map_webhook(webhook, headers, "", {}));
  EXPECT_FALSE(map_webhook(webhook, {{"X-Event", "issues"}}, body, {}));
  EXPECT_FALSE(map_webhook(webhook, headers, std::string(5'000, '['), {}));
}

TEST(MapWebhook, a_delivery_without_a_required_header_is_invalid) {
  package::Manifest of = manifest();
  of.webhooks[0].required_headers = {"x-event"};
  EXPECT_TRUE(map_webhook(declaration(of), {{"X-Event", "opened"}, {"X-Delivery", "d"}}, body, now));
  for (const std::vector<egress::Header>& headers :
       {std::vector<egress::Header>{{"X-Delivery", "d"}}, {{"X-Event", ""}, {"X-Delivery", "d"}}}) {
    const auto refused = map_webhook(declaration(of), headers, body, now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
    EXPECT_THAT(refused.error().message(),
                HasSubstr("header 'x-event' is missing; a delivery to the webhook 'events'"));
  }
}

TEST(MapWebhook, a_costly_expression_ends_at_its_budget) {
  package::Manifest of = manifest();
  of.webhooks[0].event_type = "[range(1e9)] | length | tostring";
  EXPECT_FALSE(map_webhook(declaration(of), {{"X-Delivery", "d"}}, body, {}));
  of.webhooks[0].event_type = "def f: f; f";
  EXPECT_FALSE(map_webhook(declaration(of), {{"X-Delivery", "d"}}, body, {}));
}

TEST(CompileWebhook, an_expression_that_does_not_parse_is_named) {
  package::Manifest of = manifest();
  of.webhooks[0].event_subject = ".a |";
  const auto compiled = compile_webhook(of, 0);
  ASSERT_FALSE(compiled);
  EXPECT_THAT(compiled.error().message(), HasSubstr("webhooks[0].event.subject"));
}

}  // namespace
}  // namespace trv::plugin_host
