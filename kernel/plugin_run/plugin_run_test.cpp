#include "kernel/plugin_run/plugin_run.hpp"

#include <mutex>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/plugin_host/testing/plugin_host_fixture.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::plugin_run {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

class PluginRun : public testing::Test {
 protected:
  base::Result<RunOutcome> run(std::string operation, std::string input, const RunSetup& with = {},
                               const std::string& more = "") {
    const auto scratch = base::ScratchFolder::make("plugin-run", testing::TempDir());
    EXPECT_TRUE(scratch);
    RunSetup setup = with;
    setup.program = TRV_PLUGIN_HOST;
    setup.scratch = scratch->path();
    setup.log = [this](const plugin_host::LogLine& line) {
      const std::lock_guard lock(mutex_);
      log_ += line.message + "\n";
    };
    return run_operation(plugin_host::package_of("good", more, 1, "linux-x86_64", "sandboxed"),
                         {.operation = std::move(operation),
                          .input = std::move(input),
                          .configuration = configuration_,
                          .connection = "api"},
                         std::move(setup), clock_);
  }

  http::LoopbackServer server_{[this](const std::string&) {
    ++asked_;
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage");
  }};
  std::atomic<int> asked_ = 0;
  base::SystemClock clock_;
  std::optional<std::string> configuration_;
  std::mutex mutex_;
  std::string log_;
};

TEST_F(PluginRun, an_operation_is_called_as_by_travd) {
  const auto outcome = run("echo", R"({"a":[1]})");
  ASSERT_TRUE(outcome) << outcome.error().message();
  ASSERT_TRUE(outcome->call) << outcome->call.error().message;
  EXPECT_EQ(*outcome->call, R"({"a":[1]})");
  ASSERT_TRUE(run("log", "{}"));
  EXPECT_THAT(log_, HasSubstr("\n"));
}

TEST_F(PluginRun, http_goes_to_the_given_base_url_and_is_recorded_and_replayed) {
  const auto recorded = run("fetch", "{}", {.connections = {{"api", server_.url(), ""}}, .record = true});
  ASSERT_TRUE(recorded) << recorded.error().message();
  ASSERT_TRUE(recorded->call) << recorded->call.error().message;
  EXPECT_EQ(asked_, 1);
  ASSERT_EQ(recorded->recorded.exchanges.size(), 1U);

  const auto replayed = run("fetch", "{}", {.replay = recorded->recorded});
  ASSERT_TRUE(replayed) << replayed.error().message();
  ASSERT_TRUE(replayed->call) << replayed->call.error().message;
  EXPECT_EQ(*replayed->call, *recorded->call);
  EXPECT_EQ(asked_, 1) << "nothing was sent";

  const auto missing = run("fetch", "{}", {.replay = Cassette()});
  ASSERT_TRUE(missing) << missing.error().message();
  EXPECT_FALSE(missing->call);
  ASSERT_EQ(missing->missing.size(), 1U);
  EXPECT_THAT(missing->missing[0], HasSubstr("over connection 'api' has no recording"));

  const auto nowhere = run("fetch", "{}");
  ASSERT_TRUE(nowhere);
  ASSERT_FALSE(nowhere->call);
  EXPECT_THAT(nowhere->call.error().message, HasSubstr("--connection api=URL"));
}

TEST_F(PluginRun, what_a_plugin_keeps_and_emits_is_there_afterwards) {
  const std::string asks = R"(,"permissions":["http","kv","events:com.tracker.*"])";
  const auto kept = run("keep", R"({"at":7})", {.store = {{"other", "1"}}}, asks);
  ASSERT_TRUE(kept) << kept.error().message();
  ASSERT_TRUE(kept->call) << kept->call.error().message;
  EXPECT_THAT(kept->store, testing::ElementsAre(testing::Pair("cursor", R"({"at":7})"), testing::Pair("other", "1")));
  const auto read = run("kept", "{}", {.store = kept->store}, asks);
  ASSERT_TRUE(read);
  ASSERT_TRUE(read->call) << read->call.error().message;
  EXPECT_THAT(*read->call, HasSubstr(R"({"at":7})"));

  const auto emitted = run("emit", R"({"a":1})", {}, asks);
  ASSERT_TRUE(emitted);
  ASSERT_TRUE(emitted->call) << emitted->call.error().message;
  ASSERT_EQ(emitted->events.size(), 1U);
  EXPECT_EQ(emitted->events[0].type, "com.tracker.made");
  EXPECT_EQ(emitted->events[0].data, R"({"a":1})");

  const auto unasked = run("keep", "{}");
  ASSERT_TRUE(unasked);
  ASSERT_FALSE(unasked->call) << "its manifest does not ask for it";
  EXPECT_EQ(unasked->call.error().code, ErrorCode::denied);
  EXPECT_THAT(unasked->call.error().message, HasSubstr("kv"));
}

TEST_F(PluginRun, a_secret_signs_where_the_configuration_names_it) {
  const std::string manifest =
      R"(,"permissions":["secrets"],"configuration":{"type":"object","properties":{"by":{"type":"string","secret":true}}})";
  const RunSetup with_secret{.secrets = {{"vault", "key"}}};
  configuration_ = R"({"by":"vault"})";
  const auto made = run("sign", R"({"text":"x"})", with_secret, manifest);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(made->call) << made->call.error().message;
  configuration_ = "{}";
  const auto unnamed = run("sign", R"({"text":"x"})", with_secret, manifest);
  ASSERT_TRUE(unnamed) << unnamed.error().message();
  ASSERT_FALSE(unnamed->call);
  EXPECT_THAT(unnamed->call.error().message, HasSubstr("names no secret 'vault'"));
}

TEST_F(PluginRun, a_replay_begins_with_the_store_and_the_key_of_the_recording) {
  const std::string asks = R"(,"permissions":["http","kv","events:com.tracker.*"])";
  const auto recorded = run("describe", "{}", {.record = true, .store = {{"cursor", "7"}}}, asks);
  ASSERT_TRUE(recorded && recorded->call);
  const auto cassette = read_cassette(to_text(recorded->recorded));
  ASSERT_TRUE(cassette) << cassette.error().message();
  EXPECT_EQ(cassette->store, (StoreValues{{"cursor", "7"}}));
  for (int i = 0; i < 2; ++i) {
    const auto replayed = run("describe", "{}", {.replay = *cassette, .store = {{"cursor", "not this"}}}, asks);
    ASSERT_TRUE(replayed && replayed->call);
    EXPECT_EQ(*replayed->call, *recorded->call) << "the key is in it";
    EXPECT_EQ(replayed->store, cassette->store);
  }
  EXPECT_TRUE(read_cassette("{\"cassette\":1}\n")->idempotency_key.empty()) << "a recording of before";
  EXPECT_FALSE(read_cassette(R"({"cassette":1,"store":[]})"));
}

TEST_F(PluginRun, what_the_manifest_refuses_is_not_called) {
  const auto none = run("ehco", "{}");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("has no operation 'ehco'; it has about, echo"));
  EXPECT_FALSE(run("echo", "{"));
  const auto configuration = run("echo", "{}", {}, R"(,"configuration":{"type":"object","required":["region"]})");
  ASSERT_FALSE(configuration);
  EXPECT_THAT(configuration.error().message(), HasSubstr("give it with --configuration FILE"));
}

TEST_F(PluginRun, a_crash_is_the_calls_outcome) {
  const auto outcome = run("nothing-such", "{}");
  EXPECT_FALSE(outcome);
  const auto failed = run("fail", "{}");
  ASSERT_TRUE(failed);
  EXPECT_FALSE(failed->call);
}

}  // namespace
}  // namespace trv::plugin_run
