#pragma once
// The event stream of tenants: from the log to whoever follows it.

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "events/catalog/event_catalog.hpp"
#include "events/log/event_log.hpp"
#include "kernel/http/event_stream.hpp"
#include "sdk/base/identity.hpp"

namespace trv::node {

/// A record as a CloudEvent in JSON, on one line. Error: corrupt where its payload does not fit its schema.
[[nodiscard]] base::Result<std::string> to_cloud_event(const catalog::EventCatalog& catalog,
                                                       const record::RecordView& event);

/// One thread serves all followers. Each follower sees its tenant's events in log order, without gap, from where it
/// asked; one that reads too slowly is ended and resumes with Last-Event-ID.
class EventFeed {
 public:
  EventFeed(log::EventLog& log, log::ShardId shard, const catalog::EventCatalog& catalog);
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  void start();
  void stop();

  /// Any thread. The stream gets the tenant's events behind `after` as long as `may_follow` holds: it is asked on the
  /// feed's thread before anything is sent and at least every second, and must be quick.
  void follow(base::TenantId tenant, log::Lsn after, http::EventStream stream, std::function<bool()> may_follow);
  /// New records are durable. Any thread.
  void wake();
  [[nodiscard]] std::size_t followers() const;

 private:
  struct Follower {
    base::TenantId tenant;
    http::EventStream stream;
    std::unique_ptr<log::Reader> reader;
    std::function<bool()> may_follow;
  };

  void run();
  [[nodiscard]] bool serve(Follower& follower, bool& more) const;

  log::EventLog& log_;
  log::ShardId shard_;
  const catalog::EventCatalog& catalog_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Follower> arrived_;
  std::size_t count_ = 0;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace trv::node
