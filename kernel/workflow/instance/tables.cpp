#include "kernel/workflow/instance/tables.hpp"

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::instance {

base::Status Tables::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(definitions, txn.create_table("workflow_definitions"));
  TRV_TRY_ASSIGN(latest, txn.create_table("workflow_latest"));
  TRV_TRY_ASSIGN(subscriptions, txn.create_table("workflow_subscriptions"));
  TRV_TRY_ASSIGN(heads, txn.create_table("workflow_heads"));
  TRV_TRY_ASSIGN(states, txn.create_table("workflow_states"));
  TRV_TRY_ASSIGN(inputs, txn.create_table("workflow_inputs"));
  TRV_TRY_ASSIGN(contexts, txn.create_table("workflow_contexts"));
  TRV_TRY_ASSIGN(steps, txn.create_table("workflow_steps"));
  return {};
}

std::string tenant_prefix(std::string_view tenant) {
  std::string key(tenant);
  key.push_back('\0');
  return key;
}

std::string latest_key(std::string_view tenant, std::string_view space, std::string_view name) {
  std::string key = tenant_prefix(tenant);
  key += space;
  key.push_back('\0');
  key += name;
  return key;
}

std::string definition_key(std::string_view tenant, std::string_view space, std::string_view name,
                           std::string_view version) {
  std::string key = latest_key(tenant, space, name);
  key.push_back('\0');
  key += version;
  return key;
}

std::string subscription_prefix(std::string_view tenant, std::string_view event_type) {
  std::string key = tenant_prefix(tenant);
  key += event_type;
  key.push_back('\0');
  return key;
}

std::string instance_key(std::string_view tenant, const base::Uuid& instance) {
  std::string key = tenant_prefix(tenant);
  key.append(reinterpret_cast<const char*>(instance.bytes().data()), instance.bytes().size());
  return key;
}

std::string step_key(std::string_view tenant, const base::Uuid& instance, record::Lsn lsn) {
  std::string key = instance_key(tenant, instance);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(lsn.value() >> shift));
  return key;
}

record::Lsn lsn_of(base::BytesView step_key) {
  TRV_EXPECTS(step_key.size() >= 8);
  std::uint64_t value = 0;
  for (const std::uint8_t byte : step_key.last(8)) value = (value << 8) | byte;
  return record::Lsn(value);
}

base::Uuid instance_of(base::BytesView instance_key) {
  TRV_EXPECTS(instance_key.size() >= 16);
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::copy(instance_key.last(16), bytes.begin());
  return base::Uuid(bytes);
}

}  // namespace trv::instance
