#include "audit/verify/recomputation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <expected>

#include "audit/verify/folder_file.hpp"
#include "sdk/base/contract.hpp"

namespace trv::verify {

using exporting::TileAddress;

namespace {

// More entries than a bundle has are not looked at.
constexpr std::size_t entries_looked_at_max = 2 * exporting::tile_width;

// The entries at the beginning of what should be a bundle.
std::vector<base::BytesView> whole_entries(base::BytesView bytes) {
  std::vector<base::BytesView> entries;
  while (bytes.size() >= 2 && entries.size() < entries_looked_at_max) {
    const std::size_t length = std::size_t{bytes[0]} << 8 | bytes[1];
    if (bytes.size() - 2 < length) {
      break;
    }
    entries.push_back(bytes.subspan(2, length));
    bytes = bytes.subspan(2 + length);
  }
  return entries;
}

// "entry 7 is", "entries 3, 5 to 8 are"; `indexes` grow.
std::string ranges_of(const std::vector<std::uint64_t>& indexes) {
  TRV_EXPECTS(!indexes.empty());
  std::string text = indexes.size() == 1 ? "entry " : "entries ";
  for (std::size_t i = 0; i < indexes.size();) {
    std::size_t end = i + 1;
    while (end < indexes.size() && indexes[end] == indexes[end - 1] + 1) {
      ++end;
    }
    text += fmt::format("{}{}", i == 0 ? "" : ", ", indexes[i]);
    if (end - i > 1) {
      text += fmt::format(" to {}", indexes[end - 1]);
    }
    i = end;
  }
  return text + (indexes.size() == 1 ? " is" : " are");
}

// A bundle beside the tile of its hashes.
struct DamagedBundle {
  std::string_view why;  // it is not the bundle
  std::vector<std::uint64_t> missing;
  std::size_t found = 0;    // entries that the tile names
  std::size_t surplus = 0;  // entries that it does not name
  std::size_t width = 0;
};

std::string what_is_wrong(const DamagedBundle& bundle) {
  if (bundle.missing.empty()) {
    return bundle.surplus == 0 ? std::string(bundle.why)
                               : fmt::format("has more than its {} entries: {} that the tile does not name",
                                             bundle.width, bundle.surplus);
  }
  const std::string indexes = ranges_of(bundle.missing);
  if (bundle.found == 0) {
    return fmt::format("{}; {} not checked", bundle.why, indexes);
  }
  if (bundle.surplus == 0) {
    return fmt::format("{} missing: the file has {} of its {} entries", indexes, bundle.found, bundle.width);
  }
  return fmt::format("{}; {} missing or changed", bundle.why, indexes);
}

}  // namespace

bool Recomputation::run() {
  if (roots_wanted_.contains(0)) {
    roots_[0] = merkle::empty_root();
  }
  for (std::uint64_t index = 0; index < exporting::tile_count(0, size_); ++index) {
    if (!read_bundle(index)) {
      return false;
    }
  }
  for (std::uint32_t level = 0; level < open_tiles_.size(); ++level) {
    if (!open_tiles_[level].hashes.empty()) {
      compare_tile(level, open_tiles_[level]);
    }
  }
  return true;
}

const base::Digest* Recomputation::root_at(std::uint64_t size) const {
  const auto found = roots_.find(size);
  return found == roots_.end() ? nullptr : &found->second;
}

const base::Digest* Recomputation::leaf_at(std::uint64_t index) const {
  const auto found = leaves_.find(index);
  return found == leaves_.end() ? nullptr : &found->second;
}

bool Recomputation::read_bundle(std::uint64_t index) {
  const TileAddress address = exporting::bundle_at(index, size_);
  const auto bytes = read_file(folder_ / address.path(), exporting::bundle_bytes_max);
  if (!bytes) {
    return read_damaged_bundle(address, {}, bytes.error().message());
  }
  const auto entries = exporting::parse_bundle(*bytes, address.width);
  if (!entries) {
    return read_damaged_bundle(address, *bytes, entries.error().message());
  }
  for (const base::BytesView entry : *entries) {
    check_entry(address, entry);
    add_leaf(merkle::leaf_hash(entry));
  }
  report_.entries += entries->size();
  return true;
}

// The tile of leaf hashes says which entries a bundle should have, in which order.
bool Recomputation::read_damaged_bundle(const TileAddress& bundle, base::BytesView bytes, std::string_view why) {
  const std::uint64_t first = bundle.index * exporting::tile_width;
  const TileAddress tile = exporting::tile_at(0, bundle.index, size_);
  const auto tile_bytes = read_file(folder_ / tile.path(), exporting::tile_bytes_max);
  const auto hashes = tile_bytes ? exporting::parse_tile(*tile_bytes, tile.width) : std::unexpected(tile_bytes.error());
  if (!hashes) {
    report_.add(bundle.path(), fmt::format("{}; entries from {} on, and the root, were not checked", why, first));
    report_.add(tile.path(), hashes.error().message());
    return false;
  }
  const std::vector<base::BytesView> entries = whole_entries(bytes);
  std::vector<base::Digest> leaves;
  leaves.reserve(entries.size());
  for (const base::BytesView entry : entries) {
    leaves.push_back(merkle::leaf_hash(entry));
  }
  std::vector<std::uint64_t> missing;
  std::size_t at = 0;
  std::size_t found_count = 0;
  for (std::uint32_t i = 0; i < bundle.width; ++i) {
    const auto found = std::find(leaves.begin() + static_cast<std::ptrdiff_t>(at), leaves.end(), (*hashes)[i]);
    if (found == leaves.end()) {
      missing.push_back(first + i);
    } else {
      at = static_cast<std::size_t>(found - leaves.begin());
      check_entry(bundle, entries[at++]);
      ++found_count;
    }
    add_leaf((*hashes)[i]);
  }
  report_.entries += found_count;
  report_.add(bundle.path(), what_is_wrong({.why = why,
                                            .missing = std::move(missing),
                                            .found = found_count,
                                            .surplus = entries.size() - found_count,
                                            .width = bundle.width}));
  return true;
}

// A problem of the entry that comes next.
void Recomputation::check_entry(const TileAddress& bundle, base::BytesView entry) {
  const std::uint64_t index = frontier_.size();
  if (const base::Status checked = sequence_.next(entry); !checked) {
    report_.add(bundle.path(), fmt::format("entry {}: {}", index, checked.error().message()));
  }
}

void Recomputation::add_leaf(const base::Digest& leaf) {
  const std::uint64_t index = frontier_.size();
  if (leaves_wanted_.contains(index)) {
    leaves_[index] = leaf;
  }
  frontier_.append(leaf, [&](merkle::NodeAddress node, const base::Digest& hash) {
    if (node.level % 8 != 0) {
      return;
    }
    OpenTile& tile = open_tiles_[node.level / 8];
    tile.hashes.push_back(hash);
    if (tile.hashes.size() == exporting::tile_width) {
      compare_tile(node.level / 8, tile);
      ++tile.index;
      tile.hashes.clear();
    }
  });
  if (roots_wanted_.contains(frontier_.size())) {
    roots_[frontier_.size()] = frontier_.root();
  }
}

void Recomputation::compare_tile(std::uint32_t level, const OpenTile& tile) {
  const auto width = static_cast<std::uint32_t>(tile.hashes.size());
  const TileAddress address{.kind = TileAddress::Kind::hashes, .level = level, .index = tile.index, .width = width};
  const auto bytes = read_file(folder_ / address.path(), exporting::tile_bytes_max);
  if (!bytes) {
    report_.add(address.path(), bytes.error().message());
    return;
  }
  const auto hashes = exporting::parse_tile(*bytes, width);
  if (!hashes) {
    report_.add(address.path(), hashes.error().message());
    return;
  }
  ++report_.tiles;
  for (std::uint32_t i = 0; i < width; ++i) {
    if ((*hashes)[i] == tile.hashes[i]) {
      continue;
    }
    const std::uint64_t index = tile.index * exporting::tile_width + i;
    const std::string what = level == 0 ? fmt::format("entry {}", index)
                                        : fmt::format("hash {} (entries {} to {})", i, index << (8 * level),
                                                      ((index + 1) << (8 * level)) - 1);
    report_.add(address.path(), fmt::format("{}: the tile says {}, the entries give {}", what,
                                            base::to_hex((*hashes)[i]), base::to_hex(tile.hashes[i])));
  }
}

}  // namespace trv::verify
