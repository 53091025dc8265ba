// What a plugin's caller sees is the same wherever the plugin runs: each promise is held in this process and in a
// process of its own.

#include <atomic>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

/// Answers with the request line as the body.
std::string request_line(const std::string& request) {
  const std::string line = request.substr(0, request.find(" HTTP"));
  return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(line.size()) + "\r\n\r\n" + line;
}

using testing::HasSubstr;
using namespace std::chrono_literals;

enum class Where { here, isolated };

class PluginCallsTest : public IsolatedFixture, public testing::WithParamInterface<Where> {
 protected:
  void prepare(HostConfiguration& configuration) override {
    if (GetParam() == Where::isolated) IsolatedFixture::prepare(configuration);
  }
};

INSTANTIATE_TEST_SUITE_P(Everywhere, PluginCallsTest, testing::Values(Where::here, Where::isolated),
                         [](const auto& one) { return one.param == Where::here ? "here" : "isolated"; });

// ---- library

TEST_P(PluginCallsTest, a_library_that_breaks_the_abi_is_refused_with_the_reason_and_the_host_lives) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> broken = {
      {"no_entry", {"does not export trv_entry_v1"}},
      {"other_abi", {"ABI 2.0", "has 1.0"}},
      {"small_entry", {"trv_entry of 24 bytes", "ABI 1.0 has at least 32"}},
      {"small_factory", {"trv_factory of 24 bytes", "at least 32"}},
      {"small_descriptor", {"trv_descriptor of 32 bytes", "at least 40"}},
      {"other_id", {"'somebody' 1.2.3", "'tracker' 1.2.3"}},
      {"other_version", {"'tracker' 9.9.9"}},
      {"no_factory", {"trv.factory/1"}},
      {"no_start", {"init returned 7"}},
  };
  for (const auto& [name, reasons] : broken) {
    const Stored installed = install(package_of(name));
    const base::Status loaded = load(installed.package_digest);
    ASSERT_FALSE(loaded) << name;
    EXPECT_EQ(loaded.error().code(), ErrorCode::invalid);
    EXPECT_THAT(loaded.error().message(), AllOf(HasSubstr("library 'plugin.so'"), Not(HasSubstr(folder_.string()))));
    for (const std::string& reason : reasons) EXPECT_THAT(loaded.error().message(), HasSubstr(reason)) << name;
  }
  load_good();
  EXPECT_EQ(run(call("echo", "[1]")).value(), "[1]");
}

TEST_P(PluginCallsTest, a_plugin_whose_structs_are_smaller_than_version_1_is_refused_by_name) {
  const std::pair<const char*, const char*> small[] = {
      {"small_plugin", "its trv_plugin has 56 bytes, ABI 1.0 has at least 64"},
      {"small_plugin_http", "its trv_plugin_http has 16 bytes, ABI 1.0 has at least 24"}};
  for (const auto& [name, reason] : small) {
    const base::Status loaded = load(install(package_of(name)).package_digest);
    ASSERT_FALSE(loaded) << name;
    EXPECT_EQ(loaded.error().code(), ErrorCode::invalid);
    EXPECT_THAT(loaded.error().message(), HasSubstr(reason));
  }
}

TEST_P(PluginCallsTest, libraries_of_the_first_and_of_a_later_minor_version_work) {
  for (const char* name : {"frozen_v1", "later_minor"}) {
    http::LoopbackServer server(request_line);
    source_.connection.base_url = server.url();
    const base::Status loaded = load(install(package_of(name)).package_digest);
    ASSERT_TRUE(loaded) << name << ": " << loaded.error().message();
    EXPECT_EQ(run(call("echo", "[1]")).value(), "[1]") << name;
    EXPECT_EQ(run(call("fetch")).value(), R"("GET /frozen")") << name;
    EXPECT_EQ(run(call("fail")).error().message, "frozen") << name;
    ASSERT_TRUE(host_->unload("tracker", "1.2.3", 1s));
  }
}

TEST_P(PluginCallsTest, a_plugin_may_refuse_its_configuration) {
  const Stored installed = install(package_of("good"));
  const base::Status loaded = load(installed.package_digest, R"({"a":"refuse"})");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::invalid);
  EXPECT_THAT(loaded.error().message(), HasSubstr("the configuration says refuse"));
  EXPECT_TRUE(load(installed.package_digest));
}

// ---- calls

TEST_P(PluginCallsTest, a_call_carries_its_fields_and_returns_its_output) {
  load_good();
  OperationCall request = call("describe", "{}", 5'000);
  request.attempt = 3;
  request.traceparent = "00-1-2-01";
  EXPECT_EQ(run(std::move(request)).value(),
            R"({"tenant":"acme","connection":"api","key":"key","trace":"00-1-2-01","attempt":3,"timeout":5000})");
  EXPECT_EQ(run(call("echo", R"({"a":1})")).value(), R"({"a":1})");
  EXPECT_EQ(run(call("later")).value(), "\"later\"");
  EXPECT_EQ(metrics().succeeded, 3U);
  EXPECT_EQ(metrics().in_flight, 0U);
}

TEST_P(PluginCallsTest, an_unknown_plugin_version_or_operation_is_not_found) {
  load_good();
  for (auto change : std::vector<void (*)(OperationCall&)>{[](OperationCall& c) { c.plugin = "x"; },
                                                           [](OperationCall& c) { c.version = "1.2.4"; },
                                                           [](OperationCall& c) { c.operation = "x"; }}) {
    OperationCall request = call("echo");
    change(request);
    const CallOutcome outcome = run(std::move(request));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::not_found);
  }
  EXPECT_EQ(run(call("echo", std::string(input_bytes_max + 1, ' '))).error().code, ErrorCode::too_large);
}

TEST_P(PluginCallsTest, an_error_arrives_whole_and_printable) {
  load_good();
  const CallOutcome outcome = run(call("fail"));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::exhausted);
  EXPECT_TRUE(outcome.error().may_retry);
  EXPECT_EQ(outcome.error().retry_after_ms, 1'500U);
  EXPECT_EQ(outcome.error().status, 429U);
  EXPECT_EQ(outcome.error().message, "slow\\ndown");
  EXPECT_EQ(outcome.error().detail, R"({"field":"title"})");
  EXPECT_EQ(run(call("bad-error")).error().code, ErrorCode::internal);
}

TEST_P(PluginCallsTest, output_that_is_not_json_or_too_large_is_an_internal_error) {
  load_good();
  for (const char* operation : {"not-json", "nothing", "huge"}) {
    const CallOutcome outcome = run(call(operation));
    ASSERT_FALSE(outcome) << operation;
    EXPECT_EQ(outcome.error().code, ErrorCode::internal);
  }
}

TEST_P(PluginCallsTest, only_the_first_answer_counts) {
  load_good();
  EXPECT_EQ(run(call("twice")).value(), "1");
  EXPECT_TRUE(eventually([this] { return metrics().answers_ignored == 2; }));
  EXPECT_EQ(metrics().succeeded, 1U);
  const std::lock_guard lock(log_mutex_);
  EXPECT_THAT(log_, testing::Contains(HasSubstr("ignored")));
}

TEST_P(PluginCallsTest, a_call_without_an_answer_times_out_and_may_be_retried_only_where_idempotent) {
  load_good();
  const CallOutcome never = run(call("never", "{}", 200));
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().code, ErrorCode::timeout);
  EXPECT_TRUE(never.error().may_retry);
  EXPECT_THAT(never.error().message, HasSubstr("200 ms"));
  const CallOutcome deaf = run(call("deaf", "{}", 200));
  EXPECT_EQ(deaf.error().code, ErrorCode::timeout);
  EXPECT_FALSE(deaf.error().may_retry);
  EXPECT_EQ(metrics().timed_out, 2U);
  // The plugin heard the cancel and answered; too late to count.
  EXPECT_TRUE(eventually([this] { return metrics().answers_ignored == 1; }));
}

TEST_P(PluginCallsTest, a_plugin_hears_of_a_deadline_that_passed_while_it_was_handed_the_call) {
  load_good();
  EXPECT_EQ(run(call("never-slowly", "{}", 50)).error().code, ErrorCode::timeout);
  EXPECT_TRUE(eventually([this] { return metrics().answers_ignored == 1; }));
}

TEST_P(PluginCallsTest, a_late_answer_is_ignored_and_counted) {
  load_good();
  EXPECT_EQ(run(call("too-late", "{}", 10)).error().code, ErrorCode::timeout);
  EXPECT_TRUE(eventually([this] { return metrics().answers_ignored == 1; }));
  EXPECT_EQ(metrics().succeeded, 0U);
}

TEST_P(PluginCallsTest, a_plugin_that_hangs_costs_its_own_calls_and_nobody_waits_longer_than_his_deadline) {
  load_good();
  std::jthread hung([this] { EXPECT_EQ(run(call("hang", "{}", 300)).error().code, ErrorCode::timeout); });
  ASSERT_TRUE(eventually([this] { return metrics().in_flight == 1; }));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(run(call("echo", "{}", 50)).error().code, ErrorCode::timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 900ms);
  hung.join();
  EXPECT_EQ(run(call("echo", "2")).value(), "2");
}

TEST_P(PluginCallsTest, a_cancelled_call_ends_once) {
  load_good();
  CallHandle handle;
  auto never = invoke(call("never"), &handle);
  PluginHost::cancel(handle);
  EXPECT_EQ(never.get().error().code, ErrorCode::cancelled);
  PluginHost::cancel(handle);
  PluginHost::cancel(CallHandle{});
  EXPECT_EQ(metrics().in_flight, 0U);
}

TEST_P(PluginCallsTest, calls_into_the_plugin_never_overlap) {
  load_good();
  std::atomic<int> alone = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 25; ++i) {
          if (run(call("serial")).value() == "true") ++alone;
        }
      });
    }
  }
  EXPECT_EQ(alone, 100);
}

TEST_P(PluginCallsTest, log_lines_are_bounded_and_escaped) {
  load_good();
  ASSERT_TRUE(run(call("log")));
  const std::lock_guard lock(log_mutex_);
  ASSERT_EQ(log_.size(), 2U);
  // That of the call says whose it is.
  EXPECT_EQ(about_.at(0), "acme key");
  EXPECT_EQ(about_.at(1), " ");
  EXPECT_EQ(log_[0], "one\\ntwo\\x1b[31m \\xff \xc3\xa9");
  EXPECT_EQ(log_[1].size(), 4'096U);
}

// ---- HTTP

TEST_P(PluginCallsTest, a_plugin_fetches_through_its_connection) {
  http::LoopbackServer server(request_line);
  source_.connection.base_url = server.url() + "/base";
  load_good();
  EXPECT_EQ(run(call("fetch")).value(), R"({"status":200,"body":"GET /base/items?q=1","headers":2})");
  EXPECT_THAT(server.requests().at(0), Not(HasSubstr("Idempotency-Key")));
}

TEST_P(PluginCallsTest, each_unsafe_request_of_a_call_has_its_own_key) {
  http::LoopbackServer server(request_line);
  source_.connection.base_url = server.url();
  load_good();
  ASSERT_TRUE(run(call("post-thrice")));
  const auto heads = server.requests();
  ASSERT_EQ(heads.size(), 3U);
  EXPECT_THAT(heads[0], HasSubstr("Idempotency-Key: key\r\n"));
  EXPECT_THAT(heads[1], HasSubstr("Idempotency-Key: key/2\r\n"));
  EXPECT_THAT(heads[2], HasSubstr("Idempotency-Key: key/3\r\n"));
}

TEST_P(PluginCallsTest, what_is_not_granted_reaches_the_plugin_as_an_error) {
  http::LoopbackServer server(request_line);
  source_.connection.base_url = server.url();
  load_good();
  source_.connection.plugin = "somebody";
  EXPECT_EQ(run(call("fetch")).error().code, ErrorCode::denied);
  source_.connection.plugin = "tracker";
  OperationCall foreign = call("fetch");
  foreign.tenant = TenantId("other");
  EXPECT_EQ(run(std::move(foreign)).error().code, ErrorCode::not_found);
  OperationCall unnamed = call("fetch");
  unnamed.connection = "";
  EXPECT_EQ(run(std::move(unnamed)).error().code, ErrorCode::invalid);
  EXPECT_EQ(run(call("escape")).error().code, ErrorCode::invalid);
  EXPECT_EQ(server.requests().size(), 0U);
}

TEST_P(PluginCallsTest, a_request_ends_with_its_call) {
  const http::LoopbackListener silent;
  source_.connection.base_url = silent.url();
  load_good();
  EXPECT_EQ(run(call("fetch", "{}", 50)).error().code, ErrorCode::timeout);
  EXPECT_TRUE(eventually([this] { return broker_->metrics().in_flight == 0; }));
}

TEST_P(PluginCallsTest, requests_that_fail_at_once_free_their_place_in_the_call) {
  load_good();
  OperationCall missing = call("fail-200-times", "{}", 20'000);
  missing.connection = "missing";
  const CallOutcome outcome = run(std::move(missing));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::not_found) << outcome.error().message;
}

// ---- life

TEST_P(PluginCallsTest, unloading_drains_then_cancels_and_the_plugin_can_come_back) {
  load_good();
  auto later = invoke(call("later"));
  auto never = invoke(call("never"));
  auto deaf = invoke(call("deaf"));
  EXPECT_TRUE(host_->unload("tracker", "1.2.3", 500ms));
  EXPECT_EQ(later.get().value(), "\"later\"");
  EXPECT_EQ(never.get().error().code, ErrorCode::cancelled);
  EXPECT_EQ(deaf.get().error().code, ErrorCode::cancelled);
  EXPECT_EQ(run(call("echo")).error().code, ErrorCode::not_found);
  EXPECT_EQ(host_->unload("tracker", "1.2.3", 0ms).error().code(), ErrorCode::not_found);
  load_good();
  EXPECT_EQ(run(call("echo", "3")).value(), "3");
}

// ---- time

TEST_P(PluginCallsTest, a_timer_of_a_call_comes_when_its_time_has_come) {
  load_good();
  const base::Duration began = clock_.monotonic();
  EXPECT_EQ(run(call("wait")).value(), "0");
  EXPECT_GE(clock_.monotonic() - began, 50ms);
}

TEST_P(PluginCallsTest, timers_end_with_their_call) {
  load_good();
  OperationCall late = call("wait");
  late.timeout_ms = 10;
  EXPECT_EQ(run(std::move(late)).error().code, ErrorCode::timeout);
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(run(call("echo", "[1]")).value(), "[1]");
  EXPECT_EQ(metrics().answers_ignored, 0U) << "nobody was called for the ended call";
}

TEST_P(PluginCallsTest, a_call_has_so_many_timers_and_the_next_waits_no_time) {
  load_good();
  EXPECT_EQ(run(call("wait-100-times")).value(), "64");
  const std::lock_guard lock(log_mutex_);
  EXPECT_THAT(log_, testing::Contains(HasSubstr("more than 64 timers")));
}

// ---- the store

TEST_P(PluginCallsTest, what_a_call_puts_into_the_store_a_later_call_finds) {
  load_good();
  EXPECT_EQ(run(call("kept")).value(), "[false]");
  EXPECT_EQ(run(call("keep", R"({"page":3})")).value(), R"([["cursor",null,1],false])");
  EXPECT_EQ(run(call("kept")).value(), R"([["cursor",{"page":3},1],false])");
  EXPECT_EQ(run(call("kept-all")).value(), R"([["cursor",{"page":3},1],false])");
  EXPECT_EQ(run(call("forget")).value(), "[false]");
  EXPECT_EQ(run(call("kept")).value(), "[false]");
}

TEST_P(PluginCallsTest, a_store_is_that_of_the_tenant) {
  load_good();
  EXPECT_TRUE(run(call("keep", "1")));
  OperationCall foreign = call("kept");
  foreign.tenant = TenantId("other");
  EXPECT_EQ(run(std::move(foreign)).value(), "[false]");
}

TEST_P(PluginCallsTest, a_plugin_that_does_not_ask_for_a_store_has_none) {
  ASSERT_TRUE(load(install(package_of("good")).package_digest));
  const CallOutcome refused = run(call("keep", "1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::denied);
  EXPECT_THAT(refused.error().message, HasSubstr("may not use 'kv': its manifest does not ask for it"));
}

TEST_P(PluginCallsTest, another_revision_in_the_store_is_a_conflict) {
  load_good();
  EXPECT_TRUE(run(call("keep-first", "1")));
  const CallOutcome second = run(call("keep-first", "2"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_EQ(run(call("kept")).value(), R"([["cursor",1,1],false])");
}

TEST_P(PluginCallsTest, a_call_writes_so_often_and_no_more) {
  load_good();
  const CallOutcome outcome = run(call("keep-for-ever", "{}", 60'000));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::exhausted);
  EXPECT_EQ(outcome.error().message, "the call has written 1000 times, its limit");
}

TEST_P(PluginCallsTest, what_is_over_the_limits_of_the_store_is_refused_and_the_plugin_lives) {
  load_good();
  const CallOutcome large = run(call("keep-large"));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::too_large);
  EXPECT_THAT(large.error().message, HasSubstr("has 2000002 bytes, at most 65536"));
  const CallOutcome bad = run(call("kept-badly"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::invalid);
  EXPECT_THAT(bad.error().message, HasSubstr(R"("cur\nsor", has control characters)"));
  EXPECT_EQ(run(call("echo", "[1]")).value(), "[1]");
}

// ---- secrets and events

TEST_P(PluginCallsTest, a_call_has_bytes_signed_by_a_secret_that_it_never_sees) {
  load_good();
  const base::Digest expected = base::hmac_sha256(base::as_bytes("s3cr3t"), base::as_bytes("[1]"));
  EXPECT_EQ(run(call("sign", "[1]")).value(), '"' + base::to_hex(expected) + '"');
  const CallOutcome odd = run(call("sign-oddly"));
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, ErrorCode::invalid);
  EXPECT_THAT(odd.error().message, HasSubstr("99 is not the number of a signature"));
}

TEST_P(PluginCallsTest, a_call_emits_events_of_its_plugins_own_types) {
  load_good();
  EXPECT_EQ(run(call("emit", "{}")).value(), "\"com.tracker.made/key/1\"");
  const CallOutcome foreign = run(call("emit-foreign", "{}"));
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::invalid);
  EXPECT_THAT(foreign.error().message, HasSubstr("emits events whose types begin with \"com.tracker.\""));
}

TEST_P(PluginCallsTest, what_was_not_asked_for_is_neither_signed_nor_emitted) {
  ASSERT_TRUE(load(install(package_of("good")).package_digest));
  EXPECT_THAT(run(call("sign", "[1]")).error().message, HasSubstr("may not use 'secrets'"));
  EXPECT_THAT(run(call("emit", "[1]")).error().message, HasSubstr("may not use 'events:com.tracker.made'"));
}

}  // namespace
}  // namespace trv::plugin_host
