// Bad input: refused with its place and the reason, and nothing is stored.

#include <functional>
#include <set>
#include <tuple>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class InputTest : public ApiTest {
 protected:
  /// The problem that came; the tenant's events are as many as before.
  static Answer refused(const std::function<Answer()>& request, long status = 400) {
    const std::size_t before = events(acme(), "acme").size();
    const Answer answer = request();
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(events(acme(), "acme").size(), before) << answer.body;
    return answer;
  }
  static void has_place(const Answer& answer, std::int64_t line, std::int64_t column, std::string_view reason) {
    const json::value problem = answer.value();
    ASSERT_TRUE(problem.is_object()) << answer.body;
    ASSERT_TRUE(problem.as_object().contains("line")) << answer.body;
    EXPECT_EQ(problem.at("line").as_int64(), line) << answer.body;
    EXPECT_EQ(problem.at("column").as_int64(), column) << answer.body;
    EXPECT_NE(answer.text("detail").find(reason), std::string::npos) << answer.body;
  }
};

TEST_F(InputTest, malformed_json_is_refused_with_line_and_column) {
  const std::pair<const char*, const char*> requests[] = {
      {"POST", "/members"}, {"POST", "/tokens"}, {"PUT", "/connections/x"}, {"PUT", "/plugins/x"}, {"POST", "/events"}};
  for (const auto& [method, rest] : requests) {
    has_place(refused([&, method = method, rest = rest] {
                return call(acme(), method, std::string("/v1/tenants/acme") + rest, "{\n \"a\": }");
              }),
              2, 7, "expected");
  }
  has_place(refused([] { return call(daemon().operator_token(), "POST", "/v1/tenants", "{\n \"a\": }"); }), 2, 7,
            "expected");
  for (const char* body : {"", "[]", "3", "null", "\xff", "{\"a\":1}{", "{\"name\":\"\xff\"}"}) {
    refused([body] { return call(acme(), "POST", "/v1/tenants/acme/tokens", body); });
  }
  const std::string deep(100'000, '[');
  refused([&] { return call(acme(), "POST", "/v1/tenants/acme/tokens", deep); }, 413);
}

TEST_F(InputTest, malformed_workflows_are_refused_with_line_and_column) {
  const std::string head = "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: bad\n  version: '1.0.0'\n";
  has_place(refused([&] { return apply_workflow(acme(), "acme", "document: [\n"); }), 2, 1, "not YAML");
  has_place(refused([&] { return apply_workflow(acme(), "acme", head + "do:\n  - x:\n      sett: {}\n"); }), 8, 7,
            "'sett'");
  has_place(refused([&] { return apply_workflow(acme(), "acme", head + "do:\n  - x:\n      set: {a: '${ . | }'}\n"); }),
            8, 24, "expression");
  has_place(refused([&] {
              return call(acme(), "POST", "/v1/tenants/acme/workflows",
                          "{\"document\":{},\n\"x\":", {{"Content-Type", "application/json"}});
            }),
            2, 5, "JSON");
  refused([&] { return call(acme(), "POST", "/v1/tenants/acme/workflows", std::string(hello_workflow)); }, 415);
  refused([&] { return apply_workflow(acme(), "acme", ""); });
  refused([&] { return apply_workflow(acme(), "acme", std::string("\0\xff", 2)); });
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 20; ++i) {
    std::string line = "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) line += (k == 0 ? "*a" : ",*a") + std::to_string(i - 1);
    bomb += line + "]\n";
  }
  const Answer answer = apply_workflow(acme(), "acme", bomb);
  EXPECT_TRUE(answer.status == 400 || answer.status == 413) << answer.body;
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/workflows").value().at("items").as_array().size(), 0U);
}

TEST_F(InputTest, a_malformed_input_starts_nothing) {
  ASSERT_EQ(apply_workflow(acme(), "acme", std::string(hello_workflow)).status, 201);
  const std::string path = "/v1/tenants/acme/workflows/demo/hello/instances";
  has_place(refused([&] { return call(acme(), "POST", path, "{\"a\":"); }), 1, 6, "input");
  refused([&] { return call(acme(), "POST", path + "?version=9.9.9", "{}"); }, 404);
  refused([&] { return call(acme(), "POST", "/v1/tenants/acme/workflows/demo/nope/instances", "{}"); }, 404);
  EXPECT_EQ(count_instances(acme(), "acme"), 0U);
}

TEST_F(InputTest, an_unknown_member_is_named) {
  const std::tuple<const char*, const char*, const char*, const char*> requests[] = {
      {"POST", "/members", R"({"user":"a","role":"viewer","rolle":1})", "'rolle'"},
      {"POST", "/tokens", R"({"name":"a","role":"viewer","expires":1})", "'expires'"},
      {"PUT", "/connections/x", R"({"base_url":"http://h","auth":{"scheme":"none","pass":1}})", "'auth.pass'"},
      {"PUT", "/plugins/x", R"({"version":"1","v":1})", "'v'"}};
  for (const auto& [method, rest, body, name] : requests) {
    const Answer answer = refused([&, method = method, rest = rest, body = body] {
      return call(acme(), method, std::string("/v1/tenants/acme") + rest, body);
    });
    EXPECT_NE(answer.text("detail").find(name), std::string::npos) << answer.body;
  }
}

TEST_F(InputTest, a_value_that_is_missing_or_out_of_range_is_named) {
  const std::tuple<const char*, const char*, const char*, const char*> requests[] = {
      {"POST", "/members", R"({"role":"viewer"})", "'user'"},
      {"POST", "/members", R"({"user":"a","role":"king"})", "'king'"},
      {"POST", "/members", R"({"user":"","role":"viewer"})", "user"},
      {"POST", "/tokens", R"({"name":1,"role":"viewer"})", "'name'"},
      {"POST", "/tokens", R"({"name":"a","role":"viewer","expires_in_seconds":0})", "'expires_in_seconds'"},
      {"POST", "/tokens", R"({"name":"a","role":"viewer","expires_in_seconds":1e99})", "'expires_in_seconds'"},
      {"PUT", "/connections/x", R"({"base_url":"ftp://h"})", "base_url"},
      {"PUT", "/connections/x", R"({"base_url":"http://u:p@h"})", "base_url"},
      {"PUT", "/connections/x", R"({"base_url":"http://h","auth":{"scheme":"magic"}})", "'magic'"},
      {"PUT", "/connections/x", R"({"base_url":"http://h","auth":{"scheme":"bearer"}})", "secret"},
      {"PUT", "/connections/X_", R"({"base_url":"http://h"})", "'X_'"},
      {"POST", "/events", R"({"specversion":"0.3","id":"1","source":"s","type":"t"})", "specversion"},
      {"POST", "/events", R"({"specversion":"1.0","id":"1","source":"s"})", "'type'"},
      {"POST", "/events", R"({"specversion":"1.0","id":"","source":"s","type":"t"})", "'id'"}};
  for (const auto& [method, rest, body, name] : requests) {
    const Answer answer = refused([&, method = method, rest = rest, body = body] {
      return call(acme(), method, std::string("/v1/tenants/acme") + rest, body);
    });
    EXPECT_NE(answer.text("detail").find(name), std::string::npos) << answer.body;
  }
  refused([] { return call(acme(), "PUT", "/v1/tenants/acme/plugins/x", R"({"version":"1.0.0"})"); }, 404);
  refused([] { return call(acme(), "DELETE", "/v1/tenants/acme/connections/x"); }, 404);
  refused([] { return call(acme(), "DELETE", "/v1/tenants/acme/tokens/x"); }, 404);
  for (const char* id : {"", "A", "a b", "-a", "\\u0000", "b\\u00e9"}) {
    refused([id] {
      return call(daemon().operator_token(), "POST", "/v1/tenants", std::string(R"({"id":")") + id + "\"}");
    });
  }
  refused([] { return call(daemon().operator_token(), "POST", "/v1/tenants", R"({"id":"acme"})"); }, 409);
}

TEST_F(InputTest, a_body_over_the_limit_is_refused) {
  const std::string big(1'000'001, ' ');
  for (const char* rest : {"/tokens", "/workflows", "/workflows/demo/hello/instances"}) {
    refused([&] { return call(acme(), "POST", std::string("/v1/tenants/acme") + rest, big); }, 413);
  }
  // Events may have 25 MiB.
  refused([&] { return call(acme(), "POST", "/v1/tenants/acme/events", big); }, 400);
  refused([&] { return call(acme(), "POST", "/v1/tenants/acme/events", std::string((25U << 20) + 1, ' ')); }, 413);
  // What is just below can still be too large for a record, and is refused in words.
  ASSERT_EQ(apply_workflow(acme(), "acme", std::string(hello_workflow)).status, 201);
  const std::string large = "\"" + std::string(999'990, 'x') + "\"";
  refused([&] { return call(acme(), "POST", "/v1/tenants/acme/workflows/demo/hello/instances", large); }, 413);
}

TEST_F(InputTest, cursors_and_limits_that_no_list_gave_are_refused) {
  ASSERT_EQ(apply_workflow(acme(), "acme", std::string(hello_workflow)).status, 201);
  const std::string id = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/hello/instances", "{}").text("id");
  for (const std::string& list :
       {std::string("/members"), std::string("/tokens"), std::string("/connections"), std::string("/plugins"),
        std::string("/workflows"), std::string("/instances"), "/instances/" + id + "/tasks", std::string("/events")}) {
    for (const char* query : {"cursor=zz", "cursor=f", "limit=0", "limit=501", "limit=-1", "limit=x",
                              "limit=", "limit=99999999999999999999"}) {
      EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme" + list + "?" + query).status, 400) << list << query;
    }
    EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme" + list + "?cursor=" + std::string(1026, 'f')).status, 400) << list;
    const Answer odd = call(acme(), "GET", "/v1/tenants/acme" + list + "?cursor=ff00ff");
    EXPECT_TRUE(odd.status == 400 || odd.value().at("items").as_array().empty()) << list << odd.body;
  }
  for (const auto& [query, said] : std::vector<std::pair<std::string, std::string>>{
           {"instances?statsu=running", "the query parameter 'statsu' is unknown; did you mean 'status'?"},
           {"tokens?x=1", "the query parameter 'x' is unknown; this path takes limit, cursor, min_position"},
           {"tokens?Limit=1", "the query parameter 'Limit' is unknown; did you mean 'limit'?"},
           {"instances?limit=1&limit=2", "the query parameter 'limit' comes twice"}}) {
    const Answer answer = call(acme(), "GET", "/v1/tenants/acme/" + query);
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(answer.text("detail"), said);
  }
  const Answer none = call(acme(), "DELETE", "/v1/tenants/acme/tokens/0123456789ab?force=true");
  EXPECT_EQ(none.status, 400) << none.body;
  EXPECT_EQ(none.text("detail"), "the query parameter 'force' is unknown; this path takes none");
  for (const char* path : {"/v1/tenants?limit=0", "/v1/plugins?cursor=zz"}) {
    EXPECT_EQ(call(daemon().operator_token(), "GET", path).status, 400) << path;
  }
  for (const char* path : {"/events?after=x", "/events?after=-1", "/events/stream?after=x", "/instances?status=odd",
                           "/audit/proofs/x", "/audit/proofs/0"}) {
    EXPECT_EQ(call(acme(), "GET", std::string("/v1/tenants/acme") + path).status, 400) << path;
  }
}

TEST_F(InputTest, lists_page_through_everything_once) {
  for (int i = 0; i < 7; ++i) issue(acme(), "acme", "viewer");
  std::set<std::string> ids;
  std::string cursor;
  int pages = 0;
  do {
    const Answer answer = call(acme(), "GET", "/v1/tenants/acme/tokens?limit=3" + cursor);
    ASSERT_EQ(answer.status, 200);
    const json::value page = answer.value();
    for (const json::value& one : page.at("items").as_array()) {
      EXPECT_TRUE(ids.insert(std::string(one.at("id").as_string())).second);
    }
    cursor = page.at("next_cursor").is_string() ? "&cursor=" + std::string(page.at("next_cursor").as_string()) : "";
    ++pages;
  } while (!cursor.empty() && pages < 10);
  EXPECT_EQ(ids.size(), 8U);
  EXPECT_EQ(pages, 3);
}

TEST_F(InputTest, unknown_paths_and_methods_are_distinguished) {
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/").status, 404);
  EXPECT_EQ(call(acme(), "GET", "/v2").status, 404);
  EXPECT_EQ(call(acme(), "PATCH", "/v1/tenants/acme").status, 405);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/%2e%2e/beta").status, 400);
}

}  // namespace
}  // namespace trv::api
