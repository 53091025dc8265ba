#include "audit/verify/recomputation.hpp"

#include <fmt/format.h>

#include "audit/verify/folder_file.hpp"

namespace trv::verify {

using exporting::TileAddress;

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
  const auto give_up = [&](const std::string& why) {
    report_.add(address.path(), fmt::format("{}; entries from {} on, and the root, were not checked", why,
                                            index * exporting::tile_width));
    return false;
  };
  const auto bytes = read_file(folder_ / address.path(), exporting::bundle_bytes_max);
  if (!bytes) {
    return give_up(bytes.error().message());
  }
  const auto entries = exporting::parse_bundle(*bytes, address.width);
  if (!entries) {
    return give_up(entries.error().message());
  }
  for (const base::BytesView entry : *entries) {
    add_leaf(merkle::leaf_hash(entry));
  }
  report_.entries += entries->size();
  return true;
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
