#include "kernel/node/event_feed.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "events/consumer/cloud_event.hpp"
#include "events/record/record.hpp"
#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

// So that a follower from the beginning of a long log does not keep the others waiting.
constexpr int records_per_turn_max = 2000;

}  // namespace

base::Result<std::string> to_cloud_event(const catalog::EventCatalog& catalog, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const std::string data, catalog.to_json(event.type(), event.payload()));
  const consumer::CloudEvent head = consumer::to_cloud_event(event);
  boost::json::object attributes = {
      {"specversion", "1.0"},      {"id", head.id},           {"source", head.source},
      {"type", head.type},         {"subject", head.subject}, {"time", head.time},
      {"sequence", head.sequence}, {"tenant", head.tenant},   {"actor", head.actor},
  };
  if (!head.causation_id.empty()) attributes["causationid"] = head.causation_id;
  if (!head.correlation_id.empty()) attributes["correlationid"] = head.correlation_id;
  if (!head.traceparent.empty()) attributes["traceparent"] = head.traceparent;
  attributes["datacontenttype"] = "application/json";
  std::string text = boost::json::serialize(attributes);
  TRV_ASSERT(text.ends_with('}'));
  text.pop_back();
  text += ",\"data\":";
  text += data;
  text += '}';
  return text;
}

EventFeed::EventFeed(log::EventLog& log, log::ShardId shard, const catalog::EventCatalog& catalog)
    : log_(log), shard_(shard), catalog_(catalog) {}

EventFeed::~EventFeed() {
  stop();
}

void EventFeed::start() {
  TRV_EXPECTS(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void EventFeed::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void EventFeed::follow(base::TenantId tenant, log::Lsn after, http::EventStream stream,
                       std::function<bool()> may_follow) {
  TRV_EXPECTS(!tenant.empty() && may_follow != nullptr);
  auto reader = log_.read(shard_, after.next());
  if (!reader) {
    stream.comment(reader.error().message());
    stream.close();
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    arrived_.push_back({std::move(tenant), std::move(stream), *std::move(reader), std::move(may_follow)});
  }
  changed_.notify_one();
}

void EventFeed::wake() {
  {
    const std::scoped_lock lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

std::size_t EventFeed::followers() const {
  const std::scoped_lock lock(mutex_);
  return count_;
}

void EventFeed::run() {
  std::list<Follower> followers;
  bool more = false;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      count_ = followers.size();
      const auto something = [this] { return stopping_ || woken_ || !arrived_.empty(); };
      // Streams whose client went away, or whose token ended, are noticed within the second.
      if (!more) changed_.wait_for(lock, std::chrono::seconds(1), something);
      if (stopping_) return;
      woken_ = false;
      followers.splice(followers.end(), arrived_);
    }
    more = false;
    std::erase_if(followers, [&](Follower& follower) { return !serve(follower, more); });
  }
}

bool EventFeed::serve(Follower& follower, bool& more) const {
  if (!follower.stream.is_open()) return false;
  if (!follower.may_follow()) {
    follower.stream.comment("the token was revoked or has expired");
    return false;
  }
  for (int i = 0; i < records_per_turn_max; ++i) {
    const auto stored = follower.reader->next(base::Duration(0));
    if (!stored) {
      follower.stream.comment(stored.error().message());
      return false;
    }
    if (!*stored) return true;
    const auto event = record::RecordView::over((*stored)->bytes);
    if (!event) {
      follower.stream.comment(event.error().message());
      return false;
    }
    TRV_ASSERT(event->lsn() == (*stored)->lsn);
    if (event->tenant() != follower.tenant.value()) continue;
    const auto text = to_cloud_event(catalog_, *event);
    if (!text) {
      follower.stream.comment(text.error().message());
      return false;
    }
    if (!follower.stream.send(std::to_string(event->lsn().value()), event->type(), *text)) return false;
  }
  more = true;
  return true;
}

}  // namespace trv::node
