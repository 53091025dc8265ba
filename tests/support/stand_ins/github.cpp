// Shapes from docs.github.com/rest: issue comments, labels, "Troubleshooting the REST API".

#include <fmt/format.h>

#include <map>

#include "tests/support/stand_ins/json.hpp"
#include "tests/support/stand_ins/service.hpp"

namespace trv::stand_ins {
namespace {

constexpr int issue_number_max = 1'000;
constexpr const char* documentation = "https://docs.github.com/rest";

Answer refusal(int status, std::string_view message, json::array errors = {}) {
  json::object body = {{"message", message}, {"documentation_url", documentation}, {"status", std::to_string(status)}};
  if (!errors.empty()) body["errors"] = std::move(errors);
  return json_answer(status, body);
}

class Github final : public Service {
 public:
  explicit Github(GithubOptions options) : options_(std::move(options)) {}

  Answer answer(const Request& request) override {
    if (request.header("User-Agent").empty()) {
      Answer forbidden = {.status = 403,
                          .body =
                              "Request forbidden by administrative rules. Please make sure your request has a "
                              "User-Agent header.",
                          .headers = {{"Content-Type", "text/html"}}};
      return forbidden;
    }
    const std::string_view authorization = request.header("Authorization");
    if (authorization.empty()) return refusal(401, "Requires authentication");
    if (authorization != "Bearer " + options_.token && authorization != "token " + options_.token)
      return refusal(401, "Bad credentials");

    const std::vector<std::string> parts = split_path(request.path);
    if (parts.size() != 6 || parts[0] != "repos" || parts[3] != "issues") return refusal(404, "Not Found");
    const std::string repository = parts[1] + "/" + parts[2];
    const auto number = parse_number(parts[4]);
    if (!options_.repositories.contains(repository) || !number || *number < 1 || *number > issue_number_max)
      return refusal(404, "Not Found");
    const Place place = {repository, *number};
    if (parts[5] == "comments" && request.method == "POST") return create_comment(place, request);
    if (parts[5] == "comments" && request.method == "GET") return json_answer(200, comments_[place]);
    if (parts[5] == "labels" && request.method == "POST") return add_labels(place, request);
    if (parts[5] == "labels" && request.method == "GET") return json_answer(200, labels_[place]);
    return refusal(404, "Not Found");
  }

  Answer unavailable() const override {
    return {.status = 503,
            .body = "<html><body>No server is currently available to service your request.</body></html>",
            .headers = {{"Content-Type", "text/html"}}};
  }

  Answer rate_limited() const override {
    Answer answer = refusal(429,
                            "You have exceeded a secondary rate limit. Please wait a few minutes before you try "
                            "again.");
    answer.headers.emplace_back("Retry-After", "1");
    return answer;
  }

  HeaderList passport() const override {
    return {{"Authorization", "Bearer " + options_.token}, {"User-Agent", "journal"}};
  }

 private:
  using Place = std::pair<std::string, int>;

  static std::string url_of(const Place& place, std::string_view rest) {
    return fmt::format("https://api.github.com/repos/{}/issues/{}{}", place.first, place.second, rest);
  }

  Answer create_comment(const Place& place, const Request& request) {
    const auto body = parse_json(request.body);
    if (!body) return refusal(400, "Problems parsing JSON");
    if (!body->is_object()) return refusal(400, "Body should be a JSON object");
    const std::string text = text_member(*body, "body");
    if (text.empty())
      return refusal(422, "Validation Failed",
                     {{{"resource", "IssueComment"}, {"code", "missing_field"}, {"field", "body"}}});
    const std::int64_t id = 1'000'000 + ++last_comment_;
    const std::string page =
        fmt::format("https://github.com/{}/issues/{}#issuecomment-{}", place.first, place.second, id);
    const json::object comment = {
        {"id", id},
        {"node_id", fmt::format("IC_{}", id)},
        {"url", fmt::format("https://api.github.com/repos/{}/issues/comments/{}", place.first, id)},
        {"html_url", page},
        {"issue_url", url_of(place, "")},
        {"body", text},
        {"user", {{"login", "stand-in"}, {"id", 1}, {"type", "Bot"}}},
        {"created_at", "2026-01-01T00:00:00Z"},
        {"updated_at", "2026-01-01T00:00:00Z"},
        {"author_association", "NONE"}};
    comments_[place].push_back(comment);
    Answer answer = json_answer(201, comment, true);
    answer.headers.emplace_back("Location", std::string(comment.at("url").get_string()));
    return answer;
  }

  Answer add_labels(const Place& place, const Request& request) {
    const auto body = parse_json(request.body);
    if (!body) return refusal(400, "Problems parsing JSON");
    const json::value* names = body->is_array() ? &*body : member(*body, "labels");
    if (names == nullptr || !names->is_array()) return refusal(422, "Invalid request.");
    for (const json::value& name : names->get_array())
      if (!name.is_string() || name.get_string().empty()) return refusal(422, "Invalid request.");
    json::array& labels = labels_[place];
    for (const json::value& name : names->get_array()) {
      bool known = false;
      for (const json::value& label : labels) known |= label.at("name") == name;
      if (known) continue;
      const std::int64_t id = 2'000'000 + ++last_label_;
      labels.push_back(json::object{{"id", id},
                                    {"node_id", fmt::format("LA_{}", id)},
                                    {"url", fmt::format("https://api.github.com/repos/{}/labels/{}", place.first, id)},
                                    {"name", name},
                                    {"color", "ededed"},
                                    {"default", false},
                                    {"description", nullptr}});
    }
    return json_answer(200, labels, true);
  }

  GithubOptions options_;
  std::int64_t last_comment_ = 0;
  std::int64_t last_label_ = 0;
  std::map<Place, json::array> comments_;
  std::map<Place, json::array> labels_;
};

}  // namespace

std::unique_ptr<Service> make_github(GithubOptions options) {
  return std::make_unique<Github>(std::move(options));
}

}  // namespace trv::stand_ins
