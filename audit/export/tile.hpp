#pragma once
// C2SP tlog-tiles: the tree and its entries as static files of 256 hashes or entries each. https://c2sp.org/tlog-tiles
//
// Pure but for what a NodeReader reads; any thread. Paths and bytes that are parsed may come from an enemy.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/merkle/nodes.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::exporting {

using base::Bytes;
using base::BytesView;
using base::Result;
using base::Status;

inline constexpr std::uint32_t tile_width = 256;
inline constexpr std::size_t tile_bytes_max = tile_width * sizeof(base::Digest);
/// An entry's length takes two bytes.
inline constexpr std::size_t entry_bytes_max = 65'535;
inline constexpr std::size_t bundle_bytes_max = tile_width * (2 + entry_bytes_max);

/// Tile n of level l holds, for i in [0, width), the hash over the leaves [(256n + i)·256^l, (256n + i + 1)·256^l). A
/// bundle holds the entries [256n, 256n + width). Only the last tile of a level, and the last bundle, is narrower than
/// 256.
struct TileAddress {
  enum class Kind { hashes, entries };

  Kind kind = Kind::hashes;
  std::uint32_t level = 0;  ///< 0 for entries
  std::uint64_t index = 0;
  std::uint32_t width = tile_width;  ///< 1 to 256

  /// `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`; N in groups of three digits, `x` before all but the last.
  [[nodiscard]] std::string path() const;
  /// nullopt for anything that path() does not write.
  [[nodiscard]] static std::optional<TileAddress> parse(std::string_view path);

  friend bool operator==(const TileAddress&, const TileAddress&) = default;
};

/// How many tiles of hashes a level has for a tree of this size, and the address of one of them. level < 8.
[[nodiscard]] std::uint64_t tile_count(std::uint32_t level, std::uint64_t tree_size);
[[nodiscard]] TileAddress tile_at(std::uint32_t level, std::uint64_t index, std::uint64_t tree_size);
[[nodiscard]] TileAddress bundle_at(std::uint64_t index, std::uint64_t tree_size);

/// The hashes of a tile, one after another. Error: corrupt where the store lacks one.
[[nodiscard]] Result<Bytes> tile_bytes(const merkle::NodeReader& nodes, const TileAddress& tile);
/// Error: invalid unless there are exactly `width` hashes.
[[nodiscard]] Result<std::vector<base::Digest>> parse_tile(BytesView bytes, std::uint32_t width);

/// Adds one entry to a bundle: its length in two bytes, big-endian, and its bytes. Error: too_large.
[[nodiscard]] Status append_entry(Bytes& bundle, BytesView entry);
/// The entries, borrowed from the bundle. Error: invalid unless there are exactly `width` and nothing behind them.
[[nodiscard]] Result<std::vector<BytesView>> parse_bundle(BytesView bundle, std::uint32_t width);

}  // namespace trv::exporting
