// Shapes from developer.atlassian.com/cloud/jira/platform/rest/v3: issues, transitions, status codes.

#include <fmt/format.h>

#include <array>
#include <map>

#include "sdk/base/bytes.hpp"
#include "tests/support/stand_ins/json.hpp"
#include "tests/support/stand_ins/service.hpp"

namespace trv::stand_ins {
namespace {

constexpr const char* site = "https://stand-in.atlassian.net";

struct Transition {
  const char* id;
  const char* name;
  const char* category;
};
constexpr std::array<Transition, 3> transitions = {
    {{"11", "To Do", "new"}, {"21", "In Progress", "indeterminate"}, {"31", "Done", "done"}}};

Answer refusal(int status, json::array messages, json::object errors = {}) {
  return json_answer(status, json::object{{"errorMessages", std::move(messages)}, {"errors", std::move(errors)}});
}

json::object status_of(const Transition& transition) {
  return {{"self", fmt::format("{}/rest/api/3/status/{}", site, transition.id)},
          {"name", transition.name},
          {"id", transition.id},
          {"statusCategory", {{"key", transition.category}}}};
}

bool is_document(const json::value& value) {
  const json::value* version = member(value, "version");
  const json::value* content = member(value, "content");
  return text_member(value, "type") == "doc" && version != nullptr && *version == 1 && content != nullptr &&
         content->is_array();
}

class Jira final : public Service {
 public:
  explicit Jira(JiraOptions options) : options_(std::move(options)) {}

  Answer answer(const Request& request) override {
    const std::string_view authorization = request.header("Authorization");
    const std::string basic = "Basic " + base::to_base64(base::as_bytes(options_.user + ":" + options_.token));
    if (authorization != basic && authorization != "Bearer " + options_.token) {
      Answer unauthorised = json_answer(
          401, {{"message", "Client must be authenticated to access this resource."}, {"status-code", 401}});
      unauthorised.headers.emplace_back("X-Seraph-LoginReason", "AUTHENTICATED_FAILED");
      return unauthorised;
    }
    const std::vector<std::string> parts = split_path(request.path);
    if (parts.size() < 4 || parts[0] != "rest" || parts[1] != "api" || parts[2] != "3" || parts[3] != "issue")
      return refusal(404, {"No endpoint of that path."});
    if (parts.size() == 4) return request.method == "POST" ? create(request) : refusal(405, {"Method Not Allowed"});

    const auto issue = issues_.find(parts[4]);
    if (issue == issues_.end()) return refusal(404, {"Issue does not exist or you do not have permission to see it."});
    if (parts.size() == 5 && request.method == "GET") return json_answer(200, show(issue->first, issue->second));
    if (parts.size() == 6 && parts[5] == "transitions" && request.method == "GET") return list_transitions();
    if (parts.size() == 6 && parts[5] == "transitions" && request.method == "POST") return move(issue->second, request);
    return refusal(405, {"Method Not Allowed"});
  }

  Answer unavailable() const override { return refusal(503, {"The service is not available at the moment."}); }
  Answer rate_limited() const override {
    Answer answer = refusal(429, {"Rate limit exceeded."});
    answer.headers.emplace_back("Retry-After", "1");
    return answer;
  }

  HeaderList passport() const override { return {{"Authorization", "Bearer " + options_.token}}; }

 private:
  struct Issue {
    std::int64_t id = 0;
    json::object fields = {};
    std::size_t state = 0;  // index into transitions
  };

  static std::string self_of(std::int64_t id) { return fmt::format("{}/rest/api/3/issue/{}", site, id); }

  static json::object show(const std::string& key, const Issue& issue) {
    json::object fields = issue.fields;
    fields["status"] = status_of(transitions[issue.state]);
    return {{"id", std::to_string(issue.id)}, {"key", key}, {"self", self_of(issue.id)}, {"fields", std::move(fields)}};
  }

  Answer create(const Request& request) {
    const auto body = parse_json(request.body);
    if (!body || !body->is_object())
      return refusal(400, {"There was an error parsing JSON. Check that your request body is valid."});
    const json::value* fields = member(*body, "fields");
    if (fields == nullptr || !fields->is_object())
      return refusal(400, {}, {{"project", "Specify a valid project ID or key"}});
    json::object errors;
    const json::value* project = member(*fields, "project");
    const std::string key = project == nullptr ? "" : text_member(*project, "key");
    if (key.empty()) {
      errors["project"] = "Specify a valid project ID or key";
    } else if (!options_.projects.contains(key)) {
      errors["project"] = "valid project is required";
    }
    const json::value* type = member(*fields, "issuetype");
    const std::string type_name = type == nullptr ? "" : text_member(*type, "name");
    if (type_name.empty()) {
      errors["issuetype"] = "Specify an issue type";
    } else if (type_name != "Bug" && type_name != "Task" && type_name != "Story") {
      errors["issuetype"] = "Specify a valid issue type";
    }
    if (text_member(*fields, "summary").empty()) errors["summary"] = "You must specify a summary of the issue.";
    const json::value* description = member(*fields, "description");
    if (description != nullptr && !is_document(*description))
      errors["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)";
    if (const json::value* labels = member(*fields, "labels"); labels != nullptr) {
      bool good = labels->is_array();
      if (good)
        for (const json::value& label : labels->get_array())
          good &= label.is_string() && label.get_string().find(' ') == json::string::npos;
      if (!good) errors["labels"] = "The label can't contain spaces.";
    }
    if (!errors.empty()) return refusal(400, {}, std::move(errors));

    const std::int64_t number = ++last_number_[key];
    const std::string issue_key = fmt::format("{}-{}", key, number);
    Issue issue = {.id = 10'000 + ++last_id_, .fields = fields->get_object()};
    const json::object answer = {{"id", std::to_string(issue.id)}, {"key", issue_key}, {"self", self_of(issue.id)}};
    issues_.emplace(issue_key, std::move(issue));
    return json_answer(201, answer, true);
  }

  static Answer list_transitions() {
    json::array list;
    for (const Transition& transition : transitions)
      list.push_back(json::object{{"id", transition.id},
                                  {"name", transition.name},
                                  {"to", status_of(transition)},
                                  {"hasScreen", false},
                                  {"isGlobal", true},
                                  {"isInitial", false},
                                  {"isAvailable", true},
                                  {"isConditional", false},
                                  {"isLooped", false}});
    return json_answer(200, json::object{{"expand", "transitions"}, {"transitions", std::move(list)}});
  }

  static Answer move(Issue& issue, const Request& request) {
    const auto body = parse_json(request.body);
    if (!body || !body->is_object())
      return refusal(400, {"There was an error parsing JSON. Check that your request body is valid."});
    const json::value* transition = member(*body, "transition");
    const std::string id = transition == nullptr ? "" : text_member(*transition, "id");
    if (id.empty()) return refusal(400, {"Missing 'transition' identifier"});
    for (std::size_t i = 0; i < transitions.size(); ++i) {
      if (id != transitions[i].id) continue;
      issue.state = i;
      return {.status = 204, .changed = true};
    }
    return refusal(400, {fmt::format("Transition id '{}' is not valid for this issue.", id)});
  }

  JiraOptions options_;
  std::map<std::string, Issue> issues_;
  std::map<std::string, std::int64_t> last_number_;
  std::int64_t last_id_ = 0;
};

}  // namespace

std::unique_ptr<Service> make_jira(JiraOptions options) {
  return std::make_unique<Jira>(std::move(options));
}

}  // namespace trv::stand_ins
