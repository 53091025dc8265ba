// Confluence Cloud over its REST API, version 2 (developer.atlassian.com/cloud/confluence/rest/v2).

#include "plugins/rest/rest.hpp"

namespace confluence {
namespace {

using namespace trv::sdk;
using rest::Answer;
using rest::Need;

const rest::Service& service() {
  static const std::vector<rest::Pick> page = {{"id", "id"},
                                               {"title", "title"},
                                               {"status", "status"},
                                               {"space_id", "spaceId"},
                                               {"parent_id", "parentId"},
                                               {"version", "version.number"},
                                               {"body", "body.storage.value"},
                                               {"path", "_links.webui"}};
  static const std::vector<rest::Pick> comment = {{"id", "id"},
                                                  {"page_id", "pageId"},
                                                  {"version", "version.number"},
                                                  {"body", "body.storage.value"},
                                                  {"path", "_links.webui"}};
  static constexpr std::string_view storage = R"({"body":{"representation":"storage"}})";
  static const rest::Service confluence = {
      .name = "Confluence",
      .routes = {
          {.operation = "create-page",
           .method = "POST",
           .path = "/wiki/api/v2/pages",
           .target = "a new page",
           .body = {{"space_id", Need::required, "spaceId"},
                    {"title", Need::required},
                    {"body", Need::required, "body.value"},
                    {"parent_id", Need::optional, "parentId"},
                    {"status"}},
           .output = page,
           .constant_body = R"({"status":"current","body":{"representation":"storage"}})"},
          {.operation = "get-page",
           .method = "GET",
           .path = "/wiki/api/v2/pages/{page_id}?body-format=storage",
           .target = "page {page_id}",
           .output = page},
          {.operation = "update-page",
           .method = "PUT",
           .path = "/wiki/api/v2/pages/{page_id}",
           .target = "page {page_id}",
           .body = {{"page_id", Need::required, "id"},
                    {"title", Need::required},
                    {"body", Need::required, "body.value"},
                    {"version", Need::required, "version.number"},
                    {"message", Need::optional, "version.message"},
                    {"status"}},
           .output = page,
           .constant_body = R"({"status":"current","body":{"representation":"storage"}})"},
          {.operation = "delete-page",
           .method = "DELETE",
           .path = "/wiki/api/v2/pages/{page_id}",
           .target = "page {page_id}",
           .answer = Answer::nothing},
          {.operation = "list-pages",
           .method = "GET",
           .path = "/wiki/api/v2/pages",
           .target = "the pages",
           .query = {{"space_id", Need::optional, "space-id"}, {"title"}, {"status"}, {"sort"}, {"limit"}, {"cursor"}},
           .output = page,
           .answer = Answer::list,
           .list_at = "results",
           .next_cursor = "_links.next"},
          {.operation = "list-spaces",
           .method = "GET",
           .path = "/wiki/api/v2/spaces",
           .target = "the spaces",
           .query = {{"keys"}, {"type"}, {"limit"}, {"cursor"}},
           .output = {{"id", "id"}, {"key", "key"}, {"name", "name"}, {"type", "type"}, {"status", "status"}},
           .answer = Answer::list,
           .list_at = "results",
           .next_cursor = "_links.next"},
          {.operation = "create-comment",
           .method = "POST",
           .path = "/wiki/api/v2/footer-comments",
           .target = "page {page_id}",
           .body = {{"page_id", Need::required, "pageId"}, {"body", Need::required, "body.value"}},
           .output = comment,
           .constant_body = storage},
          {.operation = "list-comments",
           .method = "GET",
           .path = "/wiki/api/v2/pages/{page_id}/footer-comments",
           .target = "page {page_id}",
           .query = {{"limit"}, {"cursor"}},
           .output = comment,
           .answer = Answer::list,
           .list_at = "results",
           .next_cursor = "_links.next"},
          {.operation = "search",
           .method = "GET",
           .path = "/wiki/rest/api/search",
           .target = "the search",
           .query = {{"cql", Need::required}, {"limit"}, {"cursor"}},
           .output = {{"id", "content.id"},
                      {"type", "content.type"},
                      {"title", "title"},
                      {"excerpt", "excerpt"},
                      {"path", "url"},
                      {"changed", "lastModified"}},
           .answer = Answer::list,
           .list_at = "results",
           .next_cursor = "_links.next"},
      }};
  return confluence;
}

class Confluence : public Plugin {
 public:
  static Operations<Confluence> operations() { return rest::operations<Confluence>(service(), &Confluence::run); }

 private:
  Task run(Call& call) { return rest::run(call, service()); }
};

}  // namespace
}  // namespace confluence

TRV_PLUGIN(confluence::Confluence, "confluence", "1.0.0")
