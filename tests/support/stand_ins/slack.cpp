// Shapes from docs.slack.dev/reference/methods/chat.postMessage. Slack answers 200 also where it refuses.

#include <fmt/format.h>

#include "tests/support/stand_ins/json.hpp"
#include "tests/support/stand_ins/service.hpp"

namespace trv::stand_ins {
namespace {

constexpr std::size_t text_bytes_max = 40'000;

Answer refusal(std::string_view error) {
  return json_answer(200, json::object{{"ok", false}, {"error", error}});
}

class Slack final : public Service {
 public:
  explicit Slack(SlackOptions options) : options_(std::move(options)) {}

  Answer answer(const Request& request) override {
    if (request.path != "/chat.postMessage") return refusal("unknown_method");
    const std::string_view authorization = request.header("Authorization");
    if (authorization.empty()) return refusal("not_authed");
    if (authorization != "Bearer " + options_.token) return refusal("invalid_auth");
    if (request.method != "POST") return refusal("invalid_post_type");
    if (!request.header("Content-Type").starts_with("application/json")) return refusal("invalid_post_type");
    const auto body = parse_json(request.body);
    if (!body) return refusal("invalid_json");
    if (!body->is_object()) return refusal("json_not_object");
    std::string channel = text_member(*body, "channel");
    if (channel.starts_with('#')) channel.erase(0, 1);
    if (!options_.channels.contains(channel)) return refusal("channel_not_found");
    const std::string text = text_member(*body, "text");
    if (text.empty() && member(*body, "blocks") == nullptr) return refusal("no_text");
    if (text.size() > text_bytes_max) return refusal("msg_too_long");

    const std::string timestamp = fmt::format("1767225600.{:06}", ++last_message_);
    const json::object message = {
        {"type", "message"}, {"text", text}, {"user", "U0000000001"}, {"bot_id", "B0000000001"}, {"ts", timestamp}};
    return json_answer(200, json::object{{"ok", true}, {"channel", channel}, {"ts", timestamp}, {"message", message}},
                       true);
  }

  Answer unavailable() const override {
    return {.status = 503, .body = "upstream connect error", .headers = {{"Content-Type", "text/plain"}}};
  }
  Answer rate_limited() const override {
    Answer answer = json_answer(429, json::object{{"ok", false}, {"error", "ratelimited"}});
    answer.headers.emplace_back("Retry-After", "1");
    return answer;
  }

  HeaderList passport() const override {
    return {{"Authorization", "Bearer " + options_.token}, {"Content-Type", "application/json"}};
  }

 private:
  SlackOptions options_;
  std::int64_t last_message_ = 0;
};

}  // namespace

std::unique_ptr<Service> make_slack(SlackOptions options) {
  return std::make_unique<Slack>(std::move(options));
}

}  // namespace trv::stand_ins
