// Events that a workflow emits: recorded once, and taken by the workflows that listen for them.

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

class EmitTest : public ApiTest {
 protected:
  static void apply(const std::string& name, const std::string& rest) {
    const Answer answer = apply_workflow(
        acme(), "acme",
        fmt::format("document: {{dsl: '1.0.3', namespace: demo, name: {}, version: '1.0.0'}}\n{}", name, rest));
    ASSERT_EQ(answer.status, 201) << answer.body;
  }
  static json::object ended(const std::string& id) {
    for (int i = 0; i < 2400; ++i) {
      const json::object shown = call(acme(), "GET", "/v1/tenants/acme/instances/" + id).value().as_object();
      if (shown.at("status") != "running") return shown;
      std::this_thread::sleep_for(25ms);
    }
    ADD_FAILURE() << "the instance " << id << " does not end";
    return {};
  }
  static json::object run(const std::string& name, const std::string& input = "{}") {
    const Answer started =
        call(acme(), "POST", fmt::format("/v1/tenants/acme/workflows/demo/{}/instances", name), input);
    EXPECT_EQ(started.status, 201) << started.body;
    return started.status == 201 ? ended(started.text("id")) : json::object();
  }
  static std::vector<json::object> instances_of(const std::string& name) {
    std::vector<json::object> found;
    const json::value page = call(acme(), "GET", "/v1/tenants/acme/instances?limit=100").value();
    for (const json::value& one : page.at("items").as_array()) {
      if (one.at("workflow").at("name") == name) found.push_back(one.as_object());
    }
    return found;
  }
};

TEST_F(EmitTest, an_emitted_event_starts_the_workflows_that_listen_for_it) {
  apply("listener",
        "schedule: {on: {one: {with: {type: com.example.placed, priority: high}}}}\n"
        "do: [{keep: {set: '${ $workflow.input[0] }'}}]\n");
  apply("teller",
        "do: [{tell: {emit: {event: {with: {type: com.example.placed, priority: '${ .priority }', subject: s, "
        "data: {order: '${ .order }'}}}}}}]\n");
  const json::object told = run("teller", R"({"order":7,"priority":"high"})");
  ASSERT_EQ(told.at("status"), "completed") << json::serialize(told);
  const json::object& event = told.at("output").as_object();
  EXPECT_EQ(event.at("source"), "/demo/teller/1.0.0");
  EXPECT_EQ(event.at("specversion"), "1.0");
  EXPECT_EQ(event.at("data").at("order"), 7);
  EXPECT_TRUE(event.contains("id") && event.contains("time"));
  const auto started = instances_of("listener");
  ASSERT_EQ(started.size(), 1U);
  EXPECT_EQ(started[0].at("trigger"), "event:" + std::string(event.at("id").as_string()));
  EXPECT_EQ(ended(std::string(started[0].at("id").as_string())).at("output"), told.at("output"));
  EXPECT_EQ(run("teller", R"({"order":8,"priority":"low"})").at("status"), "completed");
  EXPECT_EQ(instances_of("listener").size(), 1U);
}

TEST_F(EmitTest, an_event_with_the_same_id_and_source_is_taken_once) {
  apply("once", "schedule: {on: {one: {with: {type: com.example.once}}}}\ndo: [{keep: {set: {x: 1}}}]\n");
  apply("twice",
        "do: [{l: {for: {in: '[1, 2]'}, do: [{e: {emit: {event: {with: {type: com.example.once, id: same}}}}}]}}]\n");
  EXPECT_EQ(run("twice").at("status"), "completed");
  EXPECT_EQ(instances_of("once").size(), 1U);
}

TEST_F(EmitTest, an_attribute_that_cannot_be_is_the_tasks_error) {
  apply("wrong",
        "do: [{t: {try: [{e: {emit: {event: {with: {type: '${ .none }', id: i}}}}}], catch: {do: [{c: {set: '${ "
        "$error.detail }'}}]}}}]\n");
  EXPECT_EQ(run("wrong").at("output"), "attribute 'type' of the event is null");
  apply("time",
        "do: [{t: {try: [{e: {emit: {event: {with: {type: t, time: yesterday}}}}}], catch: {do: [{c: {set: '${ "
        "$error.detail }'}}]}}}]\n");
  const json::value detail = run("time").at("output");
  EXPECT_NE(std::string(detail.as_string()).find("time"), std::string::npos) << json::serialize(detail);
}

}  // namespace
}  // namespace trv::api
