#include "audit/trail/trail_projector.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "audit/trail/entry.hpp"
#include "sdk/base/contract.hpp"

namespace trv::trail {
namespace {

constexpr std::size_t nodes_per_append_max = 63 / stored_levels;

// The subtrees that one leaf completed and that are stored.
struct Completed {
  std::array<std::pair<merkle::NodeAddress, base::Digest>, nodes_per_append_max> nodes;
  std::size_t count = 0;
};

}  // namespace

base::Status TrailProjector::open(lmdb::WriteTxn& txn) {
  frontiers_.clear();
  TRV_TRY_ASSIGN(tables_, Tables::create(txn));
  return {};
}

base::Result<merkle::Frontier*> TrailProjector::frontier_of(const lmdb::WriteTxn& txn, std::string_view tenant) {
  if (const auto known = frontiers_.find(tenant); known != frontiers_.end()) return &known->second;
  merkle::Frontier frontier;
  TRV_TRY_ASSIGN(const auto head, tables_.size.get(txn, tenant));
  if (head) {
    TRV_TRY_ASSIGN(frontier, parse_frontier(tenant, *head));
  }
  return &frontiers_.emplace(tenant, frontier).first->second;
}

base::Status TrailProjector::apply(lmdb::WriteTxn& txn, const record::RecordView& record) {
  row_.clear();
  prepare(record, row_);
  return apply_prepared(txn, record, row_);
}

void TrailProjector::prepare(const record::RecordView& record, std::string& out) const {
  const std::size_t start = out.size();
  out.resize(start + entry_header_bytes);
  append_entry_of(out, record);
  const base::Digest leaf = merkle::leaf_hash(base::as_bytes(out).subspan(start + entry_header_bytes));
  auto* const header = reinterpret_cast<std::uint8_t*>(out.data() + start);
  put_number(header, record.lsn().value());
  std::ranges::copy(leaf, header + 8);
}

base::Status TrailProjector::apply_prepared(lmdb::WriteTxn& txn, const record::RecordView& record,
                                            std::string_view prepared) {
  const std::string_view tenant = record.tenant();
  if (tenant.empty() || tenant.size() > 255 || tenant.find('\0') != std::string_view::npos) {
    return base::fail(base::ErrorCode::invalid, fmt::format("record {} of shard {}: its tenant cannot have a trail",
                                                            record.lsn().value(), record.shard().value()));
  }
  TRV_EXPECTS(prepared.size() > entry_header_bytes);
  TRV_TRY_ASSIGN(merkle::Frontier * known, frontier_of(txn, tenant));
  merkle::Frontier& frontier = *known;
  const base::BytesView row = base::as_bytes(prepared);
  TRV_TRY(tables_.entries.put(txn, TrailKey::entry(tenant, frontier.size()).view(), row));
  base::Digest leaf;
  std::ranges::copy(row.subspan(8, leaf.size()), leaf.begin());

  Completed completed;
  frontier.append(leaf, [&](merkle::NodeAddress address, const base::Digest& hash) {
    if (address.level > 0 && address.level % stored_levels == 0) {
      TRV_ASSERT(completed.count < completed.nodes.size());
      completed.nodes[completed.count++] = {address, hash};
    }
  });
  for (std::size_t i = 0; i < completed.count; ++i) {
    const auto& [address, hash] = completed.nodes[i];
    TRV_TRY(tables_.nodes.put(txn, TrailKey::node(tenant, address).view(), hash));
  }

  return {};
}

base::Status TrailProjector::finish(lmdb::WriteTxn& txn) {
  for (const auto& [tenant, frontier] : frontiers_) {
    const auto edge = frontier.edge();
    TRV_TRY_ASSIGN(const auto size, tables_.size.put_reserved(txn, tenant, 8 + edge.size() * sizeof(base::Digest)));
    put_number(size.data(), frontier.size());
    std::uint8_t* to = size.data() + 8;
    for (const base::Digest& hash : edge) {
      to = std::ranges::copy(hash, to).out;
    }
  }
  frontiers_.clear();
  return {};
}

}  // namespace trv::trail
