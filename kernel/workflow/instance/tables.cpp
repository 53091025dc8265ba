#include "kernel/workflow/instance/tables.hpp"

#include <algorithm>
#include <array>

#include "kernel/workflow/instance/state.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

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
  TRV_TRY_ASSIGN(start_keys, txn.create_table("workflow_start_keys"));
  return {};
}

std::string tenant_prefix(std::string_view tenant) {
  // An empty tenant would open the rows of nobody, or of everybody.
  TRV_EXPECTS(!tenant.empty());
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

std::string start_key(std::string_view tenant, std::string_view trigger) {
  TRV_EXPECTS(trigger.starts_with(start_key_trigger));
  const base::Digest digest = base::sha256(base::as_bytes(trigger));
  std::string key = tenant_prefix(tenant);
  key.append(reinterpret_cast<const char*>(digest.data()), 16);
  return key;
}

std::string instance_key(std::string_view tenant, const base::Uuid& instance) {
  TRV_EXPECTS(!tenant.empty());
  // With room for the lsn of a step.
  std::string key;
  key.reserve(tenant.size() + 1 + instance.bytes().size() + 8);
  key += tenant;
  key.push_back('\0');
  key.append(reinterpret_cast<const char*>(instance.bytes().data()), instance.bytes().size());
  return key;
}

std::string step_key(std::string_view tenant, const base::Uuid& instance, record::Lsn lsn) {
  std::string key = instance_key(tenant, instance);
  std::array<char, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(lsn.value() >> (56 - 8 * i));
  key.append(bytes.data(), bytes.size());
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
