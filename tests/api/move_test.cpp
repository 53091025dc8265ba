// A tenant moves between the shards of a daemon: what its clients and the operator see of that.

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view waiting_workflow =
    "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: wait\n  version: '1.0.0'\n"
    "do:\n  - pause:\n      wait: {seconds: 4}\n  - done:\n      set: {text: '${ .text }'}\n";

class MoveTest : public testing::Test {
 protected:
  void SetUp() override {
    start(4);
    acme_ = create_tenant(*daemon_, "acme");
    ASSERT_FALSE(acme_.empty());
  }
  void start(int shards) {
    daemon_.reset();
    auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_SHARDS", std::to_string(shards)}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!daemon_->operator_token().empty()) operator_ = daemon_->operator_token();
  }
  Answer move(const std::string& tenant, const std::string& body, const std::string& token) {
    return ask(*daemon_, token, "POST", fmt::format("/v1/tenants/{}/move", tenant), body);
  }
  /// Until nothing of the move is left to do.
  Answer moved(const std::string& tenant, int shard) {
    Answer answer;
    for (int i = 0; i < 30; ++i) {
      answer = move(tenant, fmt::format(R"({{"shard":{}}})", shard), operator_);
      if (answer.status != 202) break;
    }
    return answer;
  }
  Answer get(const std::string& path) { return ask(*daemon_, acme_, "GET", "/v1/tenants/acme" + path); }
  Answer start_instance(const std::string& name, const std::string& key, const std::string& input = "{}") {
    return ask(*daemon_, acme_, "POST", fmt::format("/v1/tenants/acme/workflows/demo/{}/instances", name), input,
               {{"Idempotency-Key", key}});
  }
  void apply(std::string_view workflow) {
    const Answer applied = ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows", std::string(workflow),
                               {{"Content-Type", "application/yaml"}});
    ASSERT_EQ(applied.status, 201) << applied.body;
  }
  std::vector<std::string> positions() {
    std::vector<std::string> all;
    const json::value page = get("/events?limit=500").value();
    for (const json::value& event : page.at("items").as_array()) all.emplace_back(event.at("position").as_string());
    return all;
  }
  /// The positions that a stream gives until `is_over` says so of what came.
  std::vector<std::string> follow(const std::string& query, const std::function<bool(std::string_view)>& is_over) {
    processes::HttpClient client;
    std::string all;
    (void)client.send({.url = daemon_->url() + "/v1/tenants/acme/events/stream" + query,
                       .headers = {{"Authorization", "Bearer " + acme_}},
                       .timeout = 60s,
                       .go_on = [&](std::string_view body) {
                         all = body;
                         return !is_over(body);
                       }});
    std::vector<std::string> ids;
    for (std::size_t at = all.find("id: "); at != std::string::npos; at = all.find("\nid: ", at)) {
      at = all.find(' ', at) + 1;
      ids.push_back(all.substr(at, all.find('\n', at) - at));
    }
    return ids;
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string operator_;
  std::string acme_;
};

TEST_F(MoveTest, instances_keys_tokens_streams_and_positions_go_on_in_the_other_shard) {
  apply(waiting_workflow);
  const Answer waiting = start_instance("wait", "one", R"({"text":"hello"})");
  ASSERT_EQ(waiting.status, 201) << waiting.body;
  const std::vector<std::string> before = positions();
  // Opened before the move, and read until the instance that waits over the move has ended.
  std::vector<std::string> streamed;
  std::atomic<bool> is_connected = false;
  std::thread stream([&] {
    streamed = follow("?after=0", [&](std::string_view body) {
      is_connected = true;
      return body.find("trv.instance.completed") != std::string_view::npos && body.ends_with("\n\n");
    });
  });
  for (int i = 0; i < 3'000 && !is_connected; ++i) std::this_thread::sleep_for(20ms);

  const Answer there = moved("acme", 3);
  ASSERT_EQ(there.status, 200) << there.body;
  EXPECT_EQ(there.value().at("shard").as_int64(), 3);
  EXPECT_TRUE(there.value().at("moves_to").is_null());
  EXPECT_EQ(moved("acme", 3).status, 200) << "the same request again";

  const Answer again = start_instance("wait", "one", R"({"text":"hello"})");
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.text("id"), waiting.text("id"));
  stream.join();
  const std::vector<std::string> after = positions();
  ASSERT_GT(after.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin()));
  EXPECT_EQ(streamed, std::vector<std::string>(after.begin(), after.begin() + std::ssize(streamed)));
  EXPECT_EQ(streamed.size(), after.size()) << "the stream ended with the last event";

  const std::string instance = "/instances/" + waiting.text("id");
  EXPECT_EQ(get(instance).value().at("output").at("text").as_string(), "hello") << get(instance).body;
  const json::value steps = get(instance + "/tasks").value();
  ASSERT_GE(steps.at("items").as_array().size(), 3U);
  EXPECT_EQ(steps.at("items").at(0).at("event").as_string(), "trv.instance.started");
  // A position of before the move, sent after it.
  const std::vector<std::string> resumed = follow(fmt::format("?after={}", before.back()), [&](std::string_view body) {
    return body.find(after.back()) != std::string_view::npos && body.ends_with("\n\n");
  });
  EXPECT_EQ(resumed, std::vector<std::string>(after.begin() + std::ssize(before), after.end()));
  for (const std::string& position : {before.front(), after.back()}) {
    EXPECT_EQ(get("/audit/proofs/" + position).status, 200) << position;
  }
  start(4);
  EXPECT_EQ(get(instance).status, 200);
  EXPECT_EQ(positions().front(), before.front());
}

TEST_F(MoveTest, what_cannot_be_done_is_refused) {
  const std::string beta = create_tenant(*daemon_, "beta");
  const std::string body = R"({"shard":3})";
  EXPECT_EQ(move("nobody", body, operator_).status, 404);
  EXPECT_EQ(move("acme", body, beta).status, 404) << "a tenant of others does not exist";
  EXPECT_EQ(move("acme", body, acme_).status, 403) << "the operator's alone";
  EXPECT_EQ(move("acme", body, "").status, 401);
  for (const char* bad : {R"({"shard":4})", R"({"shard":0})", R"({"shard":-1})", R"({"shard":"3"})", "{}", "[]", "",
                          R"({"shard":3,"now":true})"}) {
    EXPECT_EQ(move("acme", bad, operator_).status, 400) << bad;
  }
  EXPECT_EQ(move("system", body, operator_).status, 400);
  const Answer unknown = move("acme", R"({"shard":9})", operator_);
  EXPECT_NE(unknown.body.find("shard is 9; tenants live in the shards 1 to 3"), std::string::npos) << unknown.body;
  const json::value shown = ask(*daemon_, operator_, "GET", "/v1/tenants/acme").value();
  const auto shard = shown.at("shard").as_int64();
  EXPECT_EQ(move("acme", fmt::format(R"({{"shard":{}}})", shard), operator_).status, 200) << "it is there already";
  EXPECT_FALSE(get("").value().as_object().contains("shard")) << "where it lives is for the operator";
}

TEST_F(MoveTest, a_folder_does_not_shrink_below_a_shard_in_which_a_tenant_has_records) {
  ASSERT_EQ(moved("acme", 3).status, 200);
  ASSERT_EQ(moved("acme", 2).status, 200);
  EXPECT_EQ(daemon_->stop(), 0) << daemon_->complaints();
  daemon_.reset();
  const Ended ended =
      run_daemon(scratch_, {"--data", (scratch_.path() / "data").string(), "--port", "0"}, {{"TRAV_SHARDS", "3"}});
  EXPECT_EQ(ended.code, 2) << ended.out;
  EXPECT_NE(ended.err.find("tenant 'acme' is placed on shard 2 and has records in 3"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace trv::api
