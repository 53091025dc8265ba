#pragma once
// The nodes that share the shards of a topic.
//
// They are one consumer group of Kafka's, which gives each partition to one of them and takes it from who does not send
// heartbeats. Nobody reads records through it: it says which node is to claim which shard, and the claims in the log
// remain the fence. A member's client id is "<node>@<address>/<version>", so that everybody finds the owner of a shard
// there.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "events/kafka/client.hpp"
#include "events/record/position.hpp"

struct rd_kafka_op_s;

namespace trv::kafka {

struct Member {
  std::string node;     ///< without '@'
  std::string address;  ///< where the others reach it, for example "10.0.0.5:8400"
  std::string version;  ///< of its travd
  std::set<record::ShardId> shards;
  std::string id = {};           ///< the brokers' name for it, another one whenever it joins
  std::uint64_t shards_all = 0;  ///< how many there are, as it knows it; 0: it does not say

  friend bool operator==(const Member&, const Member&) = default;
};

struct MembershipOptions {
  Member self;  ///< its `shards` are ignored
  /// Who sends no heartbeat for so long is taken for dead. The brokers refuse less than their
  /// group.min.session.timeout.ms, by default 6 s. Less than 1 s does not work: librdkafka, which sends no heartbeat
  /// then, waits for up to that long before it joins again, and would be taken for dead whenever others come or go.
  base::Duration session = std::chrono::seconds(6);
};

/// Called on the membership's threads.
struct MembershipListener {
  /// This node is to own these shards, in addition to those that it has. Must not block for long.
  std::function<void(const std::set<record::ShardId>&)> assigned;
  /// The node gives these shards up before this returns: the next owner learns it then. Within the session, unless they
  /// are lost already.
  std::function<void(const std::set<record::ShardId>&)> revoked;
  /// This node is to own these shards of a member that ended(), and not to insist where another one claims them:
  /// assigned() or revoked() follows. Empty: it does not take part in that.
  std::function<void(const std::set<record::ShardId>&)> inherited = {};
  std::function<void(const base::Error&)> failed;
};

/// The members without those that have `ended` (by their ids), whose shards go to the others as librdkafka will assign
/// them: each of them, the highest first, to the member that has the fewest, then to the one with the lowest id.
[[nodiscard]] std::vector<Member> share_out(std::vector<Member> members, const std::set<std::string>& ended);

/// The members as the brokers know them now, ordered by node; none while they distribute the shards anew, and where the
/// group does not exist. Errors: what the brokers answer.
[[nodiscard]] base::Result<std::vector<Member>> members_of(const Settings& settings);

class Membership {
 public:
  /// Begins to join; the shards come by `listener`. Errors: as connect().
  [[nodiscard]] static base::Result<std::unique_ptr<Membership>> join(const Settings& settings,
                                                                      const MembershipOptions& options,
                                                                      MembershipListener listener);
  /// As leave().
  ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  /// false: gives every shard back, which calls revoked(), and takes none; it goes on to know the others. true, as at
  /// the beginning: takes its part again. Returns at once; any thread.
  void take_part(bool takes_part);
  /// As take_part(false), waits for that, and ends. Idempotent; one thread.
  void leave();
  /// The process that listened at this address has ended, as is known from elsewhere: its shards are the others' now,
  /// and not when its session is over. Believed once of each member, and for two sessions. Any thread.
  void ended(const std::string& address);
  /// As members_of(), as last looked up: every second, and soon after look_again(); without those that ended(). Any
  /// thread.
  [[nodiscard]] std::vector<Member> members() const;
  void look_again();

 private:
  Membership(Client client, const Settings& settings, base::Duration session, MembershipListener listener);
  [[nodiscard]] base::Status subscribe();
  void run(const std::stop_token& stop);
  void serve(base::Duration patience);
  void unsubscribe();
  void inherit();
  void give_up_inherited(const std::set<record::ShardId>& shards);
  [[nodiscard]] std::set<std::string> ended_ids() const;
  void follow_rebalance(rd_kafka_op_s* event);
  void look(const std::stop_token& stop);

  Client client_;
  const Settings settings_;
  const base::Duration ended_is_believed_;
  MembershipListener listener_;
  std::set<record::ShardId> shards_;     ///< the thread's own
  std::set<record::ShardId> inherited_;  ///< the thread's own; none of `shards_`
  mutable std::mutex mutex_;
  std::condition_variable_any looks_;
  std::vector<Member> members_;                  ///< as the brokers know them
  std::vector<Member> listed_;                   ///< the last `members_` that were some
  std::map<std::string, base::Duration> ended_;  ///< ids, and until when that is believed
  bool look_again_ = true;
  bool takes_part_ = true;
  std::jthread thread_;  ///< serves what the brokers say
  std::jthread looker_;  ///< looks up the members
};

}  // namespace trv::kafka
