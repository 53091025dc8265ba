// What bodies are taken as, how values come back, and when an answer needs no body.

#include <fmt/format.h>

#include <tuple>

#include "sdk/base/digest.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class RepresentationTest : public ApiTest {
 protected:
  static constexpr const char* hello = "/v1/tenants/acme/workflows/demo/hello/instances";

  static void SetUpTestSuite() {
    ApiTest::SetUpTestSuite();
    ASSERT_EQ(apply_workflow(acme(), "acme", std::string(hello_workflow)).status, 201);
  }
  static bool tells(const Answer& answer, std::string_view what) {
    return answer.text("detail").find(what) != std::string::npos;
  }
};

TEST_F(RepresentationTest, a_body_of_another_type_charset_or_encoding_is_415) {
  const std::pair<const char*, const char*> json_bodies[] = {
      {"POST", "/members"},  {"POST", "/tokens"}, {"PUT", "/connections/x"},
      {"PUT", "/plugins/x"}, {"POST", "/events"}, {"POST", "/workflows/demo/hello/instances"},
  };
  for (const auto& [method, rest] : json_bodies) {
    const std::string path = std::string("/v1/tenants/acme") + rest;
    for (const char* type : {"text/plain", "application/cbor", "application/x-www-form-urlencoded"}) {
      const Answer answer = call(acme(), method, path, "{}", {{"Content-Type", type}});
      EXPECT_EQ(answer.status, 415) << path << type << answer.body;
      EXPECT_TRUE(tells(answer, "application/json") && tells(answer, type)) << answer.body;
      EXPECT_EQ(answer.text("code"), "unsupported_media");
    }
    const Answer charset = call(acme(), method, path, "{}", {{"Content-Type", "application/json; charset=utf-16"}});
    EXPECT_EQ(charset.status, 415) << path;
    EXPECT_TRUE(tells(charset, "utf-16")) << charset.body;
    const Answer encoded =
        call(acme(), method, path, "{}", {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}});
    EXPECT_EQ(encoded.status, 415) << path;
    EXPECT_TRUE(tells(encoded, "gzip")) << encoded.body;
  }
  for (const char* type : {"text/plain", "application/cbor", ""}) {
    const Answer answer =
        call(acme(), "POST", "/v1/tenants/acme/workflows", std::string(hello_workflow), {{"Content-Type", type}});
    EXPECT_EQ(answer.status, 415) << type;
    EXPECT_TRUE(tells(answer, "application/yaml")) << answer.body;
  }
  EXPECT_EQ(
      call(acme(), "POST", "/v1/tenants/acme/events", "<e/>", {{"Content-Type", "application/cloudevents+xml"}}).status,
      415);
  EXPECT_EQ(
      call(daemon().operator_token(), "POST", "/v1/tenants", R"({"id":"x"})", {{"Content-Type", "text/json"}}).status,
      415);
  EXPECT_EQ(call(daemon().operator_token(), "POST", "/v1/plugins", "x", {{"Content-Encoding", "gzip"}}).status, 415);
  EXPECT_EQ(count_instances(acme(), "acme"), 0U);
}

TEST_F(RepresentationTest, json_is_taken_by_any_of_its_names_and_without_one) {
  for (const char* type :
       {"", "application/json", "application/vnd.acme+json", "Application/JSON; Charset=\"UTF-8\""}) {
    EXPECT_EQ(call(acme(), "POST", hello, "{}", {{"Content-Type", type}}).status, 201) << type;
  }
  EXPECT_EQ(call(acme(), "POST", hello, "", {{"Content-Type", "text/plain"}}).status, 201) << "there is no body";
  EXPECT_EQ(call(acme(), "POST", "/v1/tenants/acme/workflows", std::string(hello_workflow),
                 {{"Content-Type", "text/yaml; charset=utf-8"}})
                .status,
            200);
}

TEST_F(RepresentationTest, a_key_that_stands_twice_is_refused_with_its_place) {
  const std::size_t before = events(acme(), "acme").size();
  const Answer input = call(acme(), "POST", hello, "{\"a\":1,\n \"a\":2}");
  EXPECT_EQ(input.status, 400) << input.body;
  EXPECT_EQ(input.value().at("line").as_int64(), 2);
  EXPECT_EQ(input.value().at("column").as_int64(), 2);
  EXPECT_TRUE(tells(input, "input: ") && tells(input, "'a'")) << input.body;
  EXPECT_EQ(call(acme(), "POST", hello, R"({"a":{"b":[{"c":1,"c":1}]}})").status, 400);
  EXPECT_EQ(call(acme(), "POST", "/v1/tenants/acme/tokens", R"({"name":"n","role":"viewer","role":"owner"})").status,
            400);
  EXPECT_EQ(events(acme(), "acme").size(), before);
  EXPECT_EQ(call(acme(), "POST", hello, R"({"a":{"a":1},"b":{"a":1}})").status, 201);
}

TEST_F(RepresentationTest, a_number_beyond_the_largest_double_is_refused_with_its_place) {
  const std::size_t before = events(acme(), "acme").size();
  const Answer input = call(acme(), "POST", hello, "{\"a\":\n [1e308, -1e999]}");
  EXPECT_EQ(input.status, 400) << input.body;
  EXPECT_EQ(input.value().at("line").as_int64(), 2);
  EXPECT_EQ(input.value().at("column").as_int64(), 10);
  EXPECT_TRUE(tells(input, "the number -1e999 is too large")) << input.body;
  const Answer event = call(acme(), "POST", "/v1/tenants/acme/events",
                            R"({"specversion":"1.0","id":"1","source":"/s","type":"t","data":1e999})",
                            {{"Content-Type", "application/cloudevents+json"}});
  EXPECT_EQ(event.status, 400) << event.body;
  EXPECT_TRUE(tells(event, "the number 1e999 is too large")) << event.body;
  for (const char* number : {"1e999", "-.1E+400"}) {
    const Answer definition =
        apply_workflow(acme(), "acme",
                       std::string("document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: far\n  version: '1.0.0'\n"
                                   "do:\n  - keep:\n      set:\n        real: ") +
                           number + "\n");
    EXPECT_EQ(definition.status, 400) << definition.body;
    EXPECT_EQ(definition.value().at("line").as_int64(), 9) << definition.body;
    EXPECT_TRUE(tells(definition, number)) << definition.body;
  }
  EXPECT_EQ(events(acme(), "acme").size(), before);
}

TEST_F(RepresentationTest, numbers_come_back_as_they_are_stored) {
  ASSERT_EQ(apply_workflow(acme(), "acme",
                           "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: numbers\n  version: '1.0.0'\n"
                           "do:\n  - try:\n      try:\n        - fail:\n            raise:\n              error:\n"
                           "                type: https://x.y/z\n                status: 418\n"
                           "                title: T\n      catch:\n        do:\n          - keep:\n"
                           "              set:\n                real: 0.5\n              export:\n"
                           "                as: '${ {exported: 2.25} }'\n")
                .status,
            201);
  const std::string input = R"({"a":1.5,"big":9223372036854775807,"far":123456789012345680000000000000,"z":1e-7})";
  const Answer started = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/numbers/instances", input);
  ASSERT_EQ(started.status, 201) << started.body;
  const std::string path = "/v1/tenants/acme/instances/" + started.text("id");
  const std::string shown = call(acme(), "GET", path).body;
  for (const char* part : {R"("a":1.5)", R"("big":9223372036854775807)", R"("far":123456789012345680000000000000)",
                           R"("output":{"real":0.5})", R"("context":{"exported":2.25})"}) {
    EXPECT_NE(shown.find(part), std::string::npos) << part << shown;
  }
  EXPECT_EQ(shown.find("E0"), std::string::npos) << shown;
  const Answer tasks = call(acme(), "GET", path + "/tasks");
  EXPECT_TRUE(tasks.value().at("items").is_array()) << tasks.body;
  EXPECT_NE(tasks.body.find(R"("status":418)"), std::string::npos) << tasks.body;
}

TEST_F(RepresentationTest, steps_show_what_went_in_and_what_came_out) {
  const Answer started = call(acme(), "POST", hello, R"({"name":"Ada"})");
  ASSERT_EQ(started.status, 201) << started.body;
  const std::string path = "/v1/tenants/acme/instances/" + started.text("id");
  const Answer tasks = call(acme(), "GET", path + "/tasks");
  const boost::json::value listed = tasks.value();
  const auto& items = listed.at("items").as_array();
  ASSERT_GE(items.size(), 3U) << tasks.body;
  EXPECT_EQ(items.front().at("input").at("name").as_string(), "Ada") << tasks.body;
  EXPECT_FALSE(items[1].at("output").is_null()) << tasks.body;
  EXPECT_FALSE(items[1].at("data_left_out").as_bool());
  EXPECT_EQ(call(acme(), "GET", path).value().at("input").at("name").as_string(), "Ada");
}

TEST_F(RepresentationTest, what_has_ended_is_kept_as_long_as_its_owner_sets) {
  const std::string path = "/v1/tenants/acme/retention";
  EXPECT_EQ(call(acme(), "GET", path).value(), boost::json::parse(R"({"instances_days":90,"events_days":30})"));
  const Answer set = call(acme(), "PUT", path, R"({"instances_days":365,"events_days":0})");
  EXPECT_EQ(set.status, 200) << set.body;
  EXPECT_EQ(call(acme(), "GET", path).value(), boost::json::parse(R"({"instances_days":365,"events_days":0})"));
  EXPECT_EQ(call(acme(), "PUT", path, R"({"instances_days":-1})").status, 400);
  EXPECT_EQ(call(acme(), "PUT", path, R"({"instances_days":36501})").status, 400);
  EXPECT_EQ(call(acme(), "PUT", path, R"({"days":1})").status, 400);
  EXPECT_EQ(call(issue(acme(), "acme", "viewer").second, "PUT", path, "{}").status, 403);
  // The sweep that the setting asks for is done at once and forgets nothing that is young.
  const Answer started = call(acme(), "POST", hello, "{}");
  ASSERT_EQ(started.status, 201);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + started.text("id")).status, 200);
}

TEST_F(RepresentationTest, who_has_a_definition_already_is_told_so) {
  const std::string path = "/v1/tenants/acme/workflows/demo/hello/1.0.0";
  const std::string tag = '"' + base::to_hex(base::sha256(base::as_bytes(hello_workflow))) + '"';
  for (const std::string& field : {tag, "W/" + tag, std::string("*"), "\"x\", " + tag}) {
    const Answer answer = call(acme(), "GET", path, "", {{"If-None-Match", field}});
    EXPECT_EQ(answer.status, 304) << field;
    EXPECT_EQ(answer.body, "");
  }
  const Answer other = call(acme(), "GET", path, "", {{"If-None-Match", "\"x\""}});
  EXPECT_EQ(other.status, 200);
  EXPECT_EQ(other.body, hello_workflow);
  EXPECT_EQ(call(acme(), "GET", path + "1", "", {{"If-None-Match", "*"}}).status, 404);
}

TEST_F(RepresentationTest, a_cursor_of_another_list_is_refused) {
  for (int i = 0; i < 3; ++i) {
    issue(acme(), "acme", "viewer");
    ASSERT_EQ(call(acme(), "POST", hello, "{}").status, 201);
  }
  const auto cursor_of = [](const std::string& list) {
    return call(acme(), "GET", "/v1/tenants/acme" + list + "?limit=1").text("next_cursor");
  };
  const std::string id(
      call(acme(), "GET", "/v1/tenants/acme/instances").value().at("items").at(0).at("id").as_string());
  const std::string lists[] = {"/tokens", "/instances", "/events", "/instances/" + id + "/tasks"};
  for (const std::string& from : lists) {
    const std::string cursor = cursor_of(from);
    ASSERT_FALSE(cursor.empty()) << from;
    for (const std::string& to : lists) {
      const Answer answer = call(acme(), "GET", "/v1/tenants/acme" + to + "?limit=1&cursor=" + cursor);
      EXPECT_EQ(answer.status, from == to ? 200 : 400) << from << to << answer.body;
    }
  }
  EXPECT_EQ(call(beta(), "GET", "/v1/tenants/beta/tokens?cursor=" + cursor_of("/tokens")).status, 400);
}

TEST_F(RepresentationTest, a_workflow_filter_names_one_workflow) {
  const std::string list = "/v1/tenants/acme/instances?workflow=";
  for (const char* filter : {"hello", "", "/", "demo/", "/hello", "demo/hello/1.0.0", "de%20mo/hello", "demo%2F"}) {
    const Answer answer = call(acme(), "GET", list + filter);
    EXPECT_EQ(answer.status, 400) << filter;
    EXPECT_TRUE(tells(answer, "NAMESPACE/NAME")) << answer.body;
  }
  EXPECT_EQ(call(acme(), "GET", list + "demo/hello").status, 200);
  EXPECT_EQ(call(acme(), "GET", list + "Demo/none").status, 200);
}

TEST_F(RepresentationTest, two_authorization_headers_are_400) {
  const Answer answer = call(acme(), "GET", "/v1/whoami", "", {{"Authorization", "Bearer " + beta()}});
  EXPECT_EQ(answer.status, 400) << answer.body;
  EXPECT_TRUE(tells(answer, "Authorization")) << answer.body;
}

TEST_F(RepresentationTest, a_call_to_what_is_not_there_is_a_warning_with_its_place) {
  const auto apply = [](const std::string& name, const std::string& called) {
    return apply_workflow(acme(), "acme",
                          fmt::format("document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: {}\n  version: '1.0.0'\n"
                                      "do:\n  - ask:\n      call: {}@default\n      with:\n        text: hello\n",
                                      name, called));
  };
  const auto warnings = [](const Answer& answer) {
    std::string all;
    EXPECT_EQ(answer.status, 201) << answer.body;
    const json::value body = answer.value();
    for (const json::value& one : body.at("warnings").as_array()) {
      all += fmt::format("{}:{} {} {}\n", one.at("line").as_int64(), one.at("column").as_int64(),
                         std::string(one.at("pointer").as_string()), std::string(one.at("detail").as_string()));
    }
    return all;
  };
  EXPECT_EQ(warnings(apply("w1", "tracker.echo:1.2.3")),
            "8:13 /do/0/ask/call task 'ask' calls tracker.echo:1.2.3: plugin 'tracker' is not installed\n");
  const base::Bytes package = tracker_package("good");
  ASSERT_EQ(call(daemon().operator_token(), "POST", "/v1/plugins", std::string(package.begin(), package.end())).status,
            201);
  EXPECT_NE(warnings(apply("w2", "tracker.echo:9.9.9")).find("version 9.9.9 of plugin 'tracker' is not installed"),
            std::string::npos);
  EXPECT_NE(warnings(apply("w3", "tracker.shout:1.2.3")).find("has no operation 'shout'"), std::string::npos);
  EXPECT_NE(warnings(apply("w3b", "tracker.ecko:1.2.3")).find("did you mean 'echo'?"), std::string::npos);
  EXPECT_NE(warnings(apply("w4", "tracker.echo:1.2.3")).find("is not enabled for tenant 'acme'"), std::string::npos);
  ASSERT_EQ(call(acme(), "PUT", "/v1/tenants/acme/plugins/tracker", R"({"version":"1.2.3"})").status, 200);
  EXPECT_EQ(warnings(apply("w5", "tracker.echo:1.2.3")), "");
}

TEST_F(RepresentationTest, a_connection_that_is_not_there_is_a_warning_when_the_workflow_is_applied) {
  const auto apply = [](const std::string& name, const std::string& connection) {
    return apply_workflow(acme(), "acme",
                          fmt::format("document: {{dsl: '1.0.3', namespace: demo, name: {}, version: '1.0.0'}}\n"
                                      "do:\n  - ask:\n      call: http\n      with: {{method: get, endpoint: /x}}\n"
                                      "      metadata: {{connection: {}}}\n",
                                      name, connection));
  };
  ASSERT_EQ(
      call(acme(), "PUT", "/v1/tenants/acme/connections/warehouse", R"({"base_url":"https://example.com"})").status,
      200);
  const Answer there = apply("c1", "warehouse");
  EXPECT_EQ(there.value().at("warnings").as_array().size(), 0U) << there.body;
  const Answer missing = apply("c2", "warehose");
  ASSERT_EQ(missing.status, 201) << missing.body;
  ASSERT_EQ(missing.value().at("warning_count").as_int64(), 1) << missing.body;
  const json::value body = missing.value();
  const json::value& warning = body.at("warnings").at(0);
  EXPECT_EQ(warning.at("detail").as_string(),
            "task 'ask' uses the connection 'warehose', which tenant 'acme' does not have; did you mean 'warehouse'?");
  EXPECT_EQ(warning.at("pointer").as_string(), "/do/0/ask/metadata/connection");
  EXPECT_EQ(warning.at("suggestion").as_string(), "warehouse");
}

TEST_F(RepresentationTest, a_refused_definition_is_answered_with_all_its_problems) {
  const std::string text =
      "document: {dsl: '1.0.3', namespace: demo, name: bad, version: '1.0.0'}\n"
      "do:\n  - a: {sett: {x: 1}}\n  - b: {set: {x: 1}, then: c}\n"
      "  - d:\n      try: [{e: {wait: PT1S}}]\n      catch: {}\n";
  const Answer answer = apply_workflow(acme(), "acme", text);
  ASSERT_EQ(answer.status, 400) << answer.body;
  const json::value body = answer.value();
  EXPECT_EQ(body.at("detail").as_string(), "task 'a' has no property 'sett'; did you mean 'set'?");
  EXPECT_EQ(body.at("line").as_int64(), 3);
  EXPECT_EQ(body.at("error_count").as_int64(), 2);
  EXPECT_EQ(body.at("warning_count").as_int64(), 1);
  const json::value& second = body.at("errors").at(1);
  EXPECT_EQ(second.at("line").as_int64(), 4);
  EXPECT_EQ(second.at("column").as_int64(), 28);
  EXPECT_EQ(second.at("end_column").as_int64(), 29);
  EXPECT_EQ(second.at("source").as_string(), "  - b: {set: {x: 1}, then: c}");
  EXPECT_EQ(second.at("pointer").as_string(), "/do/1/b/then");
  EXPECT_EQ(second.at("suggestion").as_string(), "a");
  EXPECT_EQ(second.at("expected").as_string(), "continue, exit, end, a, b, d");
  EXPECT_EQ(body.at("warnings").at(0).at("pointer").as_string(), "/do/2/d/catch");
  const Answer large = apply_workflow(acme(), "acme", std::string(300'000, ' '));
  EXPECT_EQ(large.status, 413) << large.body;
  EXPECT_EQ(large.value().at("errors").as_array().size(), 1U) << large.body;
}

TEST_F(RepresentationTest, a_connection_that_could_not_be_used_is_refused) {
  const auto put = [](const std::string& body) {
    return call(acme(), "PUT", "/v1/tenants/acme/connections/outside", body);
  };
  for (const char* url : {"http://[::1", "http://", "https://h:99999", "http://h:x", "http://h/?q", "http://h/a b",
                          "http://u@h", "//h", "http://[zz]", "h"}) {
    const Answer answer = put(json::serialize(json::value{{"base_url", url}, {"secret", "s"}}));
    EXPECT_EQ(answer.status, 400) << url;
    EXPECT_TRUE(tells(answer, "base_url")) << url << answer.body;
  }
  const Answer unknown = put(R"({"base_url":"http://h","plugin":"nope"})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_TRUE(tells(unknown, "plugin 'nope' is not installed")) << unknown.body;
  EXPECT_EQ(put(R"({"base_url":"http://[::1]:8080/a"})").status, 200);
}

}  // namespace
}  // namespace trv::api
