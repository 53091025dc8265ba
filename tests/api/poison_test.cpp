// A plugin that ends the daemon: the daemon dies a few times, then parks the call, stays up and names the plugin.

#include <fmt/format.h>

#include <chrono>
#include <set>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

/// A workflow that calls the operation of the plugin.
std::string deadly_workflow(const std::string& operation) {
  return fmt::format(
      "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: deadly\n  version: '1.0.0'\n"
      "do:\n  - risk:\n      call: tracker.{}:1.2.3@default\n      timeout: {{after: {{hours: 1}}}}\n",
      operation);
}

class PoisonTest : public testing::TestWithParam<const char*> {
 protected:
  Answer call(const std::string& token, const std::string& method, const std::string& path, std::string body = {},
              const std::string& type = "application/json") {
    processes::HttpClient client;
    const auto answer = client.send({.method = method,
                                     .url = daemon_->url() + path,
                                     .headers = {{"Authorization", "Bearer " + token}, {"Content-Type", type}},
                                     .body = std::move(body)});
    return answer ? Answer{.status = answer->status, .body = answer->body} : Answer{};
  }
  // Within travd, where a crash of a plugin is one of travd.
  base::Result<std::unique_ptr<Daemon>> start_daemon() {
    return Daemon::start(scratch_, {}, {.variables = {{"TRAV_PLUGINS_ISOLATION", "off"}}});
  }
  bool dies_within(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {
      if (!daemon_->running()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  json::array parked(const std::string& token) {
    const Answer answer = call(token, "GET", "/v1/tenants/acme/effects");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200 ? answer.value().at("items").as_array() : json::array();
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
};

TEST_P(PoisonTest, a_call_that_ends_the_daemon_is_parked_after_three_deaths_named_and_released_by_command) {
  daemon_ = *start_daemon();
  const std::string operator_token = daemon_->operator_token();
  const Answer created = call(operator_token, "POST", "/v1/tenants", R"({"id":"acme","display_name":"Acme"})");
  ASSERT_EQ(created.status, 201) << created.body;
  const std::string acme(created.value().at("token").at("token").as_string());
  const base::Bytes package = tracker_package("good");
  ASSERT_EQ(call(operator_token, "POST", "/v1/plugins", std::string(package.begin(), package.end()),
                 "application/octet-stream")
                .status,
            201);
  ASSERT_EQ(call(acme, "PUT", "/v1/tenants/acme/plugins/tracker", R"({"version":"1.2.3"})").status, 200);
  ASSERT_EQ(call(acme, "POST", "/v1/tenants/acme/workflows", deadly_workflow(GetParam()), "application/yaml").status,
            201);
  // The daemon may die before it answers.
  (void)call(acme, "POST", "/v1/tenants/acme/workflows/demo/deadly/instances", "{}");
  int deaths = 1;
  ASSERT_TRUE(dies_within(20s));
  for (; deaths < 10; ++deaths) {
    auto started = start_daemon();
    if (!started) continue;
    daemon_ = *std::move(started);
    if (!dies_within(2s)) break;
  }
  EXPECT_EQ(deaths, 3);
  ASSERT_TRUE(daemon_->running());

  const json::array all = parked(acme);
  ASSERT_EQ(all.size(), 1U);
  const json::object& one = all[0].as_object();
  EXPECT_EQ(one.at("plugin").as_string(), "tracker");
  EXPECT_EQ(one.at("version").as_string(), "1.2.3");
  EXPECT_EQ(one.at("operation").as_string(), GetParam());
  EXPECT_EQ(one.at("reference").as_string(), "/do/0/risk");
  EXPECT_EQ(one.at("deaths").to_number<int>(), 3);
  const std::string id(one.at("id").as_string());
  const std::string instance(one.at("instance").as_string());
  const Answer shown = call(acme, "GET", "/v1/tenants/acme/instances/" + instance);
  EXPECT_EQ(shown.text("status"), "running");
  ASSERT_EQ(shown.value().at("parked_effects").as_array().size(), 1U) << shown.body;
  EXPECT_EQ(shown.value().at("parked_effects").as_array()[0], all[0]);
  const Answer steps = call(acme, "GET", "/v1/tenants/acme/instances/" + instance + "/tasks");
  const json::object last = steps.value().at("items").as_array().back().as_object();
  EXPECT_EQ(last.at("outcome").as_string(), "parked") << steps.body;
  EXPECT_EQ(last.at("task").as_string(), "risk");
  const std::string log = daemon_->complaints();
  for (const std::string& part : {std::string("parked"), std::string("'tracker' 1.2.3"),
                                  fmt::format("'{}'", GetParam()), instance, "trav effect release " + id}) {
    EXPECT_NE(log.find(part), std::string::npos) << part << " is not in: " << log;
  }

  const std::string metrics = call("", "GET", "/metrics").body;
  std::set<std::string> parked_in_shards;
  for (const char* shard : {"0", "1", "2", "3"}) {
    const std::string line = fmt::format("\ntravertine_effects_parked{{shard=\"{}\"}} ", shard);
    if (const std::size_t at = metrics.find(line); at != std::string::npos)
      parked_in_shards.insert(metrics.substr(at + line.size(), 2));
  }
  EXPECT_TRUE(parked_in_shards.contains("1\n")) << metrics;

  EXPECT_EQ(call(acme, "POST", "/v1/tenants/acme/effects/0123456789abcdef0123456789abcdef/release").status, 404);
  EXPECT_EQ(call(acme, "POST", "/v1/tenants/acme/effects/nonsense/release").status, 404);
  EXPECT_TRUE(daemon_->running());
  // Released, it goes out again: the plugin is as deadly as before.
  (void)call(acme, "POST", "/v1/tenants/acme/effects/" + id + "/release");
  EXPECT_TRUE(dies_within(20s));
  for (int start = 0; start < 10; ++start) {
    auto started = start_daemon();
    if (!started) continue;
    daemon_ = *std::move(started);
    if (!dies_within(2s)) break;
  }
  EXPECT_EQ(parked(acme).size(), 1U);
  EXPECT_EQ(call(acme, "POST", "/v1/tenants/acme/instances/" + instance + "/cancel").status, 200);
  EXPECT_TRUE(parked(acme).empty());
}

INSTANTIATE_TEST_SUITE_P(Operations, PoisonTest, testing::Values("die", "recurse"),
                         [](const auto& operation) { return std::string(operation.param); });

}  // namespace
}  // namespace trv::api
