#include "events/kafka/membership.hpp"

#include <gtest/gtest.h>

namespace trv::kafka {
namespace {

std::set<record::ShardId> shards(std::initializer_list<std::uint64_t> numbers) {
  std::set<record::ShardId> shards;
  for (const std::uint64_t number : numbers) shards.insert(record::ShardId(number));
  return shards;
}

Member member(const std::string& node, const std::string& id, std::initializer_list<std::uint64_t> owned) {
  return {.node = node, .address = node + ":1", .version = "1", .shards = shards(owned), .id = id};
}

TEST(ShareOut, shards_of_the_ended_go_to_who_has_the_fewest_and_nobody_else_moves) {
  const std::vector<Member> members = {member("a", "3", {0, 5}), member("b", "2", {1, 4, 6}), member("c", "1", {2}),
                                       member("d", "0", {3, 7})};
  EXPECT_EQ(share_out(members, {}), members);
  const std::vector<Member> three = {member("a", "3", {0, 5}), member("c", "1", {1, 2, 6}),
                                     member("d", "0", {3, 4, 7})};
  EXPECT_EQ(share_out(members, {"2"}), three);
  EXPECT_EQ(share_out(members, {"2", "unknown"}), three);
  const std::vector<Member> two = {member("c", "1", {0, 2, 4, 6}), member("d", "0", {1, 3, 5, 7})};
  EXPECT_EQ(share_out(members, {"2", "3"}), two);
}

TEST(ShareOut, the_highest_shard_goes_first_and_to_the_lowest_id) {
  const std::vector<Member> members = {member("a", "2", {0, 1}), member("b", "1", {2, 3}), member("c", "3", {4, 5})};
  const std::vector<Member> two = {member("a", "2", {0, 1, 4}), member("b", "1", {2, 3, 5})};
  EXPECT_EQ(share_out(members, {"3"}), two);
}

TEST(ShareOut, where_all_have_ended_nobody_owns_anything) {
  EXPECT_TRUE(share_out({member("a", "1", {0})}, {"1"}).empty());
  EXPECT_TRUE(share_out({}, {"1"}).empty());
}

}  // namespace
}  // namespace trv::kafka
