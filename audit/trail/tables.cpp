#include "audit/trail/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "sdk/base/contract.hpp"

namespace trv::trail {

base::Result<Tables> Tables::create(lmdb::WriteTxn& txn) {
  Tables tables;
  TRV_TRY_ASSIGN(tables.size, txn.create_table("audit_size"));
  TRV_TRY_ASSIGN(tables.entries, txn.create_table("audit_entries"));
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

TrailKey TrailKey::entry(std::string_view tenant, std::uint64_t index) {
  TrailKey key(tenant);
  key.add(index);
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
