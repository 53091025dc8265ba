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
    const Answer applied = apply_workflow(
        acme(), "acme",
        fmt::format("document: {{dsl: '1.0.3', namespace: demo, name: {}, version: '{}'}}\n{}", name, version, rest));
    EXPECT_EQ(applied.status, 201) << applied.body;
    const Answer started =
        call(acme(), "POST", fmt::format("/v1/tenants/acme/workflows/demo/{}/instances", name), R"({"n":"x"})");
    EXPECT_EQ(started.status, 201) << started.body;
    return started.status == 201 ? started.text("id") : std::string();
  }
  static Answer act(const std::string& id, const std::string& action, const std::string& body = {}) {
    return call(acme(), "POST", "/v1/tenants/acme/instances/" + id + "/" + action, body);
  }
  static json::object show(const std::string& id) {
    return call(acme(), "GET", "/v1/tenants/acme/instances/" + id).value().as_object();
  }
  static json::object shown_as(const std::string& id, std::string_view status) {
    for (int i = 0; i < 2400; ++i) {
      const json::object shown = show(id);
      if (shown.at("status").as_string() == status) return shown;
      std::this_thread::sleep_for(25ms);
    }
    ADD_FAILURE() << "the instance " << id << " is not " << status << ": " << json::serialize(show(id));
    return {};
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
