#include "kernel/shard/outbox.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "kernel/shard/decision.hpp"
#include "sdk/base/random.hpp"

namespace trv::shard {
namespace {

using namespace std::chrono_literals;

/// An outbox in an environment of its own; each event is one record.
class OutboxTest : public testing::Test {
 protected:
  OutboxTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                (std::string("outbox_") + testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    env_.emplace(*lmdb::Env::open(folder_, {.map_bytes = std::uint64_t{1} << 26, .sync = lmdb::Sync::none}));
    auto txn = *env_->begin_write();
    EXPECT_TRUE(outbox_.open(txn));
    EXPECT_TRUE(txn.commit());
  }
  ~OutboxTest() override {
    env_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] DecisionContext context(const std::string& tenant) {
    return {base::TenantId(tenant), "kernel", now_, ids_, std::nullopt, std::nullopt, ""};
  }
  static Effect effect(const std::string& owner, const std::string& key) {
    Effect one;
    one.key = key;
    one.stream_kind = "instance";
    one.owner = owner;
    one.kind = "plugin";
    one.plugin = "tracker";
    one.version = "1.2.3";
    one.operation = "open";
    one.input = R"({"a":1})";
    one.timeout = 30s;
    return one;
  }
  record::Lsn apply(const record::Draft& event) {
    auto txn = *env_->begin_write();
    const auto view = encoder_.encode(event, {record::ShardId(0), last_ = last_.next(), record::Epoch(1), {}});
    EXPECT_TRUE(view);
    EXPECT_TRUE(outbox_.apply(txn, *view));
    EXPECT_TRUE(txn.commit());
    return last_;
  }
  record::Lsn park(const std::string& tenant, const std::string& owner, const std::string& key, record::Lsn position) {
    Effect one = effect(owner, key);
    one.position = position;
    return apply(effect_parked(context(tenant), one, 3));
  }
  record::Lsn request(const std::string& tenant, const std::string& owner, const std::string& key) {
    return apply(effect_requested(context(tenant), effect(owner, key)));
  }
  std::vector<std::string> pending(const std::string& tenant, record::Lsn after = {}, std::size_t max = 100) {
    const auto txn = *env_->begin_read();
    std::vector<std::string> keys;
    const auto effects = *outbox_.pending(txn, base::TenantId(tenant), after, max);
    for (const Effect& one : effects) keys.push_back(one.key);
    return keys;
  }
  std::vector<ParkedEffect> parked(const std::string& tenant, const std::string& after = {}, std::size_t max = 100) {
    const auto txn = *env_->begin_read();
    return *outbox_.parked(txn, base::TenantId(tenant), after, max);
  }
  using Keys = std::vector<std::string>;

  std::filesystem::path folder_;
  std::optional<lmdb::Env> env_;
  Outbox outbox_;
  base::SimulatedRandom random_{1};
  base::UuidSource ids_{random_};
  base::Timestamp now_{1'000'000'000};
  record::RecordEncoder encoder_;
  record::Lsn last_;
};

TEST_F(OutboxTest, pending_effects_come_in_the_order_of_their_records_and_from_any_of_them_on) {
  const record::Lsn first = request("acme", "i1", "z");
  request("acme", "i2", "b");
  request("acme-two", "i3", "other");
  request("acme", "i1", "a");
  EXPECT_EQ(pending("acme"), (Keys{"z", "b", "a"}));
  EXPECT_EQ(pending("acme", first), (Keys{"b", "a"}));
  EXPECT_EQ(pending("acme", first, 1), Keys{"b"});
  EXPECT_EQ(pending("acme", last_), Keys{});
  EXPECT_EQ(pending("acme-two"), Keys{"other"});
}

TEST_F(OutboxTest, an_effect_comes_back_as_it_was_requested) {
  now_ = base::Timestamp(77'000'000'000);
  const record::Lsn position = request("acme", "i1", "k");
  const auto txn = *env_->begin_read();
  const Effect one = outbox_.pending(txn, base::TenantId("acme"), {}, 1)->at(0);
  EXPECT_EQ(one.tenant, base::TenantId("acme"));
  EXPECT_EQ(one.stream_kind, "instance");
  EXPECT_EQ(one.owner, "i1");
  EXPECT_EQ(one.plugin, "tracker");
  EXPECT_EQ(one.version, "1.2.3");
  EXPECT_EQ(one.operation, "open");
  EXPECT_EQ(one.input, R"({"a":1})");
  EXPECT_EQ(one.timeout, 30s);
  EXPECT_EQ(one.requested, now_);
  EXPECT_EQ(one.position, position);
  EXPECT_FALSE(one.is_tried_once);
  Effect repeated_by_its_owner = effect("i1", "k2");
  repeated_by_its_owner.is_tried_once = true;
  apply(effect_requested(context("acme"), repeated_by_its_owner));
  const auto later = *env_->begin_read();
  const auto both = *outbox_.pending(later, base::TenantId("acme"), {}, 2);
  EXPECT_FALSE(both.at(0).is_tried_once);
  EXPECT_TRUE(both.at(1).is_tried_once);
}

TEST_F(OutboxTest, tenants_with_pending_effects_are_found_one_after_another) {
  request("acme", "i", "1");
  request("acme", "i", "2");
  request("acme-two", "i", "3");
  request("b", "i", "4");
  const auto txn = *env_->begin_read();
  EXPECT_EQ(outbox_.tenant_behind(txn, "")->value(), base::TenantId("acme"));
  EXPECT_EQ(outbox_.tenant_behind(txn, "acme")->value(), base::TenantId("acme-two"));
  EXPECT_EQ(outbox_.tenant_behind(txn, "acme-two")->value(), base::TenantId("b"));
  EXPECT_FALSE(*outbox_.tenant_behind(txn, "b"));
}

TEST_F(OutboxTest, an_outcome_or_a_cancellation_ends_one_effect_of_its_own_tenant) {
  const record::Lsn first = request("acme", "i1", "k");
  request("other", "i1", "k");
  const record::Lsn third = request("acme", "i2", "k2");
  Outcome outcome;
  outcome.ok = true;
  apply(effect_settled(context("acme"), "instance", "i1", {"k", first}, outcome));
  EXPECT_EQ(pending("acme"), Keys{"k2"});
  EXPECT_EQ(pending("other"), Keys{"k"});
  apply(effect_settled(context("acme"), "instance", "i1", {"k", first}, outcome));
  EXPECT_EQ(pending("acme"), Keys{"k2"}) << "a second one finds nothing";
  apply(effect_cancelled(context("acme"), "instance", "i2", {"k2", third}));
  EXPECT_EQ(pending("acme"), Keys{});
  EXPECT_EQ(pending("other"), Keys{"k"});
  const auto txn = *env_->begin_read();
  EXPECT_FALSE(*outbox_.is_pending(txn, base::TenantId("acme"), record::Lsn(3)));
  EXPECT_TRUE(*outbox_.is_pending(txn, base::TenantId("other"), record::Lsn(2)));
}

TEST_F(OutboxTest, a_parked_effect_is_not_pending_and_goes_to_the_end_when_it_is_released) {
  const record::Lsn requested = request("acme", "i1", "bad");
  now_ = base::Timestamp(2'000'000'000);
  park("acme", "i1", "bad", requested);
  park("acme", "i1", "bad", requested);
  EXPECT_EQ(pending("acme"), Keys{});
  const auto all = parked("acme");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].deaths, 3U);
  EXPECT_EQ(all[0].parked, now_);
  EXPECT_EQ(all[0].effect.plugin, "tracker");
  EXPECT_TRUE(parked("other").empty());
  request("acme", "i2", "good");
  now_ = base::Timestamp(9'000'000'000);
  const record::Lsn released = apply(effect_released(context("acme"), all[0].effect));
  EXPECT_TRUE(parked("acme").empty());
  EXPECT_EQ(pending("acme"), (Keys{"good", "bad"}));
  const auto txn = *env_->begin_read();
  const Effect one = outbox_.pending(txn, base::TenantId("acme"), {}, 2)->at(1);
  EXPECT_EQ(one.position, released);
  EXPECT_EQ(one.requested, now_);
}

TEST_F(OutboxTest, parked_effects_are_listed_in_pages_and_found_by_their_id_in_their_tenant) {
  for (const char* key : {"1", "2", "3"}) {
    park("acme", "i", key, request("acme", "i", key));
  }
  const auto all = parked("acme");
  ASSERT_EQ(all.size(), 3U);
  const auto rest = parked("acme", all[0].id, 10);
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0].id, all[1].id);
  const auto txn = *env_->begin_read();
  EXPECT_EQ((*outbox_.find_parked(txn, base::TenantId("acme"), all[2].id))->effect.key, all[2].effect.key);
  EXPECT_FALSE(*outbox_.find_parked(txn, base::TenantId("other"), all[2].id));
  EXPECT_FALSE(*outbox_.find_parked(txn, base::TenantId("acme"), "nonsense"));
  EXPECT_EQ(outbox_.parked(txn, base::TenantId("acme"), "nonsense", 1).error().code(), base::ErrorCode::invalid);
}

TEST_F(OutboxTest, a_parked_effect_can_be_settled_or_cancelled) {
  // Longer than a key of LMDB may be.
  const std::string long_key(600, 'b');
  park("acme", "i1", long_key, request("acme", "i1", long_key));
  park("acme", "i2", "c", request("acme", "i2", "c"));
  park("acme", "i3", "d", request("acme", "i3", "d"));
  apply(effect_cancelled(context("acme"), "instance", "i1", {long_key, {}}));
  Outcome outcome;
  outcome.code = "unavailable";
  apply(effect_settled(context("acme"), "instance", "i2", {"c", {}}, outcome));
  const auto left = parked("acme");
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].id, effect_id("d"));
  EXPECT_TRUE(pending("acme").empty());
}

}  // namespace
}  // namespace trv::shard
