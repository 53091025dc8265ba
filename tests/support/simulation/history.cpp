#include "tests/support/simulation/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "events/lmdb/files_are_full.hpp"
#include "sdk/base/contract.hpp"
#include "tests/support/simulation/checks.hpp"
#include "tests/support/simulation/performer.hpp"
#include "tests/support/simulation/requests.hpp"
#include "tests/support/simulation/taken.hpp"
#include "tests/support/simulation/world.hpp"

namespace trv::simulation {
namespace {

/// A shard and what its node keeps in memory.
struct Unit {
  std::unique_ptr<World> world;
  std::unique_ptr<Performer> performer;
  std::unique_ptr<Taken> last;
  std::unique_ptr<Taken> early;  ///< before the end
};

class Play {
 public:
  explicit Play(const HistoryOptions& options)
      : options_(prepared(options)),
        dice_(options.seed),
        requests_(dice_, {"acme", "beta", "gamma", "ghost"}, options.bug,
                  [this](std::string_view of) -> World& { return *unit_of(of).world; }),
        checks_(log_, options.bug, options.folder, options.extra, history_) {
    TRV_EXPECTS(options.shards >= 1 && (options.bug == Bug::none || !options.extra));
    for (std::uint32_t i = 0; i < options.shards; ++i) {
      Unit& unit = units_.emplace_back();
      unit.world = std::make_unique<World>(WorldOptions{.seed = options.seed + 1 + i,
                                                        .shard = log::ShardId(i),
                                                        .folder = folder_of(log::ShardId(i)) / "live",
                                                        .bug = options.bug},
                                           log_, options.extra ? options.extra() : nullptr);
      unit.performer = std::make_unique<Performer>(*unit.world, dice_, options.bug,
                                                   [this](std::string what) { history_.fail(std::move(what)); });
      unit.last = snapshot_in(folder_of(log::ShardId(i)) / "last");
      unit.early = snapshot_in(folder_of(log::ShardId(i)) / "early");
    }
  }

  History run() {
    for (const std::string& of : requests_.tenants()) ask(Requests::keep_for_a_day(of));
    for (Unit& unit : units_) unit.world->send();
    for (int step = 0; step < options_.steps; ++step) {
      for (Unit& unit : units_) {
        move_clock(*unit.world);
        unit.world->quiesce();
        unit.performer->perform();
      }
      for (std::uint64_t count = units_.size() + dice_.below(6 * units_.size()); count > 0; --count) add_command();
      send(step);
      for (Unit& unit : units_) {
        if (dice_.below(25) == 0) restart(unit);
        if (dice_.below(12) == 0) check_replay(unit);
      }
    }
    base::Bytes hashes;
    std::vector<std::string> tenants = requests_.tenants();
    tenants.emplace_back("system");
    for (Unit& unit : units_) {
      unit.world->quiesce();
      unit.early->take(unit.world->projection());
      drain(unit);
      restart(unit);
      check_replay(unit);
      const base::Digest hash = checks_.log(*unit.world, {unit.world.get()}).last_hash;
      hashes.insert(hashes.end(), hash.begin(), hash.end());
      checks_.tenants(*unit.world, tenants);
      check_trimmed(unit);
      for (std::string& problem : unit.world->take_problems()) history_.fail(std::move(problem));
      history_.claims += unit.world->claims();
    }
    history_.hash = base::to_hex(base::sha256(hashes));
    return std::move(history_);
  }

 private:
  static const HistoryOptions& prepared(const HistoryOptions& options) {
    std::filesystem::remove_all(options.folder);
    std::filesystem::create_directories(options.folder);
    return options;
  }

  /// The platform's own tenant is in the first shard.
  Unit& unit_of(std::string_view tenant) {
    const auto& tenants = requests_.tenants();
    const auto at = std::ranges::find(tenants, tenant);
    return units_[at == tenants.end() ? 0 : static_cast<std::size_t>(at - tenants.begin()) % units_.size()];
  }
  std::filesystem::path folder_of(log::ShardId shard) const { return options_.folder / std::to_string(shard.value()); }

  void ask(Request request) { unit_of(request.tenant).world->add(request.tenant, std::move(request.decide)); }
  void add_command() {
    if (dice_.below(12) < 8) return ask(requests_.next());
    if (!unit_of(requests_.tenant()).performer->offer_any(requests_.tenants())) ask(requests_.any_received());
  }

  void move_clock(World& world) {
    base::Duration elapsed = std::chrono::milliseconds(dice_.below(5'000));
    if (dice_.below(12) == 0) elapsed += std::chrono::hours(30);
    base::Duration step{};
    if (options_.faults && dice_.below(8) == 0) {
      const bool back = dice_.below(2) == 0;
      step = (back ? -1 : 1) * std::chrono::seconds(dice_.below(600));
      if (back) ++history_.clock_set_back;
    }
    world.move_clock(elapsed, step);
  }

  void restart(Unit& unit) {
    unit.world->restart();
    unit.performer->begin_anew();
  }

  /// One batch for every shard, all at once: they share the log.
  void send(int step) {
    std::vector<std::function<void()>> faults(units_.size());
    bool files_are_full = false;
    for (std::size_t i = 0; i < units_.size(); ++i) {
      if (!options_.faults) continue;
      if (options_.tear_at) {
        if (step % 3 == 0) faults[i] = [this, i] { log_.tear_next_settle(shard_of(i), *options_.tear_at); };
      } else if (dice_.below(6) == 0) {
        faults[i] = random_fault(shard_of(i));
      } else {
        files_are_full = files_are_full || dice_.below(25) == 0;
      }
    }
    if (files_are_full) {
      const lmdb::FilesAreFull full;
      for (Unit& unit : units_) unit.world->send();
    } else {
      std::vector<std::thread> threads;
      for (std::size_t i = 0; i < units_.size(); ++i) {
        threads.emplace_back([this, i, &faults] { units_[i].world->send(faults[i]); });
      }
      for (std::thread& thread : threads) thread.join();
    }
    for (Unit& unit : units_) history_.not_recorded += unit.performer->end_offers();
  }
  log::ShardId shard_of(std::size_t index) const { return units_[index].world->shard(); }

  std::function<void()> random_fault(log::ShardId shard) {
    const std::size_t records = dice_.below(dice_.below(2) == 0 ? 12 : 60);
    switch (dice_.below(5)) {
      case 0: return [this, shard] { log_.lose_ownership(shard); };
      case 1:
        return [this, shard, records] {
          log_.fail_next_settle(shard, base::Error(base::ErrorCode::exhausted, "the disk is full"), records / 4);
        };
      case 2:
        return [this, shard, records] {
          log_.fail_next_settle(shard, base::Error(base::ErrorCode::unavailable, "the log is away"), records / 4);
        };
      default: return [this, shard, records] { log_.tear_next_settle(shard, records); };
    }
  }

  // Every effect gets its outcome and every timer its time: then nothing may be left under way.
  void drain(Unit& unit) {
    World& world = *unit.world;
    for (Request& request : requests_.disabled_all()) world.add(request.tenant, std::move(request.decide));
    world.send();
    for (int round = 0; round < 2'000; ++round) {
      world.quiesce();
      unit.performer->perform();
      std::vector<Request> resumed = requests_.resumed_all(world);
      for (Request& request : resumed) world.add(request.tenant, std::move(request.decide));
      if (unit.performer->offer_all() || !resumed.empty()) {
        world.send();
        history_.not_recorded += unit.performer->end_offers();
      } else if (world.timers() == 0) {
        break;
      }
      world.move_clock(std::chrono::seconds(40));
    }
    checks_.all_ended(world, requests_.tenants());
  }

  void check_replay(Unit& unit) {
    World& world = *unit.world;
    world.quiesce([&] {
      ++history_.checks;
      const projection::Projection& live = world.projection();
      const base::Digest digest = live.content_digest().value();
      const std::string what = fmt::format("a replay of {} records", live.applied().lsn.value());
      checks_.replay(world.shard(), nullptr, digest, what);
      if (unit.last->at() > log::Lsn(0)) checks_.replay(world.shard(), unit.last.get(), digest, what);
    });
    unit.last->take(world.projection());
  }

  std::unique_ptr<Taken> snapshot_in(const std::filesystem::path& folder) {
    return std::make_unique<Taken>(folder, log_, [this](std::string line) { history_.fail(std::move(line)); });
  }

  // A state goes on from a log that was trimmed up to what it holds.
  void check_trimmed(Unit& unit) {
    const log::ShardId shard = unit.world->shard();
    const base::Digest digest = unit.world->projection().content_digest().value();
    if (const auto trimmed = log_.trim(shard, unit.early->at().next()); !trimmed)
      return history_.fail(trimmed.error().message());
    if (log_.bounds(shard)->first > unit.early->at().next())
      return history_.fail("more was trimmed than was asked for");
    checks_.replay(shard, unit.early.get(), digest, "a replay of a trimmed log");
  }

  const HistoryOptions& options_;
  History history_;
  base::SimulatedRandom dice_;
  log::InMemoryEventLog log_;
  std::vector<Unit> units_;
  Requests requests_;
  Checks checks_;
};

}  // namespace

History run_history(const HistoryOptions& options) {
  return Play(options).run();
}

}  // namespace trv::simulation
