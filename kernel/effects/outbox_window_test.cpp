#include "kernel/effects/outbox_window.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "kernel/effects/testing/outbox_fixture.hpp"

namespace trv::effects {
namespace {

using testing::OutboxFixture;

class OutboxWindowTest : public ::testing::Test {
 protected:
  std::vector<shard::Effect> request(const std::string& tenant, int count) {
    std::vector<shard::Effect> effects;
    for (int i = 0; i < count; ++i) effects.push_back(OutboxFixture::effect(tenant, tenant + std::to_string(i)));
    return outbox_.request(std::move(effects));
  }
  OutboxWindow window(std::size_t effects_max, std::size_t bytes_max = 1U << 30) {
    return {{.effects_max = effects_max, .bytes_max = bytes_max}, outbox_.projection(), outbox_.outbox()};
  }
  static std::size_t count_of(const std::vector<shard::Effect>& effects, const std::string& tenant) {
    return static_cast<std::size_t>(
        std::ranges::count_if(effects, [&](const auto& one) { return one.tenant.value() == tenant; }));
  }

  base::SimulatedClock clock_{base::Timestamp(1'000'000'000)};
  OutboxFixture outbox_{clock_};
};

TEST_F(OutboxWindowTest, what_the_outbox_holds_at_first_comes_in_turn_and_never_more_than_fits) {
  request("big", 1000);
  request("small", 5);
  OutboxWindow window = this->window(100);
  ASSERT_TRUE(window.wants_pull());
  const auto pulled = *window.pull();
  EXPECT_LE(pulled.size(), 100U);
  EXPECT_EQ(window.held(), pulled.size());
  EXPECT_EQ(count_of(pulled, "small"), 5U);
  EXPECT_GE(count_of(pulled, "big"), 40U);
  EXPECT_FALSE(window.wants_pull());
}

TEST_F(OutboxWindowTest, all_of_it_comes_once_and_in_order_while_effects_leave) {
  request("a", 333);
  request("b", 77);
  OutboxWindow window = this->window(10);
  std::map<std::string, std::uint64_t> last;
  std::size_t count = 0;
  while (window.wants_pull()) {
    const auto pulled = *window.pull();
    for (const shard::Effect& effect : pulled) {
      EXPECT_GT(effect.position.value(), last[effect.tenant.value()]);
      last[effect.tenant.value()] = effect.position.value();
      window.release(effect, 0);
      ++count;
    }
  }
  EXPECT_EQ(count, 410U);
  EXPECT_EQ(window.held(), 0U);
}

TEST_F(OutboxWindowTest, a_new_effect_enters_without_the_outbox_where_it_is_next_and_fits) {
  OutboxWindow window = this->window(4);
  EXPECT_TRUE(window.pull()->empty());
  const auto effects = request("a", 4);
  EXPECT_TRUE(window.take(effects[0]));
  EXPECT_FALSE(window.take(effects[0]));
  EXPECT_TRUE(window.take(effects[1]));
  // Half of the window is left for others.
  EXPECT_FALSE(window.take(effects[2]));
  EXPECT_TRUE(window.take(request("b", 1)[0]));
  window.release(effects[0], 0);
  // One before it is in the outbox still: the order stays.
  EXPECT_FALSE(window.take(effects[3]));
  window.release(effects[1], 0);
  const auto pulled = *window.pull();
  ASSERT_FALSE(pulled.empty());
  EXPECT_EQ(pulled[0].key, effects[2].key);
}

TEST_F(OutboxWindowTest, what_was_pulled_is_not_taken_again) {
  const auto effects = request("a", 2);
  OutboxWindow window = this->window(10);
  EXPECT_EQ(window.pull()->size(), 2U);
  EXPECT_FALSE(window.take(effects[0]));
  EXPECT_FALSE(window.take(effects[1]));
}

TEST_F(OutboxWindowTest, effects_of_another_owner_of_the_shard_are_found) {
  OutboxWindow window = this->window(10);
  EXPECT_TRUE(window.pull()->empty());
  request("a", 2);
  EXPECT_FALSE(window.wants_pull());
  window.look_again();
  EXPECT_EQ(window.pull()->size(), 2U);
}

TEST_F(OutboxWindowTest, large_effects_fill_it_by_their_bytes) {
  std::vector<shard::Effect> effects;
  for (int i = 0; i < 20; ++i) {
    effects.push_back(OutboxFixture::effect("a", std::to_string(i)));
    effects.back().input = '"' + std::string(100'000, 'x') + '"';
  }
  outbox_.request(std::move(effects));
  OutboxWindow window = this->window(1000, 500'000);
  const auto pulled = *window.pull();
  EXPECT_EQ(pulled.size(), 5U);
  window.release(pulled[0], 0);
  window.grow(200'000);
  EXPECT_TRUE(window.pull()->empty());
}

}  // namespace
}  // namespace trv::effects
