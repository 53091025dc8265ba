#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/workflow/instance/store.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using json::Value;

namespace {

/// Rows looked at for one page of a filtered list.
constexpr std::size_t looked_at_max = 10'000;
/// What follows the tenant in an instance's key: a zero and the id.
constexpr std::size_t instance_key_bytes = 17;

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

base::Result<State> state_of(const StateRow& row) {
  State state;
  state.status = row.status;
  state.steps = row.steps;
  state.due_ns = row.due_ns;
  state.next = row.next;
  state.runs = row.runs;
  TRV_TRY_ASSIGN(state.data, parse(row.data));
  TRV_TRY_ASSIGN(state.error, parse_optional(row.error));
  for (const FrameRow& from : row.frames) {
    Frame& frame = state.frames.emplace_back();
    frame.task = from.task;
    frame.attempt = from.attempt;
    frame.index = from.index;
    frame.started_ns = from.started_ns;
    frame.reported = true;
    TRV_TRY_ASSIGN(frame.input, parse_optional(from.input));
    TRV_TRY_ASSIGN(frame.items, parse_optional(from.items));
    TRV_TRY_ASSIGN(frame.error, parse_optional(from.error));
  }
  return state;
}

InstanceSummary summary_of(const InstanceId& id, const HeadRow& head, const StateRow& row) {
  InstanceSummary out;
  out.id = id;
  out.definition = {std::string(head.space), std::string(head.name), std::string(head.version)};
  out.status = row.status;
  out.trigger = head.trigger;
  out.started = base::Timestamp(head.started_ns);
  out.updated = base::Timestamp(row.updated_ns);
  out.steps = row.steps;
  out.current_task = row.current;
  return out;
}

}  // namespace

base::Result<std::optional<InstanceStore::Loaded>> InstanceStore::load(const lmdb::Txn& txn,
                                                                       const base::TenantId& tenant,
                                                                       const InstanceId& id) const {
  const std::string key = instance_key(tenant.value(), id);
  TRV_TRY_ASSIGN(const auto state_bytes, tables_.states.get(txn, key));
  if (!state_bytes) return std::nullopt;
  TRV_TRY_ASSIGN(const StateRow row, decode_state(*state_bytes));
  Loaded out;
  TRV_TRY_ASSIGN(out.state, state_of(row));
  TRV_TRY_ASSIGN(const auto head_bytes, tables_.heads.get(txn, key));
  if (!head_bytes) return base::fail(base::ErrorCode::corrupt, "an instance has no head; rebuild the projection");
  TRV_TRY_ASSIGN(const HeadRow head, decode_head(*head_bytes));
  out.definition = {std::string(head.space), std::string(head.name), std::string(head.version)};
  out.sha256 = head.sha256;
  out.started_ns = head.started_ns;
  return out;
}

base::Result<Value> InstanceStore::input(const lmdb::Txn& txn, const base::TenantId& tenant,
                                         const InstanceId& id) const {
  TRV_TRY_ASSIGN(const auto bytes, tables_.inputs.get(txn, instance_key(tenant.value(), id)));
  if (!bytes) return base::fail(base::ErrorCode::corrupt, "an instance has no input; rebuild the projection");
  return parse(base::as_text(*bytes));
}

base::Result<Value> InstanceStore::context(const lmdb::Txn& txn, const base::TenantId& tenant,
                                           const InstanceId& id) const {
  TRV_TRY_ASSIGN(const auto bytes, tables_.contexts.get(txn, instance_key(tenant.value(), id)));
  if (!bytes) return Value::object();
  return parse(base::as_text(*bytes));
}

base::Result<std::optional<InstanceDetail>> InstanceStore::find(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                const InstanceId& id) const {
  const std::string key = instance_key(tenant.value(), id);
  TRV_TRY_ASSIGN(const auto state_bytes, tables_.states.get(txn, key));
  TRV_TRY_ASSIGN(const auto head_bytes, tables_.heads.get(txn, key));
  if (!state_bytes || !head_bytes) return std::nullopt;
  TRV_TRY_ASSIGN(const StateRow row, decode_state(*state_bytes));
  TRV_TRY_ASSIGN(const HeadRow head, decode_head(*head_bytes));
  InstanceDetail out;
  out.summary = summary_of(id, head, row);
  if (row.status == Status::completed) out.output = row.data;
  if (row.status == Status::faulted) out.error = row.error;
  if (row.due_ns != 0) out.due = base::Timestamp(row.due_ns);
  TRV_TRY_ASSIGN(const auto input, tables_.inputs.get(txn, key));
  if (input) out.input = base::as_text(*input);
  TRV_TRY_ASSIGN(const auto context, tables_.contexts.get(txn, key));
  out.context = context ? std::string(base::as_text(*context)) : "{}";
  return out;
}

base::Result<Page<InstanceSummary>> InstanceStore::list(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                        std::optional<Status> status, std::string_view cursor,
                                                        std::size_t count_max) const {
  TRV_EXPECTS(count_max > 0);
  const std::string prefix = tenant_prefix(tenant.value());
  std::string from;
  if (!cursor.empty()) {
    const auto id = base::Uuid::parse(cursor);
    if (!id)
      return base::fail(base::ErrorCode::invalid,
                        "the cursor is not one that a list has given; leave it out to start from the beginning");
    from = instance_key(tenant.value(), *id);
  }
  Page<InstanceSummary> page;
  std::size_t looked_at = 0;
  TRV_TRY(lmdb::scan(txn, tables_.states, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::backward,
                     [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                       const InstanceId id = instance_of(key);
                       if (page.items.size() == count_max || looked_at++ == looked_at_max) {
                         page.next = id.to_string();
                         return lmdb::Visit::stop;
                       }
                       TRV_TRY_ASSIGN(const StateRow row, decode_state(value));
                       if (status && row.status != *status) return lmdb::Visit::go_on;
                       TRV_TRY_ASSIGN(const auto head_bytes, tables_.heads.get(txn, key));
                       if (!head_bytes) return base::fail(base::ErrorCode::corrupt, "an instance has no head");
                       TRV_TRY_ASSIGN(const HeadRow head, decode_head(*head_bytes));
                       page.items.push_back(summary_of(id, head, row));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(page.items.size() <= count_max);
  return page;
}

base::Result<Page<InstanceStep>> InstanceStore::timeline(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         const InstanceId& id, std::string_view cursor,
                                                         std::size_t count_max) const {
  TRV_EXPECTS(count_max > 0);
  const std::string prefix = instance_key(tenant.value(), id);
  std::string from;
  if (!cursor.empty()) {
    const bool digits = cursor.size() <= 19 && cursor.find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits)
      return base::fail(base::ErrorCode::invalid,
                        "the cursor is not one that a timeline has given; leave it out to start from the beginning");
    from = step_key(tenant.value(), id, record::Lsn(std::stoull(std::string(cursor))));
  }
  Page<InstanceStep> page;
  TRV_TRY(lmdb::scan(txn, tables_.steps, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                       const record::Lsn lsn = lsn_of(key);
                       if (page.items.size() == count_max) {
                         page.next = std::to_string(lsn.value());
                         return lmdb::Visit::stop;
                       }
                       TRV_TRY_ASSIGN(const StepRow row, decode_step(value));
                       InstanceStep step;
                       step.lsn = lsn;
                       step.time = base::Timestamp(row.time_ns);
                       step.type = row.type;
                       step.task = row.name;
                       step.reference = row.reference;
                       step.kind = row.kind;
                       step.operation = row.operation;
                       step.attempt = row.attempt;
                       if (row.started_ns != 0) step.duration = base::Duration(row.time_ns - row.started_ns);
                       step.error = row.error;
                       page.items.push_back(std::move(step));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(page.items.size() <= count_max);
  return page;
}

}  // namespace trv::instance
