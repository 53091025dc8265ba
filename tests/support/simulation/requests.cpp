#include "tests/support/simulation/requests.hpp"

#include "kernel/workflow/instance/actions.hpp"
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
  switch (dice_.below(10)) {
    case 0:
    case 1: return tenancy_request();
    case 2: return definition();
    case 3:
    case 4: return start();
    case 5:
    case 6: return act();
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
  const std::string version = "1.0." + number(3);
  const auto command = good(instance::ApplyDefinition::compile(author_.write(name, version, trigger)));
  return {tenant(),
          [command](World& here, const lmdb::Txn& txn,
                    const shard::DecisionContext& context) -> base::Result<shard::Decision> {
            TRV_TRY_ASSIGN(auto applied, instance::apply_definition(txn, context, here.workflows(), command));
            return std::move(applied.decision);
          }};
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

Decide Requests::operated(const instance::InstanceId& id, std::uint64_t action) {
  using Context = shard::DecisionContext;
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
      const instance::ReceivedEvent event{
          .id = "signal-" + number(40), .source = "/operator", .type = "sim.go" + number(3), .data = R"({"n":1})"};
      return acting([id, event](World& here, const lmdb::Txn& state, const Context& context) {
        return instance::signal(state, context, here.workflows(), id, event, "it was lost");
      });
    }
    default: {
      const instance::Migrate command{.version = "1.0." + number(3), .mapping = {}, .reason = "a new version"};
      return acting([id, command](World& here, const lmdb::Txn& state, const Context& context) {
        return instance::migrate(state, context, here.workflows(), id, command);
      });
    }
  }
}

// What an operator does to an instance.
Request Requests::act() {
  const std::string of = tenant();
  World& owner = world_of_(of);
  const lmdb::ReadTxn txn = owner.read();
  const instance::InstanceStore instances(owner.stores().workflows.tables());
  // Mostly one that is under way: most have ended.
  std::optional<instance::Status> status;
  if (dice_.below(4) != 0) status = dice_.below(3) == 0 ? instance::Status::suspended : instance::Status::running;
  auto page = good(instances.list(txn, base::TenantId(of), {.status = status}, {}, 20));
  if (page.items.empty()) page = good(instances.list(txn, base::TenantId(of), {}, {}, 20));
  if (page.items.empty()) return start();
  const instance::InstanceId id = page.items[dice_.below(page.items.size())].id;
  // Sometimes somebody else's.
  const std::string by = dice_.below(4) == 0 ? tenant() : of;
  const std::uint64_t action = dice_.below(8);
  if (action >= 3) return {by, operated(id, action)};
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
