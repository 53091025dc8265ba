#pragma once
// The tables of the workflow projection and their keys. Every key begins with the tenant.

#include <optional>
#include <string>
#include <string_view>

#include "events/lmdb/table.hpp"
#include "events/record/position.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::instance {

/// Handles; cheap to copy, valid as long as the environment.
struct Tables {
  lmdb::Table definitions;    ///< tenant 0 namespace 0 name 0 version → DefinitionRow
  lmdb::Table latest;         ///< tenant 0 namespace 0 name → version
  lmdb::Table subscriptions;  ///< tenant 0 event type 0 namespace 0 name → version
  lmdb::Table heads;          ///< tenant 0 instance → HeadRow
  lmdb::Table states;         ///< tenant 0 instance → StateRow
  lmdb::Table inputs;         ///< tenant 0 instance → JSON
  lmdb::Table contexts;       ///< tenant 0 instance → JSON; none = {}
  lmdb::Table steps;          ///< tenant 0 instance lsn → StepRow
  lmdb::Table start_keys;     ///< tenant 0 digest of the trigger → instance; only triggers that begin with "key:"

  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn);
};

[[nodiscard]] std::string tenant_prefix(std::string_view tenant);
[[nodiscard]] std::string definition_key(std::string_view tenant, std::string_view space, std::string_view name,
                                         std::string_view version);
[[nodiscard]] std::string latest_key(std::string_view tenant, std::string_view space, std::string_view name);
[[nodiscard]] std::string subscription_prefix(std::string_view tenant, std::string_view event_type);
[[nodiscard]] std::string instance_key(std::string_view tenant, const base::Uuid& instance);
[[nodiscard]] std::string step_key(std::string_view tenant, const base::Uuid& instance, record::Lsn lsn);
[[nodiscard]] std::string start_key(std::string_view tenant, std::string_view trigger);
/// The lsn at the end of a step_key.
[[nodiscard]] record::Lsn lsn_of(base::BytesView step_key);
/// The instance at the end of an instance_key.
[[nodiscard]] base::Uuid instance_of(base::BytesView instance_key);

}  // namespace trv::instance
