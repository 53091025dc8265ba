// CircleCI over its API, version 2 (circleci.com/docs/api/v2).

#include "plugins/rest/rest.hpp"

namespace circleci {
namespace {

using namespace trv::sdk;
using rest::Answer;
using rest::Need;

const rest::Service& service() {
  static const std::vector<rest::Pick> workflow = {{"id", "id"},
                                                   {"name", "name"},
                                                   {"status", "status"},
                                                   {"pipeline_id", "pipeline_id"},
                                                   {"pipeline_number", "pipeline_number"},
                                                   {"created", "created_at"},
                                                   {"stopped", "stopped_at"}};
  static const rest::Service circleci = {
      .name = "CircleCI",
      .routes = {
          {.operation = "trigger-pipeline",
           .method = "POST",
           .path = "/project/{/project}/pipeline",
           .target = "{/project}",
           .body = {{"branch"}, {"tag"}, {"parameters"}},
           .output = {{"id", "id"}, {"number", "number"}, {"state", "state"}, {"created", "created_at"}}},
          {.operation = "get-pipeline",
           .method = "GET",
           .path = "/pipeline/{pipeline_id}",
           .target = "pipeline {pipeline_id}",
           .output = {{"id", "id"},
                      {"number", "number"},
                      {"state", "state"},
                      {"project", "project_slug"},
                      {"branch", "vcs.branch"},
                      {"revision", "vcs.revision"}}},
          {.operation = "list-workflows",
           .method = "GET",
           .path = "/pipeline/{pipeline_id}/workflow",
           .target = "pipeline {pipeline_id}",
           .query = {{"cursor", Need::optional, "page-token"}},
           .output = workflow,
           .answer = Answer::list,
           .list_at = "items",
           .next_cursor = "next_page_token"},
          {.operation = "get-workflow",
           .method = "GET",
           .path = "/workflow/{workflow_id}",
           .target = "workflow {workflow_id}",
           .output = workflow},
          {.operation = "list-jobs",
           .method = "GET",
           .path = "/workflow/{workflow_id}/job",
           .target = "workflow {workflow_id}",
           .query = {{"cursor", Need::optional, "page-token"}},
           .output = {{"id", "id"},
                      {"name", "name"},
                      {"status", "status"},
                      {"type", "type"},
                      {"job_number", "job_number"},
                      {"approval_request_id", "approval_request_id"}},
           .answer = Answer::list,
           .list_at = "items",
           .next_cursor = "next_page_token"},
          {.operation = "cancel-workflow",
           .method = "POST",
           .path = "/workflow/{workflow_id}/cancel",
           .target = "workflow {workflow_id}",
           .answer = Answer::nothing},
          {.operation = "rerun-workflow",
           .method = "POST",
           .path = "/workflow/{workflow_id}/rerun",
           .target = "workflow {workflow_id}",
           .body = {{"from_failed"}, {"jobs"}},
           .output = {{"workflow_id", "workflow_id"}}},
          {.operation = "approve-job",
           .method = "POST",
           .path = "/workflow/{workflow_id}/approve/{approval_request_id}",
           .target = "workflow {workflow_id}",
           .answer = Answer::nothing},
      }};
  return circleci;
}

class Circleci : public Plugin {
 public:
  static Operations<Circleci> operations() { return rest::operations<Circleci>(service(), &Circleci::run); }

 private:
  Task run(Call& call) { return rest::run(call, service()); }
};

}  // namespace
}  // namespace circleci

TRV_PLUGIN(circleci::Circleci, "circleci", "1.0.0")
