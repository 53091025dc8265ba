// How many requests a call makes, counted by the service: the workflow alone says when one is made again.

#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

/// A daemon of its own, which a test may kill, and a service whose answers the test holds back where it wants to.
class RetryTest : public testing::Test {
 protected:
  void SetUp() override {
    start();
    owner_ = create_tenant(*daemon_, "acme");
  }
  void start() {
    auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_EGRESS_ALLOW_PRIVATE_NETWORK", "true"}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  void kill_and_start_again() {
    ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
    ASSERT_TRUE(eventually([&] { return !daemon_->running(); }));
    daemon_.reset();
    start();
  }
  std::string answer() {
    ++began_;
    while (holds_back_) std::this_thread::sleep_for(5ms);
    return fmt::format("HTTP/1.1 {} Text\r\nContent-Length: 2\r\n\r\nok", status_.load());
  }

  /// Begins an instance of a workflow with these tasks; {} in them is the address of the service.
  std::string begin(const std::string& tasks, const std::string& name = "calls", const std::string& use = "") {
    return begin_workflow(*daemon_, owner_, name, use + "do:\n" + tasks);
  }
  json::object ended(const std::string& id) { return ended_instance(*daemon_, owner_, id); }
  /// How often a call began, as the steps of the instance say.
  std::size_t calls(const std::string& id) {
    const json::value steps = ask(*daemon_, owner_, "GET", "/v1/tenants/acme/instances/" + id + "/tasks").value();
    std::size_t count = 0;
    for (const json::value& step : steps.at("items").as_array()) {
      count += step.at("kind") == "call" && step.at("outcome") == "started" ? 1 : 0;
    }
    return count;
  }
  std::string call_of(const std::string& method) const {
    return fmt::format("call: http, with: {{method: {}, endpoint: '{}/thing'}}", method, service_.url());
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string owner_;
  std::atomic<int> status_ = 200;
  std::atomic<int> began_ = 0;
  std::atomic<bool> holds_back_ = false;
  http::LoopbackServer service_{[this](const std::string&) { return answer(); }};
};

TEST_F(RetryTest, a_call_without_a_retry_is_one_request) {
  status_ = 503;
  for (const char* method : {"get", "post"}) {
    SCOPED_TRACE(method);
    const std::size_t before = service_.requests().size();
    const std::string id = begin(fmt::format("  - ask: {{{}}}\n", call_of(method)), method);
    const json::object shown = ended(id);
    EXPECT_EQ(shown.at("status"), "faulted");
    EXPECT_EQ(shown.at("error").at("status"), 503);
    EXPECT_EQ(service_.requests().size() - before, 1U);
    EXPECT_EQ(calls(id), 1U);
  }
}

TEST_F(RetryTest, the_authors_retry_alone_counts_the_requests_and_each_is_a_step) {
  status_ = 503;
  const std::string id =
      begin(fmt::format("  - careful:\n"
                        "      try: [{{ask: {{{}}}}}]\n"
                        "      catch: {{retry: {{delay: {{milliseconds: 20}}, limit: {{attempt: "
                        "{{count: 2}}}}}}, do: [{{give-up: {{set: {{failed: '${{ $error.status "
                        "}}'}}}}}}]}}\n",
                        call_of("get")));
  const json::object shown = ended(id);
  EXPECT_EQ(shown.at("status"), "completed") << json::serialize(shown);
  EXPECT_EQ(shown.at("output").at("failed"), 503);
  EXPECT_EQ(service_.requests().size(), 3U);
  EXPECT_EQ(calls(id), 3U);
}

TEST_F(RetryTest, a_get_that_was_under_way_when_the_process_ended_is_made_again) {
  holds_back_ = true;
  const std::string id = begin(fmt::format("  - ask: {{{}}}\n", call_of("get")));
  ASSERT_TRUE(eventually([&] { return began_ == 1; }));
  ASSERT_NO_FATAL_FAILURE(kill_and_start_again());
  ASSERT_TRUE(eventually([&] { return began_ == 2; }));
  holds_back_ = false;
  EXPECT_EQ(ended(id).at("status"), "completed");
  EXPECT_EQ(service_.requests().size(), 2U);
  EXPECT_EQ(calls(id), 1U);
}

TEST_F(RetryTest, a_post_that_was_under_way_when_the_process_ended_is_an_error_that_the_author_can_catch) {
  holds_back_ = true;
  const std::string id = begin(fmt::format("  - ask: {{{}}}\n", call_of("post")));
  ASSERT_TRUE(eventually([&] { return began_ == 1; }));
  ASSERT_NO_FATAL_FAILURE(kill_and_start_again());
  const json::object shown = ended(id);
  EXPECT_EQ(shown.at("status"), "faulted") << json::serialize(shown);
  const json::object& error = shown.at("error").as_object();
  EXPECT_EQ(error.at("type"), "https://serverlessworkflow.io/spec/1.0.0/errors/communication");
  EXPECT_EQ(error.at("status"), 503);
  EXPECT_NE(error.at("detail").as_string().find("the process ended while the POST was under way"), json::string::npos);
  EXPECT_EQ(service_.requests().size(), 1U);
  holds_back_ = false;
}

TEST_F(RetryTest, a_retry_of_such_a_post_is_a_request_with_a_key_of_its_own) {
  holds_back_ = true;
  const std::string id =
      begin(fmt::format("  - careful:\n"
                        "      try: [{{ask: {{{}}}}}]\n"
                        "      catch: {{retry: {{limit: {{attempt: {{count: 1}}}}}}}}\n",
                        call_of("post")));
  ASSERT_TRUE(eventually([&] { return began_ == 1; }));
  ASSERT_NO_FATAL_FAILURE(kill_and_start_again());
  ASSERT_TRUE(eventually([&] { return began_ == 2; }));
  holds_back_ = false;
  EXPECT_EQ(ended(id).at("status"), "completed");
  std::set<std::string> keys;
  for (const std::string& request : service_.requests()) {
    const std::size_t at = request.find("Idempotency-Key: ");
    ASSERT_NE(at, std::string::npos) << request;
    keys.insert(request.substr(at, request.find('\r', at) - at));
  }
  EXPECT_EQ(keys.size(), 2U);
  EXPECT_EQ(calls(id), 2U);
}

TEST_F(RetryTest, a_function_is_called_for_each_call_and_an_extension_can_answer_for_a_service) {
  const std::string id = begin(
      "  - first: {call: ask, with: {id: 1}}\n"
      "  - second: {call: ask, with: {id: 2}, output: {as: '{n: 2}'}}\n"
      "  - mocked: {call: http, with: {method: get, endpoint: {uri: 'https://mocked.example.com/'}}}\n",
      "reuse",
      fmt::format("use:\n"
                  "  functions: {{ask: {{call: http, with: {{method: get, endpoint: '{}/thing/{{id}}'}}}}}}\n"
                  "  extensions:\n"
                  "    - mocks:\n"
                  "        extend: call\n"
                  "        when: ($task.with.endpoint | type) == \"object\"\n"
                  "        before: [{{answer: {{set: {{mocked: '${{ .n }}'}}, then: exit}}}}]\n",
                  service_.url()));
  const json::object shown = ended(id);
  EXPECT_EQ(shown.at("status"), "completed") << json::serialize(shown);
  EXPECT_EQ(json::serialize(shown.at("output")), R"({"mocked":2})");
  const auto requests = service_.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(requests[0].starts_with("GET /thing/1 ")) << requests[0];
  EXPECT_TRUE(requests[1].starts_with("GET /thing/2 ")) << requests[1];
}

}  // namespace
}  // namespace trv::api
