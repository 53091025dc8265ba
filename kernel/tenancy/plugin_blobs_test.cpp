// The blobs of plugins: which digests a plugin has in a tenant, and how much.

#include "kernel/tenancy/plugin_blobs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>

#include "kernel/tenancy/testing/store_fixture.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using testing::AllOf;
using testing::HasSubstr;

class PluginBlobsTest : public StoreFixture<PluginBlobs> {
 protected:
  static base::Digest digest(std::string_view text) { return base::sha256(base::as_bytes(text)); }
  /// How many events it led to.
  base::Result<std::size_t> keep(std::string_view text, std::uint64_t bytes, const std::string& name = "",
                                 const std::string& tenant = "acme", const std::string& plugin = "tracker") {
    return decided(
        [&](const lmdb::Txn& txn, shard::DecisionContext& context) {
          return decide(store_, txn, context,
                        StorePluginBlob{plugin, {digest(text), bytes, "text/plain", name}, "call"});
        },
        tenant, "plugin:" + plugin);
  }
  base::Result<std::size_t> erase(const std::optional<base::Digest>& sha256, const std::string& tenant = "acme") {
    return decided(
        [&](const lmdb::Txn& txn, shard::DecisionContext& context) {
          return decide(store_, txn, context, ErasePluginBlob{"tracker", sha256, "call"});
        },
        tenant, "plugin:tracker");
  }
  /// Size and name; "none".
  std::string get(std::string_view text, const std::string& tenant = "acme", const std::string& plugin = "tracker") {
    const auto found = store_.get(*env_->begin_read(), base::TenantId(tenant), plugin, digest(text));
    if (!found) return found.error().message();
    return *found ? std::to_string((*found)->bytes) + " " + (*found)->name : "none";
  }
  std::set<base::Digest> named() {
    std::set<base::Digest> all;
    EXPECT_TRUE(store_.add_named(*env_->begin_read(), all));
    return all;
  }
  PluginBlobUse use() { return *store_.use(*env_->begin_read(), base::TenantId("acme"), "tracker"); }
};

TEST_F(PluginBlobsTest, what_was_stored_is_there_until_it_is_erased) {
  EXPECT_EQ(get("a"), "none");
  EXPECT_EQ(keep("a", 10, "a.txt").value_or(9), 1U);
  EXPECT_EQ(keep("a", 10, "a.txt").value_or(9), 0U) << "again";
  EXPECT_EQ(keep("a", 10, "b.txt").value_or(9), 1U) << "under another name";
  EXPECT_EQ(get("a"), "10 b.txt");
  EXPECT_EQ(use().blobs, 1U);
  EXPECT_EQ(use().bytes, 10U);
  EXPECT_EQ(erase(digest("a")).value_or(9), 1U);
  EXPECT_EQ(erase(digest("a")).value_or(9), 0U) << "again";
  EXPECT_EQ(get("a"), "none");
  EXPECT_EQ(use().bytes, 0U);
}

TEST_F(PluginBlobsTest, the_same_bytes_are_of_each_tenant_and_plugin_that_stored_them_alone) {
  ASSERT_TRUE(keep("a", 10));
  EXPECT_EQ(get("a", "beta"), "none");
  EXPECT_EQ(get("a", "acme", "other"), "none");
  ASSERT_TRUE(keep("a", 10, "theirs", "beta"));
  ASSERT_TRUE(keep("b", 10, "", "acme", "other"));
  EXPECT_EQ(named(), (std::set{digest("a"), digest("b")}));
  ASSERT_TRUE(erase(std::nullopt));
  EXPECT_EQ(get("a"), "none");
  EXPECT_EQ(get("a", "beta"), "10 theirs");
  EXPECT_EQ(get("b", "acme", "other"), "10 ");
  EXPECT_EQ(named(), (std::set{digest("a"), digest("b")})) << "somebody keeps it still";
  ASSERT_TRUE(erase(std::nullopt, "beta"));
  EXPECT_EQ(named(), std::set{digest("b")});
  EXPECT_EQ(*store_.plugins(*env_->begin_read(), base::TenantId("acme")), std::vector<std::string>{"other"});
}

TEST_F(PluginBlobsTest, a_list_has_each_blob_once_in_the_order_of_digests_page_by_page) {
  std::set<base::Digest> all;
  for (int i = 0; i < 25; ++i) {
    ASSERT_TRUE(keep(std::to_string(i), 1));
    all.insert(digest(std::to_string(i)));
  }
  ASSERT_TRUE(keep("theirs", 1, "", "beta"));
  std::vector<base::Digest> listed;
  std::optional<base::Digest> after;
  for (bool goes_on = true; goes_on;) {
    const auto page = store_.list(*env_->begin_read(), base::TenantId("acme"), "tracker", after, 10);
    ASSERT_TRUE(page);
    for (const PluginBlob& blob : page->blobs) listed.push_back(blob.sha256);
    after = listed.back();
    goes_on = page->has_more;
  }
  EXPECT_EQ(listed, std::vector(all.begin(), all.end()));
}

TEST_F(PluginBlobsTest, what_is_over_the_limit_is_refused_with_what_there_is_and_what_to_do) {
  ASSERT_TRUE(keep("a", plugin_blobs_bytes_max - 5));
  EXPECT_TRUE(keep("b", 5));
  const auto refused = keep("c", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(refused.error().message(),
              AllOf(HasSubstr("plugin 'tracker' keeps 2 blobs with 1073741824 bytes in tenant 'acme'"),
                    HasSubstr("erase what is not needed")));
  EXPECT_TRUE(keep("b", 5, "named")) << "what is kept already needs no room";
  ASSERT_TRUE(erase(digest("b")));
  EXPECT_TRUE(keep("c", 1));
}

TEST_F(PluginBlobsTest, what_is_erased_counts_for_its_day) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(keep(std::to_string(i), plugin_blobs_bytes_max));
    ASSERT_TRUE(erase(std::nullopt));
  }
  const auto refused = keep("more", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("has stored 4294967296 bytes in tenant 'acme' today"));
}

}  // namespace
}  // namespace trv::tenancy
