// Events that a workflow emits or listens for: recorded once, and taken by those that want them.

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
      if (one.at("workflow").at("name").as_string() == name) found.push_back(one.as_object());
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
  const json::object emitted = run("teller", R"({"order":7,"priority":"high"})");
  ASSERT_EQ(emitted.at("status"), "completed") << json::serialize(emitted);
  const json::object& event = emitted.at("output").as_object();
  EXPECT_EQ(event.at("source"), "/demo/teller/1.0.0");
  EXPECT_EQ(event.at("specversion"), "1.0");
  EXPECT_EQ(event.at("data").at("order"), 7);
  EXPECT_TRUE(event.contains("id") && event.contains("time"));
  const auto started = instances_of("listener");
  ASSERT_EQ(started.size(), 1U);
  EXPECT_EQ(started[0].at("trigger").as_string(), "event:" + std::string(event.at("id").as_string()));
  EXPECT_EQ(ended(std::string(started[0].at("id").as_string())).at("output"), emitted.at("output"));
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

TEST_F(EmitTest, a_batch_reaches_an_instance_that_listens_event_by_event) {
  apply("hears",
        "do: [{l: {listen: {to: {any: [{with: {type: com.example.reading}}], until: '( . | length ) == 3'}}}}]\n");
  const Answer started = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/hears/instances", "{}");
  ASSERT_EQ(started.status, 201) << started.body;
  std::string batch = "[";
  for (int i = 1; i <= 4; ++i) {
    batch += fmt::format(R"({}{{"specversion":"1.0","id":"r{}","source":"/s","type":"com.example.reading","data":{}}})",
                         i == 1 ? "" : ",", i, i);
  }
  const Answer sent = call(acme(), "POST", "/v1/tenants/acme/events", batch + "]",
                           {{"Content-Type", "application/cloudevents-batch+json"}});
  ASSERT_EQ(sent.status, 202) << sent.body;
  EXPECT_EQ(sent.value().at("received").as_array().size(), 4U);
  EXPECT_EQ(sent.value().at("heard").as_array().size(), 3U) << sent.body;
  EXPECT_EQ(json::serialize(ended(started.text("id")).at("output")), "[1,2,3]");
}

TEST_F(EmitTest, an_answer_to_an_emitted_event_finds_the_emitter_listening) {
  apply("asks",
        "do: [{q: {emit: {event: {with: {type: com.example.asked, data: {n: '${ .n }'}}}}}}, {a: {listen: {to: "
        "{one: {with: {type: com.example.answered}, correlate: {n: {from: .data.n, expect: '${ .data.n }'}}}}}, "
        "timeout: {after: PT20S}}}]\n");
  apply("answers",
        "schedule: {on: {one: {with: {type: com.example.asked}}}}\n"
        "do: [{a: {emit: {event: {with: {type: com.example.answered, data: '${ .[0].data }'}}}}}]\n");
  for (int n = 1; n <= 20; ++n) {
    EXPECT_EQ(json::serialize(run("asks", fmt::format(R"({{"n":{}}})", n)).at("output")),
              fmt::format(R"([{{"n":{}}}])", n));
  }
}

TEST_F(EmitTest, what_one_workflow_emits_another_one_that_listens_hears) {
  apply("waits",
        "do: [{l: {listen: {to: {one: {with: {type: com.example.paid}, correlate: {order: {from: .data.order, "
        "expect: '${ .order }'}}}}}}}]\n");
  apply("pays", "do: [{e: {emit: {event: {with: {type: com.example.paid, data: {order: '${ .order }'}}}}}}]\n");
  std::vector<std::string> waiting;
  for (int order = 1; order <= 3; ++order) {
    const Answer started = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/waits/instances",
                                fmt::format(R"({{"order":{}}})", order));
    ASSERT_EQ(started.status, 201) << started.body;
    waiting.push_back(started.text("id"));
  }
  EXPECT_EQ(run("pays", R"({"order":2})").at("status"), "completed");
  EXPECT_EQ(json::serialize(ended(waiting[1]).at("output")), R"([{"order":2}])");
  for (const std::size_t still : {std::size_t{0}, std::size_t{2}}) {
    EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + waiting[still]).text("status"), "running");
  }
}

}  // namespace
}  // namespace trv::api
