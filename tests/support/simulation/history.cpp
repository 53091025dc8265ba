#include "tests/support/simulation/history.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

#include "events/catalog/event_catalog.hpp"
#include "events/record/chain.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"
#include "tests/support/simulation/author.hpp"
#include "tests/support/simulation/world.hpp"

namespace trv::simulation {
namespace {

constexpr std::array<std::string_view, 4> tenants = {"acme", "beta", "gamma", "ghost"};
constexpr std::size_t failures_max = 20;

class Play {
 public:
  explicit Play(const HistoryOptions& options)
      : options_(prepared(options)),
        dice_(options.seed),
        author_(dice_),
        world_(options.seed + 1, options.folder / "live", made_extra()) {}

  History run() {
    for (int step = 0; step < options_.steps; ++step) {
      world_.clock.advance(std::chrono::milliseconds(dice_.below(5'000)));
      world_.quiesce();
      remember_effects();
      for (std::uint64_t count = 1 + dice_.below(6); count > 0; --count) add_command();
      world_.send(dice_.below(6) == 0 && options_.faults ? random_fault() : nullptr);
      if (dice_.below(25) == 0) world_.restart();
      if (dice_.below(12) == 0) check_replay();
    }
    drain();
    world_.restart();
    check_replay();
    check_log();
    check_tenants();
    for (std::string& problem : world_.problems) fail(std::move(problem));
    history_.claims = world_.claims;
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
  std::string number(std::uint64_t below) { return std::to_string(dice_.below(below)); }

  template <typename Wanted>
  void add_tenancy(std::string_view of, Wanted command) {
    world_.add(of, [this, command](const lmdb::Txn& txn, shard::DecisionContext& context) {
      return tenancy::decide(world_.state.tenancy, txn, context, command);
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
                                                         .webhook_secret = {}}});
      case 5: return add_tenancy(of, tenancy::RemoveConnection{"c" + number(3)});
      case 6:
        return add_tenancy("system", tenancy::InstallPackage{{.plugin = "tracker",
                                                              .version = "1.0." + number(2),
                                                              .package_sha256 = {std::uint8_t(dice_.below(2))},
                                                              .library_sha256 = {},
                                                              .manifest = "{}",
                                                              .installed = {}}});
      case 7: return add_tenancy(of, tenancy::EnablePlugin{"tracker", "1.0." + number(2)});
      case 8: return add_tenancy(of, tenancy::DisablePlugin{"tracker"});
      default: return add_tenancy(of, tenancy::DenyAccess{"POST", "/v1/tenants", "may not", "127.0.0.1"});
    }
  }

  void add_definition() {
    const std::string trigger = dice_.below(2) == 0 ? "sim.go" + number(2) : "";
    const std::string name = "wf" + number(3);
    const std::string version = "1.0." + number(3);
    const instance::ApplyDefinition command{.text = author_.write(name, version, trigger)};
    world_.add(
        tenant(),
        [this, command](const lmdb::Txn& txn, const shard::DecisionContext& context) -> base::Result<shard::Decision> {
          TRV_TRY_ASSIGN(auto applied, instance::apply_definition(txn, context, world_.workflows(), command));
          return std::move(applied.decision);
        });
  }

  void add_start() {
    const instance::Start command{
        .space = "sim", .name = "wf" + number(3), .version = {}, .input = R"({"n":)" + number(5) + "}"};
    world_.add(
        tenant(),
        [this, command](const lmdb::Txn& txn, const shard::DecisionContext& context) -> base::Result<shard::Decision> {
          TRV_TRY_ASSIGN(auto started, instance::start(txn, context, world_.workflows(), command));
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
    world_.add(tenant(),
               [this, event](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
                 TRV_TRY_ASSIGN(const auto taken,
                                world_.state.ingest.taken(txn, context.tenant, event.source, event.id));
                 if (taken) return shard::Decision{};
                 shard::Decision decision;
                 TRV_TRY_ASSIGN(record::Draft draft, ingest::received(context, event));
                 context.causation_id = draft.event_id;
                 decision.events.push_back(std::move(draft));
                 TRV_TRY_ASSIGN(auto started,
                                instance::receive_event(
                                    txn, context, world_.workflows(),
                                    {.id = event.id, .source = event.source, .type = event.type, .data = event.data}));
                 decision.append(std::move(started.decision));
                 return decision;
               });
  }

  void add_cancel() {
    const std::string_view of = tenant();
    const lmdb::ReadTxn txn = world_.read();
    const auto page = good(instance::InstanceStore(world_.state.workflows.tables())
                               .list(txn, base::TenantId(std::string(of)), std::nullopt, {}, 20));
    if (page.items.empty()) return add_start();
    const instance::InstanceId id = page.items[dice_.below(page.items.size())].id;
    // Sometimes somebody else's.
    world_.add(dice_.below(4) == 0 ? tenant() : of,
               [this, id](const lmdb::Txn& state, const shard::DecisionContext& context) {
                 auto decision = instance::cancel(state, context, world_.workflows(), id, "the dice said so");
                 if (decision && options_.plant == Plant::effects_outlive_their_instance) decision->events.resize(1);
                 return decision;
               });
  }

  // Outcomes come late, twice, in any order, for others, and for keys that nobody knows.
  void add_outcome() {
    if (keys_.empty()) return add_received();
    const auto& [of, key] = keys_[keys_.size() - 1 - dice_.below(std::min<std::size_t>(keys_.size(), 12))];
    const std::string by = dice_.below(10) == 0 ? std::string(tenant()) : of;
    const std::string about = dice_.below(15) == 0 ? key + "?" : key;
    settle(by, about, dice_.below(4) != 0);
  }

  void settle(const std::string& of, const std::string& key, bool ok) {
    shard::Outcome outcome;
    outcome.ok = ok;
    outcome.output = R"({"n":)" + number(9) + "}";
    if (!ok) {
      outcome.output.clear();
      outcome.code = "unavailable";
      outcome.status = 503;
      outcome.message = "it went wrong";
    }
    world_.add(of,
               [this, key, outcome](const lmdb::Txn& txn,
                                    const shard::DecisionContext& context) -> base::Result<shard::Decision> {
                 TRV_TRY_ASSIGN(auto settled, instance::outcome(txn, context, world_.workflows(), key, outcome));
                 return std::move(settled.decision);
               });
  }

  void remember_effects() {
    for (const shard::Effect& effect : world_.pending()) {
      if (known_keys_.insert(effect.key).second) keys_.emplace_back(effect.tenant.value(), effect.key);
      const lmdb::ReadTxn txn = world_.read();
      const auto owner = good(instance::InstanceStore(world_.state.workflows.tables())
                                  .find(txn, effect.tenant, *base::Uuid::parse(effect.owner)));
      if (!owner || owner->summary.status != instance::Status::running) {
        fail(fmt::format("effect {} is pending and its instance has ended", effect.key));
      }
    }
    for (const log::Lsn position : world_.forgotten()) {
      fail(fmt::format("the effect at lsn {} is pending and was never handed out", position.value()));
    }
  }

  std::function<void(log::InMemoryEventLog&)> random_fault() {
    const std::uint64_t records = dice_.below(12);
    switch (dice_.below(4)) {
      case 0: return [](log::InMemoryEventLog& log) { log.lose_ownership(shard_id); };
      case 1:
        return [](log::InMemoryEventLog& log) {
          log.fail_next_settle(shard_id, base::Error(base::ErrorCode::exhausted, "the disk is full"));
        };
      case 2:
        return [](log::InMemoryEventLog& log) {
          log.fail_next_settle(shard_id, base::Error(base::ErrorCode::unavailable, "the log is away"));
        };
      default: return [records](log::InMemoryEventLog& log) { log.tear_next_settle(shard_id, records); };
    }
  }

  // Every effect gets its outcome and every timer its time: then nothing may be left under way.
  void drain() {
    for (int round = 0; round < 2'000; ++round) {
      world_.quiesce();
      const auto effects = world_.pending();
      for (const shard::Effect& effect : effects) settle(effect.tenant.value(), effect.key, dice_.below(3) != 0);
      if (!effects.empty()) {
        world_.send();
      } else if (world_.timers() == 0) {
        break;
      }
      world_.clock.advance(std::chrono::seconds(40));
    }
    const lmdb::ReadTxn txn = world_.read();
    for (const std::string_view of : tenants) {
      const auto all = good(instance::InstanceStore(world_.state.workflows.tables())
                                .list(txn, base::TenantId(std::string(of)), instance::Status::running, {}, 1000));
      for (const auto& one : all.items)
        fail(fmt::format("instance {} of {} is under way for ever, at {}", one.id.to_string(), of, one.current_task));
    }
  }

  void check_replay() {
    world_.quiesce();
    world_.hold([this] {
      ++history_.checks;
      const projection::Projection& live = *world_.state.projection;
      const base::Digest digest = good(live.content_digest());
      const std::uint64_t at = live.applied().lsn.value();
      compare(options_.folder / "rebuilt", log::Lsn(0), digest, fmt::format("a replay of {} records from lsn 1", at));
      if (snapshot_at_ > log::Lsn(0)) {
        compare(options_.folder / "snapshot", snapshot_at_, digest,
                fmt::format("a replay of {} records from the snapshot at lsn {}", at, snapshot_at_.value()));
      }
    });
    // A copy waits for the writer, so the shard must not be held meanwhile; it has nothing to do anyway.
    const projection::Projection& live = *world_.state.projection;
    std::filesystem::remove_all(options_.folder / "snapshot");
    if (const auto written = live.snapshot(options_.folder / "snapshot"); !written) fail(written.error().message());
    snapshot_at_ = live.applied().lsn;
  }

  void compare(const std::filesystem::path& folder, log::Lsn begins_at, const base::Digest& wanted,
               const std::string& what) {
    if (begins_at == log::Lsn(0)) std::filesystem::remove_all(folder);
    const auto extra = made_extra();
    State state;
    if (const auto opened = state.open(folder, {}, extra.get()); !opened) return fail(opened.error().message());
    if (state.projection->applied().lsn != begins_at) return fail(what + ": begins elsewhere");
    const auto caught_up = state.projection->catch_up(world_.log);
    if (!caught_up) return fail(what + ": " + caught_up.error().message());
    if (caught_up->rebuilt) return fail(what + ": was rebuilt because " + caught_up->reason);
    if (good(state.projection->content_digest()) != wanted) fail(what + " gives another state");
  }

  struct Seen {
    std::string tenant;
    std::set<std::uint64_t> lsns;
  };

  // The log alone: chained, one outcome for each effect, and the commands that were answered so are in it.
  void check_log() {
    std::map<std::string, Seen> commands;
    std::map<std::string, int> outcomes;
    const catalog::EventCatalog catalog = catalog::EventCatalog::make();
    record::ChainVerifier chain(shard_id);
    const auto reader = good(world_.log.read(shard_id, log::Lsn(1)));
    for (;;) {
      const auto stored = good(reader->next(base::Duration(0)));
      if (!stored) break;
      const auto event = good(record::RecordView::over(stored->bytes));
      if (const auto accepted = chain.accept(event); !accepted) return fail(accepted.error().message());
      if (const auto id = event.correlation_id()) {
        Seen& seen = commands[id->to_string()];
        if (seen.tenant.empty()) seen.tenant = event.tenant();
        if (seen.tenant != event.tenant()) fail(fmt::format("lsn {} is of another tenant", event.lsn().value()));
        seen.lsns.insert(event.lsn().value());
      }
      if (event.type() == shard::effect_succeeded_type || event.type() == shard::effect_failed_type) {
        // An effect's key comes first in the payload's JSON.
        const std::string payload = good(catalog.to_json(event.type(), event.payload()));
        const std::string key = payload.substr(0, payload.find(','));
        if (++outcomes[key] > 1) fail("a second outcome was accepted: " + key);
      }
      if (event.type() == "trv.instance.started") ++history_.instances;
      if (event.type() == shard::effect_requested_type) ++history_.effects;
      ++history_.records;
    }
    history_.hash = base::to_hex(chain.last_hash());
    count_torn();
    for (const auto& sent : world_.sent) check_answer(*sent, commands[sent->correlation.to_string()]);
  }

  void count_torn() {
    record::VoidRule rule(shard_id);
    for (const base::Bytes& entry : world_.log.entries(shard_id)) {
      const bool within = rule.next() > rule.next_decision();
      const auto verdict = good(rule.judge(good(record::peek(entry))));
      if (within && verdict == record::VoidRule::Verdict::claim_won) ++history_.torn;
    }
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
  void check_tenants() {
    Rows together;
    for (const std::string_view of : {"system", "acme", "beta", "gamma", "ghost"}) {
      for (auto& [key, value] : good(rows_of_tenant(world_.log, of, options_.folder / "tenant"))) {
        if (!together.emplace(key, std::move(value)).second)
          fail(fmt::format("two tenants share a row of {}", key.first));
      }
    }
    const Rows all = good(rows_of(world_.read()));
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
  World world_;
  std::vector<std::pair<std::string, std::string>> keys_;  // tenant and key of every effect seen
  std::set<std::string> known_keys_;
  log::Lsn snapshot_at_;
};

}  // namespace

History run_history(const HistoryOptions& options) {
  return Play(options).run();
}

}  // namespace trv::simulation
