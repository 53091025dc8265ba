#pragma once
// The tree of an export, computed again from its entries, once, from first to last, and compared with its tiles.

#include <filesystem>
#include <map>
#include <set>

#include "audit/export/tile.hpp"
#include "audit/merkle/tree.hpp"
#include "audit/verify/entry_sequence.hpp"
#include "audit/verify/report.hpp"

namespace trv::verify {

/// One pass over a folder. One thread.
class Recomputation {
 public:
  /// Of the trail of `tenant`, as far as a checkpoint of `size` entries covers it.
  Recomputation(std::filesystem::path folder, std::string_view tenant, std::uint64_t size, Report& report)
      : folder_(std::move(folder)), size_(size), report_(report), sequence_(tenant) {}

  /// Before run(): asks for the root at an earlier size (0 to size).
  void want_root(std::uint64_t at_size) { roots_wanted_.insert(at_size); }
  /// Before run(): asks for the hash of a leaf.
  void want_leaf(std::uint64_t index) { leaves_wanted_.insert(index); }

  /// Reads all bundles and tiles. Problems go to the report. Where entries are missing, their hashes are taken from
  /// the tile, so that the rest is checked. False where the tile is damaged too, and neither the root nor anything
  /// behind it can be known.
  [[nodiscard]] bool run();

  /// After run() was true.
  [[nodiscard]] base::Digest root() const { return frontier_.root(); }
  /// What was asked for; nullptr where the pass did not come so far.
  [[nodiscard]] const base::Digest* root_at(std::uint64_t size) const;
  [[nodiscard]] const base::Digest* leaf_at(std::uint64_t index) const;

 private:
  // The tile of a level that is filling up.
  struct OpenTile {
    std::uint64_t index = 0;
    std::vector<base::Digest> hashes;
  };

  bool read_bundle(std::uint64_t index);
  bool read_damaged_bundle(const exporting::TileAddress& bundle, base::BytesView bytes, std::string_view why);
  void check_entry(const exporting::TileAddress& bundle, base::BytesView entry);
  void add_leaf(const base::Digest& leaf);
  void compare_tile(std::uint32_t level, const OpenTile& tile);

  std::filesystem::path folder_;
  std::uint64_t size_;
  Report& report_;
  EntrySequence sequence_;
  merkle::Frontier frontier_;
  std::array<OpenTile, 8> open_tiles_;
  std::set<std::uint64_t> roots_wanted_;
  std::set<std::uint64_t> leaves_wanted_;
  std::map<std::uint64_t, base::Digest> roots_;
  std::map<std::uint64_t, base::Digest> leaves_;
};

}  // namespace trv::verify
