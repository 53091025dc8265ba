#include "audit/trail/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "events/record/varint.hpp"
#include "sdk/base/contract.hpp"

namespace trv::trail {

base::Result<Tables> Tables::create(lmdb::WriteTxn& txn) {
  Tables tables;
  TRV_TRY_ASSIGN(tables.size, txn.create_table("audit_size"));
  TRV_TRY_ASSIGN(tables.places, txn.create_table("audit_places"));
  TRV_TRY_ASSIGN(tables.nodes, txn.create_table("audit_nodes"));
  return tables;
}

TrailKey::TrailKey(std::string_view tenant) {
  TRV_EXPECTS(!tenant.empty() && tenant.size() <= 255);
  std::ranges::copy(tenant, bytes_.begin());
  size_ = tenant.size();
  add(std::uint8_t{0});
}

void TrailKey::add(std::uint64_t number) {
  put_number(bytes_.data() + size_, number);
  size_ += sizeof number;
}

TrailKey TrailKey::places(std::string_view tenant, std::uint64_t row) {
  TrailKey key(tenant);
  key.add(row);
  return key;
}

TrailKey TrailKey::node(std::string_view tenant, merkle::NodeAddress address) {
  TRV_EXPECTS(address.level < 64);
  TrailKey key(tenant);
  key.add(static_cast<std::uint8_t>(address.level));
  key.add(address.index);
  return key;
}

void put_number(std::uint8_t* to, std::uint64_t number) noexcept {
  for (int shift = 56; shift >= 0; shift -= 8) {
    *to++ = static_cast<std::uint8_t>(number >> shift);
  }
}

std::uint64_t get_number(const std::uint8_t* from) noexcept {
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) {
    number = number << 8 | from[i];
  }
  return number;
}

void PlacesRow::add(std::uint64_t lsn) {
  TRV_EXPECTS(count_ < places_per_row && (count_ == 0 || lsn > last_) && lsn >> 63 == 0);
  if (count_ == 0) {
    bytes_.resize(8);
    put_number(bytes_.data(), lsn);
  } else {
    record::append_varint(bytes_, lsn - last_ - 1);
  }
  last_ = lsn;
  ++count_;
}

base::Result<PlacesRow> PlacesRow::parse(base::BytesView bytes, std::uint64_t count) {
  TRV_TRY_ASSIGN(const std::vector<std::uint64_t> places, parse_places(bytes));
  if (places.size() != count) {
    return base::fail(base::ErrorCode::corrupt,
                      fmt::format("audit_places: a row has {} positions instead of {}", places.size(), count));
  }
  PlacesRow row;
  row.bytes_.assign(bytes.begin(), bytes.end());
  row.count_ = count;
  row.last_ = places.back();
  return row;
}

base::Result<std::vector<std::uint64_t>> parse_places(base::BytesView bytes) {
  const auto damaged = [&] {
    return base::fail(base::ErrorCode::corrupt,
                      fmt::format("audit_places: a row of {} bytes does not hold positions", bytes.size()));
  };
  if (bytes.size() < 8) return damaged();
  std::vector<std::uint64_t> places{get_number(bytes.data())};
  for (base::BytesView rest = bytes.subspan(8); !rest.empty();) {
    const auto distance = record::take_varint(rest);
    const bool holds = distance && places.size() < places_per_row && *distance < UINT64_MAX - places.back();
    if (!holds) return damaged();
    places.push_back(places.back() + *distance + 1);
  }
  return places;
}

base::Result<merkle::Frontier> parse_frontier(std::string_view tenant, base::BytesView value) {
  const std::uint64_t size = value.size() < 8 ? 0 : get_number(value.data());
  const std::size_t edge_size = static_cast<std::size_t>(std::popcount(size));
  if (size == 0 || size >= merkle::size_max || value.size() != 8 + edge_size * sizeof(base::Digest)) {
    return base::fail(
        base::ErrorCode::corrupt,
        fmt::format("audit_size of tenant {}: {} bytes are not a size and an edge", tenant, value.size()));
  }
  std::array<base::Digest, 64> edge;
  for (std::size_t i = 0; i < edge_size; ++i) {
    std::ranges::copy(value.subspan(8 + i * sizeof(base::Digest), sizeof(base::Digest)), edge[i].begin());
  }
  return merkle::Frontier(size, std::span(edge).first(edge_size));
}

}  // namespace trv::trail
