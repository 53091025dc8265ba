// Writes to Slack over its Web API (docs.slack.dev/reference/methods).

#include <algorithm>

#include "sdk/cpp/plugin.hpp"
#include "sdk/cpp_json/json.hpp"

namespace slack {
namespace {

using namespace trv::sdk;

struct Meaning {
  std::string_view error;
  Code code;
};

/// Slack answers 200 also where it refuses; the word in "error" says why. Unknown words read as invalid.
constexpr Meaning meanings[] = {
    {"channel_not_found", Code::not_found},
    {"thread_not_found", Code::not_found},
    {"user_not_found", Code::not_found},
    {"invalid_auth", Code::unauthenticated},
    {"not_authed", Code::unauthenticated},
    {"account_inactive", Code::unauthenticated},
    {"token_expired", Code::unauthenticated},
    {"token_revoked", Code::unauthenticated},
    {"missing_scope", Code::denied},
    {"not_in_channel", Code::denied},
    {"access_denied", Code::denied},
    {"no_permission", Code::denied},
    {"restricted_action", Code::denied},
    {"ekm_access_denied", Code::denied},
    {"team_access_not_granted", Code::denied},
    {"is_archived", Code::conflict},
    {"msg_too_long", Code::too_large},
    {"ratelimited", Code::exhausted},
    {"rate_limited", Code::exhausted},
    {"message_limit_exceeded", Code::exhausted},
    {"internal_error", Code::unavailable},
    {"fatal_error", Code::unavailable},
    {"service_unavailable", Code::unavailable},
    {"request_timeout", Code::unavailable},
};

Code code_of(std::string_view error) {
  const auto* found = std::find_if(std::begin(meanings), std::end(meanings),
                                   [&](const Meaning& known) { return known.error == error; });
  return found == std::end(meanings) ? Code::invalid : found->code;
}

Failure refusal(const Response& response, const json::object& answer, const std::string& channel) {
  const std::string_view error = text_of(answer, "error");
  Failure failure;
  failure.code = code_of(error);
  failure.message = "Slack refused the message to " + channel + ": " + std::string(error.empty() ? "no reason" : error);
  failure.status = response.status;
  if (failure.code == Code::exhausted || failure.code == Code::unavailable) {
    failure.retry = Retry::safe;
    failure.retry_after_ms = retry_after_ms(response);
  }
  return failure;
}

class Slack : public Plugin {
 public:
  static Operations<Slack> operations() { return {{"post-message", &Slack::post_message}}; }

 private:
  Task post_message(Call& call) {
    Input input(call.input());
    const std::string channel = input.text("channel");
    json::object message = {{"channel", channel}, {"text", input.text("text")}};
    const std::string thread = input.text_or("thread_ts", "");
    if (input.failure()) co_return *input.failure();
    if (!thread.empty()) message["thread_ts"] = thread;
    if (const json::value* blocks = input.value("blocks")) message["blocks"] = *blocks;

    auto response = call.http(post("/chat.postMessage")
                                  .header("Content-Type", "application/json; charset=utf-8")
                                  .body(json::serialize(message)));
    co_await response;
    if (!response) co_return response.failure();
    if (!response->ok())
      co_return failure_of_status(
          *response, "Slack answered " + std::to_string(response->status) + " to the message to " + channel);
    const auto answer = parse_object(response->body);
    if (!answer) co_return Failure{.code = Code::unavailable, .message = "Slack answered with something unexpected"};
    const json::value* accepted = answer->if_contains("ok");
    if (accepted == nullptr || !accepted->is_bool() || !accepted->get_bool())
      co_return refusal(*response, *answer, channel);
    co_return json::serialize(json::object{{"channel", text_of(*answer, "channel")}, {"ts", text_of(*answer, "ts")}});
  }
};

}  // namespace
}  // namespace slack

TRV_PLUGIN(slack::Slack, "slack", "1.0.0")
