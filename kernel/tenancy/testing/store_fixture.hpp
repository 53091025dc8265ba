#pragma once
// Rows of one kind in a folder of their own, and decisions whose events are applied to them.

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "events/lmdb/env.hpp"
#include "events/record/record.hpp"
#include "kernel/shard/decision.hpp"
#include "sdk/base/random.hpp"

namespace trv::tenancy {

template <typename Store>
class StoreFixture : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "tenancyXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto env = lmdb::Env::open(folder_, {.map_bytes = std::uint64_t{1} << 27, .sync = lmdb::Sync::none});
    ASSERT_TRUE(env) << env.error().message();
    env_.emplace(*std::move(env));
    auto txn = env_->begin_write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(store_.open(*txn));
    ASSERT_TRUE(txn->commit());
  }
  void TearDown() override {
    env_.reset();
    std::filesystem::remove_all(folder_);
  }

  /// How many events it led to. `decide_it` takes the transaction and the context.
  base::Result<std::size_t> decided(const auto& decide_it, const std::string& tenant, const std::string& actor) {
    TRV_TRY_ASSIGN(auto txn, env_->begin_write());
    shard::DecisionContext context{base::TenantId(tenant), actor, base::Timestamp(1'000), ids_, std::nullopt,
                                   std::nullopt,           ""};
    TRV_TRY_ASSIGN(const shard::Decision decision, decide_it(txn, context));
    for (const record::Draft& draft : decision.events) TRV_TRY(apply(txn, draft));
    TRV_TRY(txn.commit());
    return decision.events.size();
  }
  base::Status apply(lmdb::WriteTxn& txn, const record::Draft& draft) {
    TRV_TRY_ASSIGN(
        const record::RecordView record,
        encoder_.encode(draft, {.shard = record::ShardId(0), .lsn = record::Lsn(++lsn_), .epoch = record::Epoch(1)}));
    return store_.apply(txn, record);
  }

  std::filesystem::path folder_;
  std::optional<lmdb::Env> env_;
  Store store_;
  base::SystemRandom random_;
  base::UuidSource ids_{random_};
  record::RecordEncoder encoder_;
  std::uint64_t lsn_ = 0;
};

}  // namespace trv::tenancy
