#pragma once
// The event streams of a shard's tenants: from the log to those who follow it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "kernel/http/event_stream.hpp"
#include "kernel/node/event_history.hpp"
#include "sdk/base/identity.hpp"

namespace trv::node {

/// What a follower asks for.
struct Subscription {
  base::TenantId tenant;
  log::Lsn after;     ///< a place in the tenant's history
  std::string right;  ///< names what `may_follow` asks about, a token for example: the same is asked about once
  /// Asked on the feed's thread before anything is sent and at least every second; must be quick.
  std::function<bool()> may_follow;
  std::size_t written = 0;  ///< bytes of the event that comes next
  std::uint64_t move = 0;   ///< the last move of the tenant that it has followed
  View view = View::records;
};

/// One thread serves all followers. Each sees its tenant's events in log order, without gap, from where it asked.
/// Followers of a tenant that keep up share what is read for them; one that reads too slowly pauses with a few tens of
/// KiB queued, and goes on from the log when those are sent. When a tenant leaves the shard, its followers are handed
/// to the feed of the other one behind the last event here.
class EventFeed {
 public:
  /// Gives the committed events of a tenant. Called on the feed's thread.
  using Source = std::function<base::Result<EventPage>(const base::TenantId& tenant, const EventRange& range)>;

  /// Takes a follower over: what it asks for now, and its stream. Called on the feed's thread.
  using HandOver = std::function<void(log::ShardId to, Subscription subscription, http::EventStream stream)>;

  explicit EventFeed(Source source, HandOver hand_over = {});
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  void start();
  void stop();

  /// Any thread. The stream gets the tenant's events behind `after` as long as `may_follow` holds.
  void follow(Subscription subscription, http::EventStream stream);
  /// New records are committed. Any thread.
  void wake();
  [[nodiscard]] std::size_t followers() const noexcept { return count_; }

 private:
  struct Signal;
  struct Follower {
    Subscription subscription;
    http::EventStream stream;
    std::shared_ptr<std::atomic<bool>> has_room;  ///< set by the stream; a follower that keeps up has room
    bool keeps_up = false;
  };
  /// The followers of a tenant that see the same.
  struct Group {
    base::TenantId tenant;
    View view = View::records;
    log::Lsn head;  ///< where those that keep up are
    std::list<Follower> followers;
  };
  struct Frames;

  void run();
  void serve(Group& group);
  [[nodiscard]] bool catch_up(Group& group, Follower& follower);
  void advance(Group& group);
  void hand_over(Group& group, const MovedTo& moved);
  [[nodiscard]] static bool deliver(Follower& follower, const Frames& frames);
  [[nodiscard]] bool may_go_on(Follower& follower);

  const Source source_;
  const HandOver hand_over_;
  const std::shared_ptr<Signal> signal_;
  std::map<std::pair<std::string, View>, Group> groups_;  // of the feed's thread, like what follows
  std::unordered_map<std::string, bool> rights_;          // asked about in this turn
  bool unfinished_ = false;                               // somebody can go on at once
  std::atomic<std::size_t> count_ = 0;
  std::thread thread_;
};

}  // namespace trv::node
