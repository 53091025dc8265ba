// What a plugin keeps in memory goes with its tenant from version to version, and no call of the tenant is lost by it.

#include <algorithm>
#include <atomic>
#include <set>

#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

class InProcessFixture : public PluginHostTest {};

template <typename Fixture>
class HandoverTest : public Fixture {
 protected:
  void SetUp() override {
    Fixture::SetUp();
    if (this->IsSkipped()) return;
    load("counter_4.1.0", "4.1.0");
    load("counter_4.2.0", "4.2.0");
  }
  void load(const std::string& library, const std::string& version) {
    constexpr std::array names = {"count", "count-later", "about", "hold", "many-parts"};
    const base::Status loaded = Fixture::load(
        this->install(package_of(library, "", 1, "linux-x86_64", "in-process", names, version)).package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  OperationCall call_of(const std::string& operation, const std::string& version, const std::string& tenant = "acme") {
    OperationCall request = this->call(operation, "{}", 60'000);
    request.tenant = TenantId(tenant);
    request.version = version;
    if (!configuration_.empty()) request.configuration = configuration_;
    return request;
  }
  std::string answer(const std::string& operation, const std::string& version, const std::string& tenant = "acme") {
    const CallOutcome outcome = this->run(call_of(operation, version, tenant));
    return outcome ? *outcome : "error: " + outcome.error().message;
  }
  base::Result<std::unique_ptr<Handover>> hand_over(const std::string& from, const std::string& to,
                                                    const std::string& configuration = "{}",
                                                    base::Duration grace = 20s) {
    return this->host_->hand_over({.tenant = TenantId("acme"),
                                   .plugin = "tracker",
                                   .from = from,
                                   .to = to,
                                   .configuration = configuration,
                                   .grace = grace});
  }
  /// Why the switch to 4.2.0 is refused. All is as before, then.
  std::string refusal(const std::string& configuration) {
    const auto handover = hand_over("4.1.0", "4.2.0", configuration);
    EXPECT_EQ(answer("count", "4.1.0"), std::to_string(++count_));
    return handover ? "it is not refused" : handover.error().message();
  }
  /// A call of the version that is current when the call is begun, as the kernel makes it.
  void count_on(const std::shared_ptr<std::promise<CallOutcome>>& done) {
    const CallGate::Pass pass(this->host_->gate(), TenantId("acme"), "tracker");
    if (!pass.is_open()) {
      return this->host_->gate().when_open(TenantId("acme"), "tracker",
                                           [this, done](base::Duration) { count_on(done); });
    }
    this->host_->invoke(call_of("count", current_.load()),
                        [done](CallOutcome outcome) { done->set_value(std::move(outcome)); });
  }

  std::string configuration_;  ///< of calls
  std::atomic<const char*> current_ = "4.1.0";
  int count_ = 0;
};

using Places = testing::Types<InProcessFixture, IsolatedFixture>;
TYPED_TEST_SUITE(HandoverTest, Places);

TYPED_TEST(HandoverTest, nobody_loses_a_count_while_versions_are_switched_under_load) {
  constexpr int calls = 600;
  std::vector<std::future<CallOutcome>> answers;
  std::atomic<bool> is_over = false;
  std::atomic<int> switches = 0;
  EXPECT_EQ(this->answer("count", "4.1.0"), "1");
  std::jthread changes([&] {
    while (!is_over) {
      const char* to = std::string_view(this->current_) == "4.1.0" ? "4.2.0" : "4.1.0";
      auto handover = this->hand_over(this->current_.load(), to);
      ASSERT_TRUE(handover) << handover.error().message();
      ASSERT_NE(*handover, nullptr);
      this->current_ = to;
      (*handover)->succeed();
      ++switches;
    }
  });
  for (int i = 0; i < calls || switches < 4; ++i) {
    const auto done = std::make_shared<std::promise<CallOutcome>>();
    answers.push_back(done->get_future());
    this->count_on(done);
    std::this_thread::sleep_for(500us);
  }
  is_over = true;
  changes.join();
  std::set<int> numbers;
  for (auto& one : answers) {
    const CallOutcome outcome = one.get();
    ASSERT_TRUE(outcome) << outcome.error().message;
    numbers.insert(std::stoi(*outcome));
  }
  EXPECT_EQ(numbers.size(), answers.size()) << "no number is given twice";
  EXPECT_EQ(this->answer("count", this->current_.load()), std::to_string(answers.size() + 2));
  EXPECT_GE(switches, 4);
}

TYPED_TEST(HandoverTest, the_new_version_hears_who_saved_before_its_first_call) {
  EXPECT_EQ(this->answer("count", "4.1.0"), "1");
  auto handover = this->hand_over("4.1.0", "4.2.0");
  ASSERT_TRUE(handover && *handover);
  (*handover)->succeed();
  handover->reset();
  EXPECT_EQ(this->answer("about", "4.2.0"), R"({"version":"4.2.0","restored":"4.1.0","count":1})");
  EXPECT_EQ(this->answer("count", "4.2.0"), "2");
  EXPECT_EQ(this->answer("count", "4.1.0"), "2") << "who names the old version finds what it had";
}

TYPED_TEST(HandoverTest, a_switch_that_is_not_recorded_changes_nothing) {
  EXPECT_EQ(this->answer("count", "4.1.0"), "1");
  {
    const auto handover = this->hand_over("4.1.0", "4.2.0");
    ASSERT_TRUE(handover && *handover);
  }
  EXPECT_EQ(this->answer("count", "4.1.0"), "2");
  EXPECT_EQ(this->answer("count", "4.2.0"), "1");
}

TYPED_TEST(HandoverTest, refusals_and_bad_health_name_their_reason) {
  EXPECT_EQ(this->answer("count", "4.1.0"), std::to_string(++this->count_));
  EXPECT_THAT(this->refusal(R"({"mode":"refuse-state"})"),
              AllOf(HasSubstr("plugin 'tracker' 4.2.0 does not take the state that 4.1.0 saved"),
                    HasSubstr("the count of 4.1.0 is in Roman numerals")));
  EXPECT_THAT(this->refusal(R"({"mode":"be-unwell"})"),
              HasSubstr("plugin 'tracker' 4.2.0 is not well: it counts\\nbackwards"));
}

TYPED_TEST(HandoverTest, a_state_that_cannot_be_saved_stops_the_switch) {
  for (const auto& [mode, why] :
       {std::pair("refuse-to-save", "plugin 'tracker' 4.1.0 cannot save its state: the count is not to be had"),
        std::pair("save-too-much", "1000001 bytes, at most 1000000 are handed over")}) {
    this->configuration_ = std::string(R"({"mode":")") + mode + R"("})";
    this->count_ = 0;
    EXPECT_EQ(this->answer("count", "4.1.0"), std::to_string(++this->count_));
    EXPECT_THAT(this->refusal("{}"), HasSubstr(why));
  }
}

TYPED_TEST(HandoverTest, calls_that_do_not_end_stop_the_switch) {
  EXPECT_EQ(this->answer("count", "4.1.0"), "1");
  auto later = this->invoke(this->call_of("count-later", "4.1.0"));
  const auto handover = this->hand_over("4.1.0", "4.2.0", "{}", 20ms);
  ASSERT_FALSE(handover);
  EXPECT_EQ(handover.error().code(), ErrorCode::conflict);
  EXPECT_THAT(handover.error().message(), HasSubstr("1 calls of plugin 'tracker' 4.1.0 are still open"));
  EXPECT_EQ(later.get().value_or("lost"), "2");
  EXPECT_EQ(this->answer("count", "4.1.0"), "3");
}

TYPED_TEST(HandoverTest, where_nothing_runs_calls_wait_for_the_switch_alone) {
  {
    const auto handover = this->hand_over("4.1.0", "4.2.0");
    ASSERT_TRUE(handover && *handover);
    const auto done = std::make_shared<std::promise<CallOutcome>>();
    auto answer = done->get_future();
    this->count_on(done);
    EXPECT_EQ(answer.wait_for(20ms), std::future_status::timeout);
    this->current_ = "4.2.0";
    (*handover)->succeed();
  }
  EXPECT_TRUE(this->eventually(
      [&] { return this->metrics().succeeded + this->host_->metrics().at(1).instance.succeeded == 1; }));
  EXPECT_EQ(this->answer("count", "4.2.0"), "2") << "the call that waited went to the new version";
}

TYPED_TEST(HandoverTest, a_version_without_a_state_holds_nothing_back) {
  this->load("counter_forgets", "4.3.0");
  EXPECT_EQ(this->answer("count", "4.1.0"), "1");
  const auto none_taken = this->hand_over("4.1.0", "4.3.0");
  ASSERT_TRUE(none_taken) << none_taken.error().message();
  EXPECT_EQ(*none_taken, nullptr);
  EXPECT_TRUE(CallGate::Pass(this->host_->gate(), TenantId("acme"), "tracker").is_open());
}

TYPED_TEST(HandoverTest, two_switches_at_once_are_one_too_many) {
  EXPECT_EQ(this->answer("count", "4.1.0"), "1");
  const auto first = this->hand_over("4.1.0", "4.2.0");
  ASSERT_TRUE(first);
  const auto second = this->hand_over("4.1.0", "4.2.0");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::conflict);
}

TYPED_TEST(HandoverTest, the_count_is_of_each_tenant) {
  EXPECT_EQ(this->answer("count", "4.1.0", "acme"), "1");
  EXPECT_EQ(this->answer("count", "4.1.0", "other"), "1");
  EXPECT_EQ(this->answer("count", "4.1.0", "acme"), "2");
  auto handover = this->hand_over("4.1.0", "4.2.0");
  ASSERT_TRUE(handover && *handover);
  (*handover)->succeed();
  handover->reset();
  EXPECT_EQ(this->answer("count", "4.2.0", "other"), "1");
  EXPECT_EQ(this->answer("count", "4.2.0", "acme"), "3");
}

TYPED_TEST(HandoverTest, what_a_plugin_counts_is_among_its_metrics) {
  EXPECT_EQ(this->answer("count", "4.1.0", "acme"), "1");
  EXPECT_EQ(this->answer("count", "4.1.0", "other"), "1");
  const auto own = [this] { return this->host_->metrics().at(0).own; };
  ASSERT_TRUE(this->eventually([&] { return own().size() == 2 && own()[0].value == 2 && own()[1].observed == 2; }));
  EXPECT_EQ(own()[0].name, "counted");
  EXPECT_EQ(own()[0].labels, (MetricLabels{{"kind", "plain"}}));
  EXPECT_TRUE(this->eventually([&] {
    const std::lock_guard lock(this->log_mutex_);
    return std::ranges::any_of(this->log_,
                               [](const auto& line) { return line.find("Not a name") != std::string::npos; });
  }));
}

TYPED_TEST(HandoverTest, what_a_call_says_of_itself_is_known_until_it_ends) {
  const auto said = [this] { return this->host_->progress(TenantId("acme"), "key"); };
  CallHandle handle;
  auto held = this->invoke(this->call_of("hold", "4.1.0"), &handle);
  ASSERT_TRUE(this->eventually([&] { return said() && said()->fraction; }));
  EXPECT_EQ(said()->fraction, 0.25);
  EXPECT_EQ(said()->text, "a quarter\\n");
  ASSERT_TRUE(this->eventually([&] { return said()->streamed_bytes == 12; }));
  EXPECT_EQ(said()->streamed, "word by word");
  EXPECT_EQ(said()->text, "a quarter\\n") << "which it says beside it";
  EXPECT_FALSE(this->host_->progress(TenantId("other"), "key"));
  PluginHost::cancel(handle);
  EXPECT_FALSE(held.get());
  EXPECT_FALSE(said());
}

TYPED_TEST(HandoverTest, the_parts_of_a_call_are_seen_until_it_ends_and_are_in_the_log) {
  const auto spans = [this] { return this->host_->spans(TenantId("acme"), "key"); };
  const auto logged = [this](const std::string& part) {
    const std::lock_guard lock(this->log_mutex_);
    return std::ranges::count_if(this->log_, [&](const auto& line) { return line.find(part) != std::string::npos; });
  };
  OperationCall call = this->call_of("hold", "4.1.0");
  call.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  CallHandle handle;
  auto held = this->invoke(std::move(call), &handle);
  ASSERT_TRUE(this->eventually([&] { return spans().size() == 3 && spans()[2].took; }));
  EXPECT_EQ(spans()[0].name, "copy");
  EXPECT_FALSE(spans()[0].took);
  EXPECT_EQ(spans()[0].attributes, (decltype(Span::attributes){{"page", "a \"1\""}}));
  EXPECT_EQ(spans()[1].name, "read\\n");
  EXPECT_EQ(spans()[1].parent, spans()[0].id);
  EXPECT_TRUE(spans()[1].took);
  EXPECT_TRUE(this->host_->spans(TenantId("other"), "key").empty());
  EXPECT_EQ(logged("span name=\"read"), 2);
  EXPECT_EQ(logged("span name=\"copy\""), 0);
  PluginHost::cancel(handle);
  EXPECT_FALSE(held.get());
  EXPECT_TRUE(spans().empty());
  EXPECT_EQ(logged("span name=\"copy\" took_ms="), 1) << "it ends with its call";
  EXPECT_EQ(
      logged(R"(parent=0 traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" "page"="a \"1\"")"), 1);
}

TYPED_TEST(HandoverTest, a_call_has_so_many_parts_and_the_log_says_once_that_it_wanted_more) {
  EXPECT_EQ(this->answer("many-parts", "4.1.0"), "null");
  const std::lock_guard lock(this->log_mutex_);
  EXPECT_EQ(std::ranges::count_if(this->log_, [](const auto& line) { return line.starts_with("span name=\"part\""); }),
            64);
  EXPECT_EQ(std::ranges::count_if(this->log_, [](const auto& line) { return line.starts_with("a span was dropped"); }),
            1);
}

class CrashingHandoverTest : public HandoverTest<IsolatedFixture> {
 protected:
  void SetUp() override {
    limits_.hangs_after = 2s;
    HandoverTest::SetUp();
  }
  std::string why_not_saved(const std::string& mode) {
    configuration_ = R"({"mode":")" + mode + R"("})";
    EXPECT_TRUE(eventually([&] { return answer("count", "4.1.0") == "1"; })) << mode;
    const auto handover = hand_over("4.1.0", "4.2.0");
    EXPECT_TRUE(eventually([&] { return answer("count", "4.1.0") == "1"; })) << "another process serves the tenant";
    return handover ? "it is not refused" : handover.error().message();
  }
};

TEST_F(CrashingHandoverTest, a_crash_or_a_hang_inside_save_stops_the_switch) {
  EXPECT_THAT(why_not_saved("die-in-save"), HasSubstr("Aborted"));
  EXPECT_EQ(crashes().size(), 1U);
  EXPECT_THAT(why_not_saved("hang-in-save"), HasSubstr("it did not save its state within 2 s and was ended"));
}

TEST_F(CrashingHandoverTest, switches_that_are_refused_put_nobody_in_quarantine) {
  configuration_ = R"({"mode":"hang-in-save"})";
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer("count", "4.1.0"), "1") << "of another process";
    const auto handover = hand_over("4.1.0", "4.2.0");
    ASSERT_FALSE(handover);
    EXPECT_THAT(handover.error().message(), HasSubstr("memory is lost"));
  }
  EXPECT_EQ(answer("count", "4.1.0"), "1");
  EXPECT_TRUE(crashes().empty());
}

TEST_F(CrashingHandoverTest, a_crash_inside_restore_stops_the_switch) {
  EXPECT_EQ(answer("count", "4.1.0"), "1");
  const auto handover = hand_over("4.1.0", "4.2.0", R"({"mode":"die-in-restore"})");
  ASSERT_FALSE(handover);
  EXPECT_THAT(handover.error().message(), HasSubstr("Aborted"));
  EXPECT_EQ(answer("count", "4.1.0"), "2");
}

}  // namespace
}  // namespace trv::plugin_host
