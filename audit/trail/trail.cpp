#include "audit/trail/trail.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "audit/note/checkpoint.hpp"
#include "audit/trail/entry.hpp"
#include "sdk/base/contract.hpp"

namespace trv::trail {
namespace {

using base::ErrorCode;
using base::Result;

Result<base::Digest> digest_of(base::BytesView bytes) {
  base::Digest digest;
  if (bytes.size() != digest.size()) {
    return base::fail(ErrorCode::corrupt, fmt::format("audit_nodes: a hash has {} bytes", bytes.size()));
  }
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

Result<std::vector<std::uint64_t>> stored_places(const lmdb::Txn& txn, const Tables& tables,
                                                 const base::TenantId& tenant, std::uint64_t row) {
  TRV_TRY_ASSIGN(const auto value, tables.places.get(txn, TrailKey::places(tenant.value(), row).view()));
  if (!value) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("audit_places of tenant {}: row {} is missing", tenant.value(), row));
  }
  return parse_places(*value);
}

}  // namespace

Result<std::vector<record::Lsn>> positions_after(const lmdb::Txn& txn, const Tables& tables,
                                                 const base::TenantId& tenant, record::Lsn after, std::size_t count) {
  std::vector<record::Lsn> positions;
  TRV_TRY_ASSIGN(const auto head, tables.size.get(txn, tenant.value()));
  if (!head) return positions;
  TRV_TRY_ASSIGN(const merkle::Frontier frontier, parse_frontier(tenant.value(), *head));
  const std::uint64_t rows = (frontier.size() + places_per_row - 1) / places_per_row;
  // The last row that begins at `after` or before it; most who ask are near the end.
  std::uint64_t begin = 0;
  std::uint64_t end = rows;
  for (std::uint64_t probe = rows == 0 ? 0 : rows - 1; begin < end; probe = begin + (end - begin) / 2) {
    TRV_TRY_ASSIGN(const auto row, stored_places(txn, tables, tenant, probe));
    if (row.front() <= after.value()) {
      begin = probe + 1;
    } else {
      end = probe;
    }
  }
  for (std::uint64_t at = begin == 0 ? 0 : begin - 1; at < rows && positions.size() < count; ++at) {
    TRV_TRY_ASSIGN(const auto row, stored_places(txn, tables, tenant, at));
    for (auto place = std::ranges::upper_bound(row, after.value()); place != row.end() && positions.size() < count;
         ++place) {
      positions.emplace_back(*place);
    }
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

Result<std::vector<std::uint64_t>> TrailNodes::places(std::uint64_t row) const {
  TRV_EXPECTS(row * places_per_row < size_);
  if (last_places_.first == row && !last_places_.second.empty()) return last_places_.second;
  TRV_TRY_ASSIGN(std::vector<std::uint64_t> found, stored_places(*txn_, tables_, tenant_, row));
  last_places_ = {row, found};
  return found;
}

Result<base::Bytes> TrailNodes::entry(std::uint64_t index) const {
  if (last_entry_ && last_entry_->first == index) return last_entry_->second;
  TRV_TRY_ASSIGN(const auto row, places(index / places_per_row));
  const std::uint64_t at = index % places_per_row;
  if (at >= row.size() || row[at] == 0) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("audit_places of tenant {}: entry {} has no position", tenant_.value(), index));
  }
  TRV_TRY_ASSIGN(const record::Record record, records_->at(record::Lsn(row[at])));
  if (record->tenant() != tenant_.value()) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("audit_places of tenant {}: entry {} leads to record {} of tenant {}",
                                  tenant_.value(), index, row[at], record->tenant()));
  }
  last_entry_.emplace(index, entry_of(record.view()));
  return last_entry_->second;
}

Result<base::Digest> TrailNodes::complete(merkle::NodeAddress address) const {
  if (address.level == 0) {
    TRV_TRY_ASSIGN(const base::Bytes leaf, entry(address.index));
    return merkle::leaf_hash(leaf);
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
                          const note::SigningKey& key, log::RecordLookup& records) {
  TRV_TRY(base::check_label("tenant", tenant.value()));
  merkle::Frontier frontier;
  TRV_TRY_ASSIGN(const auto head, tables.size.get(txn, tenant.value()));
  if (head) {
    TRV_TRY_ASSIGN(frontier, parse_frontier(tenant.value(), *head));
  }
  return Trail(txn, tables, tenant, key, frontier, records);
}

Result<base::Bytes> Trail::entry(std::uint64_t index) const {
  if (index >= frontier_.size()) {
    return base::fail(ErrorCode::not_found, fmt::format("the trail of {} has {} entries; there is no entry {}",
                                                        tenant_.value(), frontier_.size(), index));
  }
  return nodes_.entry(index);
}

Result<std::string> Trail::checkpoint() const {
  return note::sign_checkpoint({.origin = key_->name(), .size = frontier_.size(), .root = frontier_.root()}, *key_);
}

Result<std::optional<std::uint64_t>> Trail::index_of(record::Lsn place) const {
  std::uint64_t begin = 0;
  std::uint64_t end = (frontier_.size() + places_per_row - 1) / places_per_row;
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    TRV_TRY_ASSIGN(const auto row, nodes_.places(middle));
    if (const auto found = std::ranges::lower_bound(row, place.value());
        found != row.end() && *found == place.value()) {
      return middle * places_per_row + static_cast<std::uint64_t>(found - row.begin());
    }
    if (row.front() < place.value()) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return std::nullopt;
}

}  // namespace trv::trail
