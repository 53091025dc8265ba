// What the feed promises to followers, over a source that a test fills and queues that nobody or a test empties.

#include "kernel/node/event_feed.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "kernel/http/stream_queue.hpp"

namespace trv::node {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t queue_bytes_max = 32 * 1024;

/// Committed events in memory. It never fails; it counts what is read of it.
class MemorySource {
 public:
  void add(const std::string& tenant, std::uint64_t lsn, std::size_t bytes = 10) {
    const std::scoped_lock lock(mutex_);
    events_[tenant].push_back({log::Lsn(lsn), std::to_string(lsn), "t", std::to_string(lsn) + std::string(bytes, 'x')});
  }
  base::Result<EventPage> read(const base::TenantId& tenant, const EventRange& range) {
    const std::scoped_lock lock(mutex_);
    EventPage page;
    std::size_t bytes = 0;
    for (const Event& event : events_[tenant.value()]) {
      if (event.lsn <= range.after || (range.up_to && event.lsn > *range.up_to)) continue;
      page.more = page.events.size() == range.count || (bytes >= range.bytes_max && !page.events.empty());
      if (page.more) break;
      page.events.push_back(event);
      bytes += event.text.size();
      ++read_;
    }
    return page;
  }
  [[nodiscard]] std::size_t events_read() {
    const std::scoped_lock lock(mutex_);
    return read_;
  }
  /// What a stream of all events behind `after` has.
  std::string stream(const std::string& tenant, std::uint64_t after = 0) {
    const std::scoped_lock lock(mutex_);
    std::string bytes;
    for (const Event& event : events_[tenant]) {
      if (event.lsn > log::Lsn(after)) bytes += http::event_frame(event.position, "t", event.text);
    }
    return bytes;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<Event>> events_;
  std::size_t read_ = 0;
};

class Feed : public testing::Test {
 protected:
  Feed() { feed_.start(); }

  std::shared_ptr<http::StreamQueue> follow(
      const std::string& tenant, std::uint64_t after, std::function<bool()> may_follow = [] { return true; }) {
    auto queue = std::make_shared<http::StreamQueue>(queue_bytes_max, nullptr);
    feed_.follow({.tenant = base::TenantId(tenant),
                  .after = log::Lsn(after),
                  .right = "token",
                  .may_follow = std::move(may_follow)},
                 http::EventStream(queue));
    return queue;
  }
  template <typename Holds>
  static bool comes(Holds holds) {
    for (int i = 0; i < 12'000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  /// Takes until `size` bytes have come, or nothing comes for long.
  static std::string take(http::StreamQueue& queue, std::size_t size) {
    std::string bytes;
    const bool came = comes([&] {
      static_cast<void>(queue.take(bytes));
      return bytes.size() >= size;
    });
    EXPECT_TRUE(came) << bytes.size() << " of " << size;
    return bytes;
  }

  MemorySource source_;
  EventFeed feed_{
      [this](const base::TenantId& tenant, const EventRange& range) { return source_.read(tenant, range); }};
};

TEST_F(Feed, gives_each_follower_its_tenants_events_from_where_it_asked) {
  for (std::uint64_t lsn = 1; lsn <= 500; ++lsn) source_.add(lsn % 3 == 0 ? "beta" : "acme", lsn);
  const auto all = follow("acme", 0);
  const auto some = follow("acme", 250);
  const auto other = follow("beta", 0);
  const auto none = follow("acme", 500);
  EXPECT_EQ(take(*all, source_.stream("acme").size()), source_.stream("acme"));
  EXPECT_EQ(take(*some, source_.stream("acme", 250).size()), source_.stream("acme", 250));
  EXPECT_EQ(take(*other, source_.stream("beta").size()), source_.stream("beta"));
  for (std::uint64_t lsn = 501; lsn <= 900; ++lsn) {
    source_.add("acme", lsn);
    if (lsn % 7 == 0) feed_.wake();
  }
  feed_.wake();
  for (const auto& queue : {all, some, none}) {
    EXPECT_EQ(take(*queue, source_.stream("acme", 500).size()), source_.stream("acme", 500));
  }
  EXPECT_EQ(other->queued(), 0U);
}

TEST_F(Feed, followers_that_keep_up_share_what_is_read) {
  std::vector<std::shared_ptr<http::StreamQueue>> queues;
  for (int i = 0; i < 100; ++i) queues.push_back(follow("acme", 0));
  ASSERT_TRUE(comes([&] { return feed_.followers() == 100; }));
  for (std::uint64_t lsn = 1; lsn <= 200; ++lsn) source_.add("acme", lsn);
  feed_.wake();
  const std::string all = source_.stream("acme");
  for (const auto& queue : queues) EXPECT_EQ(take(*queue, all.size()), all);
  EXPECT_EQ(source_.events_read(), 200U) << "once, not once for each follower";
}

TEST_F(Feed, two_thousand_stalled_streams_hold_tens_of_kib_each_and_go_on_where_they_paused) {
  for (std::uint64_t lsn = 1; lsn <= 100; ++lsn) source_.add("acme", lsn, 3'000);
  std::vector<std::shared_ptr<http::StreamQueue>> queues;
#ifdef TRV_SANITIZED  // what the sanitizers watch takes ten times as long
  constexpr std::size_t streams = 200;
#else
  constexpr std::size_t streams = 2000;
#endif
  for (std::size_t i = 0; i < streams; ++i) queues.push_back(follow("acme", 0));
  ASSERT_TRUE(comes([&] { return std::ranges::all_of(queues, [](const auto& q) { return q->queued() > 0; }); }));
  for (std::uint64_t lsn = 101; lsn <= 200; ++lsn) source_.add("acme", lsn, 3'000);
  feed_.wake();
  const std::size_t read = source_.events_read();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(source_.events_read(), read) << "nothing is read for those that wait";
  std::size_t queued = 0;
  for (const auto& queue : queues) {
    EXPECT_TRUE(queue->is_open());
    queued += queue->queued();
  }
  EXPECT_LE(queued, queues.size() * queue_bytes_max);
  const std::string all = source_.stream("acme");
  for (const std::size_t i : {std::size_t{0}, streams / 3, streams - 1}) {
    EXPECT_EQ(take(*queues[i], all.size()), all);
  }
}

TEST_F(Feed, an_event_that_is_larger_than_the_queue_arrives_whole) {
  source_.add("acme", 1);
  source_.add("acme", 2, 500'000);
  source_.add("acme", 3);
  const auto early = follow("acme", 0);
  const std::string all = source_.stream("acme");
  EXPECT_EQ(take(*early, all.size()), all);
  source_.add("acme", 4, 100'000);
  source_.add("acme", 5);
  feed_.wake();
  const std::string rest = source_.stream("acme", 3);
  EXPECT_EQ(take(*early, rest.size()), rest);
}

TEST_F(Feed, ends_a_stream_that_may_not_go_on_and_asks_once_for_a_right) {
  std::atomic<bool> may = true;
  std::atomic<int> asked = 0;
  std::vector<std::shared_ptr<http::StreamQueue>> queues;
  for (int i = 0; i < 50; ++i) {
    queues.push_back(follow("acme", 0, [&] {
      ++asked;
      return may.load();
    }));
  }
  ASSERT_TRUE(comes([&] { return feed_.followers() == 50; }));
  asked = 0;
  source_.add("acme", 1);
  feed_.wake();
  for (const auto& queue : queues) EXPECT_EQ(take(*queue, 1), source_.stream("acme"));
  EXPECT_LE(asked, 5) << "a turn asks once";
  may = false;
  source_.add("acme", 2);
  feed_.wake();
  ASSERT_TRUE(comes([&] { return feed_.followers() == 0; }));
  for (const auto& queue : queues) {
    EXPECT_FALSE(queue->is_open());
    std::string bytes;
    EXPECT_FALSE(queue->take(bytes));
    EXPECT_NE(bytes.find("revoked"), std::string::npos);
    EXPECT_EQ(bytes.find("id: 2"), std::string::npos);
  }
}

TEST_F(Feed, forgets_who_went_away) {
  const auto queue = follow("acme", 0);
  ASSERT_TRUE(comes([&] { return feed_.followers() == 1; }));
  queue->finish();
  EXPECT_TRUE(comes([&] { return feed_.followers() == 0; }));
}

}  // namespace
}  // namespace trv::node
