#include "tests/support/simulation/requests.hpp"

#include "events/log/record_lookup.hpp"
#include "kernel/workflow/instance/actions.hpp"
#include "kernel/workflow/instance/history.hpp"
#include "kernel/workflow/instance/workflow_actions.hpp"
#include "sdk/base/contract.hpp"
#include "tests/support/simulation/forgotten.hpp"

namespace trv::simulation {
namespace {

template <typename Wanted>
Request of_tenancy(std::string_view tenant, Wanted command) {
  return {std::string(tenant), [command](World& here, const lmdb::Txn& txn, shard::DecisionContext& context) {
            return tenancy::decide(here.stores().tenancy, txn, context, command);
          }};
}

template <typename T>
T good(base::Result<T> result) {
  TRV_ASSERT(result.has_value());
  return *std::move(result);
}

/// What it needs is made ready aside, and then it is asked for again: until then it must not decide anything.
bool asks_again(const shard::DecisionContext& context) {
  return context.prepare != nullptr && *context.prepare;
}

/// What an action decides.
template <typename Action>
Decide acting(Action action) {
  return [action](World& here, const lmdb::Txn& state,
                  const shard::DecisionContext& context) -> base::Result<shard::Decision> {
    TRV_TRY_ASSIGN(auto acted, action(here, state, context));
    return std::move(acted.decision);
  };
}

}  // namespace

Request Requests::next() {
  switch (dice_.below(12)) {
    case 0: return tenancy_request();
    case 1: return kinds_ == Author::Kinds::all && dice_.below(4) != 0 ? switched() : tenancy_request();
    case 2: return definition();
    case 3:
    case 4: return start();
    case 5:
    case 6:
    case 7:
    case 8: return act();
    default: return any_received();
  }
}

Request Requests::keep_for_a_day(std::string_view tenant) {
  return of_tenancy(tenant, tenancy::SetRetention{{.instances_days = 1, .events_days = 1}});
}

Request Requests::tenancy_request() {
  const std::string& of = tenant();
  const tenancy::Role role = dice_.below(2) == 0 ? tenancy::Role::owner : tenancy::Role::viewer;
  switch (dice_.below(10)) {
    case 0: return of_tenancy(of, tenancy::CreateTenant{base::TenantId(of), "Tenant " + number(3)});
    case 1: return of_tenancy(of, tenancy::AddMember{"user-" + number(4), role});
    case 2: {
      const std::string id = "token-" + number(6);
      return of_tenancy(of, tenancy::IssueToken{id, "name", role, base::sha256(base::as_bytes(of + id)), std::nullopt});
    }
    case 3: return of_tenancy(of, tenancy::RevokeToken{"token-" + number(6)});
    case 4:
      return of_tenancy(of, tenancy::ApplyConnection{{.name = "c" + number(3),
                                                      .plugin = "tracker",
                                                      .base_url = "https://tracker.example/" + number(3),
                                                      .scheme = "none",
                                                      .user = {},
                                                      .secret = {},
                                                      .webhook_secret = {}},
                                                     true});
    case 5: return of_tenancy(of, tenancy::RemoveConnection{"c" + number(3)});
    case 6:
      if (dice_.below(2) == 0) {
        const bool is_loaded = dice_.below(2) == 0;
        return of_tenancy(
            "system", tenancy::SettlePackage{.plugin = "tracker",
                                             .version = "1.0." + number(2),
                                             .package_sha256 = {std::uint8_t(dice_.below(2))},
                                             .refusal = is_loaded ? std::nullopt
                                                                  : std::optional(base::Error(base::ErrorCode::invalid,
                                                                                              "it does not load"))});
      }
      return of_tenancy("system", tenancy::RequestPackage{.package = {.plugin = "tracker",
                                                                      .version = "1.0." + number(2),
                                                                      .package_sha256 = {std::uint8_t(dice_.below(2))},
                                                                      .manifest = "{}"}});
    case 7: return of_tenancy(of, tenancy::EnablePlugin{"tracker", "1.0." + number(2), base::Digest{1}});
    case 8: return of_tenancy(of, tenancy::DisablePlugin{"tracker"});
    default: return of_tenancy(of, tenancy::DenyAccess{"POST", "/v1/tenants", "may not", "127.0.0.1"});
  }
}

Request Requests::definition() {
  const std::string trigger = dice_.below(2) == 0 ? "sim.go" + number(2) : "";
  const std::string name = "wf" + number(3);
  // A version is applied once, so that there is a next one to go to.
  const std::string version = "1.0." + number(kinds_ == Author::Kinds::all ? 40 : 3);
  const std::string& of = tenant();
  std::string& text = texts_[of + "/" + name];
  // Instances can be taken to a version that has their tasks.
  if (kinds_ == Author::Kinds::all && !text.empty() && dice_.below(4) != 0) {
    constexpr std::string_view before = "version: '";
    const std::size_t begin = text.find(before) + before.size();
    text.replace(begin, text.find('\'', begin) - begin, version);
    constexpr std::string_view first = "\ndo: [";
    if (text.find("added_0") == std::string::npos)
      text.insert(text.find(first) + first.size(), "{added_0: {set: {n: 9}}}, ");
  } else {
    text = author_.write(name, version, trigger);
  }
  const auto command = good(instance::ApplyDefinition::compile(text));
  versions_[of + "/" + name].push_back(version);
  return {of,
          [command](World& here, const lmdb::Txn& txn,
                    const shard::DecisionContext& context) -> base::Result<shard::Decision> {
            TRV_TRY_ASSIGN(auto applied, instance::apply_definition(txn, context, here.workflows(), command));
            return std::move(applied.decision);
          }};
}

namespace {

Decide disabled(std::string name) {
  return acting([name = std::move(name)](World& here, const lmdb::Txn& state, const shard::DecisionContext& context) {
    return instance::disable_workflow(state, context, here.workflows(), "sim", name, "to look at it");
  });
}

}  // namespace

// What an operator does to a workflow as a whole.
Request Requests::switched() {
  const std::string name = "wf" + number(3);
  switch (dice_.below(8)) {
    case 0:
    case 1:
    case 2: {
      const std::string& of = tenant();
      disabled_.emplace_back(of, name);
      return {of, disabled(name)};
    }
    case 3:
      return {tenant(), acting([name](World& here, const lmdb::Txn& state, const shard::DecisionContext& context) {
                const instance::DeleteWorkflow command{
                    .space = "sim", .name = name, .running = 0, .while_running = true};
                return instance::delete_workflow(state, context, here.workflows(), command);
              })};
    default: {
      if (disabled_.empty()) return {tenant(), disabled(name)};
      const auto [of, which] = disabled_[dice_.below(disabled_.size())];
      return {of, acting([which](World& here, const lmdb::Txn& state, const shard::DecisionContext& context) {
                return instance::enable_workflow(state, context, here.workflows(), "sim", which, "it is well");
              })};
    }
  }
}

std::vector<Request> Requests::disabled_all() const {
  std::vector<Request> all;
  for (const std::string& tenant : tenants_) {
    for (const char* const name : {"wf0", "wf1", "wf2"}) all.push_back({tenant, disabled(name)});
  }
  return all;
}

Request Requests::start() {
  const instance::Start command{
      .space = "sim", .name = "wf" + number(3), .version = {}, .input = R"({"n":)" + number(5) + "}"};
  return {tenant(),
          [command](World& here, const lmdb::Txn& txn,
                    const shard::DecisionContext& context) -> base::Result<shard::Decision> {
            TRV_TRY_ASSIGN(auto started, instance::start(txn, context, here.workflows(), command));
            return std::move(started.decision);
          }};
}

Request Requests::any_received() {
  ingest::Received event;
  event.id = "event-" + number(40);
  event.source = "/source/" + number(2);
  event.type = "sim.go" + number(3);
  event.data = R"({"n":)" + number(5) + "}";
  event.channel = "api";
  return received(tenant(), std::move(event));
}

Request Requests::received(std::string_view tenant, ingest::Received event) {
  return {std::string(tenant),
          [event = std::move(event)](World& here, const lmdb::Txn& txn,
                                     shard::DecisionContext& context) -> base::Result<shard::Decision> {
            TRV_TRY_ASSIGN(const auto taken, here.stores().ingest.taken(txn, context.tenant, event));
            if (taken) return shard::Decision{};
            shard::Decision decision;
            TRV_TRY_ASSIGN(record::Draft draft, ingest::received(context, event));
            context.causation_id = draft.event_id;
            decision.events.push_back(std::move(draft));
            instance::DecisionBudget budget;
            TRV_TRY_ASSIGN(
                auto started,
                instance::receive_event(
                    txn, context, here.workflows(),
                    {.id = event.id, .source = event.source, .type = event.type, .data = event.data}, budget));
            decision.append(std::move(started.decision));
            return decision;
          }};
}

Request Requests::resumed(std::string_view tenant, const instance::InstanceId& id, Bug bug) {
  return {std::string(tenant),
          [id, bug](World& here, const lmdb::Txn& state,
                    const shard::DecisionContext& context) -> base::Result<shard::Decision> {
            TRV_TRY_ASSIGN(auto acted, instance::resume(state, context, here.workflows(), id, "enough of it"));
            if (bug == Bug::what_became_due_is_lost) {
              acted.decision.events.resize(1);
              acted.decision.effects.clear();
            }
            return std::move(acted.decision);
          }};
}

std::vector<Request> Requests::resumed_all(const World& state) const {
  std::vector<Request> all;
  const lmdb::ReadTxn txn = state.read();
  const instance::InstanceStore instances(state.stores().workflows.tables());
  for (const std::string& tenant : tenants_) {
    const auto page =
        good(instances.list(txn, base::TenantId(tenant), {.status = instance::Status::suspended}, {}, 1000));
    for (const auto& one : page.items) all.push_back(resumed(tenant, one.id, bug_));
  }
  return all;
}

Decide Requests::operated(const std::string& tenant, const std::vector<instance::InstanceSummary>& some,
                          const instance::InstanceSummary& one, std::uint64_t action) {
  using Context = shard::DecisionContext;
  const instance::InstanceId id = one.id;
  switch (action) {
    case 3: {
      return acting([id, bug = bug_](World& here, const lmdb::Txn& state, const Context& context) {
        auto acted = instance::cancel_and_compensate(state, context, here.workflows(), id, "the dice said so");
        if (acted && bug == Bug::undoing_is_forgotten) {
          acted->decision.events.resize(1);
          acted->decision.effects.clear();
        }
        return acted;
      });
    }
    case 4:
      return acting([id](World& here, const lmdb::Txn& state, const Context& context) {
        return instance::suspend(state, context, here.workflows(), id, "to look at it");
      });
    case 5: return resumed("", id, bug_).decide;
    case 6: {
      const std::string event_id = "signal-" + number(40);
      return acting([=](World& here, const lmdb::Txn& state, const Context& context) {
        const auto sent = [&](const instance::InstanceSummary& to, const std::string& type) {
          const instance::ReceivedEvent event{
              .id = event_id, .source = "/operator", .type = type, .data = R"({"n":1})"};
          return instance::signal(state, context, here.workflows(), to.id, event, "it was lost");
        };
        // To the first of them that listens for something.
        for (const instance::InstanceSummary& to : some) {
          for (const char* const type : {"sim.go0", "sim.go1", "sim.go2"}) {
            auto signalled = sent(to, type);
            if (signalled || asks_again(context)) return signalled;
          }
        }
        return sent(one, "sim.go0");
      });
    }
    case 7: {
      const json::Value input{{"n", json::Value(7)}};
      return acting([id, input](World& here, const lmdb::Txn& state, const Context& context) {
        return instance::resume_with(state, context, here.workflows(), id, "with what it should have had", input);
      });
    }
    default: {
      const auto& versions = versions_[tenant + "/" + one.definition.name];
      return acting([id, versions](World& here, const lmdb::Txn& state, const Context& context) {
        const auto moved = [&](const std::string& version) {
          return instance::migrate(state, context, here.workflows(), id,
                                   {.version = version, .mapping = {}, .reason = "a new version"});
        };
        // To the newest that fits.
        for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
          auto migrated = moved(*version);
          if (migrated || asks_again(context)) return migrated;
        }
        return moved("1.0.99");
      });
    }
  }
}

Decide Requests::anew(World& owner, const lmdb::Txn& state, const std::string& tenant, const instance::InstanceId& id) {
  using Context = shard::DecisionContext;
  const instance::Tables& tables = owner.stores().workflows.tables();
  log::RecordLookup records(owner.log(), owner.shard());
  const instance::RecordAt record_at = [&records](record::Lsn at) { return records.at(at); };
  const auto suspended = acting([id](World& here, const lmdb::Txn& txn, const Context& context) {
    return instance::suspend(txn, context, here.workflows(), id, "to look at it");
  });
  if (dice_.below(3) == 0) {
    const instance::InstanceStore instances(tables);
    const auto steps = good(instances.timeline(state, base::TenantId(tenant), id, {}, 1'000, record_at)).items;
    if (steps.empty()) return suspended;
    const auto past =
        instance::behind(state, tables, base::TenantId(tenant), id, steps[dice_.below(steps.size())].id, record_at);
    if (!past) return suspended;
    return acting([id, past = *past](World& here, const lmdb::Txn& txn, const Context& context) {
      return instance::fork(txn, context, here.workflows(), id, past, {.reason = "another way"});
    });
  }
  const auto past = instance::before_failure(state, tables, base::TenantId(tenant), id, record_at);
  if (!past) return suspended;
  instance::Retry command{.skips = dice_.below(2) == 0, .reason = "once more"};
  if (dice_.below(3) == 0) command.data = json::Value{{"n", json::Value(5)}};
  return acting([id, past = *past, command, bug = bug_](World& here, const lmdb::Txn& txn, const Context& context) {
    auto acted = instance::retry(txn, context, here.workflows(), id, past, command);
    if (acted && bug == Bug::retry_goes_nowhere) {
      acted->decision.events.resize(1);
      acted->decision.effects.clear();
    }
    return acted;
  });
}

// What an operator does to an instance.
Request Requests::act() {
  const std::string of = tenant();
  World& owner = world_of_(of);
  const lmdb::ReadTxn txn = owner.read();
  const instance::InstanceStore instances(owner.stores().workflows.tables());
  // Mostly one that is under way: most have ended.
  std::optional<instance::Status> status;
  const bool goes_back = kinds_ == Author::Kinds::all && dice_.below(3) == 0;
  if (goes_back) {
    if (dice_.below(4) != 0) status = instance::Status::faulted;
  } else if (dice_.below(4) != 0)
    status = dice_.below(3) == 0 ? instance::Status::suspended : instance::Status::running;
  auto page = good(instances.list(txn, base::TenantId(of), {.status = status}, {}, 20));
  if (page.items.empty()) page = good(instances.list(txn, base::TenantId(of), {}, {}, 20));
  if (page.items.empty()) return start();
  const instance::InstanceSummary one = page.items[dice_.below(page.items.size())];
  const instance::InstanceId id = one.id;
  // Sometimes somebody else's.
  const std::string by = dice_.below(4) == 0 ? tenant() : of;
  if (goes_back) return {by, anew(owner, txn, of, id)};
  static constexpr std::uint64_t actions[] = {0, 0, 3, 3, 3, 4, 4, 5, 6, 6, 6, 6, 6, 6, 7, 8, 8, 8, 8, 8, 8};
  std::uint64_t action = actions[dice_.below(std::size(actions))];
  // Few instances have anything to undo when they are asked to.
  if (bug_ == Bug::undoing_is_forgotten && dice_.below(2) == 0) action = 3;
  if (action >= 3) return {by, operated(of, page.items, one, action)};
  if (bug_ == Bug::running_instance_is_forgotten) {
    return {by, [id](World&, const lmdb::Txn&, shard::DecisionContext& context) { return forgetting(context, id); }};
  }
  return {by,
          [id, bug = bug_](World& here, const lmdb::Txn& state,
                           const shard::DecisionContext& context) -> base::Result<shard::Decision> {
            auto acted = instance::cancel(state, context, here.workflows(), id, "the dice said so");
            if (!acted) return base::fail(std::move(acted).error());
            if (bug == Bug::effects_outlive_their_instance) acted->decision.events.resize(1);
            return std::move(acted->decision);
          }};
}

}  // namespace trv::simulation
