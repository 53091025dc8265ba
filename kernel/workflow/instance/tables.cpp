#include "kernel/workflow/instance/tables.hpp"

#include <algorithm>
#include <array>

#include "kernel/workflow/instance/state.hpp"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::instance {
namespace {

/// Big-endian, so that rows are in order of their numbers.
std::string with_number(std::string_view key, std::uint64_t number, unsigned bytes) {
  TRV_EXPECTS(bytes == 8 || number >> (8 * bytes) == 0);
  std::string out(key);
  for (unsigned i = bytes; i-- > 0;) out.push_back(static_cast<char>(number >> (8 * i)));
  return out;
}

}  // namespace

base::Status Tables::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(definitions, txn.create_table("workflow_definitions"));
  TRV_TRY_ASSIGN(latest, txn.create_table("workflow_latest"));
  TRV_TRY_ASSIGN(disabled, txn.create_table("workflow_disabled"));
  TRV_TRY_ASSIGN(retired, txn.create_table("workflow_retired"));
  TRV_TRY_ASSIGN(subscriptions, txn.create_table("workflow_subscriptions"));
  TRV_TRY_ASSIGN(filter_failures, txn.create_table("workflow_filter_failures"));
  TRV_TRY_ASSIGN(schedules, txn.create_table("workflow_schedules"));
  TRV_TRY_ASSIGN(gathered, txn.create_table("workflow_gathered"));
  TRV_TRY_ASSIGN(instances, txn.create_table("workflow_instances"));
  TRV_TRY_ASSIGN(inputs, txn.create_table("workflow_inputs"));
  TRV_TRY_ASSIGN(branches, txn.create_table("workflow_branches"));
  TRV_TRY_ASSIGN(contexts, txn.create_table("workflow_contexts"));
  TRV_TRY_ASSIGN(frames, txn.create_table("workflow_frames"));
  TRV_TRY_ASSIGN(listens, txn.create_table("workflow_listens"));
  TRV_TRY_ASSIGN(compensations, txn.create_table("workflow_compensations"));
  TRV_TRY_ASSIGN(positions, txn.create_table("workflow_positions"));
  TRV_TRY_ASSIGN(ended, txn.create_table("workflow_ended"));
  TRV_TRY_ASSIGN(marks, txn.create_table("workflow_marks"));
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

std::string retired_key(std::string_view tenant, const base::Digest& sha256) {
  std::string key = tenant_prefix(tenant);
  key.append(reinterpret_cast<const char*>(sha256.data()), sha256.size());
  return key;
}

std::string gathered_prefix(std::string_view latest_key, std::string_view correlation, std::uint32_t filter) {
  TRV_EXPECTS(correlation.size() == gathered_correlation_bytes);
  std::string key(latest_key);
  key.push_back('\0');
  key += correlation;
  return with_number(key, filter, 2);
}

std::string gathered_key(std::string_view gathered_prefix, record::Lsn place) {
  return with_number(gathered_prefix, place.value(), 8);
}

std::string subscription_prefix(std::string_view tenant, std::string_view event_type) {
  std::string key = tenant_prefix(tenant);
  key += event_type;
  key.push_back('\0');
  return key;
}

std::string mark_prefix(std::string_view tenant, Mark mark, std::string_view value) {
  constexpr std::size_t digest_bytes = 8;
  std::string key = tenant_prefix(tenant);
  key.push_back(static_cast<char>(mark));
  // Statuses are few and short.
  if (mark == Mark::status) return key.append(value.substr(0, 2));
  const base::Digest digest = base::sha256(base::as_bytes(value));
  return key.append(reinterpret_cast<const char*>(digest.data()), digest_bytes);
}

std::string start_key(std::string_view tenant, std::string_view trigger) {
  TRV_EXPECTS(trigger.starts_with(start_key_trigger));
  const base::Digest digest = base::sha256(base::as_bytes(trigger));
  std::string key = tenant_prefix(tenant);
  key.append(reinterpret_cast<const char*>(digest.data()), 16);
  return key;
}

std::string instance_key(std::string_view tenant, const base::Uuid& instance) {
  std::string key = tenant_prefix(tenant);
  key.append(reinterpret_cast<const char*>(instance.bytes().data()), instance.bytes().size());
  return key;
}

std::string ended_key(std::string_view tenant, std::int64_t ended_ns, const base::Uuid& instance) {
  TRV_EXPECTS(ended_ns >= 0);
  std::string key = with_number(tenant_prefix(tenant), static_cast<std::uint64_t>(ended_ns), 8);
  key.append(reinterpret_cast<const char*>(instance.bytes().data()), instance.bytes().size());
  return key;
}

base::Timestamp time_of(base::BytesView ended_key) {
  TRV_EXPECTS(ended_key.size() > 24);
  return base::Timestamp(static_cast<std::int64_t>(base::big_endian(ended_key.last(24).first(8))));
}

std::string branch_key(std::string_view instance_key, std::uint32_t branch) {
  return with_number(instance_key, branch, 4);
}

std::uint32_t branch_of(base::BytesView branch_key) {
  TRV_EXPECTS(branch_key.size() > 20);
  return static_cast<std::uint32_t>(base::big_endian(branch_key.last(4)));
}

std::string frame_key(std::string_view branch_key, std::size_t depth) {
  return with_number(branch_key, depth, 2);
}

std::string items_key(std::string_view branch_key, std::size_t depth, std::size_t row) {
  return with_number(frame_key(branch_key, depth), row, 4);
}

std::string compensation_key(std::string_view instance_key, std::uint32_t number) {
  return with_number(instance_key, number, 4);
}

std::string listen_prefix(std::string_view tenant, std::string_view event_type) {
  return subscription_prefix(tenant, event_type);
}

std::string listen_end(const ListenEnd& end) {
  std::string out(reinterpret_cast<const char*>(end.definition.data()), end.definition.size());
  out = with_number(with_number(with_number(out, end.task, 4), end.filter, 2), end.correlation, 8);
  out.append(reinterpret_cast<const char*>(end.instance.bytes().data()), end.instance.bytes().size());
  out = with_number(out, end.branch, 4);
  TRV_ENSURES(out.size() == listen_end_bytes);
  return out;
}

ListenEnd listen_end_in(base::BytesView end) {
  TRV_EXPECTS(end.size() == listen_end_bytes);
  ListenEnd out;
  std::ranges::copy(end.first(out.definition.size()), out.definition.begin());
  end = end.subspan(out.definition.size());
  out.task = static_cast<std::uint32_t>(base::big_endian(end.first(4)));
  out.filter = static_cast<std::uint32_t>(base::big_endian(end.subspan(4, 2)));
  out.correlation = base::big_endian(end.subspan(6, 8));
  out.instance = instance_of(end.subspan(14, 16));
  out.branch = static_cast<std::uint32_t>(base::big_endian(end.last(4)));
  return out;
}

std::string positions_key(std::string_view instance_key, record::Lsn first) {
  return with_number(instance_key, first.value(), 8);
}

base::Uuid instance_of(base::BytesView instance_key) {
  TRV_EXPECTS(instance_key.size() >= 16);
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::copy(instance_key.last(16), bytes.begin());
  return base::Uuid(bytes);
}

}  // namespace trv::instance
