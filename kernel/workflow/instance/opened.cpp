#include "kernel/workflow/instance/opened.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/instance/workflow_actions.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using base::ErrorCode;
using json::Value;

namespace {

base::Result<DefinitionPointer> compiled(const lmdb::Txn& txn, const base::TenantId& tenant, Workflows workflows,
                                         const definition::Name& name, const base::Digest& sha256) {
  return workflows.cache.get(tenant, sha256, [&]() -> base::Result<definition::Definition> {
    TRV_TRY_ASSIGN(const auto stored, DefinitionStore(workflows.tables).find_text(txn, tenant, name, sha256));
    if (!stored) {
      return base::fail(ErrorCode::corrupt,
                        fmt::format("the definition {}/{}:{} of an instance is not stored; rebuild the projection",
                                    name.space, name.name, name.version));
    }
    return definition::compile(stored->text, stored->format);
  });
}

bool fits(const Branch& branch, const State& state, const definition::Definition& definition) {
  TaskIndex scope = branch.fork;
  const auto exists = [&](TaskIndex index) {
    return index < definition.tasks.size() && definition.task(index).parent == scope;
  };
  const bool is_root = &branch == &state.root();
  if (is_root != (branch.fork == no_task)) return false;
  if (!is_root) {
    const auto parent = state.branches.find(branch.parent);
    if (parent == state.branches.end() || parent->second.frames.empty()) return false;
    const TaskIndex fork = parent->second.frames.back().task;
    if (fork != branch.fork || fork >= definition.tasks.size()) return false;
    if (!std::holds_alternative<definition::ForkTask>(definition.task(fork).body)) return false;
  }
  for (const Frame& frame : branch.frames) {
    if (!exists(frame.task) || frame.attempt > steps_per_instance_max) return false;
    const bool loops = std::holds_alternative<definition::ForTask>(definition.task(frame.task).body);
    if (loops && frame.index >= frame.items_count) return false;
    scope = frame.task;
  }
  return (branch.next == no_task || exists(branch.next)) && branch.due_ns >= 0;
}

/// Rows are rebuilt from the log at will; one that contradicts its definition is damage, not a state.
bool fits(const State& state, const definition::Definition& definition) {
  const auto known = [&](const TaskRuns& runs) {
    const bool is_task = runs.task < definition.tasks.size() || runs.task == no_task;
    return is_task && runs.runs >= 1;
  };
  return std::ranges::all_of(state.branches, [&](const auto& one) { return fits(one.second, state, definition); }) &&
         std::ranges::all_of(state.runs, known);
}

/// The input of an instance that an event has started, with the data that a blob holds.
base::Result<Value> whole_input(const shard::DecisionContext& context, Workflows workflows, Value kept) {
  const bool is_event = kept.is_array() && kept.size() == 1 && kept.at(0).is_object();
  const Value* blob = is_event ? kept.at(0).find("datablob") : nullptr;
  if (blob == nullptr || !blob->is_object() || workflows.large_data == nullptr) return kept;
  const auto bytes = base::from_hex(blob->find("sha256")->as_string());
  base::Digest sha256{};
  TRV_ASSERT(bytes && bytes->size() == sha256.size());
  std::ranges::copy(*bytes, sha256.begin());
  const bool is_base64 = blob->find("base64") != nullptr;
  if (auto data = workflows.large_data->find(sha256)) {
    if (!*data) return base::fail(std::move(*data).error());
    return Value::array({with_data(kept.at(0), **std::move(data), is_base64)});
  }
  if (context.prepare != nullptr) {
    *context.prepare = [large_data = workflows.large_data, sha256, is_base64](const lmdb::Txn&) {
      large_data->read(sha256, is_base64);
    };
  }
  return base::fail(ErrorCode::unavailable, "the event's data is being read from its blob");
}

}  // namespace

Value with_data(Value event, Value data, bool is_base64) {
  event.set(is_base64 ? "data_base64" : "data", std::move(data));
  return event;
}

base::Result<DefinitionPointer> ready(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                      const definition::Name& name, const base::Digest& sha256) {
  if (context.prepare == nullptr) return compiled(txn, context.tenant, workflows, name, sha256);
  if (DefinitionPointer known = workflows.cache.find(context.tenant, sha256)) return known;
  *context.prepare = [workflows, tenant = context.tenant, name, sha256](const lmdb::Txn& state) {
    (void)compiled(state, tenant, workflows, name, sha256);
  };
  return base::fail(ErrorCode::unavailable,
                    fmt::format("the definition {}/{}:{} is being compiled", name.space, name.name, name.version));
}

base::Result<DefinitionPointer> definition_of(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                              Workflows workflows, const base::Digest& sha256,
                                              const InstanceId& instance) {
  if (DefinitionPointer known = workflows.cache.find(context.tenant, sha256)) return known;
  TRV_TRY_ASSIGN(const auto loaded, InstanceStore(workflows.tables).load(txn, context.tenant, instance));
  if (!loaded) return base::fail(ErrorCode::corrupt, "an instance that listens is not there; rebuild the projection");
  return ready(txn, context, workflows, loaded->definition, sha256);
}

base::Result<DefinitionPointer> find_definition(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                Workflows workflows, const definition::Name& name) {
  TRV_TRY_ASSIGN(const auto stored,
                 DefinitionStore(workflows.tables).find_head(txn, context.tenant, name.space, name.name, name.version));
  if (!stored) {
    return base::fail(ErrorCode::not_found, fmt::format("there is no workflow {}/{}{}{}", name.space, name.name,
                                                        name.version.empty() ? "" : ":", name.version));
  }
  return ready(txn, context, workflows, stored->name, stored->sha256);
}

base::Result<DefinitionPointer> find_startable(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                               Workflows workflows, const definition::Name& name) {
  TRV_TRY_ASSIGN(DefinitionPointer definition, find_definition(txn, context, workflows, name));
  TRV_TRY(check_enabled(txn, workflows.tables, context.tenant, definition->name));
  return definition;
}

base::Result<Opened> open(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                          const InstanceId& instance) {
  TRV_TRY_ASSIGN(auto&& loaded, InstanceStore(workflows.tables).load(txn, context.tenant, instance));
  if (!loaded) {
    return base::fail(ErrorCode::not_found, fmt::format("there is no instance {}", instance.to_string()));
  }
  Opened opened{*std::move(loaded), nullptr};
  TRV_TRY_ASSIGN(opened.definition, ready(txn, context, workflows, opened.loaded.definition, opened.loaded.sha256));
  if (!fits(opened.loaded.state, *opened.definition)) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("the state of the instance {} does not fit its definition; rebuild the projection",
                                  instance.to_string()));
  }
  return opened;
}

base::Result<Value> NewData::whole_input(Value kept) const {
  if (!trigger_.starts_with(event_trigger)) return kept;
  return instance::whole_input(context_, workflows_, std::move(kept));
}

base::Result<Value> StoredData::input() const {
  TRV_TRY_ASSIGN(Value input, store_.input(txn_, context_.tenant, instance_));
  // What a client gives as an input names no blob, whatever it looks like.
  if (!loaded_.trigger.starts_with(event_trigger)) return input;
  return whole_input(context_, workflows_, std::move(input));
}

}  // namespace trv::instance
