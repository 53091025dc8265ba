// GitHub over its REST API, version 2022-11-28 (docs.github.com/rest).

#include "plugins/rest/rest.hpp"

namespace github {
namespace {

using namespace trv::sdk;
using rest::Answer;
using rest::Coding;
using rest::Need;

/// GitHub answers 403 or 429 where a rate limit is used up, with Retry-After (secondary limits) or with
/// X-RateLimit-Remaining: 0 and the time of the reset in seconds since 1970.
bool is_rate_limited(const Response& response) {
  return (response.status == 403 || response.status == 429) &&
         (response.header("Retry-After") || response.header("X-RateLimit-Remaining") == "0");
}

const std::vector<rest::Pick>& issue() {
  static const std::vector<rest::Pick> picks = {{"number", "number"},
                                                {"url", "html_url"},
                                                {"title", "title"},
                                                {"state", "state"},
                                                {"body", "body"},
                                                {"author", "user.login"},
                                                {"labels", "labels", Coding::names},
                                                {"id", "id"},
                                                {"created", "created_at"},
                                                {"updated", "updated_at"}};
  return picks;
}

const std::vector<rest::Pick>& pull() {
  static const std::vector<rest::Pick> picks = {
      {"number", "number"}, {"url", "html_url"},      {"title", "title"},   {"state", "state"},
      {"body", "body"},     {"author", "user.login"}, {"draft", "draft"},   {"merged", "merged"},
      {"head", "head.ref"}, {"head_sha", "head.sha"}, {"base", "base.ref"}, {"mergeable", "mergeable"},
      {"id", "id"}};
  return picks;
}

const std::vector<rest::Pick>& comment() {
  static const std::vector<rest::Pick> picks = {
      {"id", "id"}, {"url", "html_url"}, {"body", "body"}, {"author", "user.login"}, {"created", "created_at"}};
  return picks;
}

const std::vector<rest::Pick>& check() {
  static const std::vector<rest::Pick> picks = {
      {"id", "id"},         {"url", "html_url"},          {"name", "name"},
      {"status", "status"}, {"conclusion", "conclusion"}, {"head_sha", "head_sha"}};
  return picks;
}

constexpr std::string_view repository = "{owner}/{repo}";
constexpr std::string_view numbered = "{owner}/{repo}#{#issue_number}";
constexpr std::string_view numbered_pull = "{owner}/{repo}#{#pull_number}";

std::vector<rest::Route> issues() {
  return {
      {.operation = "create-issue",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/issues",
       .target = repository,
       .body = {{"title", Need::required}, {"body"}, {"labels"}, {"assignees"}, {"milestone"}},
       .output = issue()},
      {.operation = "get-issue",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/issues/{#issue_number}",
       .target = numbered,
       .output = issue()},
      {.operation = "update-issue",
       .method = "PATCH",
       .path = "/repos/{owner}/{repo}/issues/{#issue_number}",
       .target = numbered,
       .body = {{"title"}, {"body"}, {"state"}, {"state_reason"}, {"labels"}, {"assignees"}, {"milestone"}},
       .output = issue()},
      {.operation = "list-issues",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/issues",
       .target = repository,
       .query = {{"state"}, {"labels"}, {"assignee"}, {"creator"}, {"since"}, {"sort"}, {"direction"}},
       .output = issue(),
       .answer = Answer::list,
       .page_size = 100},
      {.operation = "create-comment",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/issues/{#issue_number}/comments",
       .target = numbered,
       .body = {{"body", Need::required}},
       .output = {{"id", "id"}, {"url", "html_url"}}},
      {.operation = "update-comment",
       .method = "PATCH",
       .path = "/repos/{owner}/{repo}/issues/comments/{#comment_id}",
       .target = repository,
       .body = {{"body", Need::required}},
       .output = comment()},
      {.operation = "delete-comment",
       .method = "DELETE",
       .path = "/repos/{owner}/{repo}/issues/comments/{#comment_id}",
       .target = repository,
       .answer = Answer::nothing},
      {.operation = "list-comments",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/issues/{#issue_number}/comments",
       .target = numbered,
       .query = {{"since"}},
       .output = comment(),
       .answer = Answer::list,
       .page_size = 100},
      {.operation = "add-labels",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/issues/{#issue_number}/labels",
       .target = numbered,
       .body = {{"labels", Need::required}},
       .output = {{"labels", "name"}},
       .answer = Answer::texts},
      {.operation = "remove-label",
       .method = "DELETE",
       .path = "/repos/{owner}/{repo}/issues/{#issue_number}/labels/{label}",
       .target = numbered,
       .output = {{"labels", "name"}},
       .answer = Answer::texts},
  };
}

std::vector<rest::Route> pulls() {
  return {
      {.operation = "create-pull-request",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/pulls",
       .target = repository,
       .body = {{"title", Need::required},
                {"head", Need::required},
                {"base", Need::required},
                {"body"},
                {"draft"},
                {"maintainer_can_modify"}},
       .output = pull()},
      {.operation = "get-pull-request",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/pulls/{#pull_number}",
       .target = numbered_pull,
       .output = pull()},
      {.operation = "update-pull-request",
       .method = "PATCH",
       .path = "/repos/{owner}/{repo}/pulls/{#pull_number}",
       .target = numbered_pull,
       .body = {{"title"}, {"body"}, {"state"}, {"base"}},
       .output = pull()},
      // An item has both repositories whole: 30 of them stay below what an answer may hold.
      {.operation = "list-pull-requests",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/pulls",
       .target = repository,
       .query = {{"state"}, {"head"}, {"base"}, {"sort"}, {"direction"}},
       .output = pull(),
       .answer = Answer::list,
       .page_size = 30},
      {.operation = "list-files",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/pulls/{#pull_number}/files",
       .target = numbered_pull,
       .output = {{"filename", "filename"},
                  {"status", "status"},
                  {"additions", "additions"},
                  {"deletions", "deletions"},
                  {"patch", "patch"}},
       .answer = Answer::list,
       .page_size = 30},
      {.operation = "merge-pull-request",
       .method = "PUT",
       .path = "/repos/{owner}/{repo}/pulls/{#pull_number}/merge",
       .target = numbered_pull,
       .body = {{"commit_title"}, {"commit_message"}, {"sha"}, {"merge_method"}},
       .output = {{"merged", "merged"}, {"sha", "sha"}, {"message", "message"}}},
      {.operation = "request-reviewers",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/pulls/{#pull_number}/requested_reviewers",
       .target = numbered_pull,
       .body = {{"reviewers"}, {"team_reviewers"}},
       .output = pull()},
      {.operation = "create-review",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/pulls/{#pull_number}/reviews",
       .target = numbered_pull,
       .body = {{"event", Need::required}, {"body"}, {"commit_id"}, {"comments"}},
       .output = {{"id", "id"}, {"url", "html_url"}, {"state", "state"}}},
      {.operation = "list-reviews",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/pulls/{#pull_number}/reviews",
       .target = numbered_pull,
       .output = {{"id", "id"}, {"url", "html_url"}, {"state", "state"}, {"author", "user.login"}, {"body", "body"}},
       .answer = Answer::list,
       .page_size = 100},
  };
}

std::vector<rest::Route> code() {
  return {
      {.operation = "create-check-run",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/check-runs",
       .target = repository,
       .body = {{"name", Need::required},
                {"head_sha", Need::required},
                {"status"},
                {"conclusion"},
                {"details_url"},
                {"external_id"},
                {"output"}},
       .output = check()},
      {.operation = "update-check-run",
       .method = "PATCH",
       .path = "/repos/{owner}/{repo}/check-runs/{#check_run_id}",
       .target = repository,
       .body = {{"name"}, {"status"}, {"conclusion"}, {"details_url"}, {"output"}},
       .output = check()},
      {.operation = "list-check-runs",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/commits/{ref}/check-runs",
       .target = "{owner}/{repo}@{ref}",
       .query = {{"check_name"}, {"status"}, {"filter"}},
       .output = check(),
       .answer = Answer::list,
       .list_at = "check_runs",
       .page_size = 100},
      {.operation = "get-content",
       .method = "GET",
       .path = "/repos/{owner}/{repo}/contents/{/path}",
       .target = "{owner}/{repo}/{/path}",
       .query = {{"ref"}},
       .output = {{"sha", "sha"},
                  {"path", "path"},
                  {"size", "size"},
                  {"url", "html_url"},
                  {"content", "content", Coding::base64},
                  {"content_base64", "content"}}},
      {.operation = "put-content",
       .method = "PUT",
       .path = "/repos/{owner}/{repo}/contents/{/path}",
       .target = "{owner}/{repo}/{/path}",
       .body =
           {{"message", Need::required}, {"content", Need::required, "content", Coding::base64}, {"sha"}, {"branch"}},
       .output = {{"sha", "content.sha"}, {"url", "content.html_url"}, {"commit", "commit.sha"}}},
      {.operation = "dispatch-workflow",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches",
       .target = "{owner}/{repo}, workflow {workflow}",
       .body = {{"ref", Need::required}, {"inputs"}},
       .answer = Answer::nothing},
      {.operation = "dispatch-repository",
       .method = "POST",
       .path = "/repos/{owner}/{repo}/dispatches",
       .target = repository,
       .body = {{"event_type", Need::required}, {"client_payload"}},
       .answer = Answer::nothing},
  };
}

const rest::Service& service() {
  static const rest::Service github = [] {
    rest::Service out = {.name = "GitHub",
                         .headers = {{"Accept", "application/vnd.github+json"},
                                     {"X-GitHub-Api-Version", "2022-11-28"},
                                     {"User-Agent", "travertine-github"}},
                         .is_rate_limited = &is_rate_limited};
    for (auto& routes : {issues(), pulls(), code()}) out.routes.insert(out.routes.end(), routes.begin(), routes.end());
    return out;
  }();
  return github;
}

class Github : public Plugin {
 public:
  static Operations<Github> operations() { return rest::operations<Github>(service(), &Github::run); }

 private:
  Task run(Call& call) { return rest::run(call, service()); }
};

}  // namespace
}  // namespace github

TRV_PLUGIN(github::Github, "github", "1.0.0")
