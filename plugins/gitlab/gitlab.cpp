// GitLab over its REST API, version 4 (docs.gitlab.com/api/rest).

#include "plugins/rest/rest.hpp"

namespace gitlab {
namespace {

using namespace trv::sdk;
using rest::Answer;
using rest::Coding;
using rest::Need;
using Picks = std::vector<rest::Pick>;

std::vector<rest::Route> issues() {
  static const Picks issue = {{"iid", "iid"},
                              {"url", "web_url"},
                              {"title", "title"},
                              {"state", "state"},
                              {"description", "description"},
                              {"author", "author.username"},
                              {"labels", "labels"},
                              {"id", "id"},
                              {"created", "created_at"},
                              {"updated", "updated_at"}};
  static const Picks note = {
      {"id", "id"}, {"body", "body"}, {"author", "author.username"}, {"created", "created_at"}, {"system", "system"}};
  return {
      {.operation = "create-issue",
       .method = "POST",
       .path = "/projects/{project}/issues",
       .target = "{project}",
       .body = {{"title", Need::required},
                {"description"},
                {"labels"},
                {"assignee_ids"},
                {"milestone_id"},
                {"due_date"},
                {"confidential"}},
       .output = issue},
      {.operation = "get-issue",
       .method = "GET",
       .path = "/projects/{project}/issues/{#iid}",
       .target = "{project}#{#iid}",
       .output = issue},
      {.operation = "update-issue",
       .method = "PUT",
       .path = "/projects/{project}/issues/{#iid}",
       .target = "{project}#{#iid}",
       .body = {{"title"},
                {"description"},
                {"state_event"},
                {"labels"},
                {"add_labels"},
                {"remove_labels"},
                {"assignee_ids"}},
       .output = issue},
      {.operation = "list-issues",
       .method = "GET",
       .path = "/projects/{project}/issues",
       .target = "{project}",
       .query = {{"state"}, {"labels"}, {"search"}, {"author_username"}, {"updated_after"}, {"order_by"}, {"sort"}},
       .output = issue,
       .answer = Answer::list,
       .page_size = 100},
      {.operation = "create-note",
       .method = "POST",
       .path = "/projects/{project}/issues/{#iid}/notes",
       .target = "{project}#{#iid}",
       .body = {{"body", Need::required}, {"internal"}},
       .output = note},
      {.operation = "list-notes",
       .method = "GET",
       .path = "/projects/{project}/issues/{#iid}/notes",
       .target = "{project}#{#iid}",
       .query = {{"sort"}},
       .output = note,
       .answer = Answer::list,
       .page_size = 100},
      {.operation = "create-merge-request-note",
       .method = "POST",
       .path = "/projects/{project}/merge_requests/{#iid}/notes",
       .target = "{project}!{#iid}",
       .body = {{"body", Need::required}},
       .output = note},
  };
}

std::vector<rest::Route> merge_requests() {
  static const Picks request = {{"iid", "iid"},
                                {"url", "web_url"},
                                {"title", "title"},
                                {"state", "state"},
                                {"description", "description"},
                                {"author", "author.username"},
                                {"source_branch", "source_branch"},
                                {"target_branch", "target_branch"},
                                {"sha", "sha"},
                                {"draft", "draft"},
                                {"merge_status", "detailed_merge_status"},
                                {"labels", "labels"},
                                {"id", "id"}};
  return {
      {.operation = "create-merge-request",
       .method = "POST",
       .path = "/projects/{project}/merge_requests",
       .target = "{project}",
       .body = {{"source_branch", Need::required},
                {"target_branch", Need::required},
                {"title", Need::required},
                {"description"},
                {"labels"},
                {"assignee_ids"},
                {"reviewer_ids"},
                {"remove_source_branch"},
                {"squash"}},
       .output = request},
      {.operation = "get-merge-request",
       .method = "GET",
       .path = "/projects/{project}/merge_requests/{#iid}",
       .target = "{project}!{#iid}",
       .output = request},
      {.operation = "update-merge-request",
       .method = "PUT",
       .path = "/projects/{project}/merge_requests/{#iid}",
       .target = "{project}!{#iid}",
       .body = {{"title"},
                {"description"},
                {"state_event"},
                {"target_branch"},
                {"add_labels"},
                {"remove_labels"},
                {"reviewer_ids"}},
       .output = request},
      {.operation = "list-merge-requests",
       .method = "GET",
       .path = "/projects/{project}/merge_requests",
       .target = "{project}",
       .query =
           {{"state"}, {"labels"}, {"source_branch"}, {"target_branch"}, {"updated_after"}, {"order_by"}, {"sort"}},
       .output = request,
       .answer = Answer::list,
       .page_size = 100},
      {.operation = "merge",
       .method = "PUT",
       .path = "/projects/{project}/merge_requests/{#iid}/merge",
       .target = "{project}!{#iid}",
       .body = {{"sha"}, {"squash"}, {"merge_commit_message"}, {"should_remove_source_branch"}, {"auto_merge"}},
       .output = request},
      {.operation = "approve",
       .method = "POST",
       .path = "/projects/{project}/merge_requests/{#iid}/approve",
       .target = "{project}!{#iid}",
       .body = {{"sha"}},
       .answer = Answer::nothing},
  };
}

std::vector<rest::Route> code() {
  static const Picks pipeline = {{"id", "id"},   {"url", "web_url"}, {"status", "status"},
                                 {"ref", "ref"}, {"sha", "sha"},     {"source", "source"}};
  return {
      {.operation = "create-pipeline",
       .method = "POST",
       .path = "/projects/{project}/pipeline",
       .target = "{project}",
       .body = {{"ref", Need::required}, {"variables"}, {"inputs"}},
       .output = pipeline},
      {.operation = "get-pipeline",
       .method = "GET",
       .path = "/projects/{project}/pipelines/{#pipeline_id}",
       .target = "{project}, pipeline {#pipeline_id}",
       .output = pipeline},
      {.operation = "list-pipelines",
       .method = "GET",
       .path = "/projects/{project}/pipelines",
       .target = "{project}",
       .query = {{"ref"}, {"sha"}, {"status"}, {"source"}},
       .output = pipeline,
       .answer = Answer::list,
       .page_size = 100},
      {.operation = "set-commit-status",
       .method = "POST",
       .path = "/projects/{project}/statuses/{sha}",
       .target = "{project}@{sha}",
       .body = {{"state", Need::required}, {"name"}, {"ref"}, {"target_url"}, {"description"}, {"coverage"}},
       .output = {{"id", "id"}, {"status", "status"}, {"name", "name"}}},
      {.operation = "get-file",
       .method = "GET",
       .path = "/projects/{project}/repository/files/{path}",
       .target = "{project}/{path}",
       .query = {{"ref", Need::required}},
       .output = {{"blob_id", "blob_id"},
                  {"path", "file_path"},
                  {"size", "size"},
                  {"commit", "last_commit_id"},
                  {"content", "content", Coding::base64},
                  {"content_base64", "content"}}},
      {.operation = "create-file",
       .method = "POST",
       .path = "/projects/{project}/repository/files/{path}",
       .target = "{project}/{path}",
       .body = {{"branch", Need::required},
                {"content", Need::required},
                {"message", Need::required, "commit_message"},
                {"start_branch"}},
       .output = {{"path", "file_path"}, {"branch", "branch"}}},
      {.operation = "update-file",
       .method = "PUT",
       .path = "/projects/{project}/repository/files/{path}",
       .target = "{project}/{path}",
       .body = {{"branch", Need::required},
                {"content", Need::required},
                {"message", Need::required, "commit_message"},
                {"last_commit_id"}},
       .output = {{"path", "file_path"}, {"branch", "branch"}}},
  };
}

const rest::Service& service() {
  static const rest::Service gitlab = [] {
    rest::Service out = {.name = "GitLab"};
    for (const auto& routes : {issues(), merge_requests(), code()})
      out.routes.insert(out.routes.end(), routes.begin(), routes.end());
    return out;
  }();
  return gitlab;
}

class Gitlab : public Plugin {
 public:
  static Operations<Gitlab> operations() { return rest::operations<Gitlab>(service(), &Gitlab::run); }

 private:
  Task run(Call& call) { return rest::run(call, service()); }
};

}  // namespace
}  // namespace gitlab

TRV_PLUGIN(gitlab::Gitlab, "gitlab", "1.0.0")
