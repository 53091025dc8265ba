// Slack over its Web API (docs.slack.dev/reference/methods).

#include <algorithm>

#include "plugins/rest/rest.hpp"
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

/// Nothing where the answer says ok, or is not JSON, which the reader of the output finds.
std::optional<Failure> refused(const Response& response, const std::string& target) {
  const auto answer = parse_object(response.body);
  if (!answer) return std::nullopt;
  const json::value* accepted = answer->if_contains("ok");
  if (accepted != nullptr && accepted->is_bool() && accepted->get_bool()) return std::nullopt;
  const std::string_view error = text_of(*answer, "error");
  Failure failure;
  failure.code = code_of(error);
  failure.message = "Slack refused " + target + ": " + std::string(error.empty() ? "no reason" : error);
  failure.status = response.status;
  if (failure.code == Code::exhausted || failure.code == Code::unavailable) {
    failure.retry = Retry::safe;
    failure.retry_after_ms = retry_after_ms(response);
  }
  return failure;
}

const rest::Service& service() {
  using rest::Need;
  static const std::vector<rest::Pick> message = {{"channel", "channel"}, {"ts", "ts"}};
  static const rest::Service slack = {
      .name = "Slack",
      .headers = {{"Content-Type", "application/json; charset=utf-8"}},
      .routes = {{.operation = "post-message",
                  .method = "POST",
                  .path = "/chat.postMessage",
                  .target = "the message to {channel}",
                  .body = {{"channel", Need::required},
                           {"text", Need::required},
                           {"thread_ts"},
                           {"blocks"},
                           {"unfurl_links"}},
                  .output = message},
                 {.operation = "post-ephemeral",
                  .method = "POST",
                  .path = "/chat.postEphemeral",
                  .target = "the message to {user} in {channel}",
                  .body = {{"channel", Need::required},
                           {"user", Need::required},
                           {"text", Need::required},
                           {"thread_ts"},
                           {"blocks"}},
                  .output = {{"message_ts", "message_ts"}}},
                 {.operation = "schedule-message",
                  .method = "POST",
                  .path = "/chat.scheduleMessage",
                  .target = "the message to {channel}",
                  .body = {{"channel", Need::required},
                           {"text", Need::required},
                           {"post_at", Need::required},
                           {"thread_ts"},
                           {"blocks"}},
                  .output = {{"scheduled_message_id", "scheduled_message_id"},
                             {"channel", "channel"},
                             {"post_at", "post_at"}}},
                 {.operation = "update-message",
                  .method = "POST",
                  .path = "/chat.update",
                  .target = "the message {ts} in {channel}",
                  .body = {{"channel", Need::required}, {"ts", Need::required}, {"text", Need::required}, {"blocks"}},
                  .output = message},
                 {.operation = "delete-message",
                  .method = "POST",
                  .path = "/chat.delete",
                  .target = "the message {ts} in {channel}",
                  .body = {{"channel", Need::required}, {"ts", Need::required}},
                  .output = message},
                 {.operation = "add-reaction",
                  .method = "POST",
                  .path = "/reactions.add",
                  .target = "the message {timestamp} in {channel}",
                  .body = {{"channel", Need::required}, {"timestamp", Need::required}, {"name", Need::required}},
                  .answer = rest::Answer::nothing},
                 {.operation = "open-view",
                  .method = "POST",
                  .path = "/views.open",
                  .target = "the view",
                  .body = {{"trigger_id", Need::required}, {"view", Need::required}},
                  .output = {{"id", "view.id"}, {"hash", "view.hash"}}},
                 {.operation = "find-user",
                  .method = "GET",
                  .path = "/users.lookupByEmail",
                  .target = "the user {email}",
                  .query = {{"email", Need::required}},
                  .output = {{"id", "user.id"},
                             {"name", "user.name"},
                             {"real_name", "user.real_name"},
                             {"tz", "user.tz"}}},
                 {.operation = "list-channels",
                  .method = "GET",
                  .path = "/conversations.list",
                  .target = "the channels",
                  .query = {{"types"}, {"exclude_archived"}, {"limit"}, {"cursor"}},
                  .output = {{"id", "id"}, {"name", "name"}, {"is_private", "is_private"}, {"is_member", "is_member"}},
                  .answer = rest::Answer::list,
                  .list_at = "channels",
                  .next_cursor = "response_metadata.next_cursor"}},
      .refused = &refused};
  return slack;
}

class Slack : public Plugin {
 public:
  static Operations<Slack> operations() { return rest::operations<Slack>(service(), &Slack::run); }

 private:
  Task run(Call& call) { return rest::run(call, service()); }
};

}  // namespace
}  // namespace slack

TRV_PLUGIN(slack::Slack, "slack", "1.0.0")
