#pragma once
// An outbox in a projection of its own, for tests: effects are requested and settled as a shard's records would.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "events/projection/projection.hpp"
#include "kernel/shard/decision.hpp"
#include "kernel/shard/outbox.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::effects::testing {

/// request() and the rest of what writes: one thread at a time, whichever.
class OutboxFixture {
 public:
  explicit OutboxFixture(const base::Clock& clock) : clock_(clock) {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) / (std::string("effects_") + test->name());
    std::filesystem::remove_all(folder_);
    projection_ = *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{4} << 30},
                                                record::ShardId(0), {&outbox_});
  }
  ~OutboxFixture() {
    projection_.reset();
    std::filesystem::remove_all(folder_);
  }
  OutboxFixture(const OutboxFixture&) = delete;
  OutboxFixture& operator=(const OutboxFixture&) = delete;

  [[nodiscard]] const projection::Projection& projection() const { return *projection_; }
  [[nodiscard]] const shard::Outbox& outbox() const { return outbox_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  [[nodiscard]] static shard::Effect effect(std::string tenant, std::string key) {
    shard::Effect effect;
    effect.tenant = base::TenantId(std::move(tenant));
    effect.key = std::move(key);
    effect.stream_kind = "instance";
    effect.owner = "i";
    effect.kind = "plugin";
    effect.plugin = "tracker";
    effect.version = "1.2.3";
    effect.operation = "open";
    effect.timeout = std::chrono::seconds(10);
    return effect;
  }
  /// Requests the effects, in one transaction. Returns them as the shard would hand them out.
  std::vector<shard::Effect> request(std::vector<shard::Effect> effects) {
    std::vector<record::Draft> events;
    for (shard::Effect& one : effects) {
      events.push_back(shard::effect_requested(context(one.tenant), one));
      one.requested = clock_.now();
    }
    const record::Lsn before = apply(events);
    for (std::size_t i = 0; i < effects.size(); ++i) effects[i].position = record::Lsn(before.value() + 1 + i);
    return effects;
  }
  void settle(const shard::Effect& one, const shard::Outcome& outcome) {
    apply({shard::effect_settled(context(one.tenant), one.stream_kind, one.owner, {one.key, one.position}, outcome)});
  }
  void park(const shard::Effect& one, std::uint32_t deaths) {
    apply({shard::effect_parked(context(one.tenant), one, deaths)});
  }
  [[nodiscard]] std::size_t pending(const std::string& tenant) const {
    const auto txn = *projection_->begin_read();
    return outbox_.pending(txn, base::TenantId(tenant), {}, 1'000'000)->size();
  }

 private:
  [[nodiscard]] shard::DecisionContext context(const base::TenantId& tenant) {
    return {tenant, "kernel", clock_.now(), ids_, std::nullopt, std::nullopt, ""};
  }
  /// Returns the position before the first.
  record::Lsn apply(const std::vector<record::Draft>& events) {
    const std::scoped_lock lock(mutex_);
    const record::Lsn before = projection_->applied().lsn;
    auto txn = *projection_->begin();
    for (const record::Draft& event : events) {
      const auto& applied = txn.applied();
      const auto view = encoder_.encode(event, {.shard = record::ShardId(0),
                                                .lsn = applied.lsn.next(),
                                                .epoch = record::Epoch(1),
                                                .prev_hash = applied.last_hash});
      EXPECT_TRUE(view);
      EXPECT_TRUE(projection_->apply(txn, *view, record::hash_of(view->stored())));
    }
    EXPECT_TRUE(projection_->seal(txn));
    EXPECT_TRUE(projection_->commit(std::move(txn), {}));
    return before;
  }

  const base::Clock& clock_;
  std::filesystem::path folder_;
  std::mutex mutex_;
  base::SimulatedRandom random_{1};
  base::UuidSource ids_{random_};
  record::RecordEncoder encoder_;
  shard::Outbox outbox_;
  std::unique_ptr<projection::Projection> projection_;
};

}  // namespace trv::effects::testing
