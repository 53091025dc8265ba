#include "kernel/workflow/instance/search.hpp"

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

std::string text(std::string_view name, std::string_view body) {
  return fmt::format("document: {{dsl: '1.0.3', namespace: n, name: {}, version: '1.0.0'}}\n{}", name, body);
}

class SearchTest : public ::testing::Test {
 protected:
  InstanceId start(const std::string& name, const std::string& key = {}) {
    kernel_.now = kernel_.now + std::chrono::seconds(1);
    return good(kernel_.run([&](auto& txn, auto& here, auto those) {
             return instance::start(txn, here, those,
                                    {.space = "n", .name = name, .version = "", .input = {}, .key = key});
           }))
        .instance;
  }
  std::vector<InstanceId> find(const Search& search, const char* tenant = "acme", std::size_t page_size = 2) {
    std::vector<InstanceId> found;
    auto txn = kernel_.read();
    const InstanceStore store(kernel_.tables());
    std::string cursor;
    do {
      const auto page = good(store.list(txn, base::TenantId(tenant), search, cursor, page_size));
      for (const InstanceSummary& one : page.items) found.push_back(one.id);
      cursor = page.next;
    } while (!cursor.empty());
    return found;
  }
  using Ids = std::vector<InstanceId>;

  TestKernel kernel_;
};

TEST_F(SearchTest, instances_are_found_by_key_workflow_status_error_and_time_and_all_of_them_together) {
  kernel_.apply_text(text("sets", "do: [{a: {set: {x: 1}}}]\n"));
  kernel_.apply_text(text("waits", "do: [{a: {wait: {hours: 1}}}]\n"));
  kernel_.apply_text(
      text("raises",
           "do: [{a: {raise: {error: {type: 'https://example.com/errors/out-of-stock', status: 409, title: "
           "Out of stock, detail: the Blue one is gone}}}}]\n"));
  const InstanceId sets = start("sets", "ORDER-1");
  const InstanceId waits = start("waits", "ORDER-2");
  const base::Timestamp time = kernel_.now;
  const InstanceId raises = start("raises", "ORDER-1");
  const InstanceId again = start("sets");

  EXPECT_EQ(find({}), (Ids{again, raises, waits, sets}));
  EXPECT_EQ(find({.key = "ORDER-1"}), (Ids{raises, sets}));
  EXPECT_EQ(find({.key = "ORDER"}), Ids{});
  EXPECT_EQ(find({.workflow = "n/sets"}), (Ids{again, sets}));
  EXPECT_EQ(find({.workflow = "n/sets", .key = "ORDER-1"}), Ids{sets});
  EXPECT_EQ(find({.status = Status::running}), Ids{waits});
  EXPECT_EQ(find({.status = Status::completed}), (Ids{again, sets}));
  EXPECT_EQ(find({.status = Status::running, .workflow = "n/sets"}), Ids{});
  EXPECT_EQ(find({.since = time}), (Ids{again, raises, waits}));
  EXPECT_EQ(find({.until = time}), Ids{sets});
  EXPECT_EQ(find({.workflow = "n/sets", .since = time}), Ids{again});
  for (const char* error : {"https://example.com/errors/out-of-stock", "out-of-stock", "blue ONE", "out of"}) {
    EXPECT_EQ(find({.error = error}), Ids{raises}) << error;
  }
  EXPECT_EQ(find({.error = "stock"}), Ids{raises});
  EXPECT_EQ(find({.error = "timeout"}), Ids{});
  EXPECT_EQ(find({.key = "ORDER-1"}, "other"), Ids{});
  EXPECT_EQ(find({}, "acm"), Ids{});
}

TEST_F(SearchTest, the_status_that_an_instance_is_found_by_follows_it) {
  kernel_.apply_text(text("waits", "do: [{a: {wait: {hours: 1}}}]\n"));
  const InstanceId id = start("waits", "K");
  const auto act = [&](auto action) {
    (void)good(kernel_.run([&](auto& txn, auto& here, auto those) { return action(txn, here, those, id, "why"); }));
  };
  const auto only = [&](Status status) {
    for (const Status one :
         {Status::running, Status::suspended, Status::completed, Status::faulted, Status::cancelled}) {
      EXPECT_EQ(find({.status = one}), one == status ? Ids{id} : Ids{}) << to_string(one);
    }
    EXPECT_EQ(find({.status = status, .key = "K"}), Ids{id});
  };
  only(Status::running);
  act(instance::suspend);
  only(Status::suspended);
  act(instance::resume);
  only(Status::running);
  act(instance::cancel);
  only(Status::cancelled);
}

TEST_F(SearchTest, an_instance_that_an_event_started_is_found_by_what_the_event_agrees_in) {
  kernel_.apply_text(text("listens",
                          "schedule: {on: {one: {with: {type: t}, correlate: {order: {from: .data.order}, by: {from: "
                          ".data.by}}}}}\ndo: [{a: {set: {x: 1}}}]\n"));
  const auto started = good(kernel_.run([&](auto& txn, auto& here, auto those) {
    DecisionBudget budget;
    return receive_event(txn, here, those, {.id = "e", .source = "s", .type = "t", .data = R"({"order":17})"}, budget);
  }));
  ASSERT_EQ(started.instances.size(), 1U);
  EXPECT_EQ(find({.correlation = "order=17"}), started.instances);
  EXPECT_EQ(find({.correlation = "order=1"}), Ids{});
  EXPECT_EQ(find({.correlation = "by="}), Ids{});
}

TEST_F(SearchTest, pages_hold_each_instance_once_whatever_their_size) {
  kernel_.apply_text(text("sets", "do: [{a: {set: {x: 1}}}]\n"));
  Ids all;
  for (int i = 0; i < 7; ++i) all.insert(all.begin(), start("sets", "K"));
  for (const std::size_t size : {1U, 2U, 6U, 7U, 8U}) {
    EXPECT_EQ(find({}, "acme", size), all);
    EXPECT_EQ(find({.status = Status::completed, .workflow = "n/sets", .key = "K"}, "acme", size), all);
  }
  auto txn = kernel_.read();
  EXPECT_EQ(good(InstanceStore(kernel_.tables()).list(txn, base::TenantId("acme"), {}, {}, 7)).next, "");
}

}  // namespace
}  // namespace trv::instance::testing
