#include "events/kafka/membership.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>
#include <stop_token>
#include <string_view>
#include <utility>

#include "events/kafka/failure.hpp"
#include "events/kafka/handles.hpp"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"

namespace trv::kafka {
namespace {

using base::fail;

constexpr base::Duration look_every = std::chrono::seconds(1);
constexpr base::Duration step = std::chrono::milliseconds(50);
constexpr base::Duration leave_within = std::chrono::seconds(10);
constexpr std::uint32_t failed_looks_reported = 3;
/// Members learn with a heartbeat that another one has come or gone.
constexpr int heartbeat_ms_max = 100;
constexpr int answer_within_ms = 5000;

/// In the client id of a member, between its version and the number of all shards.
constexpr std::string_view of_shards = " of ";

using Groups = std::unique_ptr<const rd_kafka_group_list, base::Frees<rd_kafka_group_list_destroy>>;
using OwnId = std::unique_ptr<char, base::Frees<free>>;
using Failure = std::unique_ptr<rd_kafka_error_t, base::Frees<rd_kafka_error_destroy>>;

std::string group_of(const Settings& settings) {
  return settings.topic + ".nodes";
}

std::set<record::ShardId> shards_in(const rd_kafka_topic_partition_list_t* partitions) {
  std::set<record::ShardId> shards;
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i) {
    TRV_ASSERT(partitions->elems[i].partition >= 0);
    shards.insert(record::ShardId(static_cast<std::uint64_t>(partitions->elems[i].partition)));
  }
  return shards;
}

/// Numbers of the group protocol, the highest byte first; reads nothing behind the end.
class ProtocolReader {
 public:
  ProtocolReader(const void* data, int size)
      : left_(static_cast<const std::uint8_t*>(data), size > 0 ? static_cast<std::size_t>(size) : 0) {}
  std::int32_t number(std::size_t bytes) {
    const std::uint64_t value = base::big_endian(left_.first(std::min(bytes, left_.size())));
    skip(bytes);
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
  }
  void skip(std::size_t bytes) { left_ = left_.subspan(std::min(bytes, left_.size())); }
  [[nodiscard]] bool is_at_end() const { return left_.empty(); }

 private:
  base::BytesView left_;
};

/// Kafka's ConsumerProtocolAssignment: version, topics with their partitions, which are all of one topic here.
std::set<record::ShardId> shards_assigned(const rd_kafka_group_member_info& member) {
  ProtocolReader reader(member.member_assignment, member.member_assignment_size);
  std::set<record::ShardId> shards;
  reader.skip(2);
  for (std::int32_t topics = reader.number(4); topics > 0 && !reader.is_at_end(); --topics) {
    reader.skip(static_cast<std::size_t>(reader.number(2)));
    for (std::int32_t count = reader.number(4); count > 0 && !reader.is_at_end(); --count) {
      shards.insert(record::ShardId(static_cast<std::uint64_t>(std::max(reader.number(4), 0))));
    }
  }
  return shards;
}

// Not by DescribeConsumerGroups: librdkafka 2.0.2 ends the process where its answer comes too late.
base::Result<std::vector<Member>> describe_group(rd_kafka_t* client, const std::string& group) {
  const rd_kafka_group_list* answer = nullptr;
  const std::string what = fmt::format("asking for the nodes in group {}", group);
  const auto error = rd_kafka_list_groups(client, group.c_str(), &answer, answer_within_ms);
  const Groups groups(answer);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure_of(client, error, what));
  std::vector<Member> members;
  for (int i = 0; i < groups->group_cnt; ++i) {
    const rd_kafka_group_info& found = groups->groups[i];
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure(found.err, what));
    if (found.state != std::string_view("Stable")) continue;
    for (int j = 0; j < found.member_cnt; ++j) {
      const std::string_view id = found.members[j].client_id;
      const std::size_t at = std::min(id.find('@'), id.size());
      const std::size_t slash = std::min(id.find('/', at), id.size());
      const std::size_t of = std::min(id.find(of_shards, slash), id.size());
      Member member{.node = std::string(id.substr(0, at)),
                    .address = std::string(id.substr(at, slash - at).substr(at < slash ? 1 : 0)),
                    .version = std::string(id.substr(slash, of - slash).substr(slash < of ? 1 : 0)),
                    .shards = shards_assigned(found.members[j]),
                    .id = found.members[j].member_id};
      const std::string_view count = id.substr(std::min(of + of_shards.size(), id.size()));
      std::from_chars(count.data(), count.data() + count.size(), member.shards_all);
      members.push_back(std::move(member));
    }
  }
  std::ranges::sort(members, {}, &Member::node);
  return members;
}

/// Connects `asker` where it is empty.
base::Result<std::vector<Member>> members_by(Client& asker, const Settings& settings) {
  if (!asker) {
    TRV_TRY_ASSIGN(asker, connect(Kind::consumer, settings, {}));
  }
  return describe_group(asker.get(), group_of(settings));
}

}  // namespace

base::Result<std::vector<Member>> members_of(const Settings& settings) {
  Client asker;
  return members_by(asker, settings);
}

std::vector<Member> share_out(std::vector<Member> members, const std::set<std::string>& ended) {
  std::set<record::ShardId> orphans;
  for (const Member& member : members) {
    if (ended.contains(member.id)) orphans.insert(member.shards.begin(), member.shards.end());
  }
  std::erase_if(members, [&](const Member& member) { return ended.contains(member.id); });
  if (members.empty()) return members;
  const auto fewest = [](const Member& member) { return std::pair(member.shards.size(), std::string_view(member.id)); };
  for (const record::ShardId shard : std::views::reverse(orphans)) {
    std::ranges::min_element(members, {}, fewest)->shards.insert(shard);
  }
  return members;
}

Membership::Membership(Client client, const Settings& settings, base::Duration session, MembershipListener listener)
    : client_(std::move(client)), settings_(settings), ended_is_believed_(2 * session), listener_(std::move(listener)) {
  TRV_EXPECTS(listener_.assigned && listener_.revoked && listener_.failed);
}

Membership::~Membership() {
  leave();
  EndingClients().end(std::move(client_));
}

base::Result<std::unique_ptr<Membership>> Membership::join(const Settings& settings, const MembershipOptions& options,
                                                           MembershipListener listener) {
  TRV_EXPECTS(options.self.node.find('@') == std::string::npos && options.session > base::Duration::zero());
  Settings own = settings;
  own.client_id = fmt::format("{}@{}/{}{}{}", options.self.node, options.self.address, options.self.version, of_shards,
                              options.self.shards_all);
  const int session_ms = milliseconds(options.session);
  TRV_TRY_ASSIGN(Client client,
                 connect(Kind::member, own,
                         {{"group.id", group_of(settings)},
                          {"session.timeout.ms", std::to_string(session_ms)},
                          {"heartbeat.interval.ms", std::to_string(std::clamp(session_ms / 5, 1, heartbeat_ms_max))},
                          {"partition.assignment.strategy", "cooperative-sticky"},
                          {"auto.offset.reset", "latest"},
                          // librdkafka looks at its heartbeats when a timer wakes its thread, otherwise once a second.
                          // This timer finds nothing to commit.
                          {"enable.auto.commit", "true"},
                          {"auto.commit.interval.ms", "50"},
                          {"enable.auto.offset.store", "false"}}));
  std::unique_ptr<Membership> membership(
      new Membership(std::move(client), settings, options.session, std::move(listener)));
  TRV_TRY(membership->subscribe());
  membership->thread_ = std::jthread([self = membership.get()](const std::stop_token& stop) { self->run(stop); });
  membership->looker_ = std::jthread([self = membership.get()](const std::stop_token& stop) { self->look(stop); });
  return membership;
}

base::Status Membership::subscribe() {
  const Offsets topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), settings_.topic.c_str(), RD_KAFKA_PARTITION_UA);
  const auto error = rd_kafka_subscribe(client_.get(), topics.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return fail(failure(error, fmt::format("joining the nodes of topic {}", settings_.topic)));
}

void Membership::take_part(bool takes_part) {
  const std::scoped_lock lock(mutex_);
  takes_part_ = takes_part;
}

void Membership::leave() {
  thread_ = {};  // which asks it to stop, and joins it
  looker_ = {};
}

void Membership::ended(const std::string& address) {
  {
    const base::SystemClock clock;
    const std::scoped_lock lock(mutex_);
    for (const Member& member : listed_) {
      if (member.address == address) ended_.try_emplace(member.id, clock.monotonic() + ended_is_believed_);
    }
  }
  const Queue queue(rd_kafka_queue_get_consumer(client_.get()));
  rd_kafka_queue_yield(queue.get());  // inherit() need not wait
}

std::set<std::string> Membership::ended_ids() const {
  const base::SystemClock clock;
  std::set<std::string> ids;
  for (const auto& [id, until] : ended_) {
    if (clock.monotonic() < until) ids.insert(id);
  }
  return ids;
}

std::vector<Member> Membership::members() const {
  const std::scoped_lock lock(mutex_);
  return share_out(members_, ended_ids());
}

void Membership::look_again() {
  {
    const std::scoped_lock lock(mutex_);
    look_again_ = true;
  }
  looks_.notify_one();
}

void Membership::run(const std::stop_token& stop) {
  bool is_subscribed = true;
  while (!stop.stop_requested()) {
    serve(step);
    if (is_subscribed) inherit();
    bool takes_part = true;
    {
      const std::scoped_lock lock(mutex_);
      takes_part = takes_part_;
    }
    if (takes_part && !is_subscribed) {
      if (const base::Status subscribed = subscribe(); !subscribed) listener_.failed(subscribed.error());
    }
    if (!takes_part && is_subscribed) unsubscribe();
    is_subscribed = takes_part;
  }
  unsubscribe();
  const base::SystemClock clock;
  const base::Duration deadline = clock.monotonic() + leave_within;
  while (!shards_.empty() && clock.monotonic() < deadline) serve(step);
  if (!shards_.empty()) listener_.revoked(std::exchange(shards_, {}));
  rd_kafka_consumer_close(client_.get());
}

// The thread asks for its shards back, and serve() hears of it.
void Membership::unsubscribe() {
  give_up_inherited(std::exchange(inherited_, {}));
  rd_kafka_unsubscribe(client_.get());
}

// While the shards are distributed anew, it waits for what the brokers decide.
void Membership::inherit() {
  {
    const std::scoped_lock lock(mutex_);
    if (!listener_.inherited || (ended_.empty() && inherited_.empty())) return;
  }
  const OwnId own(rd_kafka_memberid(client_.get()));
  const auto is_own = [&](const Member& member) { return own != nullptr && member.id == own.get(); };
  std::set<record::ShardId> ours;  // of which the brokers say themselves that they are
  std::set<record::ShardId> due;
  {
    const std::scoped_lock lock(mutex_);
    const auto listed = std::ranges::find_if(members_, is_own);
    if (listed == members_.end()) return;
    const std::vector<Member> shared = share_out(members_, ended_ids());
    ours = listed->shards;
    if (const auto found = std::ranges::find_if(shared, is_own); found != shared.end()) due = found->shards;
  }
  const auto less = [](std::set<record::ShardId> all, const std::set<record::ShardId>& some) {
    std::erase_if(all, [&](record::ShardId shard) { return some.contains(shard); });
    return all;
  };
  give_up_inherited(less(less(inherited_, due), ours));
  const std::set<record::ShardId> added = less(less(less(due, ours), shards_), inherited_);
  if (added.empty()) return;
  inherited_.insert(added.begin(), added.end());
  listener_.inherited(added);
}

void Membership::give_up_inherited(const std::set<record::ShardId>& shards) {
  if (shards.empty()) return;
  for (const record::ShardId shard : shards) inherited_.erase(shard);
  listener_.revoked(shards);
}

void Membership::serve(base::Duration patience) {
  const Queue queue(rd_kafka_queue_get_consumer(client_.get()));
  const Event event(rd_kafka_queue_poll(queue.get(), milliseconds(patience)));
  if (event == nullptr) return;
  if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) return follow_rebalance(event.get());
  const auto error = rd_kafka_event_error(event.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  listener_.failed(failure_of(client_.get(), error, fmt::format("as a node of group {}", group_of(settings_))));
}

void Membership::follow_rebalance(rd_kafka_event_t* event) {
  const Offsets partitions(rd_kafka_topic_partition_list_copy(rd_kafka_event_topic_partition_list(event)));
  const std::set<record::ShardId> shards = shards_in(partitions.get());
  Failure refused;
  if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    // Their records are read elsewhere.
    for (int i = 0; i < partitions->cnt; ++i) partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    refused.reset(rd_kafka_incremental_assign(client_.get(), partitions.get()));
    rd_kafka_pause_partitions(client_.get(), partitions.get());
    shards_.insert(shards.begin(), shards.end());
    for (const record::ShardId shard : shards) inherited_.erase(shard);
    if (!refused && !shards.empty()) listener_.assigned(shards);
  } else {
    if (!shards.empty()) listener_.revoked(shards);
    for (const record::ShardId shard : shards) shards_.erase(shard);
    refused.reset(rd_kafka_incremental_unassign(client_.get(), partitions.get()));
  }
  if (refused) {
    listener_.failed(
        failure(rd_kafka_error_code(refused.get()), fmt::format("taking shards in group {}", group_of(settings_))));
  }
  look_again();
}

// A broker that does not answer holds this up for seconds, and nothing else. librdkafka asks every broker that a client
// has ever known, and one that is gone fails the question: after a failure a new client asks.
void Membership::look(const std::stop_token& stop) {
  EndingClients ending;
  Client asker;
  std::uint32_t failed = 0;  // one after the other
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    look_again_ = false;
    lock.unlock();
    auto members = members_by(asker, settings_);
    if (!members && asker) ending.end(std::move(asker));
    // One answer may be lost; what was known is used meanwhile.
    failed = members ? 0 : failed + 1;
    if (failed > 0 && failed % failed_looks_reported == 0) listener_.failed(members.error());
    lock.lock();
    if (members) members_ = *std::move(members);
    if (!members_.empty()) listed_ = members_;
    std::erase_if(ended_, [this](const auto& one) {
      return std::ranges::none_of(listed_, [&](const Member& member) { return member.id == one.first; });
    });
    // Requests that find no owner ask for a look, which is not made more often than so.
    looks_.wait_for(lock, stop, step, [] { return false; });
    // While the shards are distributed anew nobody is known, and requests wait for it.
    if (!members_.empty()) looks_.wait_for(lock, stop, look_every, [this] { return look_again_; });
  }
}

}  // namespace trv::kafka
