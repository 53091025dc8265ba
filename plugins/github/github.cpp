// Writes to GitHub over its REST API, version 2022-11-28 (docs.github.com/rest).

#include "sdk/cpp/plugin.hpp"
#include "sdk/cpp_json/json.hpp"

namespace github {
namespace {

using namespace trv::sdk;

Request post_json(std::string path, const json::object& body) {
  return post(std::move(path))
      .header("Accept", "application/vnd.github+json")
      .header("X-GitHub-Api-Version", "2022-11-28")
      .header("User-Agent", "travertine-github")
      .json(body);
}

/// "Validation Failed (body: missing_field)" from {"message": …, "errors": [{"field": …, "code": …}]}.
std::string reason_of(const Response& response) {
  const auto body = parse_object(response.body);
  if (!body) return "no reason given";
  std::string reason(text_of(*body, "message"));
  const json::value* errors = body->if_contains("errors");
  if (errors != nullptr && errors->is_array()) {
    for (const json::value& item : errors->get_array()) {
      const json::object* error = item.if_object();
      if (error == nullptr) continue;
      const std::string_view message = text_of(*error, "message");
      reason += " (" + std::string(text_of(*error, "field")) + ": " +
                std::string(message.empty() ? text_of(*error, "code") : message) + ")";
    }
  }
  return reason.empty() ? "no reason given" : reason;
}

/// GitHub answers 403 or 429 where a rate limit is used up, with Retry-After (secondary limits) or with
/// X-RateLimit-Remaining: 0 and the time of the reset in seconds since 1970.
bool is_rate_limited(const Response& response) {
  return (response.status == 403 || response.status == 429) &&
         (response.header("Retry-After") || response.header("X-RateLimit-Remaining") == "0");
}

std::uint64_t wait_ms(const Response& response) {
  if (const std::uint64_t wait = retry_after_ms(response)) return wait;
  const auto reset = parse_decimal(response.header("X-RateLimit-Reset").value_or(""));
  const auto now = parse_http_date(response.header("Date").value_or(""));
  if (!reset || !now || *reset <= *now) return 0;
  return std::min((*reset - *now) * 1000, retry_after_ms_max);
}

Failure refusal(const Response& response, const std::string& target) {
  Failure failure = failure_of_status(
      response, "GitHub answered " + std::to_string(response.status) + " for " + target + ": " + reason_of(response));
  if (is_rate_limited(response)) {
    failure.code = Code::exhausted;
    failure.retry = Retry::safe;
    failure.retry_after_ms = wait_ms(response);
  }
  return failure;
}

Failure unreadable(const std::string& target) {
  return {.code = Code::unavailable, .message = "GitHub answered for " + target + " with something unexpected"};
}

/// The issue or pull request that an operation is about.
struct Issue {
  std::string path;
  std::string name;
};

Issue read_issue(Input& input) {
  const std::string owner = input.segment("owner");
  const std::string repository = input.segment("repo");
  const std::string number = std::to_string(input.integer("issue_number"));
  return {"/repos/" + owner + "/" + repository + "/issues/" + number, owner + "/" + repository + "#" + number};
}

class Github : public Plugin {
 public:
  static Operations<Github> operations() {
    return {{"create-comment", &Github::create_comment}, {"add-labels", &Github::add_labels}};
  }

 private:
  Task create_comment(Call& call) {
    Input input(call.input());
    const Issue issue = read_issue(input);
    const json::object body = {{"body", input.text("body")}};
    if (input.failure()) co_return *input.failure();

    auto response = call.http(post_json(issue.path + "/comments", body));
    co_await response;
    if (!response) co_return response.failure();
    if (response->status != 201) co_return refusal(*response, issue.name);
    const auto comment = parse_object(response->body);
    if (!comment || !comment->contains("id")) co_return unreadable(issue.name);
    co_return json::serialize(json::object{{"id", comment->at("id")}, {"url", text_of(*comment, "html_url")}});
  }

  Task add_labels(Call& call) {
    Input input(call.input());
    const Issue issue = read_issue(input);
    const json::object body = {{"labels", json::value_from(input.texts("labels"))}};
    if (input.failure()) co_return *input.failure();

    auto response = call.http(post_json(issue.path + "/labels", body));
    co_await response;
    if (!response) co_return response.failure();
    if (response->status != 200) co_return refusal(*response, issue.name);
    boost::system::error_code failure;
    const json::value labels = json::parse(response->body, failure);
    if (failure || !labels.is_array()) co_return unreadable(issue.name);
    json::array names;
    for (const json::value& label : labels.get_array())
      if (label.is_object()) names.emplace_back(text_of(label.get_object(), "name"));
    co_return json::serialize(json::object{{"labels", std::move(names)}});
  }
};

}  // namespace
}  // namespace github

TRV_PLUGIN(github::Github, "github", "1.0.0")
