#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/workflow/instance/search.hpp"
#include "kernel/workflow/instance/store.hpp"
#include "kernel/workflow/instance/timeline.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using json::Value;

namespace {

base::Result<Value> parse(std::string_view json) {
  auto value = json::parse(json);
  if (!value) return base::fail(base::ErrorCode::corrupt, "stored data is not JSON: " + value.error().message());
  return *std::move(value);
}

base::Result<std::optional<Value>> parse_optional(std::string_view json) {
  if (json.empty()) return std::nullopt;
  TRV_TRY_ASSIGN(Value value, parse(json));
  return value;
}

/// The last event of a branch that is in a call was about the call's task.
std::optional<shard::EffectPlace> waits_for(const base::TenantId& tenant, const InstanceId& id, const BranchRow& row) {
  if (row.frames.empty() || row.frames.back().effect == 0) return std::nullopt;
  const FrameRow& call = row.frames.back();
  return shard::EffectPlace{.key = effect_key(tenant, id.to_string(), row.current, call.attempt),
                            .position = record::Lsn(call.is_parked != 0 ? 0 : call.effect)};
}

/// All but its data.
base::Status fill(Branch& branch, const base::TenantId& tenant, const InstanceId& id, const BranchRow& row) {
  branch.due_ns = row.due_ns;
  branch.next = row.next;
  branch.waits_for = instance::waits_for(tenant, id, row);
  TRV_TRY_ASSIGN(branch.error, parse_optional(row.error));
  for (const FrameRow& from : row.frames) {
    Frame& frame = branch.frames.emplace_back();
    frame.task = from.task;
    frame.attempt = from.attempt;
    frame.index = from.index;
    frame.started_ns = from.started_ns;
    frame.has_input = from.has_input != 0;
    frame.items_count = from.items;
    frame.deadline_ns = from.deadline_ns;
    frame.heard = from.heard;
    frame.is_over = from.is_over != 0;
    frame.bound = from.bound;
    frame.child = from.child;
    frame.then = from.then;
    frame.attempt_deadline_ns = from.attempt_deadline_ns;
    frame.reported = true;
    TRV_TRY_ASSIGN(frame.error, parse_optional(from.error));
  }
  return {};
}

/// Calls visit(id, row) for the branches of an instance besides the root.
template <typename Visit>
base::Status each_forked(const lmdb::Txn& txn, const Tables& tables, const std::string& instance_key,
                         const InstanceRow& row, Visit visit) {
  if (row.branches == 0 || row.status != Status::running) return {};
  return lmdb::scan(txn, tables.branches, base::as_bytes(instance_key), {}, lmdb::Direction::forward,
                    [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                      TRV_TRY_ASSIGN(const ForkedRow forked, decode_forked(value));
                      TRV_TRY(visit(branch_of(key), forked));
                      return lmdb::Visit::go_on;
                    });
}

base::Result<Value> parse_row(const std::optional<base::BytesView>& bytes, std::string_view what) {
  if (bytes) return parse(base::as_text(*bytes));
  return base::fail(base::ErrorCode::corrupt, fmt::format("an instance has no {}; rebuild the projection", what));
}

}  // namespace

std::string effect_key(const base::TenantId& tenant, std::string_view instance, std::string_view task,
                       std::uint32_t run) {
  std::string key;
  key.reserve(tenant.value().size() + instance.size() + task.size() + 12);
  key += tenant.value();
  key += '/';
  key += instance;
  key += task;
  key += '/';
  key += std::to_string(run);
  return key;
}

base::Result<std::optional<InstanceStore::Loaded>> InstanceStore::load(const lmdb::Txn& txn,
                                                                       const base::TenantId& tenant,
                                                                       const InstanceId& id) const {
  TRV_TRY_ASSIGN(const auto bytes, tables_.instances.get(txn, instance_key(tenant.value(), id)));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(InstanceRow && row, decode_instance(*bytes));
  Loaded out;
  out.state.status = row.status;
  out.state.is_suspended = row.is_suspended != 0;
  out.state.steps = row.steps;
  out.state.branches_made = row.branches;
  out.state.deadline_ns = row.deadline_ns;
  out.state.chain = row.chain;
  out.state.compensable = row.compensable;
  if (row.compensates != CompensatesFor::nothing) {
    Compensating& why = out.state.compensating.emplace();
    why.is_cancelled = row.compensates == CompensatesFor::cancellation;
    if (why.is_cancelled) {
      why.reason = row.compensates_why;
    } else {
      TRV_TRY_ASSIGN(why.error, parse_optional(row.compensates_why));
    }
    why.failed = row.not_compensated;
    why.failures = row.compensation_failures;
  }
  out.state.runs = std::move(row.runs);
  Branch& root = out.state.root();
  TRV_TRY(fill(root, tenant, id, row.root));
  TRV_TRY_ASSIGN(auto data, parse_optional(row.root.data));
  if (data) root.data = *std::move(data);
  root.has_context = row.context_lsn != 0;
  const auto add = [&](BranchId branch_id, const ForkedRow& forked) -> base::Status {
    Branch branch;
    branch.parent = forked.parent;
    branch.fork = forked.fork;
    branch.place = forked.place;
    branch.has_context = forked.has_context != 0;
    branch.is_read = false;
    TRV_TRY(fill(branch, tenant, id, forked.branch));
    out.state.branches.emplace(branch_id, std::move(branch));
    return {};
  };
  TRV_TRY(each_forked(txn, tables_, instance_key(tenant.value(), id), row, add));
  out.resumes_ns = row.resumes_ns;
  out.definition = {std::move(row.space), std::move(row.name), std::move(row.version)};
  out.sha256 = row.sha256;
  out.trigger = std::move(row.trigger);
  out.names = std::move(row.names);
  out.started_ns = row.started_ns;
  return out;
}

base::Result<Value> InstanceStore::input(const lmdb::Txn& txn, const base::TenantId& tenant,
                                         const InstanceId& id) const {
  TRV_TRY_ASSIGN(const auto bytes, tables_.inputs.get(txn, instance_key(tenant.value(), id)));
  return parse_row(bytes, "input");
}

base::Result<Value> InstanceStore::context(const lmdb::Txn& txn, const base::TenantId& tenant, const InstanceId& id,
                                           BranchId branch) const {
  TRV_TRY_ASSIGN(const auto bytes, tables_.contexts.get(txn, branch_key(instance_key(tenant.value(), id), branch)));
  if (!bytes) return Value::object();
  return parse(base::as_text(*bytes));
}

base::Result<Value> InstanceStore::branch_data(const lmdb::Txn& txn, const base::TenantId& tenant, const InstanceId& id,
                                               BranchId branch) const {
  TRV_TRY_ASSIGN(const auto bytes, tables_.branches.get(txn, branch_key(instance_key(tenant.value(), id), branch)));
  if (!bytes) return base::fail(base::ErrorCode::corrupt, "an instance lacks a branch; rebuild the projection");
  TRV_TRY_ASSIGN(const ForkedRow row, decode_forked(*bytes));
  return parse(row.branch.data);
}

base::Result<Value> InstanceStore::frame_input(const lmdb::Txn& txn, const base::TenantId& tenant, const InstanceId& id,
                                               BranchId branch, std::size_t depth) const {
  const std::string key = frame_key(branch_key(instance_key(tenant.value(), id), branch), depth);
  TRV_TRY_ASSIGN(const auto bytes, tables_.frames.get(txn, key));
  return parse_row(bytes, "input of a frame");
}

base::Result<Value> InstanceStore::loop_items(const lmdb::Txn& txn, const base::TenantId& tenant, const InstanceId& id,
                                              BranchId branch, std::size_t depth, std::size_t row) const {
  const std::string key = items_key(branch_key(instance_key(tenant.value(), id), branch), depth, row);
  TRV_TRY_ASSIGN(const auto bytes, tables_.frames.get(txn, key));
  return parse_row(bytes, "items of a loop");
}

base::Result<Completed> InstanceStore::completed(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                 const InstanceId& id, std::uint32_t number) const {
  TRV_TRY_ASSIGN(const auto bytes,
                 tables_.compensations.get(txn, compensation_key(instance_key(tenant.value(), id), number)));
  if (!bytes) {
    return base::fail(base::ErrorCode::corrupt, "an instance lacks a task to compensate; rebuild the projection");
  }
  TRV_TRY_ASSIGN(const CompletedRow row, decode_completed(*bytes));
  Completed out{.compensation = row.compensation, .input = {}, .output = {}};
  TRV_TRY_ASSIGN(out.input, parse(row.input));
  TRV_TRY_ASSIGN(out.output, parse(row.output));
  return out;
}

base::Result<std::optional<InstanceDetail>> InstanceStore::find(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                const InstanceId& id, const RecordAt& record_at) const {
  const std::string key = instance_key(tenant.value(), id);
  TRV_TRY_ASSIGN(const auto bytes, tables_.instances.get(txn, key));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(const InstanceRow row, decode_instance(*bytes));
  InstanceDetail out;
  out.summary = summary_of(id, row);
  if (row.status == Status::completed) out.output = row.root.data;
  out.error = out.summary.error;
  std::int64_t due_ns = row.timer_ns();
  const auto add = [&](const BranchRow& branch) {
    due_ns = first_of(due_ns, branch.timer_ns());
    if (auto effect = instance::waits_for(tenant, id, branch)) out.waits_for.push_back(*std::move(effect));
  };
  add(row.root);
  TRV_TRY(each_forked(txn, tables_, key, row, [&](BranchId, const ForkedRow& forked) -> base::Status {
    add(forked.branch);
    return {};
  }));
  if (due_ns != 0 && row.is_suspended == 0) out.due = base::Timestamp(due_ns);
  TRV_TRY_ASSIGN(const auto input, tables_.inputs.get(txn, key));
  if (input) {
    out.input = base::as_text(*input);
  } else {
    TRV_TRY_ASSIGN(const record::Record started, record_at(record::Lsn(row.first_lsn)));
    TRV_TRY_ASSIGN(out.input, input_in(started.view()));
  }
  TRV_TRY_ASSIGN(const auto context, tables_.contexts.get(txn, branch_key(key, root_branch)));
  out.context = context ? std::string(base::as_text(*context)) : "{}";
  if (!context && row.context_lsn != 0) {
    TRV_TRY_ASSIGN(const record::Record completed, record_at(record::Lsn(row.context_lsn)));
    TRV_TRY_ASSIGN(out.context, context_in(completed.view()));
  }
  return out;
}

base::Status InstanceStore::oldest_ended(
    const lmdb::Txn& txn, const base::TenantId& tenant,
    const std::function<lmdb::Visit(base::Timestamp, base::BytesView)>& visit) const {
  const std::string prefix = tenant_prefix(tenant.value());
  return lmdb::scan(txn, tables_.ended, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                    [&](base::BytesView key, base::BytesView) -> base::Result<lmdb::Visit> {
                      return visit(time_of(key), key.last(16));
                    });
}

// Ids are in order of time, as records are; within a millisecond they need not be.
base::Status InstanceStore::first_records(
    const lmdb::Txn& txn, const std::function<base::Status(const base::TenantId&, record::Lsn)>& visit) const {
  constexpr std::size_t time_bytes = 6;  // of a UUID version 7
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, tables_.instances));
  TRV_TRY_ASSIGN(auto entry, cursor.first());
  while (entry) {
    const std::string key(base::as_text(entry->key));
    const std::size_t prefix = key.find('\0') + 1;
    TRV_ASSERT(prefix > 0 && key.size() > prefix + time_bytes);
    const std::string oldest = key.substr(0, prefix + time_bytes);
    record::Lsn first(UINT64_MAX);
    while (entry && lmdb::begins_with(entry->key, base::as_bytes(oldest))) {
      TRV_TRY_ASSIGN(const InstanceRow row, decode_instance(entry->value));
      first = std::min(first, record::Lsn(row.first_lsn));
      TRV_TRY_ASSIGN(entry, cursor.next());
    }
    TRV_TRY(visit(base::TenantId(key.substr(0, prefix - 1)), first));
    const auto next_tenant = lmdb::after_prefix(base::as_bytes(key).first(prefix));
    if (!next_tenant) break;
    TRV_TRY_ASSIGN(entry, cursor.seek(*next_tenant));
  }
  return {};
}

}  // namespace trv::instance
