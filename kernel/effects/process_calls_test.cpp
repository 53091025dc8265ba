#include "kernel/effects/process_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace trv::effects {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ProcessCallsTest : public testing::Test {
 protected:
  void begin(const std::string& languages, std::size_t at_once) {
    auto options = process_options(languages, TRV_PLUGIN_HOST, at_once);
    if (!options && options.error().message().find("allows no namespaces") != std::string::npos) {
      GTEST_SKIP() << options.error().message();
    }
    ASSERT_TRUE(options) << options.error().message();
    calls_ = std::make_unique<ProcessCalls>(*std::move(options));
  }
  CancelTry perform(const std::string& name, const std::string& tenant, const std::string& input,
                    base::Duration left = 60s) {
    shard::Effect effect;
    effect.tenant = base::TenantId(tenant);
    effect.operation = "shell";
    effect.input = input;
    return calls_->perform(effect, left, [this, name](TryResult result) {
      const std::scoped_lock lock(mutex_);
      ended_.push_back(name);
      results_[name] = std::move(result);
      changed_.notify_all();
    });
  }
  void await(std::size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, 60s, [&] { return ended_.size() >= count; }));
  }
  shard::Outcome outcome_of(const std::string& input, base::Duration left = 60s) {
    const std::string name = "call " + std::to_string(ended_.size());
    (void)perform(name, "acme", input, left);
    await(ended_.size() + (results_.contains(name) ? 0 : 1));
    return results_[name].outcome;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> ended_;
  std::map<std::string, TryResult> results_;
  std::unique_ptr<ProcessCalls> calls_;
};

TEST_F(ProcessCallsTest, options_name_what_is_wrong) {
  const auto unknown = process_options("shell,ruby", TRV_PLUGIN_HOST, 1);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(), HasSubstr("'ruby' is not a language"));
  EXPECT_FALSE(process_options("shell,,python", TRV_PLUGIN_HOST, 1));
  const auto none = process_options("", TRV_PLUGIN_HOST, 1);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->interpreters.empty());
}

TEST_F(ProcessCallsTest, a_language_that_is_not_allowed_is_denied) {
  calls_ = std::make_unique<ProcessCalls>(ProcessOptions{.program = TRV_PLUGIN_HOST, .interpreters = {}});
  const shard::Outcome outcome = outcome_of(R"({"code":"echo x","return":"stdout"})");
  EXPECT_EQ(outcome.code, "denied");
  EXPECT_THAT(outcome.message, HasSubstr("run.languages"));
}

TEST_F(ProcessCallsTest, a_tenant_with_fewer_under_way_comes_first) {
  begin("shell", 2);
  if (IsSkipped() || HasFatalFailure()) return;
  const std::string slow = R"({"code":"sleep 0.3","return":"none"})";
  for (const char* name : {"a1", "a2", "a3", "a4", "a5"}) (void)perform(name, "acme", slow);
  (void)perform("b", "globex", R"({"code":"exit 0","return":"none"})");
  await(6);
  const auto place = [&](const std::string& name) { return std::ranges::find(ended_, name) - ended_.begin(); };
  EXPECT_LT(place("b"), place("a4"));
}

TEST_F(ProcessCallsTest, its_end_ends_all) {
  begin("shell", 1);
  if (IsSkipped() || HasFatalFailure()) return;
  (void)perform("one", "acme", R"({"code":"sleep 600","return":"none"})");
  (void)perform("two", "acme", R"({"code":"sleep 600","return":"none"})");
  calls_.reset();
  await(2);
  EXPECT_EQ(results_["one"].outcome.code, "cancelled");
  EXPECT_EQ(results_["two"].outcome.code, "cancelled");
}

TEST_F(ProcessCallsTest, time_of_waiting_counts) {
  begin("shell", 1);
  if (IsSkipped() || HasFatalFailure()) return;
  (void)perform("first", "acme", R"({"code":"sleep 600","return":"none"})", 500ms);
  (void)perform("second", "acme", R"({"code":"exit 0","return":"none"})", 100ms);
  await(2);
  EXPECT_EQ(results_["first"].outcome.code, "timeout");
  EXPECT_EQ(results_["second"].outcome.code, "timeout");
  EXPECT_THAT(results_["second"].outcome.message, HasSubstr("did not begin in time"));
}

TEST_F(ProcessCallsTest, a_zero_byte_is_refused) {
  begin("shell", 1);
  if (IsSkipped() || HasFatalFailure()) return;
  const shard::Outcome outcome = outcome_of(R"({"code":"cat","arguments":["a\u0000b"],"return":"stdout"})");
  EXPECT_EQ(outcome.code, "invalid");
  EXPECT_THAT(outcome.message, HasSubstr("an argument holds a zero byte"));
}

}  // namespace
}  // namespace trv::effects
