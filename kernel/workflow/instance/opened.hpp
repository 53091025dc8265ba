#pragma once
// An instance of the tables, with its definition, as a decision works with it. Private to the decisions of this room.

#include <string_view>

#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

/// What the trigger of an instance begins with that an event has started; the event's id follows.
inline constexpr std::string_view event_trigger = "event:";

/// The event as expressions see it.
[[nodiscard]] json::Value with_data(json::Value event, json::Value data, bool is_base64);

/// Without data that a blob holds. Error: invalid or too_large for the data.
[[nodiscard]] base::Result<json::Value> event_object(const ReceivedEvent& event);

/// The definition, compiled; a decision does not compile where another thread can. Errors: corrupt where it is not
/// stored; unavailable while it is compiled.
[[nodiscard]] base::Result<DefinitionPointer> ready(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                    Workflows workflows, const definition::Name& name,
                                                    const base::Digest& sha256);
/// The same of a definition that is known by one of its instances.
[[nodiscard]] base::Result<DefinitionPointer> definition_of(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                            Workflows workflows, const base::Digest& sha256,
                                                            const InstanceId& instance);

/// The same of one that is found by its name; an empty version is the latest. Error: not_found, too.
[[nodiscard]] base::Result<DefinitionPointer> find_definition(const lmdb::Txn& txn,
                                                              const shard::DecisionContext& context,
                                                              Workflows workflows, const definition::Name& name);

/// The same of one that is to start an instance. Error: conflict where it is disabled, too.
[[nodiscard]] base::Result<DefinitionPointer> find_startable(const lmdb::Txn& txn,
                                                             const shard::DecisionContext& context, Workflows workflows,
                                                             const definition::Name& name);

struct Opened {
  InstanceStore::Loaded loaded;
  DefinitionPointer definition;
};
/// Errors: not_found; as ready(); corrupt where its rows do not fit its definition.
[[nodiscard]] base::Result<Opened> open(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                        Workflows workflows, const InstanceId& instance);

/// Of an instance that the tables have.
class StoredData final : public InstanceData {
 public:
  StoredData(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
             const InstanceId& instance, const InstanceStore::Loaded& loaded)
      : txn_(txn), context_(context), workflows_(workflows), instance_(instance), loaded_(loaded) {}

  [[nodiscard]] std::int64_t started_ns() const override { return loaded_.started_ns; }
  [[nodiscard]] std::string_view trigger() const override { return loaded_.trigger; }
  [[nodiscard]] base::Result<DefinitionPointer> definition(const definition::Name& name) const override {
    return find_startable(txn_, context_, workflows_, name);
  }
  [[nodiscard]] base::Result<json::Value> input() const override;
  [[nodiscard]] base::Result<json::Value> context(BranchId branch) const override {
    return store_.context(txn_, context_.tenant, instance_, branch);
  }
  [[nodiscard]] base::Result<json::Value> branch_data(BranchId branch) const override {
    return store_.branch_data(txn_, context_.tenant, instance_, branch);
  }
  [[nodiscard]] base::Result<json::Value> frame_input(BranchId branch, std::size_t depth) const override {
    return store_.frame_input(txn_, context_.tenant, instance_, branch, depth);
  }
  [[nodiscard]] base::Result<json::Value> loop_items(BranchId branch, std::size_t depth,
                                                     std::size_t row) const override {
    return store_.loop_items(txn_, context_.tenant, instance_, branch, depth, row);
  }
  [[nodiscard]] base::Result<Completed> completed(std::uint32_t number) const override {
    return store_.completed(txn_, context_.tenant, instance_, number);
  }

 private:
  const lmdb::Txn& txn_;
  const shard::DecisionContext& context_;
  Workflows workflows_;
  const InstanceId& instance_;
  const InstanceStore::Loaded& loaded_;
  InstanceStore store_{workflows_.tables};
};

/// Of an instance that starts in this decision: all else that there is is in the execution already.
class NewData final : public InstanceData {
 public:
  NewData(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows, std::string_view trigger)
      : txn_(txn), context_(context), workflows_(workflows), trigger_(trigger) {}
  /// As StoredData::input(), of what such an instance keeps.
  [[nodiscard]] base::Result<json::Value> whole_input(json::Value kept) const;
  [[nodiscard]] std::int64_t started_ns() const override { return context_.now.ns(); }
  [[nodiscard]] std::string_view trigger() const override { return trigger_; }
  [[nodiscard]] base::Result<DefinitionPointer> definition(const definition::Name& name) const override {
    return find_startable(txn_, context_, workflows_, name);
  }
  [[nodiscard]] base::Result<json::Value> input() const override { return json::Value::object(); }
  [[nodiscard]] base::Result<json::Value> context(BranchId) const override { return json::Value::object(); }
  [[nodiscard]] base::Result<json::Value> branch_data(BranchId) const override { return json::Value::object(); }
  [[nodiscard]] base::Result<json::Value> frame_input(BranchId, std::size_t) const override {
    return json::Value::object();
  }
  [[nodiscard]] base::Result<json::Value> loop_items(BranchId, std::size_t, std::size_t) const override {
    return json::Value::object();
  }
  [[nodiscard]] base::Result<Completed> completed(std::uint32_t) const override { return Completed{}; }

 private:
  const lmdb::Txn& txn_;
  const shard::DecisionContext& context_;
  Workflows workflows_;
  std::string trigger_;
};

}  // namespace trv::instance
