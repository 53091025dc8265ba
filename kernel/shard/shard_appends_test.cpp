// What a shard promises where a batch goes to the log in several appends.

#include <map>

#include "events/log/forwarding_log.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/shard/testing/shard_fixture.hpp"

namespace trv::shard::testing {
namespace {

const log::ShardId shard_0(0);

/// Settles what came before one of the appends, and then lets something happen to the log.
class InterruptedLog final : public log::ForwardingLog {
 public:
  explicit InterruptedLog(log::InMemoryEventLog& real) : ForwardingLog(real) {}

  void before(std::size_t append, std::function<void()> happens) {
    interrupted_ = appends_ + append;
    happens_ = std::move(happens);
  }
  [[nodiscard]] std::size_t appends() const { return appends_; }

  base::Result<log::Ticket> append(const log::Claim& claim, log::Batch batch) override {
    if (++appends_ == interrupted_) {
      for (const log::Ticket& ticket : open_) settled_.emplace(ticket.number, ForwardingLog::settle(ticket));
      happens_();
    }
    TRV_TRY_ASSIGN(const log::Ticket ticket, ForwardingLog::append(claim, std::move(batch)));
    open_.push_back(ticket);
    return ticket;
  }
  base::Result<log::Settled> settle(const log::Ticket& ticket) override {
    std::erase_if(open_, [&ticket](const log::Ticket& one) { return one.number == ticket.number; });
    const auto known = settled_.find(ticket.number);
    if (known == settled_.end()) return ForwardingLog::settle(ticket);
    return settled_.extract(known).mapped();
  }

 private:
  std::atomic<std::size_t> appends_ = 0;
  std::size_t interrupted_ = 0;
  std::function<void()> happens_;
  std::vector<log::Ticket> open_;
  std::map<std::uint64_t, base::Result<log::Settled>> settled_;
};

/// Each decision is an append of its own.
class ShardAppendsTest : public ShardTest {
 protected:
  using Outcomes = std::vector<base::Result<Applied>>;

  ShardAppendsTest() {
    projection_ = *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                                shard_0, {&timers_, &outbox_, &counts_});
    ShardListeners listeners;
    listeners.effects = [this](EffectChanges changes) { handed_out_ += changes.requested.size(); };
    listeners.taken_over = [this] { ++taken_over_; };
    listeners.committed = [this](log::Lsn last) { committed_ = last.value(); };
    ShardOptions options;
    options.append_bytes = 1;
    shard_ = std::make_unique<ShardProcessor>(options, interrupted_, *projection_, timers_, clock_, random_,
                                              std::move(listeners));
    EXPECT_TRUE(shard_->start());
  }
  ~ShardAppendsTest() override { shard_.reset(); }

  /// Submits them so that they are one batch, and waits for what becomes of each.
  Outcomes together(std::vector<Command> commands) {
    std::promise<void> all_wait;
    Command first = event_command("acme", "", "held");
    first.decide = [&all_wait](const lmdb::Txn&, DecisionContext&) -> base::Result<Decision> {
      all_wait.get_future().wait();
      return Decision{};
    };
    auto held = submit(std::move(first));
    while (shard_->metrics().queue_length > 0) std::this_thread::yield();
    std::vector<std::future<base::Result<Applied>>> waiting;
    for (Command& command : commands) waiting.push_back(submit(std::move(command)));
    all_wait.set_value();
    EXPECT_TRUE(held.get());
    Outcomes outcomes;
    for (auto& one : waiting) outcomes.push_back(one.get());
    return outcomes;
  }
  static std::vector<Command> events(std::size_t count) {
    std::vector<Command> commands;
    for (std::size_t i = 0; i < count; ++i) commands.push_back(event_command("acme", "test.event", "a"));
    return commands;
  }
  /// What the projection shows is what the log holds.
  void expect_agreement() {
    const log::Lsn last = real_.bounds(shard_0)->last;
    EXPECT_EQ(projection_->committed()->lsn, last);
    EXPECT_EQ(count_of("a"), last.value());
  }

  log::InMemoryEventLog real_;
  InterruptedLog interrupted_{real_};
  std::size_t handed_out_ = 0;
};

TEST_F(ShardAppendsTest, a_later_command_is_decided_while_the_log_works_on_an_earlier_one) {
  std::vector<Command> commands = events(4);
  std::vector<std::size_t> appends_when_decided;
  for (Command& command : commands) {
    command.decide = [&, decide = std::move(command.decide)](
                         const lmdb::Txn& state, DecisionContext& context) mutable -> base::Result<Decision> {
      appends_when_decided.push_back(interrupted_.appends());
      EXPECT_EQ(real_.settle_count(), 0U);
      return decide(state, context);
    };
  }
  const Outcomes outcomes = together(std::move(commands));
  for (std::size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i]->first, log::Lsn(i + 1));
  EXPECT_EQ(appends_when_decided, (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_EQ(shard_->metrics().batches, 1U);
  EXPECT_EQ(shard_->metrics().appends, 4U);
  EXPECT_EQ(shard_->metrics().records, 4U);
  EXPECT_EQ(taken_over_, 1) << "nothing but the start";
  expect_agreement();
}

TEST_F(ShardAppendsTest, what_there_was_no_room_for_is_refused_and_what_the_log_took_before_is_kept) {
  interrupted_.before(3, [this] {
    real_.fail_next_settle(shard_0, base::Error(base::ErrorCode::exhausted, "/data/log: the disk is full"));
  });
  const Outcomes outcomes = together(events(5));
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(outcomes[i]->first, log::Lsn(i + 1));
  for (std::size_t i = 2; i < 5; ++i) {
    ASSERT_FALSE(outcomes[i]);
    EXPECT_EQ(outcomes[i].error().code(), base::ErrorCode::unavailable);
    EXPECT_NE(outcomes[i].error().message().find("nothing was changed"), std::string::npos);
  }
  expect_agreement();
  EXPECT_EQ(committed_, 2U);
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get()->first, log::Lsn(3));
  EXPECT_EQ(shard_->metrics().claims, 1U);
  EXPECT_EQ(shard_->metrics().records, 3U);
  expect_agreement();
}

TEST_F(ShardAppendsTest, effects_of_what_is_kept_of_a_batch_are_found_in_the_outbox) {
  std::vector<Command> commands = events(3);
  commands.front().decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Effect effect;
    effect.key = "k";
    effect.stream_kind = "instance";
    effect.owner = "a";
    Decision decision;
    record::Draft event = effect_requested(context, effect);
    decision.events.push_back(std::move(event));
    decision.request(std::move(effect));
    return decision;
  };
  interrupted_.before(
      2, [this] { real_.fail_next_settle(shard_0, base::Error(base::ErrorCode::exhausted, "the disk is full")); });
  const Outcomes outcomes = together(std::move(commands));
  EXPECT_TRUE(outcomes[0]);
  EXPECT_FALSE(outcomes[1]);
  EXPECT_EQ(handed_out_, 0U);
  EXPECT_EQ(taken_over_, 2);
  const auto txn = projection_->begin_read();
  EXPECT_EQ(outbox_.pending(*txn, base::TenantId("acme"), log::Lsn(0), 10)->size(), 1U);
}

TEST_F(ShardAppendsTest, where_the_fate_of_an_append_is_not_known_so_is_that_of_the_batch) {
  interrupted_.before(3, [this] { real_.tear_next_settle(shard_0, 0); });
  const Outcomes outcomes = together(events(5));
  for (const auto& one : outcomes) {
    ASSERT_FALSE(one);
    EXPECT_EQ(one.error().code(), base::ErrorCode::lost);
    EXPECT_TRUE(one.error().message().starts_with("it is not known whether")) << one.error().message();
  }
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get()->first, log::Lsn(3));
  EXPECT_EQ(shard_->metrics().claims, 2U);
  expect_agreement();
}

TEST_F(ShardAppendsTest, what_comes_behind_a_claim_of_another_node_never_happened) {
  interrupted_.before(2, [this] { real_.lose_ownership(shard_0); });
  const Outcomes outcomes = together(events(3));
  EXPECT_TRUE(outcomes[0].error().message().starts_with("it is not known whether")) << outcomes[0].error().message();
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(outcomes[i].error().code(), base::ErrorCode::lost);
    EXPECT_NE(outcomes[i].error().message().find("nothing was changed"), std::string::npos);
  }
  EXPECT_EQ(real_.bounds(shard_0)->last, log::Lsn(1));
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get()->first, log::Lsn(2));
  expect_agreement();
}

TEST_F(ShardAppendsTest, a_command_that_cannot_be_applied_fails_alone_behind_what_the_log_has) {
  std::vector<Command> commands = events(7);
  commands[3] = event_command("acme", "test.poison", "a");
  const Outcomes outcomes = together(std::move(commands));
  for (std::size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i].has_value(), i != 3) << i;
  EXPECT_EQ(outcomes[3].error().code(), base::ErrorCode::corrupt);
  EXPECT_EQ(outcomes[6]->first, log::Lsn(6));
  EXPECT_EQ(shard_->metrics().claims, 1U);
  expect_agreement();
}

}  // namespace
}  // namespace trv::shard::testing
