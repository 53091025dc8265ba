// What operators do to workflows as a whole, over HTTP: disable, enable, delete.

#include <fmt/format.h>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class WorkflowActionsTest : public ApiTest {
 protected:
  static std::string apply(const std::string& name, const std::string& version = "1.0.0",
                           const std::string& rest = "do: [{s: {set: {n: 1}}}]\n") {
    const Answer applied = apply_workflow(
        acme(), "acme",
        fmt::format("document: {{dsl: '1.0.3', namespace: ops, name: {}, version: '{}'}}\n{}", name, version, rest));
    EXPECT_EQ(applied.status, 201) << applied.body;
    return "/v1/tenants/acme/workflows/ops/" + name;
  }
  static json::value listed(const std::string& name) {
    const json::value all = call(acme(), "GET", "/v1/tenants/acme/workflows?limit=500").value();
    for (const json::value& one : all.at("items").as_array()) {
      if (one.at("name").as_string() == name) return one;
    }
    return {};
  }
};

TEST_F(WorkflowActionsTest, a_disabled_workflow_says_so_wherever_it_is_started_or_listed) {
  const std::string path = apply("pause");
  const Answer disabled = call(acme(), "POST", path + "/disable", R"({"reason":"the supplier is closed"})");
  ASSERT_EQ(disabled.status, 200) << disabled.body;
  EXPECT_EQ(disabled.value(), json::parse(R"({"namespace":"ops","name":"pause","disabled":true,"changed":true})"));
  EXPECT_FALSE(disabled.position.empty());
  EXPECT_EQ(call(acme(), "POST", path + "/disable").value().at("changed"), false);
  const json::value shown = listed("pause");
  EXPECT_EQ(shown.at("disabled").at("reason"), "the supplier is closed");
  EXPECT_TRUE(shown.at("disabled").at("actor").as_string().starts_with("token:"));

  const Answer started = call(acme(), "POST", path + "/instances", "{}");
  EXPECT_EQ(started.status, 409) << started.body;
  EXPECT_TRUE(started.text("detail").starts_with("the workflow ops/pause is disabled since ")) << started.body;
  EXPECT_NE(started.text("detail").find("(the supplier is closed)"), std::string::npos) << started.body;
  const Answer batch = call(acme(), "POST", path + "/batches", "{}\n{}\n",
                            {{"Content-Type", "application/x-ndjson"}, {"Idempotency-Key", "pause"}});
  EXPECT_EQ(batch.status, 409) << batch.body;
  const Answer newer = apply_workflow(acme(), "acme",
                                      "document: {dsl: '1.0.3', namespace: ops, name: pause, version: '1.1.0'}\n"
                                      "do: [{s: {set: {n: 2}}}]\n");
  EXPECT_EQ(newer.value().at("disabled"), true);

  EXPECT_EQ(call(acme(), "POST", path + "/enable").value().at("disabled"), false);
  EXPECT_EQ(listed("pause").as_object().count("disabled"), 0U);
  EXPECT_EQ(call(acme(), "POST", path + "/instances", "{}").status, 201);
}

TEST_F(WorkflowActionsTest, a_deleted_workflow_leaves_its_instances_and_their_past) {
  const std::string path = apply("gone", "1.0.0", "do: [{l: {listen: {to: {one: {with: {type: gone.go}}}}}}]\n");
  apply("gone", "1.2.0");
  const std::string id = call(acme(), "POST", path + "/instances?version=1.0.0", "{}").text("id");
  const Answer refused = call(acme(), "DELETE", path);
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_TRUE(refused.text("detail").starts_with("1 instance of ops/gone has not ended")) << refused.body;
  EXPECT_EQ(call(acme(), "DELETE", path + "?while_running=yes").status, 400);
  const Answer deleted = call(acme(), "DELETE", path + "?while_running=true&reason=replaced");
  ASSERT_EQ(deleted.status, 200) << deleted.body;
  EXPECT_EQ(deleted.value(),
            json::parse(R"({"namespace":"ops","name":"gone","versions":["1.0.0","1.2.0"],"running":1})"));
  EXPECT_EQ(call(acme(), "DELETE", path).status, 404);
  EXPECT_EQ(call(acme(), "POST", path + "/disable").status, 404);
  EXPECT_EQ(call(acme(), "GET", path + "/1.0.0").status, 404);
  EXPECT_EQ(call(acme(), "POST", path + "/instances", "{}").status, 404);
  EXPECT_TRUE(listed("gone").is_null());

  // The version may have another text; the instance has the one with which it began.
  apply("gone");
  const std::string instance = "/v1/tenants/acme/instances/" + id;
  ASSERT_EQ(call(acme(), "POST", instance + "/signal", R"({"type":"gone.go","data":3})").status, 200);
  EXPECT_EQ(call(acme(), "GET", instance).value().at("output"), json::value({3}));
  const json::value steps = call(acme(), "GET", instance + "/tasks").value();
  const std::string event(steps.at("items").at(1).at("id").as_string());
  const Answer past = call(acme(), "GET", instance + "/state?at=" + event);
  ASSERT_EQ(past.status, 200) << past.body;
  EXPECT_EQ(past.value().at("branches").at(0).at("waits_for"), "event");
}

TEST_F(WorkflowActionsTest, a_viewer_and_another_tenant_are_refused_and_the_trail_has_who_and_why) {
  const std::string path = apply("guarded");
  const std::string viewer = issue(acme(), "acme", "viewer").second;
  for (const auto& [method, rest] :
       {std::pair("POST", "/disable"), std::pair("POST", "/enable"), std::pair("DELETE", "")}) {
    EXPECT_EQ(call(viewer, method, path + rest).status, 403) << method << rest;
    EXPECT_EQ(call(beta(), method, path + rest).status, 404) << method << rest;
    EXPECT_EQ(call("", method, path + rest).status, 401) << method << rest;
  }
  ASSERT_EQ(call(acme(), "POST", path + "/disable", R"({"reason":"an audit"})").status, 200);
  EXPECT_EQ(call(acme(), "POST", path + "/disable", R"({"why":"an audit"})").status, 400);
  ASSERT_EQ(call(acme(), "DELETE", path + "?reason=the%20end").status, 200);
  std::string seen;
  for (const json::value& one : events(acme(), "acme")) {
    const std::string type(one.at("type").as_string());
    if (type != "trv.workflow.disabled" && type != "trv.workflow.deleted") continue;
    if (one.at("subject").as_string().find("ops/guarded") == std::string::npos) continue;
    EXPECT_TRUE(one.at("actor").as_string().starts_with("token:")) << json::serialize(one);
    seen += fmt::format("{}: {}\n", type, std::string_view(one.at("data").at("reason").as_string()));
  }
  EXPECT_EQ(seen, "trv.workflow.disabled: an audit\ntrv.workflow.deleted: the end\n");
}

}  // namespace
}  // namespace trv::api
