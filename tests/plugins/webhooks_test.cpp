// The webhooks of the plugins of this repository, as their manifests declare them: the services' documented examples
// are believed and become events, and what is not from the service is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernel/json/serialize.hpp"
#include "kernel/plugin_host/webhook.hpp"
#include "sdk/base/delivery_proof.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugins {
namespace {

using plugin_host::WebhookDeclaration;
using Headers = std::vector<egress::Header>;
using testing::HasSubstr;
using testing::StartsWith;

WebhookDeclaration declared(const std::string& plugin, std::string_view name) {
  const std::string path = std::string(TRV_SOURCE_DIR) + "/plugins/" + plugin + "/manifest.json";
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto manifest = package::parse_manifest(text, package::ManifestForm::source);
  EXPECT_TRUE(manifest) << path << ": " << manifest.error().message();
  for (std::size_t index = 0; index < manifest->webhooks.size(); ++index) {
    if (manifest->webhooks[index].name != name) continue;
    auto compiled = plugin_host::compile_webhook(*manifest, index);
    EXPECT_TRUE(compiled) << compiled.error().message();
    return *std::move(compiled);
  }
  ADD_FAILURE() << path << " has no webhook " << name;
  std::abort();
}

base::Timestamp seconds(std::int64_t since_1970) {
  return base::Timestamp(since_1970 * 1'000'000'000);
}

/// Empty where the sender is believed.
std::string refusal(const WebhookDeclaration& webhook, const Headers& headers, std::string_view body,
                    std::string_view secret, base::Timestamp now = seconds(0)) {
  const auto verified = plugin_host::verify_webhook(webhook, headers, base::as_bytes(body), secret, now);
  if (verified) return "";
  EXPECT_EQ(verified.error().code(), base::ErrorCode::unauthenticated);
  return verified.error().message();
}

plugin_host::WebhookEvent event_of(const WebhookDeclaration& webhook, const Headers& headers, std::string_view body) {
  auto event = plugin_host::map_webhook(webhook, headers, body, seconds(0));
  EXPECT_TRUE(event) << event.error().message();
  return event ? *std::move(event) : plugin_host::WebhookEvent{};
}

// Slack's own example: "Verifying requests from Slack".
constexpr std::string_view slack_secret = "8f742231b10e8888abcd99yyyzzz85a5";
constexpr std::string_view slack_command =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack."
    "com"
    "%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const Headers slack_headers = {
    {"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
    {"X-Slack-Request-Timestamp", "1531420618"}};

Headers slack_signed(std::string_view body, std::string_view time = "1531420618") {
  const std::string message = "v0:" + std::string(time) + ":" + std::string(body);
  const base::Digest digest = base::hmac_sha256(base::as_bytes(slack_secret), base::as_bytes(message));
  return {{"X-Slack-Signature", "v0=" + base::to_hex(digest)}, {"X-Slack-Request-Timestamp", std::string(time)}};
}

TEST(SlackWebhooks, the_documented_command_is_believed_and_is_an_event) {
  const WebhookDeclaration webhook = declared("slack", "commands");
  EXPECT_EQ(refusal(webhook, slack_headers, slack_command, slack_secret, seconds(1531420618)), "");
  const auto event = event_of(webhook, slack_headers, slack_command);
  EXPECT_EQ(event.type, "com.slack.command");
  EXPECT_EQ(event.source, "https://slack.com/T1DC2JH3J");
  EXPECT_EQ(event.subject, "/webhook-collect");
  EXPECT_THAT(json::serialize(event.data), HasSubstr(R"("text":"")"));
  EXPECT_THAT(json::serialize(event.data), HasSubstr(R"("command":"/webhook-collect")"));
  EXPECT_THAT(event.delivery_id, StartsWith("sha256:"));
  EXPECT_EQ(event.delivery_id, event_of(webhook, slack_headers, slack_command).delivery_id) << "a copy";
  EXPECT_EQ(webhook.manifest.answer, package::WebhookAnswer::empty);
  EXPECT_EQ(event_of(webhook, slack_headers, "ssl_check=1&token=x").challenge, "");
}

TEST(SlackWebhooks, what_is_too_old_or_too_new_is_refused) {
  const WebhookDeclaration webhook = declared("slack", "commands");
  for (const std::int64_t apart : {-300, 0, 300})
    EXPECT_EQ(refusal(webhook, slack_headers, slack_command, slack_secret, seconds(1531420618 + apart)), "") << apart;
  for (const std::int64_t apart : {-301, 301, 86'400})
    EXPECT_THAT(refusal(webhook, slack_headers, slack_command, slack_secret, seconds(1531420618 + apart)),
                HasSubstr("at most 300 s are tolerated"))
        << apart;
  // The time is signed: a newer one does not fit the signature.
  Headers moved = slack_headers;
  moved[1].value = "1531421618";
  EXPECT_THAT(refusal(webhook, moved, slack_command, slack_secret, seconds(1531421618)), HasSubstr("does not match"));
}

TEST(SlackWebhooks, nobody_else_is_believed) {
  const WebhookDeclaration webhook = declared("slack", "commands");
  const base::Timestamp now = seconds(1531420618);
  const std::string changed = std::string(slack_command) + "&text=more";
  EXPECT_THAT(refusal(webhook, slack_headers, changed, slack_secret, now), HasSubstr("does not match"));
  EXPECT_THAT(refusal(webhook, slack_headers, slack_command, "guess", now), HasSubstr("does not match"));
  EXPECT_THAT(refusal(webhook, {slack_headers[1]}, slack_command, slack_secret, now),
              HasSubstr("'x-slack-signature' is missing"));
  EXPECT_THAT(refusal(webhook, {slack_headers[0]}, slack_command, slack_secret, now),
              HasSubstr("'x-slack-request-timestamp' is missing"));
  EXPECT_THAT(
      refusal(webhook, {slack_headers[0], slack_headers[1], slack_headers[1]}, slack_command, slack_secret, now),
      HasSubstr("occurs twice"));
  for (const char* time : {"soon", "-1", "1531420618.0", "99999999999999999999"})
    EXPECT_THAT(refusal(webhook, slack_signed(slack_command, time), slack_command, slack_secret, now),
                HasSubstr("not a time in seconds"));
}

TEST(SlackWebhooks, a_button_is_the_json_in_its_form) {
  const WebhookDeclaration webhook = declared("slack", "interactions");
  const std::string body =
      "payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T9TK3CUKW%22%7D%2C%22actions%22%3A%"
      "5B"
      "%7B%22action_id%22%3A%22WaXA%22%2C%22value%22%3A%22a+b%26%22%7D%5D%7D";
  const Headers headers = slack_signed(body);
  EXPECT_EQ(refusal(webhook, headers, body, slack_secret, seconds(1531420618)), "");
  const auto event = event_of(webhook, headers, body);
  EXPECT_EQ(event.type, "com.slack.block_actions");
  EXPECT_EQ(event.source, "https://slack.com/T9TK3CUKW");
  EXPECT_EQ(event.subject, "WaXA");
  EXPECT_EQ(json::serialize(event.data),
            R"({"type":"block_actions","team":{"id":"T9TK3CUKW"},"actions":[{"action_id":"WaXA","value":"a b&"}]})");
  for (const char* wrong : {"", "other=1", "payload", "payload=", "payload=%7", "payload=%zz", "payload=%ff",
                            "payload={", "payload=%7B%7D&payload=x"}) {
    const auto refused = plugin_host::map_webhook(webhook, headers, wrong, seconds(0));
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code(), base::ErrorCode::invalid);
    EXPECT_THAT(refused.error().message(), StartsWith("body: ")) << wrong;
  }
}

TEST(SlackWebhooks, events_come_once_and_the_challenge_is_answered) {
  const WebhookDeclaration webhook = declared("slack", "events");
  const auto event = event_of(webhook, {}, R"({"type":"event_callback","team_id":"T1","event_id":"Ev1",
      "event":{"type":"app_mention","channel":"C1"}})");
  EXPECT_EQ(event.type, "com.slack.app_mention");
  EXPECT_EQ(event.subject, "channels/C1");
  EXPECT_EQ(event.delivery_id, "Ev1");
  EXPECT_FALSE(event.challenge);
  EXPECT_EQ(event_of(webhook, {}, R"({"type":"url_verification","token":"x","challenge":"3eZbrw1aB"})").challenge,
            "3eZbrw1aB");
}

TEST(GitLabWebhooks, the_token_is_the_secret_and_headers_are_required) {
  const WebhookDeclaration webhook = declared("gitlab", "events");
  const std::string body = R"({"object_kind":"issue","project":{"web_url":"https://gitlab.example.com/g/p"},
      "object_attributes":{"id":301,"iid":23,"action":"open"}})";
  const Headers headers = {{"X-Gitlab-Token", "hush"},
                           {"X-Gitlab-Event", "Issue Hook"},
                           {"X-Gitlab-Event-UUID", "13792a34-cac6-4fda-95a8-c58e00a3954e"}};
  EXPECT_EQ(refusal(webhook, headers, body, "hush"), "");
  for (const char* guess : {"hus", "hush ", "Hush", "hushh"}) {
    EXPECT_EQ(refusal(webhook, {{"X-Gitlab-Token", guess}}, body, "hush"), "header 'x-gitlab-token' is not the secret");
  }
  EXPECT_THAT(refusal(webhook, {}, body, "hush"), HasSubstr("is missing"));
  EXPECT_THAT(refusal(webhook, {{"X-Gitlab-Token", ""}}, body, "hush"), HasSubstr("is missing"));
  EXPECT_THAT(refusal(webhook, {headers[0], headers[0]}, body, "hush"), HasSubstr("occurs twice"));
  EXPECT_THAT(refusal(webhook, headers, body, ""), HasSubstr("no webhook secret"));

  auto event = event_of(webhook, headers, body);
  EXPECT_EQ(event.type, "com.gitlab.issue.open");
  EXPECT_EQ(event.source, "https://gitlab.example.com/g/p");
  EXPECT_EQ(event.subject, "issues/23");
  EXPECT_EQ(event.delivery_id, "13792a34-cac6-4fda-95a8-c58e00a3954e:issue:301");
  Headers with_key = headers;
  with_key.push_back({"Idempotency-Key", "f5e5f430"});
  EXPECT_EQ(event_of(webhook, with_key, body).delivery_id, "f5e5f430");
  const auto refused = plugin_host::map_webhook(webhook, {headers[0], headers[2]}, body, seconds(0));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("header 'x-gitlab-event' is missing"));
  event = event_of(webhook, headers, R"({"object_kind":"push","after":"da15","project":{"web_url":"https://g/p"}})");
  EXPECT_EQ(event.type, "com.gitlab.push");
  EXPECT_EQ(event.subject, "");
}

TEST(JiraWebhooks, the_documented_signature_is_believed) {
  const WebhookDeclaration webhook = declared("jira", "events");
  const std::string_view secret = "It's a Secret to Everybody";
  const Headers headers = {
      {"X-Hub-Signature", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"}};
  EXPECT_EQ(refusal(webhook, headers, "Hello World!", secret), "");
  EXPECT_THAT(refusal(webhook, headers, "Hello World", secret), HasSubstr("does not match"));

  const std::string body = R"({"timestamp":1525698237764,"webhookEvent":"jira:issue_created",
      "issue":{"id":"99291","key":"JRA-20002","self":"https://acme.atlassian.net/rest/api/2/issue/99291"}})";
  auto event = event_of(webhook, {{"X-Atlassian-Webhook-Identifier", "id-1"}}, body);
  EXPECT_EQ(event.type, "com.atlassian.jira.issue_created");
  EXPECT_EQ(event.source, "https://acme.atlassian.net");
  EXPECT_EQ(event.subject, "issues/JRA-20002");
  EXPECT_EQ(event.delivery_id, "id-1");
  EXPECT_EQ(event_of(webhook, {}, body).delivery_id, "jira:issue_created:1525698237764:99291");
}

TEST(GitHubWebhooks, the_documented_signature_is_believed) {
  const Headers headers = {
      {"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}};
  EXPECT_EQ(refusal(declared("github", "events"), headers, "Hello, World!", "It's a Secret to Everybody"), "");
}

// CircleCI's own examples: "Validate webhooks".
TEST(CircleCiWebhooks, the_documented_signatures_are_believed_among_others) {
  const WebhookDeclaration webhook = declared("circleci", "events");
  const std::vector<std::array<std::string, 3>> documented = {
      {"hello world", "secret", "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a"},
      {"lalala", "another-secret", "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00"},
      {"an-important-request-payload", "hunter123",
       "9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa"}};
  for (const auto& [body, secret, signature] : documented) {
    for (const std::string& header :
         {"v1=" + signature, "v1=" + signature + ",v2=00,v3=abc", "v0=00, v1=" + signature}) {
      EXPECT_EQ(refusal(webhook, {{"circleci-signature", header}}, body, secret), "") << header;
    }
    EXPECT_THAT(refusal(webhook, {{"circleci-signature", "v2=" + signature}}, body, secret),
                HasSubstr("does not begin with 'v1='"));
    EXPECT_THAT(refusal(webhook, {{"circleci-signature", "v1=" + signature}}, body + ".", secret),
                HasSubstr("does not match"));
    EXPECT_THAT(refusal(webhook, {{"circleci-signature", ",, "}}, body, secret), HasSubstr("is missing"));
  }
}

// The key is what the security token is the base64 of.
TEST(TeamsWebhooks, a_message_is_believed_by_the_security_token) {
  const WebhookDeclaration webhook = declared("teams", "messages");
  const std::string key(32, '\x9c');
  const std::string token = base::to_base64(base::as_bytes(key));
  const std::string body =
      R"({"type":"message","id":"1485983408511","text":"<at>build</at> hello","from":{"name":"Ada"},"channelData":{"team":{"id":"19:712c@thread.skype"}}})";
  const auto signed_by = [&](std::string_view by) {
    return "HMAC " + base::to_base64(base::hmac_sha256(base::as_bytes(by), base::as_bytes(body)));
  };
  EXPECT_EQ(refusal(webhook, {{"Authorization", signed_by(key)}}, body, token), "");
  EXPECT_THAT(refusal(webhook, {{"Authorization", signed_by(token)}}, body, token), HasSubstr("does not match"));
  EXPECT_THAT(refusal(webhook, {{"Authorization", signed_by(key).substr(5)}}, body, token),
              HasSubstr("does not begin with 'HMAC '"));
  const std::string no_base64 = "not base64!";
  const std::string wrong = refusal(webhook, {{"Authorization", signed_by(key)}}, body, no_base64);
  EXPECT_THAT(wrong, HasSubstr("is not base64"));
  EXPECT_THAT(wrong, testing::Not(HasSubstr(no_base64)));
  const auto event = event_of(webhook, {{"Authorization", "x"}}, body);
  EXPECT_EQ(event.type, "com.microsoft.teams.message");
  EXPECT_EQ(event.source, "https://teams.microsoft.com/19%3A712c%40thread.skype");
  EXPECT_EQ(event.subject, "messages/1485983408511");
  EXPECT_EQ(event.delivery_id, "1485983408511");
}

// The example of the reference implementations of Standard Webhooks.
TEST(StandardWebhooks, the_example_of_the_specification_is_believed) {
  const base::DeliverySignature signature{.header = "webhook-signature",
                                          .prefix = "v1,",
                                          .encoding = base::SignatureEncoding::base64,
                                          .secret_encoding = base::SecretEncoding::base64,
                                          .signed_text = "{id}.{timestamp}.{body}",
                                          .timestamp_header = "webhook-timestamp",
                                          .id_header = "webhook-id",
                                          .tolerance_s = 300};
  const std::string body = R"({"test": 2432232314})";
  const auto check = [&](std::string_view signatures, std::string_view secret, std::int64_t now_s) {
    const std::vector<base::DeliveryHeader> headers = {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                                                       {"webhook-timestamp", "1614265330"},
                                                       {"webhook-signature", signatures}};
    return base::check_signature(signature, {.headers = headers, .body = body}, secret, seconds(now_s)).has_value();
  };
  constexpr std::string_view secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  constexpr std::string_view good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  EXPECT_TRUE(check(good, secret, 1614265330));
  EXPECT_TRUE(check(good, secret.substr(6), 1614265330));
  EXPECT_TRUE(check("v1,Y2hhbmdlZA== v2,x " + std::string(good), secret, 1614265330));
  EXPECT_FALSE(check(good, secret, 1614265330 + 301));
  EXPECT_FALSE(check(good, "whsec_", 1614265330));
}

}  // namespace
}  // namespace trv::plugins
