// Jira Cloud over its REST API, version 3 (developer.atlassian.com/cloud/jira/platform/rest/v3).

#include <algorithm>
#include <variant>

#include "plugins/rest/rest.hpp"
#include "sdk/cpp_json/json.hpp"

namespace jira {
namespace {

using namespace trv::sdk;

/// "summary: You must specify a summary; …" from {"errorMessages": [...], "errors": {field: message}}.
std::string reason_of(const Response& response) {
  const auto body = parse_object(response.body);
  if (!body) return "no reason given";
  std::string reason;
  const auto add = [&](const std::string& part) { reason += (reason.empty() ? "" : "; ") + part; };
  if (const json::value* messages = body->if_contains("errorMessages"); messages != nullptr && messages->is_array()) {
    for (const json::value& message : messages->get_array())
      if (message.is_string()) add(std::string(message.get_string()));
  }
  if (const json::object* errors = object_of(*body, "errors")) {
    for (const auto& error : *errors)
      if (error.value().is_string()) add(std::string(error.key()) + ": " + std::string(error.value().get_string()));
  }
  return reason.empty() ? "no reason given" : reason;
}

Failure refusal(const Response& response, const std::string& target) {
  return failure_of_status(
      response, "Jira answered " + std::to_string(response.status) + " for " + target + ": " + reason_of(response));
}

Failure unreadable(const std::string& target) {
  return {.code = Code::unavailable, .message = "Jira answered for " + target + " with something unexpected"};
}

/// Plain text as an Atlassian document: an empty line parts paragraphs, a line break stays one. Text nodes must not be
/// empty.
json::object document(std::string_view text) {
  json::array paragraphs;
  json::array line_nodes;
  const auto end_paragraph = [&] {
    if (!line_nodes.empty()) paragraphs.push_back(json::object{{"type", "paragraph"}, {"content", line_nodes}});
    line_nodes.clear();
  };
  while (true) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      end_paragraph();
    } else {
      if (!line_nodes.empty()) line_nodes.push_back(json::object{{"type", "hardBreak"}});
      line_nodes.push_back(json::object{{"type", "text"}, {"text", line}});
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  end_paragraph();
  return {{"type", "doc"}, {"version", 1}, {"content", std::move(paragraphs)}};
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The id of the transition of that name, from the answer to GET …/transitions; or why there is none.
std::variant<std::string, Failure> find_transition(const Response& response, const std::string& issue,
                                                   std::string_view name) {
  const auto body = parse_object(response.body);
  const json::value* list = body ? body->if_contains("transitions") : nullptr;
  if (list == nullptr || !list->is_array()) return unreadable(issue);
  std::string offered;
  for (const json::value& item : list->get_array()) {
    const json::object* transition = item.if_object();
    if (transition == nullptr) continue;
    const std::string_view offered_name = text_of(*transition, "name");
    if (same_header_name(offered_name, name)) return std::string(text_of(*transition, "id"));
    offered += (offered.empty() ? "\"" : ", \"") + std::string(offered_name) + "\"";
  }
  return Failure{.code = Code::conflict,
                 .message = "issue " + issue + " offers no transition \"" + std::string(name) +
                            "\" in its state; it has " + (offered.empty() ? "none" : offered)};
}

/// What is one request without a document.
const rest::Service& service() {
  using rest::Answer;
  using rest::Need;
  static const std::vector<rest::Pick> issue = {{"key", "key"},
                                                {"id", "id"},
                                                {"summary", "fields.summary"},
                                                {"status", "fields.status.name"},
                                                {"issue_type", "fields.issuetype.name"},
                                                {"priority", "fields.priority.name"},
                                                {"assignee", "fields.assignee.displayName"},
                                                {"assignee_id", "fields.assignee.accountId"},
                                                {"reporter", "fields.reporter.displayName"},
                                                {"labels", "fields.labels"},
                                                {"created", "fields.created"},
                                                {"updated", "fields.updated"}};
  static const rest::Service jira = {
      .name = "Jira",
      .headers = {{"Accept", "application/json"}},
      .routes = {
          {.operation = "get-issue",
           .method = "GET",
           .path = "/rest/api/3/issue/{issue}",
           .target = "{issue}",
           .output = issue},
          {.operation = "update-issue",
           .method = "PUT",
           .path = "/rest/api/3/issue/{issue}",
           .target = "{issue}",
           .body = {{"summary", Need::optional, "fields.summary"},
                    {"labels", Need::optional, "fields.labels"},
                    {"priority", Need::optional, "fields.priority.name"},
                    {"assignee_id", Need::optional, "fields.assignee.accountId"},
                    {"due_date", Need::optional, "fields.duedate"}},
           .answer = Answer::nothing},
          {.operation = "search",
           .method = "POST",
           .path = "/rest/api/3/search/jql",
           .target = "the search",
           .body = {{"jql", Need::required},
                    {"limit", Need::optional, "maxResults"},
                    {"cursor", Need::optional, "nextPageToken"}},
           .output = issue,
           .answer = Answer::list,
           .list_at = "issues",
           .next_cursor = "nextPageToken",
           .constant_body =
               R"({"fields":["summary","status","issuetype","priority","assignee","reporter","labels","created","updated"]})"},
          {.operation = "list-transitions",
           .method = "GET",
           .path = "/rest/api/3/issue/{issue}/transitions",
           .target = "{issue}",
           .output = {{"id", "id"}, {"name", "name"}, {"to", "to.name"}},
           .answer = Answer::list,
           .list_at = "transitions"},
          {.operation = "find-users",
           .method = "GET",
           .path = "/rest/api/3/user/search",
           .target = "the users",
           .query = {{"query", Need::required}, {"limit", Need::optional, "maxResults"}},
           .output =
               {{"account_id", "accountId"}, {"name", "displayName"}, {"email", "emailAddress"}, {"active", "active"}},
           .answer = Answer::list},
      }};
  return jira;
}

class Jira : public Plugin {
 public:
  static Operations<Jira> operations() {
    Operations<Jira> out = rest::operations<Jira>(service(), &Jira::run);
    out.push_back({"create-issue", &Jira::create_issue});
    out.push_back({"add-comment", &Jira::add_comment});
    out.push_back({"transition-issue", &Jira::transition_issue});
    return out;
  }

 private:
  Task run(Call& call) { return rest::run(call, service()); }

  Task add_comment(Call& call) {
    Input input(call.input());
    const std::string path = "/rest/api/3/issue/" + input.segment("issue") + "/comment";
    const std::string issue = input.text("issue");
    const std::string text = input.text("body");
    if (input.failure()) co_return *input.failure();
    const json::object body = {{"body", document(text)}};

    auto response = call.http(post(path).header("Accept", "application/json").json(body));
    co_await response;
    if (!response) co_return response.failure();
    if (response->status != 201) co_return refusal(*response, issue);
    const auto comment = parse_object(response->body);
    if (!comment || text_of(*comment, "id").empty()) co_return unreadable(issue);
    co_return json::serialize(json::object{{"id", text_of(*comment, "id")}, {"self", text_of(*comment, "self")}});
  }

  Task create_issue(Call& call) {
    Input input(call.input());
    const std::string project = input.text("project");
    json::object fields = {{"project", {{"key", project}}},
                           {"issuetype", {{"name", input.text_or("issue_type", "Task")}}},
                           {"summary", input.text("summary")}};
    const std::string description = input.text_or("description", "");
    const std::vector<std::string> labels = input.texts("labels");
    if (input.failure()) co_return *input.failure();
    if (!description.empty()) fields["description"] = document(description);
    if (!labels.empty()) fields["labels"] = json::value_from(labels);
    const json::object body = {{"fields", std::move(fields)}};

    auto response = call.http(post("/rest/api/3/issue").header("Accept", "application/json").json(body));
    co_await response;
    if (!response) co_return response.failure();
    if (response->status != 201) co_return refusal(*response, "a new issue in " + project);
    const auto issue = parse_object(response->body);
    if (!issue || text_of(*issue, "key").empty()) co_return unreadable("a new issue in " + project);
    co_return json::serialize(json::object{
        {"id", text_of(*issue, "id")}, {"key", text_of(*issue, "key")}, {"self", text_of(*issue, "self")}});
  }

  /// The id of a transition that was named by id or by name.
  static Async<std::variant<std::string, Failure>> transition_id(Call& call, std::string path, std::string issue,
                                                                 std::string transition) {
    if (is_number(transition)) co_return transition;
    auto response = call.http(get(path).header("Accept", "application/json"));
    co_await response;
    if (!response) co_return response.failure();
    if (response->status != 200) co_return refusal(*response, issue);
    co_return find_transition(*response, issue, transition);
  }

  Task transition_issue(Call& call) {
    Input input(call.input());
    const std::string path = "/rest/api/3/issue/" + input.segment("issue") + "/transitions";
    const std::string issue = input.text("issue");
    const std::string transition = input.text("transition");
    if (input.failure()) co_return *input.failure();

    auto found = transition_id(call, path, issue, transition);
    co_await found;
    if (const auto* failure = std::get_if<Failure>(&*found)) co_return *failure;
    const std::string id = std::get<std::string>(*found);

    const json::object body = {{"transition", {{"id", id}}}};
    auto response = call.http(post(path).header("Accept", "application/json").json(body));
    co_await response;
    if (!response) co_return response.failure();
    if (response->status != 204) co_return refusal(*response, issue);
    co_return json::serialize(json::object{{"issue", issue}, {"transition_id", id}});
  }
};

}  // namespace
}  // namespace jira

TRV_PLUGIN(jira::Jira, "jira", "1.0.0")
