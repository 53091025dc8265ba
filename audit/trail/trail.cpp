#include "audit/trail/trail.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "audit/note/checkpoint.hpp"
#include "sdk/base/contract.hpp"

namespace trv::trail {
namespace {

using base::ErrorCode;
using base::Result;

// The value of an entry that must be there.
Result<base::BytesView> stored_entry(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                                     std::uint64_t index) {
  TRV_TRY_ASSIGN(const auto value, tables.entries.get(txn, TrailKey::entry(tenant.value(), index).view()));
  if (!value || value->size() < entry_header_bytes) {
    return base::fail(ErrorCode::corrupt, fmt::format("audit_entries of tenant {}: entry {} is {}", tenant.value(),
                                                      index, value ? "too short" : "missing"));
  }
  return *value;
}

Result<base::Digest> digest_of(base::BytesView bytes) {
  base::Digest digest;
  if (bytes.size() != digest.size()) {
    return base::fail(ErrorCode::corrupt, fmt::format("audit_nodes: a hash has {} bytes", bytes.size()));
  }
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

}  // namespace

Result<std::vector<record::Lsn>> positions_after(const lmdb::Txn& txn, const Tables& tables,
                                                 const base::TenantId& tenant, record::Lsn after, std::size_t count) {
  std::vector<record::Lsn> positions;
  TRV_TRY_ASSIGN(const auto head, tables.size.get(txn, tenant.value()));
  if (!head) return positions;
  TRV_TRY_ASSIGN(const merkle::Frontier frontier, parse_frontier(tenant.value(), *head));
  const auto position_at = [&](std::uint64_t index) -> Result<std::uint64_t> {
    TRV_TRY_ASSIGN(const base::BytesView value, stored_entry(txn, tables, tenant, index));
    return get_number(value.data());
  };
  // The first entry behind `after`; most who ask are near the end.
  std::uint64_t begin = 0;
  std::uint64_t end = frontier.size();
  for (std::uint64_t probe = end == 0 ? 0 : end - 1; begin < end; probe = begin + (end - begin) / 2) {
    TRV_TRY_ASSIGN(const std::uint64_t position, position_at(probe));
    if (position <= after.value()) {
      begin = probe + 1;
    } else {
      end = probe;
    }
  }
  for (std::uint64_t index = begin; index < frontier.size() && positions.size() < count; ++index) {
    TRV_TRY_ASSIGN(const std::uint64_t position, position_at(index));
    positions.emplace_back(position);
  }
  TRV_ENSURES(positions.size() <= count);
  return positions;
}

Result<std::optional<base::Digest>> TrailNodes::node(merkle::NodeAddress address) const {
  if (address.level >= 63 || address.index >= size_ >> address.level) {
    return std::nullopt;
  }
  TRV_TRY_ASSIGN(const base::Digest digest, complete(address));
  return digest;
}

Result<base::Digest> TrailNodes::complete(merkle::NodeAddress address) const {
  if (address.level == 0) {
    TRV_TRY_ASSIGN(const base::BytesView value, stored_entry(*txn_, tables_, tenant_, address.index));
    return digest_of(value.subspan(8, sizeof(base::Digest)));
  }
  if (address.level % stored_levels != 0) {
    const merkle::NodeAddress left{.level = address.level - 1, .index = 2 * address.index};
    TRV_TRY_ASSIGN(const base::Digest left_hash, complete(left));
    TRV_TRY_ASSIGN(const base::Digest right_hash, complete({.level = left.level, .index = left.index + 1}));
    return merkle::node_hash(left_hash, right_hash);
  }
  TRV_TRY_ASSIGN(const auto value, tables_.nodes.get(*txn_, TrailKey::node(tenant_.value(), address).view()));
  if (!value) {
    return base::fail(ErrorCode::corrupt, fmt::format("audit_nodes of tenant {}: node {} of level {} is missing",
                                                      tenant_.value(), address.index, address.level));
  }
  return digest_of(*value);
}

Result<Trail> Trail::open(const lmdb::ReadTxn& txn, const Tables& tables, const base::TenantId& tenant,
                          const note::SigningKey& key) {
  TRV_TRY(base::check_label("tenant", tenant.value()));
  merkle::Frontier frontier;
  TRV_TRY_ASSIGN(const auto head, tables.size.get(txn, tenant.value()));
  if (head) {
    TRV_TRY_ASSIGN(frontier, parse_frontier(tenant.value(), *head));
  }
  return Trail(txn, tables, tenant, key, frontier);
}

Result<base::Bytes> Trail::entry(std::uint64_t index) const {
  if (index >= frontier_.size()) {
    return base::fail(ErrorCode::not_found, fmt::format("the trail of {} has {} entries; there is no entry {}",
                                                        tenant_.value(), frontier_.size(), index));
  }
  TRV_TRY_ASSIGN(const base::BytesView value, stored_entry(*txn_, tables_, tenant_, index));
  const base::BytesView entry = value.subspan(entry_header_bytes);
  return base::Bytes(entry.begin(), entry.end());
}

Result<std::string> Trail::checkpoint() const {
  return note::sign_checkpoint({.origin = key_->name(), .size = frontier_.size(), .root = frontier_.root()}, *key_);
}

Result<std::optional<std::uint64_t>> Trail::index_of(record::Lsn lsn) const {
  std::uint64_t begin = 0;
  std::uint64_t end = frontier_.size();
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    TRV_TRY_ASSIGN(const base::BytesView value, stored_entry(*txn_, tables_, tenant_, middle));
    const std::uint64_t found = get_number(value.data());
    if (found == lsn.value()) {
      return middle;
    }
    (found < lsn.value() ? begin : end) = found < lsn.value() ? middle + 1 : middle;
  }
  return std::nullopt;
}

}  // namespace trv::trail
