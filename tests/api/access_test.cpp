// Who may do what, and what outsiders learn: nothing.

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class AccessTest : public ApiTest {};

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// A problem without what differs from request to request.
std::string without_id(const Answer& answer) {
  return replaced(answer.body, answer.text("instance"), "");
}

/// "METHOD /path" for every path with {tenant} that the daemon describes and every method, with parameters filled in.
std::vector<std::pair<std::string, std::string>> tenant_requests(const json::value& document) {
  std::vector<std::pair<std::string, std::string>> requests;
  for (const auto& [pattern, operations] : document.at("paths").as_object()) {
    std::string path(pattern);
    if (path.find("{tenant}") == std::string::npos) continue;
    path = replaced(path, "{path}", "entries/000.p/1");
    path = replaced(path, "{lsn}", "3");
    path = replaced(path, "{version}", "1.0.0");
    path = replaced(path, "{namespace}", "demo");
    path = replaced(path, "{id}", path.find("/plugins/") == std::string::npos ? "{thing}" : "tracker");
    path = replaced(path, "{plugin}", "tracker");
    path = replaced(path, "{name}",
                    path.find("/workflows/") != std::string::npos     ? "hello"
                    : path.find("/connections/") != std::string::npos ? "outside"
                                                                      : "push");
    for (const char* method : {"GET", "PUT", "POST", "DELETE", "PATCH"}) requests.emplace_back(method, path);
  }
  return requests;
}

TEST_F(AccessTest, an_unknown_and_a_foreign_tenant_answer_alike_on_every_route_and_method) {
  // Everything that could be asked for is there, in beta.
  const auto [token_id, token] = issue(beta(), "beta", "viewer");
  ASSERT_EQ(apply_workflow(beta(), "beta", std::string(hello_workflow)).status, 201);
  const Answer started = call(beta(), "POST", "/v1/tenants/beta/workflows/demo/hello/instances", "{}");
  ASSERT_EQ(started.status, 201) << started.body;
  ASSERT_EQ(call(beta(), "PUT", "/v1/tenants/beta/connections/outside", R"({"base_url":"http://h"})").status, 200);
  const base::Bytes package = tracker_package("good");
  ASSERT_EQ(call(daemon().operator_token(), "POST", "/v1/plugins", std::string(package.begin(), package.end())).status,
            201);
  ASSERT_EQ(call(beta(), "PUT", "/v1/tenants/beta/plugins/tracker", R"({"version":"1.2.3"})").status, 200);

  const auto requests = tenant_requests(call("", "GET", "/openapi.json").value());
  ASSERT_GT(requests.size(), 100U);
  const std::string viewer = issue(acme(), "acme", "viewer").second;
  std::size_t refused = 0;
  for (const auto& [method, path] : requests) {
    for (const std::string& asking : {acme(), viewer, std::string()}) {
      const auto answer_of = [&](const std::string& tenant) {
        const std::string thing = path.find("/tokens/") == std::string::npos ? started.text("id") : token_id;
        return call(asking, method, replaced(replaced(path, "{tenant}", tenant), "{thing}", thing), "{}");
      };
      const Answer foreign = answer_of("beta");
      const Answer unknown = answer_of("nobody");
      EXPECT_EQ(foreign.status, unknown.status) << method << " " << path;
      EXPECT_EQ(replaced(without_id(foreign), "beta", "nobody"), without_id(unknown)) << method << " " << path;
      const bool is_delivery = method == "POST" && path.find("/hooks/") != std::string::npos;
      const bool webhook = is_delivery || path.find("/webhooks/") != std::string::npos;
      if (foreign.status == 405) continue;
      EXPECT_EQ(foreign.status, asking.empty() && !webhook ? 401 : 404) << method << " " << path << foreign.body;
      ++refused;
    }
  }
  EXPECT_GT(refused, 60U);
  // A refusal is an event where the token is at home, and leaves no trace where it was aimed at.
  EXPECT_GT(count_events(acme(), "acme", "trv.access.denied"), 40U);
  EXPECT_EQ(count_events(beta(), "beta", "trv.access.denied"), 0U);
}

TEST_F(AccessTest, the_operator_sees_that_a_tenant_exists_and_nothing_inside_it) {
  const std::string& op = daemon().operator_token();
  EXPECT_EQ(call(op, "GET", "/v1/tenants/acme").status, 200);
  EXPECT_EQ(call(op, "GET", "/v1/tenants/nobody").status, 404);
  for (const char* rest : {"/tokens", "/members", "/events", "/instances", "/connections", "/audit/checkpoint"}) {
    EXPECT_EQ(call(op, "GET", std::string("/v1/tenants/acme") + rest).status, 404) << rest;
  }
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants").status, 403);
  EXPECT_EQ(call(acme(), "POST", "/v1/tenants", R"({"id":"mine"})").status, 403);
  EXPECT_EQ(call(acme(), "POST", "/v1/plugins", "x").status, 403);
}

TEST_F(AccessTest, a_foreign_instance_answers_as_one_that_does_not_exist) {
  ASSERT_EQ(apply_workflow(beta(), "beta", std::string(hello_workflow)).status, 201);
  const std::string id = call(beta(), "POST", "/v1/tenants/beta/workflows/demo/hello/instances", "{}").text("id");
  ASSERT_EQ(id.size(), 36U);
  std::string other = id;
  other.back() = other.back() == '0' ? '1' : '0';
  struct Request {
    std::string method;
    std::string rest;
    std::string body;
  };
  const Request requests[] = {{"GET", "", ""},
                              {"GET", "/tasks", ""},
                              {"GET", "/state?at=2100-01-01T00:00:00Z", ""},
                              {"POST", "/cancel", "{}"},
                              {"POST", "/suspend", "{}"},
                              {"POST", "/resume", "{}"},
                              {"POST", "/retry", "{}"},
                              {"POST", "/skip", "{}"},
                              {"POST", "/signal", R"({"type":"t"})"},
                              {"POST", "/migrate", R"({"version":"1.0.1"})"},
                              {"POST", "/fork", R"({"at":"2100-01-01T00:00:00Z"})"}};
  std::size_t described = 0;
  const json::value document = call("", "GET", "/openapi.json").value();
  for (const auto& [pattern, operations] : document.at("paths").as_object()) {
    if (pattern.starts_with("/v1/tenants/{tenant}/instances/{id}")) described += operations.as_object().size();
  }
  EXPECT_EQ(described, std::size(requests)) << "a route is not in the table";
  for (const auto& [method, rest, body] : requests) {
    const Answer foreign = call(acme(), method, "/v1/tenants/acme/instances/" + id + rest, body);
    const Answer unknown = call(acme(), method, "/v1/tenants/acme/instances/" + other + rest, body);
    EXPECT_EQ(foreign.status, 404) << method << " " << rest << foreign.body;
    EXPECT_EQ(replaced(without_id(foreign), id, other), without_id(unknown)) << method << " " << rest;
  }
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/no-id").status, 404);
}

TEST_F(AccessTest, a_viewer_reads_and_a_write_of_his_is_refused_and_recorded) {
  const auto [id, viewer] = issue(acme(), "acme", "viewer");
  for (const char* rest : {"", "/members", "/connections", "/plugins", "/workflows", "/instances", "/events",
                           "/audit/checkpoint", "/audit/key"}) {
    EXPECT_EQ(call(viewer, "GET", std::string("/v1/tenants/acme") + rest).status, 200) << rest;
  }
  const std::pair<const char*, const char*> writes[] = {{"POST", "/members"},
                                                        {"GET", "/tokens"},
                                                        {"POST", "/tokens"},
                                                        {"DELETE", "/tokens/x"},
                                                        {"PUT", "/connections/x"},
                                                        {"DELETE", "/connections/x"},
                                                        {"PUT", "/plugins/x"},
                                                        {"DELETE", "/plugins/x"},
                                                        {"POST", "/workflows"},
                                                        {"POST", "/workflows/demo/hello/instances"},
                                                        {"POST", "/instances/x/cancel"},
                                                        {"POST", "/events"}};
  for (const auto& [method, rest] : writes) {
    EXPECT_EQ(call(viewer, method, std::string("/v1/tenants/acme") + rest, "{}").status, 403) << method << rest;
  }
  std::size_t recorded = 0;
  for (const json::value& event : events(acme(), "acme")) {
    if (event.at("type").as_string() != "trv.access.denied" || event.at("actor").as_string() != "token:" + id) continue;
    EXPECT_EQ(event.at("data").at("action").as_string(), writes[recorded].first);
    EXPECT_EQ(event.at("data").at("target").as_string(), std::string("/v1/tenants/acme") + writes[recorded].second);
    ++recorded;
  }
  EXPECT_EQ(recorded, std::size(writes));
}

TEST_F(AccessTest, a_viewer_is_refused_by_every_route_that_changes_something) {
  const std::string viewer = issue(acme(), "acme", "viewer").second;
  std::size_t refused = 0;
  const json::value document = call("", "GET", "/openapi.json").value();
  for (const auto& [pattern, operations] : document.at("paths").as_object()) {
    const std::string path(pattern);
    if (path.find("{tenant}") == std::string::npos) continue;
    for (const auto& [name, operation] : operations.as_object()) {
      // Who posts to a webhook proves it by a signature.
      const bool is_hook = name == "post" && path.find("hooks/") != std::string::npos;
      if (name == "get" || is_hook) continue;
      std::string method(name);
      std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      std::string filled = replaced(path, "{tenant}", "acme");
      for (std::size_t at = filled.find('{'); at != std::string::npos; at = filled.find('{')) {
        filled.replace(at, filled.find('}') - at + 1, "x");
      }
      const Answer answer = call(viewer, method, filled, "{}");
      EXPECT_EQ(answer.status, 403) << method << " " << filled << answer.body;
      ++refused;
    }
  }
  EXPECT_GT(refused, 20U);
}

TEST_F(AccessTest, without_a_good_token_nobody_is_known) {
  const auto [id, revoked] = issue(acme(), "acme", "owner");
  const std::string expired = issue(acme(), "acme", "owner", 1).second;
  EXPECT_EQ(call(revoked, "GET", "/v1/whoami").status, 200);
  EXPECT_EQ(call(expired, "GET", "/v1/whoami").status, 200);
  ASSERT_EQ(call(acme(), "DELETE", "/v1/tenants/acme/tokens/" + id).status, 204);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  std::string changed = acme();
  changed.back() = changed.back() == 'A' ? 'B' : 'A';
  for (const std::string& token :
       {std::string(), std::string("garbage"), std::string("trv_x_y"), changed, acme() + "x", revoked, expired}) {
    for (const char* path : {"/v1/whoami", "/v1/tenants/acme", "/v1/tenants", "/v1/tenants/nobody/events"}) {
      const Answer answer = call(token, "GET", path);
      EXPECT_EQ(answer.status, 401) << token << path;
      EXPECT_EQ(answer.text("code"), "unauthenticated");
    }
  }
  EXPECT_EQ(call("", "GET", "/v1/whoami", "", {{"Authorization", "Basic " + acme()}}).status, 401);
  EXPECT_EQ(call("", "GET", "/v1/whoami", "", {{"Authorization", "Bearer"}}).status, 401);
}

TEST_F(AccessTest, a_token_of_a_tenant_that_does_not_exist_is_answered_as_any_unknown_one) {
  ASSERT_TRUE(acme().starts_with("trv_acme_")) << "the text of a token names its tenant";
  const std::string rest = acme().substr(std::string_view("trv_acme").size());
  const auto detail = [](const std::string& token) {
    const Answer answer = call(token, "GET", "/v1/tenants/acme");
    EXPECT_EQ(answer.status, 401) << token;
    return answer.text("detail");
  };
  const std::string unknown = detail("trv_acme" + rest.substr(0, rest.size() - 1));
  EXPECT_FALSE(unknown.empty());
  for (const std::string& token :
       {"trv_nobody" + rest, "trv_beta" + rest, "trv_system" + rest, "trv_" + rest, "trv" + rest,
        "trv_acme" + rest + "x", std::string("trv_acme"), std::string("trv_acme_"), std::string("trv__"),
        std::string("trv_"), "trv_Acme" + rest, "trv_-" + rest, "trv_" + std::string(64, 'a') + rest,
        "trv_acme" + std::string(4000, '_')}) {
    EXPECT_EQ(detail(token), unknown) << token;
  }
}

TEST_F(AccessTest, names_that_are_cut_or_odd_leave_events_that_can_be_read) {
  std::string name = "bb";
  for (int i = 0; i < 100; ++i) name += "%C3%A9";
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/" + name + "/events").status, 404);
  const Answer issued =
      call(acme(), "POST", "/v1/tenants/acme/tokens", R"({"name":"t","role":"viewer"})", {{"traceparent", "\xff\xfe"}});
  EXPECT_EQ(issued.status, 201) << issued.body;
  const Answer odd = call(acme(), "POST", "/v1/tenants/acme/events", "{}",
                          {{"ce-specversion", "1.0"}, {"ce-id", "\xff"}, {"ce-source", "s"}, {"ce-type", "t"}});
  EXPECT_EQ(odd.status, 400) << odd.body;
  boost::system::error_code error;
  const Answer page = call(acme(), "GET", "/v1/tenants/acme/events?limit=500");
  (void)json::parse(page.body, error);
  EXPECT_FALSE(error) << "the events are not UTF-8 JSON";
}

TEST_F(AccessTest, what_a_change_answers_is_what_is_read_later) {
  const Answer created = call(daemon().operator_token(), "POST", "/v1/tenants", R"({"id":"gamma"})");
  ASSERT_EQ(created.status, 201) << created.body;
  const std::string token(created.value().at("token").at("token").as_string());
  EXPECT_EQ(created.text("created"), call(token, "GET", "/v1/tenants/gamma").text("created"));
  const Answer member = call(token, "POST", "/v1/tenants/gamma/members", R"({"user":"ada","role":"viewer"})");
  ASSERT_EQ(member.status, 201);
  EXPECT_EQ(member.value(), call(token, "GET", "/v1/tenants/gamma/members").value().at("items").at(0));
  Answer issued =
      call(token, "POST", "/v1/tenants/gamma/tokens", R"({"name":"n","role":"viewer","expires_in_seconds":60})");
  json::value shown = issued.value();
  shown.as_object().erase("token");
  bool found = false;
  const json::value tokens = call(token, "GET", "/v1/tenants/gamma/tokens").value();
  for (const json::value& one : tokens.at("items").as_array()) found = found || one == shown;
  EXPECT_TRUE(found) << issued.body << json::serialize(tokens);
}

}  // namespace
}  // namespace trv::api
