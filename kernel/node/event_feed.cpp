#include "kernel/node/event_feed.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

// Read at once for those that keep up, and for one that catches up: it does not keep the others waiting.
constexpr std::size_t shared_events_max = 256;
constexpr std::size_t shared_bytes_max = 256 * 1024;
constexpr std::size_t own_events_max = 64;
constexpr std::size_t own_bytes_max = 64 * 1024;
// Streams whose client went away, or whose token ended, are noticed within this time.
constexpr auto sweep_interval = std::chrono::seconds(1);

}  // namespace

/// What wakes the feed's thread. Streams hold it, too: it may outlive the feed.
struct EventFeed::Signal {
  std::mutex mutex;
  std::condition_variable changed;
  std::list<Follower> arrived;
  bool raised = false;
  bool stopping = false;

  void raise() {
    {
      const std::scoped_lock lock(mutex);
      raised = true;
    }
    changed.notify_one();
  }
};

/// Consecutive events of a tenant as a stream has them.
struct EventFeed::Frames {
  struct End {
    log::Lsn lsn;
    std::size_t offset;  ///< behind the event's last byte
  };
  std::string bytes;
  std::vector<End> ends;
  bool more = false;

  explicit Frames(const EventPage& page) : more(page.more) {
    for (const Event& event : page.events) {
      if (!event.text.empty()) bytes += http::event_frame(event.position, event.type, event.text);
      // Only the last part of a record has its position, so that who goes on behind that misses none.
      for (const PartialEvent& part : event.parts) {
        bytes += http::event_frame(&part == &event.parts.back() ? event.position : "", part.type, part.text);
      }
      ends.push_back({event.lsn, bytes.size()});
    }
  }
  [[nodiscard]] std::size_t begin_of(std::size_t index) const { return index == 0 ? 0 : ends[index - 1].offset; }
};

EventFeed::EventFeed(Source source, HandOver hand_over)
    : source_(std::move(source)), hand_over_(std::move(hand_over)), signal_(std::make_shared<Signal>()) {
  TRV_EXPECTS(source_ != nullptr);
}

EventFeed::~EventFeed() {
  stop();
}

void EventFeed::start() {
  TRV_EXPECTS(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void EventFeed::stop() {
  {
    const std::scoped_lock lock(signal_->mutex);
    signal_->raised = signal_->stopping = true;
  }
  signal_->changed.notify_one();
  if (thread_.joinable()) thread_.join();
  groups_.clear();
  const std::scoped_lock lock(signal_->mutex);
  signal_->arrived.clear();
}

void EventFeed::follow(Subscription subscription, http::EventStream stream) {
  TRV_EXPECTS(!subscription.tenant.empty() && subscription.may_follow != nullptr);
  auto has_room = std::make_shared<std::atomic<bool>>(true);
  stream.on_ready([signal = signal_, has_room] {
    has_room->store(true);
    signal->raise();
  });
  {
    const std::scoped_lock lock(signal_->mutex);
    signal_->arrived.push_back({std::move(subscription), std::move(stream), std::move(has_room)});
  }
  signal_->raise();
}

void EventFeed::wake() {
  signal_->raise();
}

void EventFeed::run() {
  for (;;) {
    {
      std::unique_lock lock(signal_->mutex);
      if (!unfinished_) signal_->changed.wait_for(lock, sweep_interval, [this] { return signal_->raised; });
      if (signal_->stopping) return;
      signal_->raised = false;
      while (!signal_->arrived.empty()) {
        const Subscription& asked = signal_->arrived.front().subscription;
        Group& group = groups_[{asked.tenant.value(), asked.view}];
        group.tenant = asked.tenant;
        group.view = asked.view;
        group.followers.splice(group.followers.end(), signal_->arrived, signal_->arrived.begin());
      }
    }
    unfinished_ = false;
    rights_.clear();
    std::size_t count = 0;
    for (auto& [key, group] : groups_) {
      serve(group);
      count += group.followers.size();
    }
    std::erase_if(groups_, [](const auto& group) { return group.second.followers.empty(); });
    count_ = count;
  }
}

void EventFeed::serve(Group& group) {
  std::erase_if(group.followers, [&](Follower& follower) {
    if (!follower.stream.is_open() || !may_go_on(follower)) return true;
    const bool goes_on = !follower.keeps_up && follower.has_room->exchange(false);
    return goes_on && !catch_up(group, follower);
  });
  advance(group);
}

bool EventFeed::may_go_on(Follower& follower) {
  const auto [right, is_new] = rights_.try_emplace(follower.subscription.right, false);
  if (is_new) right->second = follower.subscription.may_follow();
  // A comment within an event would become part of it.
  if (!right->second && follower.subscription.written == 0)
    follower.stream.comment("the token was revoked or has expired");
  return right->second;
}

// From the log, up to where those are that keep up. False: the stream ends.
bool EventFeed::catch_up(Group& group, Follower& follower) {
  const bool alone = std::ranges::none_of(group.followers, &Follower::keeps_up);
  const log::Lsn after = follower.subscription.after;
  const auto page = source_(follower.subscription.tenant, {.after = after,
                                                           .up_to = alone ? std::nullopt : std::optional(group.head),
                                                           .count = own_events_max,
                                                           .bytes_max = own_bytes_max,
                                                           .view = group.view});
  if (!page) {
    if (follower.subscription.written == 0) follower.stream.comment(page.error().message());
    return false;
  }
  const Frames frames(*page);
  if (!deliver(follower, frames)) return true;
  if (frames.more) {
    follower.has_room->store(true);
    unfinished_ = true;
    return true;
  }
  if (alone) group.head = follower.subscription.after;
  follower.keeps_up = true;
  return true;
}

void EventFeed::advance(Group& group) {
  if (std::ranges::none_of(group.followers, &Follower::keeps_up)) return;
  const auto page = source_(group.tenant, {.after = group.head,
                                           .up_to = std::nullopt,
                                           .count = shared_events_max,
                                           .bytes_max = shared_bytes_max,
                                           .view = group.view});
  if (!page) {
    std::erase_if(group.followers, [&](Follower& follower) {
      if (follower.keeps_up) follower.stream.comment(page.error().message());
      return follower.keeps_up;
    });
    return;
  }
  if (page->events.empty()) {
    if (page->moved) hand_over(group, *page->moved);
    return;
  }
  const Frames frames(*page);
  for (Follower& follower : group.followers) {
    if (follower.keeps_up && !deliver(follower, frames)) follower.keeps_up = false;
  }
  TRV_ASSERT(frames.ends.back().lsn > group.head);
  group.head = frames.ends.back().lsn;
  unfinished_ = unfinished_ || frames.more || page->moved;
}

// A follower that comes back from a feed that does not know of the move yet stays here until it does.
void EventFeed::hand_over(Group& group, const MovedTo& moved) {
  std::erase_if(group.followers, [&](Follower& follower) {
    if (!hand_over_ || !follower.keeps_up || moved.move <= follower.subscription.move) return false;
    follower.subscription.move = moved.move;
    hand_over_(moved.shard, std::move(follower.subscription), std::move(follower.stream));
    return true;
  });
}

// Writes what comes behind the follower's position. False: the stream took only a part of it.
bool EventFeed::deliver(Follower& follower, const Frames& frames) {
  log::Lsn& after = follower.subscription.after;
  const auto first = std::ranges::upper_bound(frames.ends, after, {}, &Frames::End::lsn);
  if (first == frames.ends.end()) return true;
  const std::size_t begin =
      frames.begin_of(static_cast<std::size_t>(first - frames.ends.begin())) + follower.subscription.written;
  const std::size_t end = begin + follower.stream.write(std::string_view(frames.bytes).substr(begin));
  TRV_ASSERT(end <= frames.bytes.size());
  const auto next = std::ranges::upper_bound(frames.ends, end, {}, &Frames::End::offset);
  if (next != first) after = std::prev(next)->lsn;
  follower.subscription.written = end - frames.begin_of(static_cast<std::size_t>(next - frames.ends.begin()));
  TRV_ENSURES(next != frames.ends.end() || follower.subscription.written == 0);
  return next == frames.ends.end();
}

}  // namespace trv::node
