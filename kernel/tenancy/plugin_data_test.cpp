// The stores of plugins: what a put and an erase change, and that no two calls lose what the other wrote.

#include "kernel/tenancy/plugin_data.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "kernel/tenancy/testing/store_fixture.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

class PluginDataTest : public StoreFixture<PluginData> {
 protected:
  base::Result<std::size_t> run(const auto& decide_it, const std::string& tenant) {
    return decided(decide_it, tenant, "plugin:tracker");
  }
  /// The revision.
  base::Result<std::uint64_t> put(const std::string& key, const std::string& value,
                                  std::uint64_t expected = any_revision, const std::string& tenant = "acme",
                                  const std::string& plugin = "tracker") {
    std::uint64_t revision = 0;
    TRV_TRY(run(
        [&](const lmdb::Txn& txn, shard::DecisionContext& context) {
          return decide(store_, txn, context, PutPluginData{plugin, key, value, expected, "call"}, revision);
        },
        tenant));
    return revision;
  }
  /// How many events it led to.
  base::Result<std::size_t> erase(const std::optional<std::string>& key, std::uint64_t expected = any_revision) {
    return run(
        [&](const lmdb::Txn& txn, shard::DecisionContext& context) {
          return decide(store_, txn, context, ErasePluginData{"tracker", key, expected, "call"});
        },
        "acme");
  }
  /// Value and revision; "none".
  std::string get(const std::string& key, const std::string& tenant = "acme", const std::string& plugin = "tracker") {
    const auto txn = env_->begin_read();
    const auto found = store_.get(*txn, base::TenantId(tenant), plugin, key);
    if (!found) return found.error().message();
    return *found ? (*found)->value + " " + std::to_string((*found)->revision) : "none";
  }
  std::string list(const std::string& prefix, const std::string& after = "", std::size_t count_max = 100,
                   std::size_t bytes_max = 1'000'000) {
    const auto txn = env_->begin_read();
    const auto page = store_.list(*txn, base::TenantId("acme"), "tracker", prefix, after, count_max, bytes_max);
    if (!page) return page.error().message();
    std::string keys;
    for (const PluginDatum& datum : page->entries) keys += datum.key + " ";
    return keys + (page->has_more ? "…" : ".");
  }
  PluginDataUse use() { return *store_.use(*env_->begin_read(), base::TenantId("acme"), "tracker"); }
};

TEST_F(PluginDataTest, what_was_put_is_there_until_it_is_erased) {
  EXPECT_EQ(get("cursor"), "none");
  EXPECT_EQ(put("cursor", "1").value_or(0), 1U);
  EXPECT_EQ(put("cursor", "2").value_or(0), 2U);
  EXPECT_EQ(put("cursor", "2").value_or(0), 2U) << "again";
  EXPECT_EQ(get("cursor"), "2 2");
  EXPECT_EQ(use().bytes, 7U);
  EXPECT_EQ(erase("cursor").value_or(9), 1U);
  EXPECT_EQ(erase("cursor").value_or(9), 0U) << "again";
  EXPECT_EQ(get("cursor"), "none");
  EXPECT_EQ(use().bytes, 0U);
  EXPECT_EQ(put("cursor", "3").value_or(0), 3U) << "no revision comes twice";
}

TEST_F(PluginDataTest, tenants_and_plugins_have_stores_of_their_own) {
  ASSERT_TRUE(put("a", "1"));
  ASSERT_TRUE(put("a", "2", any_revision, "beta"));
  ASSERT_TRUE(put("a", "3", any_revision, "acme", "other"));
  EXPECT_EQ(get("a"), "1 1");
  EXPECT_EQ(get("a", "beta"), "2 1");
  EXPECT_EQ(get("a", "acme", "other"), "3 1");
  EXPECT_EQ(erase(std::nullopt).value_or(9), 1U);
  EXPECT_EQ(get("a"), "none");
  EXPECT_EQ(get("a", "acme", "other"), "3 1");
  EXPECT_EQ(put("a", "1").value_or(0), 2U) << "no revision comes twice";
}

TEST_F(PluginDataTest, of_two_calls_that_read_the_same_revision_one_writes) {
  ASSERT_EQ(put("count", "5", 0).value_or(0), 1U);
  EXPECT_EQ(put("count", "6", 1).value_or(0), 2U);
  const auto late = put("count", "6", 1);
  ASSERT_FALSE(late) << "the same value is another call's, too";
  EXPECT_EQ(late.error().code(), ErrorCode::conflict);
  EXPECT_THAT(late.error().message(), HasSubstr("has revision 2 of \"count\", and revision 1 was expected"));
  EXPECT_EQ(put("count", "1", 0).error().code(), ErrorCode::conflict);
  EXPECT_EQ(erase("count", 1).error().code(), ErrorCode::conflict);
  EXPECT_EQ(erase("nothing", 7).error().code(), ErrorCode::conflict);
  EXPECT_EQ(get("count"), "6 2");
  EXPECT_EQ(erase("count", 2).value_or(9), 1U);
}

TEST_F(PluginDataTest, a_list_has_the_keys_of_a_prefix_in_order_page_by_page) {
  for (const char* key : {"b/2", "a", "b/1", "b/3", "c", "b"}) ASSERT_TRUE(put(key, "\"value\""));
  EXPECT_EQ(list(""), "a b b/1 b/2 b/3 c .");
  EXPECT_EQ(list("b/"), "b/1 b/2 b/3 .");
  EXPECT_EQ(list("b/", "", 2), "b/1 b/2 …");
  EXPECT_EQ(list("b/", "b/2", 2), "b/3 .");
  EXPECT_EQ(list("b/", "a", 2), "b/1 b/2 …");
  EXPECT_EQ(list("b/", "c"), ".");
  EXPECT_EQ(list("", "", 100, 15), "a …") << "bytes";
  EXPECT_EQ(list("x"), ".");
}

TEST_F(PluginDataTest, a_full_store_takes_no_more_and_says_what_it_has) {
  const std::string large = '"' + std::string(65'000, 'x') + '"';
  std::uint64_t count = 0;
  base::Result<std::uint64_t> last = 0;
  while (last) last = put("key" + std::to_string(count++), large);
  EXPECT_EQ(count, 162U);
  EXPECT_EQ(last.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(last.error().message(), HasSubstr("of plugin 'tracker' in tenant 'acme' is full: it has 161 entries"));
  EXPECT_TRUE(put("key0", "1")) << "what makes it smaller is taken";
  EXPECT_TRUE(put("more", large));
}

TEST_F(PluginDataTest, a_key_that_does_not_fit_with_its_tenant_and_plugin_is_refused) {
  const auto refused = put(std::string(256, 'k'), "1", any_revision, "acme", std::string(250, 'p'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::too_large);
}

}  // namespace
}  // namespace trv::tenancy
