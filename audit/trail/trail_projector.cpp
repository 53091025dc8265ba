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
  growing_.clear();
  TRV_TRY_ASSIGN(tables_, Tables::create(txn));
  return {};
}

base::Result<TrailProjector::Growing*> TrailProjector::growing(const lmdb::WriteTxn& txn, std::string_view tenant) {
  if (const auto known = growing_.find(tenant); known != growing_.end()) return &known->second;
  Growing trail;
  TRV_TRY_ASSIGN(const auto head, tables_.size.get(txn, tenant));
  if (head) {
    TRV_TRY_ASSIGN(trail.frontier, parse_frontier(tenant, *head));
  }
  const std::uint64_t size = trail.frontier.size();
  if (size % places_per_row != 0) {
    TRV_TRY_ASSIGN(const auto row, tables_.places.get(txn, TrailKey::places(tenant, size / places_per_row).view()));
    TRV_TRY_ASSIGN(trail.places, PlacesRow::parse(row.value_or(base::BytesView()), size % places_per_row));
  }
  return &growing_.emplace(tenant, std::move(trail)).first->second;
}

base::Status TrailProjector::apply(lmdb::WriteTxn& txn, const record::RecordView& record) {
  leaf_.clear();
  prepare(record, leaf_);
  return apply_prepared(txn, record, leaf_);
}

void TrailProjector::prepare(const record::RecordView& record, std::string& out) const {
  const std::size_t start = out.size();
  append_entry_of(out, record);
  const base::Digest leaf = merkle::leaf_hash(base::as_bytes(out).subspan(start));
  out.replace(start, std::string::npos, reinterpret_cast<const char*>(leaf.data()), leaf.size());
}

base::Status TrailProjector::apply_prepared(lmdb::WriteTxn& txn, const record::RecordView& record,
                                            std::string_view prepared) {
  const std::string_view tenant = record.tenant();
  if (record.type().starts_with(record::rows_types)) return {};
  if (tenant.empty() || tenant.size() > 255 || tenant.find('\0') != std::string_view::npos) {
    return base::fail(base::ErrorCode::invalid, fmt::format("record {} of shard {}: its tenant cannot have a trail",
                                                            record.lsn().value(), record.shard().value()));
  }
  base::Digest leaf;
  TRV_EXPECTS(prepared.size() == leaf.size());
  std::ranges::copy(base::as_bytes(prepared), leaf.begin());
  TRV_TRY_ASSIGN(Growing * trail, growing(txn, tenant));
  merkle::Frontier& frontier = trail->frontier;
  const std::uint64_t place = place_of_(record).value();
  if (trail->places.count() > 0 && place <= trail->places.last()) {
    return base::fail(base::ErrorCode::corrupt,
                      fmt::format("the trail of tenant {} holds record {} already", tenant, record.lsn().value()));
  }
  trail->places.add(place);
  if (trail->places.count() == places_per_row) {
    const TrailKey key = TrailKey::places(tenant, frontier.size() / places_per_row);
    TRV_TRY(tables_.places.put(txn, key.view(), trail->places.bytes()));
    trail->places = PlacesRow();
  }

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
  if (record.type() != record::departed_type) return {};
  // What is behind this record takes the rows away.
  const auto last = growing_.find(tenant);
  TRV_TRY(write(txn, last->first, last->second));
  growing_.erase(last);
  return {};
}

base::Status TrailProjector::finish(lmdb::WriteTxn& txn) {
  for (const auto& [tenant, trail] : growing_) TRV_TRY(write(txn, tenant, trail));
  growing_.clear();
  return {};
}

base::Status TrailProjector::write(lmdb::WriteTxn& txn, const std::string& tenant, const Growing& trail) {
  const merkle::Frontier& frontier = trail.frontier;
  TRV_ASSERT(trail.places.count() == frontier.size() % places_per_row);
  if (trail.places.count() > 0) {
    const TrailKey key = TrailKey::places(tenant, frontier.size() / places_per_row);
    TRV_TRY(tables_.places.put(txn, key.view(), trail.places.bytes()));
  }
  const auto edge = frontier.edge();
  TRV_TRY_ASSIGN(const auto size, tables_.size.put_reserved(txn, tenant, 8 + edge.size() * sizeof(base::Digest)));
  put_number(size.data(), frontier.size());
  std::uint8_t* to = size.data() + 8;
  for (const base::Digest& hash : edge) {
    to = std::ranges::copy(hash, to).out;
  }
  return {};
}

}  // namespace trv::trail
