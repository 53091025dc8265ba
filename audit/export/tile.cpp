#include "audit/export/tile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sdk/base/contract.hpp"

namespace trv::exporting {
namespace {

using base::ErrorCode;

constexpr std::uint32_t level_end = 8;                       // 256^8 leaves are beyond every tree
constexpr std::uint64_t index_max = std::uint64_t{1} << 55;  // 256 leaves each, below 2^63

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Decimal without leading zeroes and below `end`.
std::optional<std::uint32_t> small_number(std::string_view text, std::uint32_t end) {
  if (!is_digits(text) || text.size() > 3 || (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value < end ? std::optional(value) : std::nullopt;
}

// The groups of an index: "x001/x234/067".
std::optional<std::uint64_t> grouped_number(std::string_view text) {
  std::uint64_t value = 0;
  for (bool first = true;; first = false) {
    const std::size_t slash = text.find('/');
    const bool last = slash == std::string_view::npos;
    std::string_view group = text.substr(0, slash);
    if (!last) {
      if (!group.starts_with('x')) {
        return std::nullopt;
      }
      group.remove_prefix(1);
    }
    std::uint64_t part = 0;
    if (group.size() != 3 || !is_digits(group)) {
      return std::nullopt;
    }
    std::from_chars(group.data(), group.data() + group.size(), part);
    const bool superfluous = first && !last && part == 0;
    if (superfluous || value > (index_max - part) / 1000) {
      return std::nullopt;
    }
    value = value * 1000 + part;
    if (last) {
      return value;
    }
    text.remove_prefix(slash + 1);
  }
}

std::uint32_t width_at(std::uint64_t index, std::uint64_t items) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(tile_width, items - index * tile_width));
}

}  // namespace

std::string TileAddress::path() const {
  TRV_EXPECTS(width >= 1 && width <= tile_width);
  std::string number = fmt::format("{:03}", index % 1000);
  for (std::uint64_t rest = index / 1000; rest > 0; rest /= 1000) {
    number.insert(0, fmt::format("x{:03}/", rest % 1000));
  }
  std::string text = kind == Kind::entries ? "tile/entries/" : fmt::format("tile/{}/", level);
  text += number;
  if (width < tile_width) {
    text += fmt::format(".p/{}", width);
  }
  return text;
}

std::optional<TileAddress> TileAddress::parse(std::string_view path) {
  if (path.size() > 64 || !path.starts_with("tile/")) {
    return std::nullopt;
  }
  path.remove_prefix(5);
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  TileAddress address;
  if (path.substr(0, slash) == "entries") {
    address.kind = Kind::entries;
  } else {
    const auto level = small_number(path.substr(0, slash), level_end);
    if (!level) {
      return std::nullopt;
    }
    address.level = *level;
  }
  path.remove_prefix(slash + 1);
  if (const std::size_t partial = path.find(".p/"); partial != std::string_view::npos) {
    const auto width = small_number(path.substr(partial + 3), tile_width);
    if (!width || *width == 0) {
      return std::nullopt;
    }
    address.width = *width;
    path = path.substr(0, partial);
  }
  const auto index = grouped_number(path);
  if (!index) {
    return std::nullopt;
  }
  address.index = *index;
  return address;
}

std::uint64_t tile_count(std::uint32_t level, std::uint64_t tree_size) {
  TRV_EXPECTS(level < level_end);
  const std::uint64_t hashes = tree_size >> (8 * level);
  return hashes / tile_width + (hashes % tile_width == 0 ? 0 : 1);
}

TileAddress tile_at(std::uint32_t level, std::uint64_t index, std::uint64_t tree_size) {
  TRV_EXPECTS(index < tile_count(level, tree_size));
  return {.kind = TileAddress::Kind::hashes,
          .level = level,
          .index = index,
          .width = width_at(index, tree_size >> (8 * level))};
}

TileAddress bundle_at(std::uint64_t index, std::uint64_t tree_size) {
  TRV_EXPECTS(index < tile_count(0, tree_size));
  return {.kind = TileAddress::Kind::entries, .level = 0, .index = index, .width = width_at(index, tree_size)};
}

Result<Bytes> tile_bytes(const merkle::NodeReader& nodes, const TileAddress& tile) {
  TRV_EXPECTS(tile.kind == TileAddress::Kind::hashes && tile.level < level_end && tile.width <= tile_width);
  Bytes bytes;
  bytes.reserve(tile.width * sizeof(base::Digest));
  for (std::uint32_t i = 0; i < tile.width; ++i) {
    const merkle::NodeAddress address{.level = 8 * tile.level, .index = tile.index * tile_width + i};
    TRV_TRY_ASSIGN(const std::optional<base::Digest> hash, nodes.node(address));
    if (!hash) {
      return base::fail(ErrorCode::corrupt, fmt::format("tree node {} of level {}, for {}, is missing", address.index,
                                                        address.level, tile.path()));
    }
    bytes.insert(bytes.end(), hash->begin(), hash->end());
  }
  return bytes;
}

Result<std::vector<base::Digest>> parse_tile(BytesView bytes, std::uint32_t width) {
  if (bytes.size() != width * sizeof(base::Digest)) {
    return base::fail(ErrorCode::invalid, fmt::format("has {} bytes; {} hashes take {}", bytes.size(), width,
                                                      width * sizeof(base::Digest)));
  }
  std::vector<base::Digest> hashes(width);
  for (base::Digest& hash : hashes) {
    std::ranges::copy(bytes.first(hash.size()), hash.begin());
    bytes = bytes.subspan(hash.size());
  }
  return hashes;
}

Status append_entry(Bytes& bundle, BytesView entry) {
  if (entry.size() > entry_bytes_max) {
    return base::fail(ErrorCode::too_large, fmt::format("an audit entry has {} bytes; at most {} are possible",
                                                        entry.size(), entry_bytes_max));
  }
  bundle.push_back(static_cast<std::uint8_t>(entry.size() >> 8));
  bundle.push_back(static_cast<std::uint8_t>(entry.size()));
  bundle.insert(bundle.end(), entry.begin(), entry.end());
  return {};
}

Result<std::vector<BytesView>> parse_bundle(BytesView bundle, std::uint32_t width) {
  TRV_EXPECTS(width <= tile_width);
  std::vector<BytesView> entries;
  entries.reserve(width);
  for (std::uint32_t i = 0; i < width; ++i) {
    const std::size_t length = bundle.size() < 2 ? 0 : std::size_t{bundle[0]} << 8 | bundle[1];
    if (bundle.size() < 2 || bundle.size() - 2 < length) {
      return base::fail(ErrorCode::invalid, fmt::format("ends inside entry {} of {} (counted from 0)", i, width));
    }
    entries.push_back(bundle.subspan(2, length));
    bundle = bundle.subspan(2 + length);
  }
  if (!bundle.empty()) {
    return base::fail(ErrorCode::invalid, fmt::format("has {} bytes after its {} entries", bundle.size(), width));
  }
  return entries;
}

}  // namespace trv::exporting
