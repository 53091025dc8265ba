#include "kernel/node/position.hpp"

#include <gtest/gtest.h>

namespace trv::node {
namespace {

using record::Lsn;
using record::ShardId;

const base::TenantId acme("acme");

record::Stays in_shard(std::uint64_t shard) {
  return {.earlier = {}, .shard = ShardId(shard)};
}

TEST(Position, it_comes_back_as_it_was_given) {
  for (const std::uint64_t lsn : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{255}, std::uint64_t{1} << 47}) {
    const std::string text = position_text(acme, ShardId(3), Lsn(lsn));
    const auto parsed = parse_position("after", text, acme, in_shard(3));
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->value(), lsn);
  }
}

TEST(Position, of_another_tenant_or_shard_it_is_refused) {
  const std::string text = position_text(acme, ShardId(3), Lsn(7));
  EXPECT_FALSE(parse_position("after", text, base::TenantId("beta"), in_shard(3)));
  EXPECT_FALSE(parse_position("after", text, acme, in_shard(2)));
}

TEST(Position, of_a_shard_that_the_tenant_has_left_it_leads_to_its_place_there) {
  const record::Stays stays{
      .earlier = {{.shard = ShardId(3), .first = Lsn(1), .last = Lsn(9)}}, .shard = ShardId(1), .first = Lsn(4)};
  EXPECT_EQ(parse_position("after", position_text(acme, ShardId(3), Lsn(7)), acme, stays).value(), Lsn(7));
  EXPECT_EQ(parse_position("after", position_text(acme, ShardId(1), Lsn(4)), acme, stays).value(), stays.place(Lsn(4)));
  EXPECT_FALSE(parse_position("after", position_text(acme, ShardId(2), Lsn(4)), acme, stays));
}

TEST(Position, what_was_never_given_is_refused_and_named) {
  const std::string good = position_text(acme, ShardId(0), Lsn(7));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = changed[at] == '0' ? '1' : '0';
    EXPECT_FALSE(parse_position("after", changed, acme, in_shard(0))) << changed;
  }
  for (const std::string& text :
       {std::string(), std::string("7"), good + "0", good.substr(1), std::string(24, 'g'), std::string(24, '\xff'),
        std::string(24, '\0'), std::string(24, 'f'), std::string(1'000'000, '0')}) {
    const auto parsed = parse_position("Last-Event-ID", text, acme, in_shard(0));
    ASSERT_FALSE(parsed) << text.substr(0, 40);
    EXPECT_EQ(parsed.error().code(), base::ErrorCode::invalid);
    EXPECT_EQ(parsed.error().message().find("Last-Event-ID '"), 0U) << parsed.error().message();
    EXPECT_LT(parsed.error().message().size(), 300U);
  }
}

TEST(Position, it_differs_by_tenant_shard_and_place) {
  const std::string text = position_text(acme, ShardId(1), Lsn(9));
  EXPECT_NE(text, position_text(base::TenantId("beta"), ShardId(1), Lsn(9)));
  EXPECT_NE(text, position_text(acme, ShardId(2), Lsn(9)));
  EXPECT_NE(text, position_text(acme, ShardId(1), Lsn(10)));
}

}  // namespace
}  // namespace trv::node
