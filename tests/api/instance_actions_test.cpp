// What operators do to instances, over HTTP: suspend, resume, retry, skip, cancel.

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

class InstanceActionsTest : public ApiTest {
 protected:
  static std::string start(const std::string& name, const std::string& rest, const std::string& version = "1.0.0") {
    return begin_workflow(daemon(), acme(), name, rest, R"({"n":"x"})", version);
  }
  static Answer act(const std::string& id, const std::string& action, const std::string& body = {}) {
    return call(acme(), "POST", "/v1/tenants/acme/instances/" + id + "/" + action, body);
  }
  static json::object show(const std::string& id) {
    return call(acme(), "GET", "/v1/tenants/acme/instances/" + id).value().as_object();
  }
  static json::object shown_as(const std::string& id, std::string_view status) {
    json::object shown;
    EXPECT_TRUE(eventually([&] {
      shown = show(id);
      return shown.at("status").as_string() == status;
    })) << json::serialize(shown);
    return shown;
  }
};

TEST_F(InstanceActionsTest, a_suspended_instance_waits_and_goes_on_when_it_is_resumed) {
  const std::string id = start("pause", "do: [{w: {wait: {seconds: 2}}}, {s: {set: {done: true}}}]\n");
  const Answer suspended = act(id, "suspend", R"({"reason":"the warehouse is closed"})");
  ASSERT_EQ(suspended.status, 200) << suspended.body;
  EXPECT_EQ(suspended.text("status"), "suspended");
  std::this_thread::sleep_for(2500ms);  // past its timer
  EXPECT_EQ(show(id).at("status"), "suspended");
  EXPECT_TRUE(show(id).at("ended").is_null());
  const json::value listed = call(acme(), "GET", "/v1/tenants/acme/instances?status=suspended").value();
  ASSERT_EQ(listed.at("items").as_array().size(), 1U);
  EXPECT_EQ(act(id, "suspend").status, 409);
  const Answer resumed = act(id, "resume");
  ASSERT_EQ(resumed.status, 200) << resumed.body;
  EXPECT_EQ(shown_as(id, "completed").at("output").at("done"), true);
  EXPECT_EQ(act(id, "resume").status, 409);
}

TEST_F(InstanceActionsTest, a_task_that_failed_is_tried_again_with_another_input_or_version_or_skipped) {
  const std::string rest = "do: [{a: {set: '${ {codes: (.n | explode | implode | tonumber)} }'}}]\n";
  const std::string id = start("broken", rest);
  const json::object faulted = shown_as(id, "faulted");
  EXPECT_FALSE(faulted.at("ended").is_null());
  const Answer retried = act(id, "retry", R"({"input":{"n":"7"},"reason":"wrong data"})");
  ASSERT_EQ(retried.status, 200) << retried.body;
  EXPECT_EQ(retried.text("status"), "completed");
  EXPECT_EQ(show(id).at("output").at("codes"), 7);
  EXPECT_EQ(show(id).at("input").at("n"), "x");
  const json::value steps = call(acme(), "GET", "/v1/tenants/acme/instances/" + id + "/tasks").value();
  const auto restored = [&](const json::value& step) { return step.at("outcome") == "restored"; };
  const auto& items = steps.at("items").as_array();
  const auto found = std::ranges::find_if(items, restored);
  ASSERT_NE(found, items.end());
  EXPECT_EQ(found->at("task"), "a");

  const std::string skipped = start("skipped", rest);
  (void)shown_as(skipped, "faulted");
  EXPECT_EQ(act(skipped, "skip", R"({"output":[1]})").text("status"), "completed");
  EXPECT_EQ(show(skipped).at("output"), json::value({1}));

  const std::string mended = start("mended", rest);
  (void)shown_as(mended, "faulted");
  const Answer other = act(mended, "retry", R"({"version":"1.0.1"})");
  EXPECT_EQ(other.status, 404) << other.body;
  (void)start("mended", "do: [{a: {set: '${ {mended: .n} }'}}]\n", "1.0.1");
  EXPECT_EQ(act(mended, "retry", R"({"version":"1.0.1"})").text("status"), "completed");
  EXPECT_EQ(show(mended).at("output").at("mended"), "x");
}

TEST_F(InstanceActionsTest, a_call_that_failed_goes_out_again) {
  const std::string id =
      start("calls", "do: [{a: {call: http, with: {method: get, endpoint: 'http://127.0.0.1:1/'}}}]\n");
  (void)shown_as(id, "faulted");
  EXPECT_EQ(act(id, "retry").text("status"), "running");
  (void)shown_as(id, "faulted");
}

TEST_F(InstanceActionsTest, the_steps_say_who_did_what_and_why) {
  const std::string id = start("blame", "do: [{w: {wait: {hours: 1}}}]\n");
  ASSERT_EQ(act(id, "suspend", R"({"reason":"the warehouse is closed"})").status, 200);
  ASSERT_EQ(act(id, "resume").status, 200);
  const json::value steps = call(acme(), "GET", "/v1/tenants/acme/instances/" + id + "/tasks").value();
  const auto& items = steps.at("items").as_array();
  ASSERT_EQ(items.size(), 4U);
  EXPECT_TRUE(items[0].at("actor").is_null());
  EXPECT_EQ(items[2].at("reason"), "the warehouse is closed");
  EXPECT_TRUE(items[2].at("actor").as_string().starts_with("token:"));
  EXPECT_TRUE(items[3].at("reason").as_string().starts_with("asked for by token:"));
  EXPECT_EQ(act(id, "cancel").status, 200);
}

TEST_F(InstanceActionsTest, a_state_behind_an_event_is_shown_and_forked) {
  const std::string id =
      start("past",
            "do: [{a: {set: {n: 2}}}, {l: {listen: {to: {one: {with: {type: past.go}}}}}}, {z: {set: "
            "{got: '${ . }'}}}]\n");
  ASSERT_EQ(act(id, "signal", R"({"type":"past.go","data":7,"reason":"by hand"})").status, 200);
  EXPECT_EQ(show(id).at("output").at("got"), json::value({7}));
  const json::value steps = call(acme(), "GET", "/v1/tenants/acme/instances/" + id + "/tasks").value();
  const auto& items = steps.at("items").as_array();
  const auto listening = std::ranges::find_if(items, [](const auto& one) { return one.at("outcome") == "listening"; });
  ASSERT_NE(listening, items.end());
  const std::string state = "/v1/tenants/acme/instances/" + id + "/state?at=";
  const Answer by_event = call(acme(), "GET", state + std::string(listening->at("id").as_string()));
  ASSERT_EQ(by_event.status, 200) << by_event.body;
  EXPECT_EQ(by_event.value().at("status"), "running");
  EXPECT_EQ(by_event.value().at("branches").at(0).at("waits_for"), "event");
  EXPECT_EQ(by_event.value().at("branches").at(0).at("inside_of").at(0).at("reference"), "/do/1/l");
  EXPECT_EQ(by_event.value().at("branches").at(0).at("data").at("n"), 2);
  EXPECT_EQ(by_event.value().at("at").at("position"), listening->at("position"));
  const Answer by_position = call(acme(), "GET", state + std::string(listening->at("position").as_string()));
  EXPECT_EQ(by_position.body, by_event.body);
  const Answer now = call(acme(), "GET", state + "2100-01-01T00:00:00Z");
  ASSERT_EQ(now.status, 200) << now.body;
  EXPECT_EQ(now.value().at("status"), "completed");
  EXPECT_TRUE(now.value().at("branches").as_array().empty());

  EXPECT_EQ(call(acme(), "GET", state + "2000-01-01T00:00:00Z").status, 404);
  EXPECT_EQ(call(acme(), "GET", state + id).status, 404);
  EXPECT_EQ(call(acme(), "GET", state + "yesterday").status, 400);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + id + "/state").status, 400);

  const std::string at = R"({"at":")" + std::string(listening->at("id").as_string()) + R"("})";
  const Answer forked = act(id, "fork", at);
  ASSERT_EQ(forked.status, 201) << forked.body;
  EXPECT_EQ(forked.text("status"), "running");
  EXPECT_EQ(forked.value().at("origin").at("instance").as_string(), id);
  const std::string other = forked.text("id");
  EXPECT_EQ(show(other).at("trigger").as_string(), "fork:" + id);
  EXPECT_EQ(show(id).at("status"), "completed");
  ASSERT_EQ(act(other, "signal", R"({"type":"past.go","data":8})").status, 200);
  EXPECT_EQ(show(other).at("output").at("got"), json::value({8}));
  EXPECT_EQ(act(id, "fork", R"({"at":"2100-01-01T00:00:00Z"})").status, 409);
  EXPECT_EQ(act(id, "fork").status, 400);
  EXPECT_EQ(act(id, "fork", R"({"at":5})").status, 400);
  // Who has no right to the instance learns nothing of it, and a viewer changes nothing.
  EXPECT_EQ(act("0192f3c1-0000-7000-8000-000000000000", "fork", at).status, 404);
}

TEST_F(InstanceActionsTest, a_running_instance_goes_on_in_another_version) {
  const std::string id = start("moves", "do: [{l: {listen: {to: {one: {with: {type: moves.go}}}}}}]\n");
  ASSERT_EQ(
      apply_workflow(acme(), "acme",
                     "document: {dsl: '1.0.3', namespace: demo, name: moves, version: '2.0.0'}\n"
                     "do: [{x: {set: {n: 0}}}, {l2: {listen: {to: {one: {with: {type: moves.go}}}}}}, {z: {set: {v: "
                     "2}}}]\n")
          .status,
      201);
  const Answer refused = act(id, "migrate", R"({"version":"2.0.0"})");
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_NE(refused.body.find("'/do/0/l' (listen), perhaps '/do/1/l2'"), std::string::npos) << refused.body;
  const Answer tried = act(id, "migrate", R"({"version":"2.0.0","dry_run":true})");
  ASSERT_EQ(tried.status, 200) << tried.body;
  EXPECT_EQ(tried.value().at("problems").as_array().size(), 1U);
  EXPECT_EQ(show(id).at("workflow").at("version"), "1.0.0");
  const Answer moved = act(id, "migrate", R"({"version":"2.0.0","map":{"l":"l2"},"reason":"mended"})");
  ASSERT_EQ(moved.status, 200) << moved.body;
  EXPECT_EQ(moved.value().at("tasks").at(0).at("to"), "/do/1/l2");
  EXPECT_EQ(show(id).at("workflow").at("version"), "2.0.0");
  ASSERT_EQ(call(acme(), "POST", "/v1/tenants/acme/events",
                 R"({"specversion":"1.0","id":"m1","source":"/m","type":"moves.go","data":1})")
                .status,
            202);
  EXPECT_EQ(shown_as(id, "completed").at("output").at("v"), 2);
  EXPECT_EQ(act(id, "migrate", R"({"version":"1.0.0"})").status, 409);
  EXPECT_EQ(act(id, "migrate", R"({"version":"2.0.0","map":[]})").status, 400);
  EXPECT_EQ(act(id, "migrate", R"({"version":"2.0.0","map":{"a":1}})").status, 400);
  EXPECT_EQ(act(id, "migrate").status, 400);
}

TEST_F(InstanceActionsTest, a_signal_that_nobody_hears_is_refused) {
  const std::string id = start("deaf", "do: [{w: {wait: {hours: 1}}}]\n");
  const Answer unheard = act(id, "signal", R"({"type":"go"})");
  EXPECT_EQ(unheard.status, 409) << unheard.body;
  EXPECT_EQ(act(id, "signal").status, 400);
  EXPECT_EQ(act(id, "signal", R"({"type":""})").status, 400);
  EXPECT_EQ(act(id, "signal", R"({"type":"go","dat":1})").status, 400);
  EXPECT_EQ(act(id, "resume", R"({"input":1})").status, 409);
  EXPECT_EQ(act(id, "cancel").status, 200);
  EXPECT_EQ(act(id, "signal", R"({"type":"go"})").status, 409);
}

TEST_F(InstanceActionsTest, a_wrong_request_says_what_is_wrong) {
  const std::string id = start("waits", "do: [{w: {wait: {hours: 1}}}]\n");
  EXPECT_EQ(act(id, "retry").status, 409);
  EXPECT_EQ(act(id, "retry", R"({"output":1})").status, 400);
  EXPECT_EQ(act(id, "skip", R"({"input":1})").status, 400);
  EXPECT_EQ(act(id, "suspend", R"({"reason":5})").status, 400);
  EXPECT_EQ(act(id, "suspend", R"({"reason":")" + std::string(1'001, 'x') + R"("})").status, 413);
  EXPECT_EQ(act(id, "suspend", "[]").status, 400);
  EXPECT_EQ(act("0192f3c1-0000-7000-8000-000000000000", "suspend").status, 404);
  EXPECT_EQ(act("nonsense", "retry").status, 404);
  const Answer cancelled = act(id, "cancel", R"({"reason":"enough"})");
  ASSERT_EQ(cancelled.status, 200) << cancelled.body;
  EXPECT_EQ(cancelled.text("status"), "cancelled");
  EXPECT_EQ(act(id, "resume").status, 409);
}

}  // namespace
}  // namespace trv::api
