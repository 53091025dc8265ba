#include "events/record/stays.hpp"

#include <gtest/gtest.h>

namespace trv::record {
namespace {

/// In shard 1 up to record 100, in shard 2 from record 7 to 9, again in shard 1 from record 300.
Stays there_and_back() {
  return {.earlier = {{.shard = ShardId(1), .first = Lsn(1), .last = Lsn(100)},
                      {.shard = ShardId(2), .first = Lsn(7), .last = Lsn(9)}},
          .shard = ShardId(1),
          .first = Lsn(300)};
}

TEST(Stays, the_place_of_a_tenant_that_never_moved_is_its_lsn) {
  const Stays stays{.earlier = {}, .shard = ShardId(3)};
  EXPECT_EQ(stays.place(Lsn(5)), Lsn(5));
  EXPECT_EQ(stays.find(ShardId(3), Lsn(5)), Lsn(5));
  EXPECT_EQ(stays.find(ShardId(2), Lsn(5)), std::nullopt);
  EXPECT_EQ(stays.shard_of(Lsn(5)), ShardId(3));
}

TEST(Stays, places_grow_over_moves_and_lead_back_to_shard_and_lsn) {
  const Stays stays = there_and_back();
  Lsn before(0);
  for (const auto& [shard, lsn] : {std::pair(1, 100), std::pair(2, 7), std::pair(2, 9), std::pair(1, 300)}) {
    const auto place = stays.find(ShardId(static_cast<std::uint64_t>(shard)), Lsn(static_cast<std::uint64_t>(lsn)));
    ASSERT_TRUE(place);
    EXPECT_GT(*place, before);
    before = *place;
    EXPECT_EQ(stays.shard_of(*place).value(), static_cast<std::uint64_t>(shard));
    EXPECT_EQ(Stays::lsn_of(*place).value(), static_cast<std::uint64_t>(lsn));
  }
  EXPECT_EQ(stays.place(Lsn(300)), before);
}

TEST(Stays, an_lsn_between_two_stays_comes_before_the_later_one) {
  const Stays stays = there_and_back();
  EXPECT_EQ(stays.find(ShardId(1), Lsn(200)), stays.place(Lsn(200)));
  EXPECT_LT(*stays.find(ShardId(1), Lsn(200)), stays.place(Lsn(300)));
  EXPECT_GT(*stays.find(ShardId(2), Lsn(50)), *stays.find(ShardId(2), Lsn(9)));
  EXPECT_LT(*stays.find(ShardId(2), Lsn(50)), stays.place(Lsn(300)));
}

TEST(Stays, a_history_needs_each_shard_from_where_it_was_first_there) {
  const Stays stays = there_and_back();
  EXPECT_EQ(stays.first_in(ShardId(1), Lsn(40)), Lsn(40));
  EXPECT_EQ(stays.first_in(ShardId(2), Lsn(40)), Lsn(7));
  EXPECT_EQ(stays.first_in(ShardId(1), *stays.find(ShardId(2), Lsn(8))), Lsn(300));
  EXPECT_EQ(stays.first_in(ShardId(2), *stays.find(ShardId(2), Lsn(8))), Lsn(8));
  EXPECT_EQ(stays.first_in(ShardId(2), stays.place(Lsn(301))), std::nullopt);
  EXPECT_EQ(stays.first_in(ShardId(3), Lsn(40)), std::nullopt);
}

}  // namespace
}  // namespace trv::record
