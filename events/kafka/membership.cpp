#include "events/kafka/membership.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "events/kafka/failure.hpp"
#include "events/kafka/handles.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {
namespace {

using base::fail;

constexpr base::Duration look_every = std::chrono::seconds(1);
constexpr base::Duration step = std::chrono::milliseconds(50);
constexpr base::Duration leave_within = std::chrono::seconds(10);
constexpr int answer_within_ms = 2000;

using Failure = std::unique_ptr<rd_kafka_error_t, Destroys<rd_kafka_error_destroy>>;

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

Member member_in(const rd_kafka_MemberDescription_t* description) {
  const std::string_view id = rd_kafka_MemberDescription_client_id(description);
  const std::size_t at = std::min(id.find('@'), id.size());
  const auto* assignment = rd_kafka_MemberDescription_assignment(description);
  return {.node = std::string(id.substr(0, at)),
          .address = std::string(id.substr(std::min(at + 1, id.size()))),
          .shards = shards_in(rd_kafka_MemberAssignment_partitions(assignment))};
}

base::Result<std::vector<Member>> describe_group(rd_kafka_t* client, const std::string& group) {
  const Queue queue(rd_kafka_queue_new(client));
  const char* groups[] = {group.c_str()};
  rd_kafka_DescribeConsumerGroups(client, groups, 1, nullptr, queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), answer_within_ms));
  const std::string what = fmt::format("asking for the nodes in group {}", group);
  const auto error = event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure_of(client, error, what));
  std::size_t count = 0;
  const auto* result = rd_kafka_event_DescribeConsumerGroups_result(event.get());
  const auto* descriptions = rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
  TRV_ASSERT(count == 1);
  if (const auto* refused = rd_kafka_ConsumerGroupDescription_error(descriptions[0])) {
    const auto code = rd_kafka_error_code(refused);
    if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return std::vector<Member>{};
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure(code, what));
  }
  std::vector<Member> members;
  if (rd_kafka_ConsumerGroupDescription_state(descriptions[0]) != RD_KAFKA_CONSUMER_GROUP_STATE_STABLE) return members;
  for (std::size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(descriptions[0]); ++i) {
    members.push_back(member_in(rd_kafka_ConsumerGroupDescription_member(descriptions[0], i)));
  }
  std::ranges::sort(members, {}, &Member::node);
  return members;
}

}  // namespace

base::Result<std::vector<Member>> members_of(const Settings& settings) {
  TRV_TRY_ASSIGN(const Client client, connect(Kind::consumer, settings, {}));
  return describe_group(client.get(), group_of(settings));
}

Membership::Membership(Client client, std::string group, MembershipListener listener)
    : client_(std::move(client)), group_(std::move(group)), listener_(std::move(listener)) {
  TRV_EXPECTS(listener_.assigned && listener_.revoked && listener_.failed);
}

Membership::~Membership() {
  leave();
}

base::Result<std::unique_ptr<Membership>> Membership::join(const Settings& settings, const MembershipOptions& options,
                                                           MembershipListener listener) {
  TRV_EXPECTS(options.self.node.find('@') == std::string::npos && options.session > base::Duration::zero());
  Settings own = settings;
  own.client_id = fmt::format("{}@{}", options.self.node, options.self.address);
  const int session_ms = milliseconds(options.session);
  TRV_TRY_ASSIGN(Client client, connect(Kind::member, own,
                                        {{"group.id", group_of(settings)},
                                         {"session.timeout.ms", std::to_string(session_ms)},
                                         {"heartbeat.interval.ms", std::to_string(std::max(session_ms / 5, 1))},
                                         {"partition.assignment.strategy", "cooperative-sticky"},
                                         {"auto.offset.reset", "latest"},
                                         {"enable.auto.commit", "false"},
                                         {"enable.auto.offset.store", "false"}}));
  const Offsets topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), settings.topic.c_str(), RD_KAFKA_PARTITION_UA);
  const auto error = rd_kafka_subscribe(client.get(), topics.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(failure(error, fmt::format("joining the nodes of topic {} at {}", settings.topic, settings.brokers)));
  }
  std::unique_ptr<Membership> membership(new Membership(std::move(client), group_of(settings), std::move(listener)));
  membership->thread_ = std::jthread([self = membership.get()](const std::stop_token& stop) { self->run(stop); });
  return membership;
}

void Membership::leave() {
  thread_ = {};  // which asks it to stop, and joins it
}

std::vector<Member> Membership::members() const {
  const std::scoped_lock lock(mutex_);
  return members_;
}

void Membership::look_again() {
  const std::scoped_lock lock(mutex_);
  look_again_ = true;
}

void Membership::run(const std::stop_token& stop) {
  const base::SystemClock clock;
  base::Duration next_look{};
  while (!stop.stop_requested()) {
    serve(step);
    {
      const std::scoped_lock lock(mutex_);
      if (std::exchange(look_again_, false)) next_look = clock.monotonic();
    }
    if (clock.monotonic() < next_look) continue;
    look();
    next_look = clock.monotonic() + look_every;
  }
  rd_kafka_unsubscribe(client_.get());
  const base::Duration deadline = clock.monotonic() + leave_within;
  while (!shards_.empty() && clock.monotonic() < deadline) serve(step);
  if (!shards_.empty()) listener_.revoked(std::exchange(shards_, {}));
  rd_kafka_consumer_close(client_.get());
}

void Membership::serve(base::Duration patience) {
  const Queue queue(rd_kafka_queue_get_consumer(client_.get()));
  const Event event(rd_kafka_queue_poll(queue.get(), milliseconds(patience)));
  if (event == nullptr) return;
  if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) return follow_rebalance(event.get());
  const auto error = rd_kafka_event_error(event.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  listener_.failed(failure_of(client_.get(), error, fmt::format("as a node of group {}", group_)));
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
    if (!refused && !shards.empty()) listener_.assigned(shards);
  } else {
    if (!shards.empty()) listener_.revoked(shards);
    for (const record::ShardId shard : shards) shards_.erase(shard);
    refused.reset(rd_kafka_incremental_unassign(client_.get(), partitions.get()));
  }
  if (refused) {
    listener_.failed(failure(rd_kafka_error_code(refused.get()), fmt::format("taking shards in group {}", group_)));
  }
  look_again();
}

void Membership::look() {
  auto members = describe_group(client_.get(), group_);
  if (!members) return listener_.failed(members.error());
  const std::scoped_lock lock(mutex_);
  members_ = *std::move(members);
}

}  // namespace trv::kafka
