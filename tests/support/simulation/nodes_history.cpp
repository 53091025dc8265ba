#include "tests/support/simulation/nodes_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "events/record/chain.hpp"
#include "sdk/base/contract.hpp"
#include "tests/support/simulation/checks.hpp"
#include "tests/support/simulation/clients.hpp"
#include "tests/support/simulation/counting.hpp"
#include "tests/support/simulation/performer.hpp"
#include "tests/support/simulation/requests.hpp"
#include "tests/support/simulation/taken.hpp"
#include "tests/support/simulation/world.hpp"

namespace trv::simulation {
namespace {

const std::vector<std::string> tenants = {"acme", "beta",  "gamma", "delta", "epsilon",
                                          "zeta", "theta", "iota",  "kappa", "ghost"};
constexpr int rounds_to_end = 400;

/// A shard on a node.
struct Seat {
  std::unique_ptr<World> world;
  std::unique_ptr<Performer> performer;
};

/// What happens to the next batch of a shard.
struct Script {
  std::function<void()> while_held = {};
  std::vector<std::size_t> nodes;  ///< that have commands, in this order
};

class Play {
 public:
  explicit Play(const NodesOptions& options)
      : options_(prepared(options)),
        dice_(options.seed),
        requests_(
            dice_, tenants, options.bug,
            // With all kinds the same seed does not always give the same history of several nodes.
            [this](std::string_view of) -> World& { return *owner_of(shard_of(of)).world; }, Author::Kinds::some),
        checks_(log_, options.bug, options.folder, {}, history_),
        clients_(dice_, tenants, [this](Request request) -> const Sent& { return ask(std::move(request)); }),
        directory_(options.shards),
        believed_(options.nodes, std::vector<std::size_t>(options.shards)) {
    TRV_EXPECTS(options.nodes >= 2 && options.shards >= 1);
    for (std::size_t shard = 0; shard < options.shards; ++shard) {
      snapshots_.push_back(std::make_unique<Taken>(options.folder / fmt::format("snapshots_{}", shard), log_,
                                                   [](const std::string&) {}));
    }
    seats_.resize(options.nodes);
    for (std::size_t node = 0; node < options.nodes; ++node) {
      for (std::size_t shard = 0; shard < options.shards; ++shard) seats_[node].push_back(seat(node, shard));
    }
    for (std::size_t shard = 0; shard < options.shards; ++shard) {
      directory_[shard] = shard % options.nodes;
      owner_of(shard).world->own();
    }
  }

  NodesHistory run() {
    for (; step_ < static_cast<std::uint64_t>(options_.steps) && !has_failed(); ++step_) {
      jump_clocks();
      change_owners();
      if (dice_.below(8) == 0) restart(dice_.below(options_.nodes));
      cut_off_some();
      spread_the_word();
      add_commands();
      send(true);
      clients_.take_answers(step_, false);
      for (std::size_t shard = 0; shard < options_.shards; ++shard) {
        check_states(shard);
        if (dice_.below(24) == 0) converge(shard);
      }
    }
    if (!has_failed()) end();
    if (has_failed()) {
      for (std::size_t shard = 0; shard < options_.shards; ++shard) (void)check_log(shard);
    }
    history_.asked_again = clients_.asked_again;
    history_.client_requests = clients_.answered;
    history_.hash = base::to_hex(hash_of_log());
    for (auto& seats : seats_) {
      for (Seat& one : seats) history_.claims += one.world->claims();
    }
    return std::move(history_);
  }

 private:
  static const NodesOptions& prepared(const NodesOptions& options) {
    std::filesystem::remove_all(options.folder);
    std::filesystem::create_directories(options.folder);
    return options;
  }
  Seat seat(std::size_t node, std::size_t shard) {
    Seat made;
    made.world = std::make_unique<World>(
        WorldOptions{.seed = options_.seed * 1'000 + node * 100 + shard,
                     .shard = log::ShardId(shard),
                     .folder = options_.folder / fmt::format("node_{}", node) / std::to_string(shard),
                     .bug = options_.bug,
                     .ownership = shard::Ownership::assigned,
                     .snapshots = snapshots_[shard]->snapshots()},
        log_, nullptr);
    made.performer = std::make_unique<Performer>(*made.world, dice_, options_.bug,
                                                 [this](std::string what) { history_.fail(std::move(what)); });
    return made;
  }
  Seat& owner_of(std::size_t shard) { return seats_[directory_[shard]][shard]; }
  /// The platform's own tenant is in the first shard.
  std::size_t shard_of(std::string_view tenant) const {
    const auto at = std::ranges::find(tenants, tenant);
    return at == tenants.end() ? 0 : static_cast<std::size_t>(at - tenants.begin()) % options_.shards;
  }
  std::size_t another_node(std::size_t than) { return (than + 1 + dice_.below(options_.nodes - 1)) % options_.nodes; }

  bool has_failed() {
    for (std::size_t node = 0; node < options_.nodes; ++node) {
      for (std::size_t shard = 0; shard < options_.shards; ++shard) {
        for (const std::string& problem : seats_[node][shard].world->take_problems())
          history_.fail(fmt::format("node {}, shard {}: {}", node, shard, problem));
      }
    }
    return !history_.failures.empty();
  }

  void jump_clocks() {
    const base::Duration elapsed = std::chrono::milliseconds(dice_.below(20'000));
    for (auto& seats : seats_) {
      base::Duration jump{};
      if (dice_.below(4) == 0) {
        const bool back = dice_.below(2) == 0;
        jump = (back ? -1 : 1) * std::chrono::seconds(dice_.below(900));
        if (back) ++history_.clock_set_back;
      }
      // Its timers are in the log before those of the next node, which may take itself for the owner of a shard, too.
      for (Seat& one : seats) {
        one.world->move_clock(elapsed, jump);
        one.world->quiesce();
      }
    }
    quiesce();
  }

  void quiesce() {
    for (auto& seats : seats_) {
      for (Seat& one : seats) {
        one.world->quiesce();
        if (one.world->take_ceded()) one.performer->begin_anew();
        if (one.world->owns()) one.performer->perform();
      }
    }
  }

  // As a membership would, that knows of a change of its own before the nodes do.
  void change_owners() {
    for (std::size_t shard = 0; shard < options_.shards; ++shard) {
      if (dice_.below(6) == 0) {
        const std::size_t next = another_node(directory_[shard]);
        const bool is_ceded = dice_.below(2) == 0;
        if (is_ceded) owner_of(shard).world->cede();
        ++(is_ceded ? history_.handed_over : history_.takeovers);
        directory_[shard] = next;
        take_over(next, shard);
      } else if (!owner_of(shard).world->owns() && dice_.below(3) != 0) {
        take_over(directory_[shard], shard);
      }
    }
    quiesce();
  }
  void take_over(std::size_t node, std::size_t shard) {
    World& world = *seats_[node][shard].world;
    world.log().cut_off(false);
    world.own();
  }

  void restart(std::size_t node) {
    ++history_.restarts;
    const auto found = static_cast<Found>(dice_.below(3));
    for (std::size_t shard = 0; shard < options_.shards; ++shard) {
      Seat& one = seats_[node][shard];
      const bool is_newer = one.world->projection().applied().lsn > snapshots_[shard]->at();
      if (dice_.below(3) == 0 && one.world->owns() && is_newer) snapshots_[shard]->take(one.world->projection());
      one.world->log().cut_off(false);
      one.world->restart(found);
      one.performer->begin_anew();
      if (directory_[shard] == node && dice_.below(2) == 0) {
        directory_[shard] = another_node(node);
        take_over(directory_[shard], shard);
      }
    }
    quiesce();
  }

  void cut_off_some() {
    for (auto& seats : seats_) {
      if (dice_.below(4) != 0) continue;
      const bool is_cut_off = dice_.below(2) == 0;
      for (Seat& one : seats) one.world->log().cut_off(is_cut_off);
    }
  }

  void spread_the_word() {
    for (auto& believed : believed_) {
      for (std::size_t shard = 0; shard < options_.shards; ++shard) {
        if (dice_.below(2) == 0) believed[shard] = directory_[shard];
      }
    }
  }

  // Any node takes a request, and hands it to the one that it believes to be the owner.
  Sent& ask(Request request) {
    const std::size_t shard = shard_of(request.tenant);
    const std::size_t node = believed_[dice_.below(options_.nodes)][shard];
    return seats_[node][shard].world->add(request.tenant, std::move(request.decide));
  }

  void add_commands() {
    for (std::uint64_t count = options_.shards * (1 + dice_.below(4)); count > 0; --count) {
      const bool is_outcome = dice_.below(3) == 0;
      const std::size_t shard = shard_of(requests_.tenant());
      // The dispatcher of a node that takes itself for the owner.
      Seat& one = seats_[dice_.below(options_.nodes)][shard];
      const bool is_offered = is_outcome && one.world->owns() && one.performer->offer_any(requests_.tenants());
      if (!is_offered) ask(requests_.next());
    }
    clients_.ask(step_);
  }

  /// One batch for every shard, all at once; those that several nodes were asked for, one node after the other.
  void send(bool has_faults) {
    std::vector<Script> scripts;
    for (std::size_t shard = 0; shard < options_.shards; ++shard) scripts.push_back(script(shard, has_faults));
    std::vector<std::thread> threads;
    for (std::size_t shard = 0; shard < options_.shards; ++shard) {
      threads.emplace_back([this, shard, &scripts] {
        Script& script = scripts[shard];
        for (const std::size_t node : script.nodes) {
          World& world = *seats_[node][shard].world;
          if (!world.has_commands()) continue;
          world.send(std::exchange(script.while_held, {}));
          // A timer of this batch may be due at once: it is in the log before what the next node sends.
          world.quiesce();
        }
        for (auto& seats : seats_) seats[shard].world->quiesce();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (auto& seats : seats_) {
      for (Seat& one : seats) {
        one.world->log().next_settle({});  // of a batch that had no records
        history_.not_recorded += one.performer->end_offers();
      }
    }
    quiesce();
  }

  Script script(std::size_t shard, bool has_faults) {
    Script script;
    script.nodes.push_back(directory_[shard]);
    for (std::size_t node = 0; node < options_.nodes; ++node) {
      if (node != directory_[shard])
        script.nodes.insert(script.nodes.begin() + static_cast<std::ptrdiff_t>(dice_.below(script.nodes.size() + 1)),
                            node);
    }
    if (has_faults && dice_.below(3) == 0) add_fault(shard, script);
    return script;
  }

  void add_fault(std::size_t shard, Script& script) {
    const auto first =
        std::ranges::find_if(script.nodes, [&](std::size_t node) { return seats_[node][shard].world->has_commands(); });
    if (first == script.nodes.end() || !seats_[*first][shard].world->owns()) return;
    const log::ShardId id(shard);
    NodeLog& its_log = seats_[*first][shard].world->log();
    const std::size_t records = dice_.below(16);
    const auto rival = [this, shard](std::size_t node) {
      ++history_.takeovers;
      if (dice_.below(4) != 0) directory_[shard] = node;
      World& world = *seats_[node][shard].world;
      world.log().cut_off(false);
      return [&world] { world.own(); };
    };
    const std::size_t other = another_node(*first);
    switch (dice_.below(9)) {
      case 0:
        log_.fail_next_settle(id, base::Error(base::ErrorCode::exhausted, "the disk is full"), records / 4);
        return;
      case 1:
        log_.fail_next_settle(id, base::Error(base::ErrorCode::unavailable, "the log is away"), records / 4);
        return;
      case 2: log_.tear_next_settle(id, records); return;
      case 3:
        ++history_.stored_twice;
        log_.repeat_next_settle(id);
        return;
      case 4:
        ++history_.answers_lost;
        its_log.next_settle({.answer_is_lost = true});
        return;
      case 5: script.while_held = rival(other); return;
      case 6: its_log.next_settle({.before = rival(other)}); return;
      case 7:  // its answer comes when the next owner has gone on
        its_log.next_settle({.after = [&world = *seats_[other][shard].world, take = rival(other)] {
          take();
          if (!world.has_commands()) return;
          world.send();
          world.quiesce();
        }});
        return;
      default: ++history_.answers_lost; its_log.next_settle({.after = rival(other), .answer_is_lost = true});
    }
  }

  // The projection never holds what the log does not.
  void check_states(std::size_t shard) {
    for (std::size_t node = 0; node < options_.nodes; ++node) {
      const projection::Applied applied = seats_[node][shard].world->projection().committed().value();
      if (applied.lsn == log::Lsn(0)) continue;
      const auto records = stored(shard);
      const std::uint64_t lsn = applied.lsn.value();
      if (lsn > records.size() || record::hash_of(records[lsn - 1]) != applied.last_hash)
        history_.fail(fmt::format("node {} has applied lsn {} of shard {}, which is not what the log holds there", node,
                                  lsn, shard));
    }
  }
  std::vector<base::Bytes> stored(std::size_t shard) const {
    std::uint64_t torn = 0;
    return counting(log_, log::ShardId(shard), torn);
  }

  /// Of the last claim, whose node may have been killed since.
  log::Epoch epoch_of(std::size_t shard) const {
    log::Epoch epoch;
    for (const base::Bytes& entry : log_.entries(log::ShardId(shard)))
      epoch = std::max(epoch, record::peek(entry).value().epoch);
    return epoch;
  }

  // Nothing happens any more: a node that has lost the shard knows, and every node gets to the same state.
  void converge(std::size_t shard) {
    World& owner = *owner_of(shard).world;
    if (owner.owns() && owner.epoch() != epoch_of(shard)) owner.cede();
    if (!owner.owns()) take_over(directory_[shard], shard);
    for (auto& seats : seats_) {
      World& world = *seats[shard].world;
      world.log().cut_off(false);
      if (&world != &owner) world.cede();
    }
    quiesce();
    const log::Lsn end = log_.bounds(log::ShardId(shard))->last;
    for (auto& seats : seats_) seats[shard].world->await(end);
    if (has_failed()) return;
    std::vector<base::Digest> digests;
    for (auto& seats : seats_) {
      digests.push_back(seats[shard].world->projection().content_digest().value());
      ++history_.states_compared;
      if (digests.back() != digests.front())
        history_.fail(fmt::format("nodes have different states of shard {} at lsn {}", shard, end.value()));
    }
    ++history_.checks;
    checks_.replay(log::ShardId(shard), nullptr, digests.front(), fmt::format("a replay of {} records", end.value()));
  }

  void end() {
    clients_.end();
    for (int round = 0; round < rounds_to_end && !clients_.have_ended() && !has_failed(); ++round, ++step_) {
      for (std::size_t shard = 0; shard < options_.shards; ++shard) {
        if (!owner_of(shard).world->owns()) take_over(directory_[shard], shard);
        for (auto& believed : believed_) believed[shard] = directory_[shard];
      }
      clients_.ask(step_);
      send(false);
      clients_.take_answers(step_, true);
    }
    if (!clients_.have_ended()) history_.fail("a client is never answered");
    std::vector<std::string> all = tenants;
    all.emplace_back("system");
    for (std::size_t shard = 0; shard < options_.shards && !has_failed(); ++shard) {
      converge(shard);
      drain(shard);
      check_states(shard);
      converge(shard);
      if (has_failed()) return;
      const LogSays says = check_log(shard);
      checks_.tenants(*owner_of(shard).world, all);
      for (const std::string& tenant : tenants) {
        if (shard_of(tenant) == shard)
          clients_.check(tenant, says, [this](std::string what) { history_.fail(std::move(what)); });
      }
    }
  }

  LogSays check_log(std::size_t shard) {
    std::vector<const World*> asked;
    for (auto& seats : seats_) asked.push_back(seats[shard].world.get());
    return checks_.log(*owner_of(shard).world, asked);
  }

  // Every effect gets its outcome and every timer its time: then nothing may be left under way.
  void drain(std::size_t shard) {
    Seat& one = owner_of(shard);
    for (int round = 0; round < rounds_to_end && !has_failed(); ++round) {
      one.world->quiesce();
      one.performer->perform();
      std::vector<Request> resumed = requests_.resumed_all(*one.world);
      for (Request& request : resumed) one.world->add(request.tenant, std::move(request.decide));
      if (one.performer->offer_all() || !resumed.empty()) {
        one.world->send();
        history_.not_recorded += one.performer->end_offers();
      } else if (one.world->timers() == 0) {
        break;
      }
      one.world->move_clock(std::chrono::seconds(40));
    }
    if (!has_failed()) checks_.all_ended(*one.world, tenants);
  }

  // Also of what is void: how every batch, claim and fault came is in it.
  base::Digest hash_of_log() {
    base::Bytes hashes;
    for (std::size_t shard = 0; shard < options_.shards; ++shard) {
      const auto entries = log_.entries(log::ShardId(shard));
      log::Epoch epoch;
      for (const base::Bytes& entry : entries) {
        const base::Digest hash = base::sha256(entry);
        hashes.insert(hashes.end(), hash.begin(), hash.end());
        const auto head = record::peek(entry).value();
        epoch = std::max(epoch, head.epoch);
        if (head.epoch < epoch) ++history_.void_records;
      }
    }
    return base::sha256(hashes);
  }

  const NodesOptions options_;
  NodesHistory history_;
  base::SimulatedRandom dice_;
  log::InMemoryEventLog log_;
  std::vector<std::unique_ptr<Taken>> snapshots_;  ///< by shard: beside the log, where every node gets them
  std::vector<std::vector<Seat>> seats_;           ///< by node and shard
  Requests requests_;
  Checks checks_;
  Clients clients_;
  std::vector<std::size_t> directory_;              ///< by shard: the node that is assigned
  std::vector<std::vector<std::size_t>> believed_;  ///< by node: what it has heard of the directory
  std::uint64_t step_ = 0;
};

}  // namespace

NodesHistory run_nodes_history(const NodesOptions& options) {
  return Play(options).run();
}

}  // namespace trv::simulation
