#include "kernel/workflow/instance/history.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "events/lmdb/env.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/projector.hpp"
#include "kernel/workflow/instance/task_event.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::instance {

using base::ErrorCode;
using json::Value;

namespace {

/// For a projection of one instance, in files that are gone with it.
base::Result<lmdb::Env> open_scratch() {
  TRV_TRY_ASSIGN(const auto folder,
                 base::ScratchFolder::make("travertine-past", std::filesystem::temp_directory_path()));
  return lmdb::Env::open(folder.path(), {.map_bytes = std::uint64_t{4} << 30, .sync = lmdb::Sync::none});
}

base::Error too_many_records(const InstanceId& id) {
  return {ErrorCode::too_large,
          fmt::format("the instance {} has more than {} records", id.to_string(), past_records_max)};
}

/// Why an instance that compensates, or has done so, is not tried again.
base::Error is_compensated(const lmdb::Txn& txn, const InstanceStore& store, const base::TenantId& tenant,
                           const InstanceId& id) {
  const auto loaded = store.load(txn, tenant, id);
  if (!loaded) return loaded.error();
  const bool is_under_way = *loaded && (*loaded)->state.compensating;
  return {ErrorCode::conflict,
          is_under_way ? fmt::format("the instance {} is compensating: what its tasks had done is being undone, and "
                                     "then it ends, so that there is nothing to go on from; start it anew",
                                     id.to_string())
                       : fmt::format("the instance {} was compensated: what its tasks had done is undone, so there is "
                                     "nothing to go on from; start it anew",
                                     id.to_string())};
}

/// What ended the instance: the first of the failures that nothing caught.
struct Failure {
  std::uint64_t place = 0;  ///< of its record
  std::string task;
  BranchId branch = root_branch;
};

base::Result<Failure> find_failure(const lmdb::Txn& txn, const InstanceStore& store, const base::TenantId& tenant,
                                   const InstanceId& id, const RecordAt& record_at) {
  Failure failure;
  std::size_t records = 0;
  bool has_ended = false;
  bool in_failure = false;
  const auto look = [&](std::uint64_t place, const record::RecordView& event) -> base::Result<lmdb::Visit> {
    if (++records > past_records_max) {
      return base::fail(too_many_records(id));
    }
    if (event.type() == instance_compensating_type) {
      return base::fail(is_compensated(txn, store, tenant, id));
    }
    if (event.type() == instance_forked_type) return lmdb::Visit::go_on;
    TRV_TRY_ASSIGN(const auto task, task_event_in(event));
    has_ended = event.type() == instance_faulted_type;
    // Cancelled effects and outcomes that no task takes are between a failure and its instance's end.
    const bool says_nothing = !task && event.type().starts_with(shard::effect_types);
    if (says_nothing || (has_ended && in_failure)) return lmdb::Visit::go_on;
    const bool fails = task && task->outcome == "faulted";
    if ((fails && !in_failure) || has_ended) {
      failure.place = place;
      failure.task = fails ? task->reference : std::string_view();
      failure.branch = fails ? branch_of(*task) : root_branch;
    }
    in_failure = fails;
    return lmdb::Visit::go_on;
  };
  TRV_TRY(store.each_record(txn, tenant, id, 0, past_records_max + 1, record_at, look));
  if (!has_ended) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the instance {} has not faulted: there is nothing to try again", id.to_string()));
  }
  return failure;
}

/// What decisions read only when they need it.
base::Status read_all(const InstanceStore& store, const lmdb::Txn& txn, const base::TenantId& tenant,
                      const InstanceId& id, State& state) {
  for (auto& [number, branch] : state.branches) {
    if (!branch.is_read) {
      TRV_TRY_ASSIGN(branch.data, store.branch_data(txn, tenant, id, number));
      branch.is_read = true;
    }
    if (branch.has_context) {
      TRV_TRY_ASSIGN(branch.context, store.context(txn, tenant, id, number));
    }
    for (std::size_t depth = 0; depth < branch.frames.size(); ++depth) {
      Frame& frame = branch.frames[depth];
      if (frame.has_input) {
        TRV_TRY_ASSIGN(frame.input, store.frame_input(txn, tenant, id, number, depth));
      }
      std::vector<Value> items;
      for (std::size_t row = 0; items.size() < frame.items_count; ++row) {
        TRV_TRY_ASSIGN(const Value some, store.loop_items(txn, tenant, id, number, depth, row));
        if (!some.is_array() || some.size() == 0) {
          return base::fail(ErrorCode::corrupt, "a loop lacks an item; rebuild the projection");
        }
        for (std::size_t i = 0; i < some.size(); ++i) items.push_back(some.at(i));
      }
      if (!items.empty()) frame.items = Value::array(std::move(items));
    }
  }
  return {};
}

/// Whether a record belongs to the past that is asked for.
enum class Part : std::uint8_t { yes, last, no };

/// Projects the instance's records anew, up to the last that `part` takes.
template <typename PartOf>
base::Result<Past> project(const lmdb::Txn& txn, const InstanceStore& store, const base::TenantId& tenant,
                           const InstanceId& id, const RecordAt& record_at, const PartOf& part) {
  TRV_TRY_ASSIGN(lmdb::Env scratch, open_scratch());
  std::uint64_t at = 0;
  std::size_t records = 0;
  shard::Timers timers;
  WorkflowProjector projector(timers, [&at](const record::RecordView&) { return record::Lsn(at); });
  Past past;
  {
    TRV_TRY_ASSIGN(lmdb::WriteTxn write, scratch.begin_write());
    TRV_TRY(timers.open(write));
    TRV_TRY(projector.open(write));
    const auto apply = [&](std::uint64_t place, const record::RecordView& event) -> base::Result<lmdb::Visit> {
      const Part of = part(place, event);
      if (of == Part::no) return lmdb::Visit::stop;
      if (++records > past_records_max) return base::fail(too_many_records(id));
      at = place;
      TRV_TRY(projector.apply(write, event));
      TRV_TRY_ASSIGN(const auto task, task_event_in(event));
      past.task = task ? std::string(task->reference) : std::string();
      past.branch = task ? branch_of(*task) : root_branch;
      past.place = record::Lsn(place);
      past.event = event.event_id();
      past.time = event.time();
      return of == Part::last ? lmdb::Visit::stop : lmdb::Visit::go_on;
    };
    TRV_TRY(store.each_record(txn, tenant, id, 0, past_records_max + 1, record_at, apply));
    TRV_TRY(projector.finish(write));
    TRV_TRY(write.commit());
  }
  if (at == 0) return base::fail(ErrorCode::not_found, fmt::format("the instance {} had not started", id.to_string()));
  TRV_TRY_ASSIGN(const auto read, scratch.begin_read());
  const InstanceStore then(projector.tables());
  TRV_TRY_ASSIGN(auto loaded, then.load(read, tenant, id));
  if (!loaded) return base::fail(ErrorCode::corrupt, "an instance's records do not begin with its start");
  past.instance = *std::move(loaded);
  TRV_TRY_ASSIGN(auto detail, then.find(read, tenant, id, record_at));
  TRV_ASSERT(detail.has_value());
  past.detail = *std::move(detail);
  if (past.instance.state.status == Status::running) {
    TRV_TRY(read_all(then, read, tenant, id, past.instance.state));
  }
  TRV_TRY_ASSIGN(past.input, json::parse(past.detail.input));
  if (!past.instance.state.branches.contains(past.branch)) past.branch = root_branch;
  TRV_TRY_ASSIGN(const auto now, store.load(txn, tenant, id));
  if (now) past.steps = now->state.steps;
  return past;
}

}  // namespace

base::Result<Past> before_failure(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                                  const InstanceId& id, const RecordAt& record_at) {
  const InstanceStore store(tables);
  TRV_TRY_ASSIGN(const auto now, store.load(txn, tenant, id));
  if (!now) return base::fail(ErrorCode::not_found, fmt::format("there is no instance {}", id.to_string()));
  TRV_TRY_ASSIGN(const Failure failure, find_failure(txn, store, tenant, id, record_at));
  TRV_TRY_ASSIGN(Past past, project(txn, store, tenant, id, record_at, [&](std::uint64_t place, const auto&) {
                   return place == failure.place ? Part::no : Part::yes;
                 }));
  if (past.instance.state.root().error) {
    return base::fail(
        ErrorCode::conflict,
        fmt::format("the instance {} failed before its first task; start it anew with another input", id.to_string()));
  }
  past.task = failure.task;
  past.branch = failure.branch;
  TRV_ENSURES(past.instance.state.status == Status::running && past.instance.state.branches.contains(past.branch));
  return past;
}

base::Result<Past> behind(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                          const InstanceId& id, const At& at, const RecordAt& record_at) {
  const InstanceStore store(tables);
  TRV_TRY_ASSIGN(const auto now, store.load(txn, tenant, id));
  if (!now) return base::fail(ErrorCode::not_found, fmt::format("there is no instance {}", id.to_string()));
  bool found = false;
  const auto part = [&](std::uint64_t place, const record::RecordView& event) {
    if (const auto* last = std::get_if<record::Lsn>(&at)) return place <= last->value() ? Part::yes : Part::no;
    if (const auto* time = std::get_if<base::Timestamp>(&at)) return event.time() <= *time ? Part::yes : Part::no;
    found = event.event_id() == std::get<base::Uuid>(at);
    return found ? Part::last : Part::yes;
  };
  TRV_TRY_ASSIGN(Past past, project(txn, store, tenant, id, record_at, part));
  if (const auto* event = std::get_if<base::Uuid>(&at); event != nullptr && !found) {
    return base::fail(ErrorCode::not_found,
                      fmt::format("the instance {} has no event {}", id.to_string(), event->to_string()));
  }
  TRV_ENSURES(past.instance.state.branches.contains(past.branch));
  return past;
}

}  // namespace trv::instance
