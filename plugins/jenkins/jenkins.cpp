// Jenkins over its remote access API (jenkins.io/doc/book/using/remote-access-api).

#include "plugins/rest/rest.hpp"

namespace jenkins {
namespace {

using namespace trv::sdk;
using rest::Answer;

const rest::Service& service() {
  static const std::vector<rest::Pick> build = {
      {"number", "number"},     {"url", "url"},           {"building", "building"},   {"result", "result"},
      {"duration", "duration"}, {"started", "timestamp"}, {"name", "fullDisplayName"}};
  static const rest::Service jenkins = {
      .name = "Jenkins",
      .routes = {
          {.operation = "build",
           .method = "POST",
           .path = "/job/{/job}/build",
           .target = "job {/job}",
           .output = {{"queue_url", "header:Location"}}},
          {.operation = "build-with-parameters",
           .method = "POST",
           .path = "/job/{/job}/buildWithParameters",
           .target = "job {/job}",
           .query = {{"parameters"}},
           .output = {{"queue_url", "header:Location"}}},
          {.operation = "get-queue-item",
           .method = "GET",
           .path = "/queue/item/{#id}/api/json",
           .target = "queue item {#id}",
           .output = {{"id", "id"},
                      {"why", "why"},
                      {"cancelled", "cancelled"},
                      {"build_number", "executable.number"},
                      {"build_url", "executable.url"}}},
          {.operation = "get-build",
           .method = "GET",
           .path = "/job/{/job}/{build}/api/json",
           .target = "job {/job}, build {build}",
           .output = build},
          {.operation = "list-builds",
           .method = "GET",
           .path =
               "/job/{/job}/api/json?tree=builds%5Bnumber,url,building,result,duration,timestamp,fullDisplayName%5D",
           .target = "job {/job}",
           .output = build,
           .answer = Answer::list,
           .list_at = "builds"},
          {.operation = "get-job",
           .method = "GET",
           .path = "/job/{/job}/api/json",
           .target = "job {/job}",
           .output = {{"name", "fullName"},
                      {"url", "url"},
                      {"buildable", "buildable"},
                      {"color", "color"},
                      {"next_build_number", "nextBuildNumber"},
                      {"last_build", "lastBuild.number"},
                      {"last_success", "lastSuccessfulBuild.number"},
                      {"in_queue", "inQueue"}}},
      }};
  return jenkins;
}

class Jenkins : public Plugin {
 public:
  static Operations<Jenkins> operations() { return rest::operations<Jenkins>(service(), &Jenkins::run); }

 private:
  Task run(Call& call) { return rest::run(call, service()); }
};

}  // namespace
}  // namespace jenkins

TRV_PLUGIN(jenkins::Jenkins, "jenkins", "1.0.0")
