#include "kernel/node/position.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sdk/base/big_endian.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::node {
namespace {

constexpr std::uint64_t version = 1;
constexpr std::size_t text_bytes = 24;

// The mark keeps a position from being taken for one of another tenant; it proves nothing, and need not: a client
// that reads some of a tenant's events may read all of them.
std::string with_mark(const base::TenantId& tenant, const std::string& place) {
  const base::Digest digest = base::sha256(base::as_bytes(tenant.value() + '\0' + place));
  return place + base::to_hex(base::BytesView(digest).first(3));
}

}  // namespace

std::string position_text(const base::TenantId& tenant, record::ShardId shard, record::Lsn lsn) {
  TRV_EXPECTS(!tenant.empty() && shard.value() < 1U << 16 && lsn.value() < std::uint64_t{1} << 48);
  std::string text = with_mark(tenant, fmt::format("{:02x}{:04x}{:012x}", version, shard.value(), lsn.value()));
  TRV_ENSURES(text.size() == text_bytes);
  return text;
}

base::Result<record::Lsn> parse_position(std::string_view name, std::string_view text, const base::TenantId& tenant,
                                         const record::Stays& stays) {
  if (const auto bytes = text.size() == text_bytes ? base::from_hex(text) : std::nullopt) {
    const record::ShardId shard(base::big_endian(std::span(*bytes).subspan(1, 2)));
    const record::Lsn lsn(base::big_endian(std::span(*bytes).subspan(3, 6)));
    const auto place = stays.find(shard, lsn);
    if (place && text == position_text(tenant, shard, lsn)) return *place;
  }
  std::string shown(text.substr(0, 40));
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("{} '{}' is not a position in the events of tenant '{}'; send one that was answered "
                                "for this tenant",
                                name, shown, tenant.value()));
}

}  // namespace trv::node
