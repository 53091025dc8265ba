#include "tests/support/simulation/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "events/catalog/event_catalog.hpp"
#include "events/lmdb/files_are_full.hpp"
#include "events/record/chain.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"
#include "tests/support/simulation/author.hpp"
#include "tests/support/simulation/counting.hpp"
#include "tests/support/simulation/forgotten.hpp"
#include "tests/support/simulation/hasty_projector.hpp"
#include "tests/support/simulation/rows.hpp"
#include "tests/support/simulation/taken.hpp"
#include "tests/support/simulation/world.hpp"

namespace trv::simulation {
namespace {

constexpr std::array<std::string_view, 4> tenants = {"acme", "beta", "gamma", "ghost"};
constexpr std::size_t failures_max = 20;

/// An effect that was performed in this life of its shard.
struct Performed {
  std::string tenant;
  std::string key;
  shard::Outcome outcome;
  int times = 0;
  std::vector<const Sent*> offers;  ///< of the outcome, in the batch in hand
};

/// A shard and what its node keeps in memory.
struct Unit {
  std::unique_ptr<World> world;
  std::map<std::string, Performed> performed;             ///< by key
  std::vector<std::pair<std::string, std::string>> keys;  ///< tenant and key of every effect seen
  std::set<std::string> known;                            ///< the same keys
  std::unique_ptr<Taken> last;
  std::unique_ptr<Taken> early;  ///< before the end
};

class Play {
 public:
  explicit Play(const HistoryOptions& options) : options_(prepared(options)), dice_(options.seed), author_(dice_) {
    TRV_EXPECTS(options.shards >= 1 && (options.bug == Bug::none || !options.extra));
    for (std::uint32_t i = 0; i < options.shards; ++i) {
      units_.emplace_back().world = std::make_unique<World>(WorldOptions{.seed = options.seed + 1 + i,
                                                                         .shard = log::ShardId(i),
                                                                         .folder = folder_of(log::ShardId(i)) / "live",
                                                                         .bug = options.bug},
                                                            log_, made_extra());
      units_.back().last = snapshot_in(folder_of(log::ShardId(i)) / "last");
      units_.back().early = snapshot_in(folder_of(log::ShardId(i)) / "early");
    }
  }

  History run() {
    keep_for_a_day();
    for (int step = 0; step < options_.steps; ++step) {
      for (Unit& unit : units_) {
        move_clock(*unit.world);
        unit.world->quiesce();
        perform(unit);
      }
      for (std::uint64_t count = units_.size() + dice_.below(6 * units_.size()); count > 0; --count) add_command();
      send(step);
      for (Unit& unit : units_) {
        if (dice_.below(25) == 0) restart(unit);
        if (dice_.below(12) == 0) check_replay(unit);
      }
    }
    base::Bytes hashes;
    for (Unit& unit : units_) {
      unit.world->quiesce();
      unit.early->take(unit.world->projection());
      drain(unit);
      restart(unit);
      check_replay(unit);
      const base::Digest hash = check_log(*unit.world);
      hashes.insert(hashes.end(), hash.begin(), hash.end());
      check_tenants(*unit.world);
      check_trimmed(unit);
      for (std::string& problem : unit.world->problems) fail(std::move(problem));
      history_.claims += unit.world->claims;
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
  std::unique_ptr<projection::Projector> made_extra() const { return options_.extra ? options_.extra() : nullptr; }
  void fail(std::string what) {
    if (history_.failures.size() < failures_max) history_.failures.push_back(std::move(what));
  }
  template <typename T>
  T good(base::Result<T> result) {
    if (!result) fail(result.error().message());
    TRV_ASSERT(result.has_value());
    return *std::move(result);
  }

  std::string_view tenant() { return tenants[dice_.below(tenants.size())]; }
  /// The platform's own tenant is in the first shard.
  Unit& unit_of(std::string_view tenant) {
    const auto at = std::ranges::find(tenants, tenant);
    return units_[at == tenants.end() ? 0 : static_cast<std::size_t>(at - tenants.begin()) % units_.size()];
  }
  World& world_of(std::string_view tenant) { return *unit_of(tenant).world; }
  std::filesystem::path folder_of(log::ShardId shard) const { return options_.folder / std::to_string(shard.value()); }

  // What has ended is forgotten within a history.
  void keep_for_a_day() {
    for (const std::string_view of : tenants)
      add_tenancy(of, tenancy::SetRetention{{.instances_days = 1, .events_days = 1}});
    for (Unit& unit : units_) unit.world->send();
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
    // What was under way is performed again: nobody knows whether it was.
    unit.performed.clear();
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
    for (Unit& unit : units_) end_offers(unit);
  }
  log::ShardId shard_of(std::size_t index) const { return units_[index].world->shard(); }
  std::string number(std::uint64_t below) { return std::to_string(dice_.below(below)); }

  template <typename Wanted>
  void add_tenancy(std::string_view of, Wanted command) {
    World& world = world_of(of);
    world.add(of, [&world, command](const lmdb::Txn& txn, shard::DecisionContext& context) {
      return tenancy::decide(world.stores().tenancy, txn, context, command);
    });
  }

  void add_command() {
    switch (dice_.below(12)) {
      case 0:
      case 1: return add_tenancy_command();
      case 2: return add_definition();
      case 3:
      case 4:
      case 5: return add_received();
      case 6: return add_start();
      case 7: return add_cancel();
      default: return add_outcome();
    }
  }

  void add_tenancy_command() {
    const std::string_view of = tenant();
    const tenancy::Role role = dice_.below(2) == 0 ? tenancy::Role::owner : tenancy::Role::viewer;
    switch (dice_.below(10)) {
      case 0: return add_tenancy(of, tenancy::CreateTenant{base::TenantId(std::string(of)), "Tenant " + number(3)});
      case 1: return add_tenancy(of, tenancy::AddMember{"user-" + number(4), role});
      case 2: {
        const std::string id = "token-" + number(6);
        return add_tenancy(of, tenancy::IssueToken{id, "name", role, base::sha256(base::as_bytes(std::string(of) + id)),
                                                   std::nullopt});
      }
      case 3: return add_tenancy(of, tenancy::RevokeToken{"token-" + number(6)});
      case 4:
        return add_tenancy(of, tenancy::ApplyConnection{{.name = "c" + number(3),
                                                         .plugin = "tracker",
                                                         .base_url = "https://tracker.example/" + number(3),
                                                         .scheme = "none",
                                                         .user = {},
                                                         .secret = {},
                                                         .webhook_secret = {}},
                                                        true});
      case 5: return add_tenancy(of, tenancy::RemoveConnection{"c" + number(3)});
      case 6:
        if (dice_.below(2) == 0) {
          const bool is_loaded = dice_.below(2) == 0;
          return add_tenancy(
              "system",
              tenancy::SettlePackage{
                  .plugin = "tracker",
                  .version = "1.0." + number(2),
                  .package_sha256 = {std::uint8_t(dice_.below(2))},
                  .refusal = is_loaded ? std::nullopt
                                       : std::optional(base::Error(base::ErrorCode::invalid, "it does not load"))});
        }
        return add_tenancy("system",
                           tenancy::RequestPackage{.package = {.plugin = "tracker",
                                                               .version = "1.0." + number(2),
                                                               .package_sha256 = {std::uint8_t(dice_.below(2))},
                                                               .manifest = "{}"}});
      case 7: return add_tenancy(of, tenancy::EnablePlugin{"tracker", "1.0." + number(2), base::Digest{1}});
      case 8: return add_tenancy(of, tenancy::DisablePlugin{"tracker"});
      default: return add_tenancy(of, tenancy::DenyAccess{"POST", "/v1/tenants", "may not", "127.0.0.1"});
    }
  }

  void add_definition() {
    const std::string trigger = dice_.below(2) == 0 ? "sim.go" + number(2) : "";
    const std::string name = "wf" + number(3);
    const std::string version = "1.0." + number(3);
    const auto command = good(instance::ApplyDefinition::compile(author_.write(name, version, trigger)));
    const std::string_view of = tenant();
    World& world = world_of(of);
    world.add(of,
              [&world, command](const lmdb::Txn& txn,
                                const shard::DecisionContext& context) -> base::Result<shard::Decision> {
                TRV_TRY_ASSIGN(auto applied, instance::apply_definition(txn, context, world.workflows(), command));
                return std::move(applied.decision);
              });
  }

  void add_start() {
    const instance::Start command{
        .space = "sim", .name = "wf" + number(3), .version = {}, .input = R"({"n":)" + number(5) + "}"};
    const std::string_view of = tenant();
    World& world = world_of(of);
    world.add(of,
              [&world, command](const lmdb::Txn& txn,
                                const shard::DecisionContext& context) -> base::Result<shard::Decision> {
                TRV_TRY_ASSIGN(auto started, instance::start(txn, context, world.workflows(), command));
                return std::move(started.decision);
              });
  }

  void add_received() {
    ingest::Received event;
    event.id = "event-" + number(40);
    event.source = "/source/" + number(2);
    event.type = "sim.go" + number(3);
    event.data = R"({"n":)" + number(5) + "}";
    event.channel = "api";
    const std::string_view of = tenant();
    World& world = world_of(of);
    world.add(
        of, [&world, event](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
          TRV_TRY_ASSIGN(const auto taken, world.stores().ingest.taken(txn, context.tenant, event));
          if (taken) return shard::Decision{};
          shard::Decision decision;
          TRV_TRY_ASSIGN(record::Draft draft, ingest::received(context, event));
          context.causation_id = draft.event_id;
          decision.events.push_back(std::move(draft));
          instance::DecisionBudget budget;
          TRV_TRY_ASSIGN(auto started,
                         instance::receive_event(
                             txn, context, world.workflows(),
                             {.id = event.id, .source = event.source, .type = event.type, .data = event.data}, budget));
          decision.append(std::move(started.decision));
          return decision;
        });
  }

  void add_cancel() {
    const std::string_view of = tenant();
    const lmdb::ReadTxn txn = world_of(of).read();
    const auto page = good(instance::InstanceStore(world_of(of).stores().workflows.tables())
                               .list(txn, base::TenantId(std::string(of)), std::nullopt, {}, 20));
    if (page.items.empty()) return add_start();
    const instance::InstanceId id = page.items[dice_.below(page.items.size())].id;
    // Sometimes somebody else's.
    const std::string_view by = dice_.below(4) == 0 ? tenant() : of;
    World& world = world_of(by);
    if (options_.bug == Bug::running_instance_is_forgotten) {
      world.add(by, [id](const lmdb::Txn&, shard::DecisionContext& context) { return forgetting(context, id); });
      return;
    }
    world.add(by, [&world, id, bug = options_.bug](const lmdb::Txn& state, const shard::DecisionContext& context) {
      auto decision = instance::cancel(state, context, world.workflows(), id, "the dice said so");
      if (decision && bug == Bug::effects_outlive_their_instance) decision->events.resize(1);
      return decision;
    });
  }

  // Outcomes come late, twice, in any order, for others, and for keys that nobody knows.
  void add_outcome() {
    const std::string_view of = tenant();
    Unit& unit = unit_of(of);
    if (unit.keys.empty()) return add_received();
    const auto& [owner, key] =
        unit.keys[unit.keys.size() - 1 - dice_.below(std::min<std::size_t>(unit.keys.size(), 12))];
    if (const auto performed = unit.performed.find(key); performed != unit.performed.end() && dice_.below(4) != 0) {
      offer(unit, performed->second);
      return;
    }
    const std::string by = dice_.below(10) == 0 ? std::string(tenant()) : owner;
    settle(world_of(by), by, dice_.below(15) == 0 ? key + "?" : key, some_outcome());
  }

  shard::Outcome some_outcome() {
    shard::Outcome outcome;
    outcome.ok = dice_.below(4) != 0;
    if (outcome.ok) {
      outcome.output = R"({"n":)" + number(9) + "}";
    } else {
      outcome.code = "unavailable";
      outcome.status = 503;
      outcome.message = "it went wrong";
    }
    return outcome;
  }

  static Sent& settle(World& world, const std::string& of, const std::string& key, const shard::Outcome& outcome) {
    return world.add(of,
                     [&world, key, outcome](const lmdb::Txn& txn,
                                            const shard::DecisionContext& context) -> base::Result<shard::Decision> {
                       TRV_TRY_ASSIGN(auto settled, instance::outcome(txn, context, world.workflows(), key, outcome));
                       return std::move(settled.decision);
                     });
  }

  void offer(Unit& unit, Performed& performed) {
    performed.offers.push_back(&settle(*unit.world, performed.tenant, performed.key, performed.outcome));
  }

  // What was handed out is performed once in the life of a shard: its outcome is kept and offered until it is recorded.
  void perform(Unit& unit) {
    World& world = *unit.world;
    for (const shard::Effect& effect : world.take_handed_out()) {
      if (unit.known.insert(effect.key).second) unit.keys.emplace_back(effect.tenant.value(), effect.key);
      if (!unit.performed.contains(effect.key)) perform(unit, effect.tenant.value(), effect.key);
    }
    const lmdb::ReadTxn txn = world.read();
    const instance::InstanceStore instances(world.stores().workflows.tables());
    for (const shard::Effect& effect : world.pending()) {
      if (!unit.performed.contains(effect.key)) {
        fail(fmt::format("effect {} is pending and was never handed out", effect.key));
        perform(unit, effect.tenant.value(), effect.key);
      }
      const auto owner = good(instances.load(txn, effect.tenant, *base::Uuid::parse(effect.owner)));
      if (!owner || owner->state.status != instance::Status::running)
        fail(fmt::format("effect {} is pending and its instance has ended", effect.key));
    }
  }
  void perform(Unit& unit, const std::string& of, const std::string& key) {
    Performed& performed = unit.performed[key];
    if (++performed.times > 1) fail(fmt::format("effect {} was performed again before its outcome was recorded", key));
    performed.tenant = of;
    performed.key = key;
    performed.outcome = some_outcome();
  }
  void end_offers(Unit& unit) {
    for (auto& [key, performed] : unit.performed) {
      bool failed = false;
      for (const Sent* offered : std::exchange(performed.offers, {})) {
        failed = failed || (!offered->outcome && offered->outcome.error().may_pass());
      }
      if (!failed) continue;
      ++history_.not_recorded;
      if (options_.bug == Bug::effect_performed_again) perform(unit, performed.tenant, key);
    }
  }

  std::function<void()> random_fault(log::ShardId shard) {
    const std::size_t records = dice_.below(dice_.below(2) == 0 ? 12 : 60);
    switch (dice_.below(5)) {
      case 0: return [this, shard] { log_.lose_ownership(shard); };
      case 1:
        return [this, shard] {
          log_.fail_next_settle(shard, base::Error(base::ErrorCode::exhausted, "the disk is full"));
        };
      case 2:
        return [this, shard] {
          log_.fail_next_settle(shard, base::Error(base::ErrorCode::unavailable, "the log is away"));
        };
      default: return [this, shard, records] { log_.tear_next_settle(shard, records); };
    }
  }

  // Every effect gets its outcome and every timer its time: then nothing may be left under way.
  void drain(Unit& unit) {
    World& world = *unit.world;
    for (int round = 0; round < 2'000; ++round) {
      world.quiesce();
      perform(unit);
      const auto effects = world.pending();
      for (const shard::Effect& effect : effects) offer(unit, unit.performed.at(effect.key));
      if (!effects.empty()) {
        world.send();
        end_offers(unit);
      } else if (world.timers() == 0) {
        break;
      }
      world.move_clock(std::chrono::seconds(40));
    }
    const lmdb::ReadTxn txn = world.read();
    for (const std::string_view of : tenants) {
      const auto all = good(instance::InstanceStore(world.stores().workflows.tables())
                                .list(txn, base::TenantId(std::string(of)), instance::Status::running, {}, 1000));
      for (const auto& one : all.items)
        fail(fmt::format("instance {} of {} is under way for ever, at {}", one.id.to_string(), of, one.current_task));
    }
  }

  void check_replay(Unit& unit) {
    World& world = *unit.world;
    const std::filesystem::path folder = folder_of(world.shard());
    world.quiesce([&] {
      ++history_.checks;
      const projection::Projection& live = world.projection();
      const base::Digest digest = good(live.content_digest());
      const std::string what = fmt::format("a replay of {} records", live.applied().lsn.value());
      compare(world.shard(), folder / "rebuilt", nullptr, digest, what);
      if (unit.last->at() > log::Lsn(0)) compare(world.shard(), folder / "restored", unit.last.get(), digest, what);
    });
    unit.last->take(world.projection());
  }

  std::unique_ptr<Taken> snapshot_in(const std::filesystem::path& folder) {
    return std::make_unique<Taken>(folder, log_, [this](std::string line) { fail(std::move(line)); });
  }

  void compare(log::ShardId shard, const std::filesystem::path& folder, const Taken* from, const base::Digest& wanted,
               std::string what) {
    const log::Lsn begins_at = from == nullptr ? log::Lsn(0) : from->at();
    what += fmt::format(" behind lsn {}", begins_at.value());
    std::filesystem::remove_all(folder);
    const auto extra = made_extra();
    node::ShardStores replayed;
    projection::Projector* projector = extra.get();
    HastyProjector hasty(nullptr);
    if (options_.bug == Bug::effect_before_durable) projector = &hasty;
    const auto opened = replayed.open({.id = shard,
                                       .folder = folder,
                                       .map_bytes = map_bytes,
                                       .snapshots = from == nullptr ? nullptr : from->snapshots(),
                                       .last_projector = projector});
    if (!opened) return fail(opened.error().message());
    if (replayed.projection->applied().lsn != begins_at) return fail(what + ": begins elsewhere");
    BuggyLog log(log_, options_.bug);
    const auto caught_up = replayed.projection->catch_up(log);
    if (!caught_up) return fail(what + ": " + caught_up.error().message());
    if (caught_up->rebuilt) return fail(what + ": was rebuilt because " + caught_up->reason);
    if (good(replayed.projection->content_digest()) != wanted) fail(what + " gives another state");
  }

  struct Seen {
    std::string tenant;
    std::set<std::uint64_t> lsns;
  };

  // The log alone: chained, in order of time, one outcome for each effect, and the commands that were acknowledged are
  // in it.
  base::Digest check_log(World& world) {
    std::map<std::string, Seen> commands;
    std::set<std::string> effects;  // keys of those without an outcome
    const catalog::EventCatalog catalog = catalog::EventCatalog::make();
    record::ChainVerifier chain(world.shard());
    Forgotten forgotten;
    const std::vector<base::Bytes> wanted = counting(log_, world.shard(), history_.torn);
    const auto reader = good(log_.read(world.shard(), log::Lsn(1)));
    base::Timestamp time;
    for (;;) {
      const auto stored = good(reader->next(base::Duration(0)));
      if (!stored) break;
      const auto event = good(record::RecordView::over(stored->bytes));
      if (const auto accepted = chain.accept(event); !accepted) {
        fail(accepted.error().message());
        return chain.last_hash();
      }
      const std::size_t index = event.lsn().value() - 1;
      if (index >= wanted.size() || !std::ranges::equal(stored->bytes, wanted[index]))
        fail(fmt::format("a reader gives lsn {}, which does not count", event.lsn().value()));
      if (event.time() < time) fail(fmt::format("time runs backwards at lsn {}", event.lsn().value()));
      time = event.time();
      if (const auto id = event.correlation_id()) {
        Seen& seen = commands[id->to_string()];
        if (seen.tenant.empty()) seen.tenant = event.tenant();
        if (seen.tenant != event.tenant()) fail(fmt::format("lsn {} is of another tenant", event.lsn().value()));
        seen.lsns.insert(event.lsn().value());
      }
      const bool has_ended = event.type() == shard::effect_succeeded_type || event.type() == shard::effect_failed_type;
      if (has_ended || event.type() == shard::effect_requested_type || event.type() == shard::effect_released_type) {
        const std::string payload = good(catalog.to_json(event.type(), event.payload()));
        const std::string key = payload.substr(0, payload.find(','));  // comes first
        if (!has_ended) effects.insert(key);
        if (has_ended && effects.erase(key) == 0) fail("an outcome of no effect, or a second one: " + payload);
      }
      forgotten.take(event);
      if (event.type() == "trv.instance.started") ++history_.instances;
      if (event.type() == shard::effect_requested_type) ++history_.effects;
      ++history_.records;
    }
    if (chain.last().value() != wanted.size())
      fail(fmt::format("readers give {} records, {} count", chain.last().value(), wanted.size()));
    for (const auto& sent : world.sent) check_answer(*sent, commands[sent->correlation.to_string()]);
    forgotten.end(world.time(), good(rows_of(world.read())));
    for (std::string& problem : forgotten.problems) fail(std::move(problem));
    history_.instances_forgotten += forgotten.instances;
    history_.events_forgotten += forgotten.events;
    return chain.last_hash();
  }

  // A state goes on from a log that was trimmed up to what it holds.
  void check_trimmed(Unit& unit) {
    const log::ShardId shard = unit.world->shard();
    const base::Digest digest = good(unit.world->projection().content_digest());
    if (const auto trimmed = log_.trim(shard, unit.early->at().next()); !trimmed)
      return fail(trimmed.error().message());
    if (good(log_.bounds(shard)).first > unit.early->at().next()) return fail("more was trimmed than was asked for");
    compare(shard, folder_of(shard) / "trimmed", unit.early.get(), digest, "a replay of a trimmed log");
  }

  void check_answer(const Sent& sent, const Seen& seen) {
    if (sent.outcome) {
      ++history_.acknowledged;
      for (std::uint64_t lsn = sent.outcome->first.value(); lsn <= sent.outcome->last.value(); ++lsn) {
        if (!seen.lsns.contains(lsn)) fail(fmt::format("lsn {} was acknowledged and is not in the log", lsn));
      }
      if (!seen.lsns.empty() && seen.tenant != sent.tenant.value()) fail("a command led to another tenant's record");
      return;
    }
    if (sent.outcome.error().code() == base::ErrorCode::lost) {
      ++history_.lost;
      return;
    }
    ++history_.refused;
    if (sent.outcome.error().code() == base::ErrorCode::internal) fail(sent.outcome.error().message());
    if (!seen.lsns.empty()) fail("a command that was refused led to a record: " + sent.outcome.error().message());
  }

  // Every row follows from its tenant's records alone: so no record changes another tenant's rows.
  void check_tenants(World& world) {
    Rows together;
    for (const std::string_view of : {"system", "acme", "beta", "gamma", "ghost"}) {
      for (auto& [key, value] : good(rows_of_tenant(log_, world.shard(), of, options_.folder / "tenant"))) {
        if (!together.emplace(key, std::move(value)).second)
          fail(fmt::format("two tenants share a row of {}", key.first));
      }
    }
    const Rows all = good(rows_of(world.read()));
    if (options_.extra) return;
    if (all.size() != together.size()) fail(fmt::format("{} rows, but {} by tenant", all.size(), together.size()));
    for (const auto& [key, value] : all) {
      const auto at = together.find(key);
      if (at == together.end() || at->second != value)
        return fail(fmt::format("a row of {} depends on another tenant's records", key.first));
    }
  }

  const HistoryOptions& options_;
  History history_;
  base::SimulatedRandom dice_;
  Author author_;
  log::InMemoryEventLog log_;
  std::vector<Unit> units_;
};

}  // namespace

History run_history(const HistoryOptions& options) {
  return Play(options).run();
}

}  // namespace trv::simulation
