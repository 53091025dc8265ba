#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "audit/export/folder.hpp"
#include "audit/export/tile.hpp"
#include "audit/fakes/folder.hpp"
#include "audit/fakes/in_memory_trail.hpp"
#include "audit/merkle/proof.hpp"

namespace trv::exporting {
namespace {

using base::ErrorCode;
using fakes::InMemoryTrail;

TEST(Paths, group_their_digits_and_round_trip) {
  const std::pair<TileAddress, const char*> paths[] = {
      {{.level = 0, .index = 0}, "tile/0/000"},
      {{.level = 1, .index = 1234067}, "tile/1/x001/x234/067"},
      {{.level = 2, .index = 999, .width = 17}, "tile/2/999.p/17"},
      {{.level = 0, .index = 1000, .width = 255}, "tile/0/x001/000.p/255"},
      {{.kind = TileAddress::Kind::entries, .index = 70'000}, "tile/entries/x070/000"},
      {{.kind = TileAddress::Kind::entries, .index = 3, .width = 1}, "tile/entries/003.p/1"}};
  for (const auto& [address, text] : paths) {
    EXPECT_EQ(address.path(), text);
    EXPECT_EQ(TileAddress::parse(text), address) << text;
  }
}

TEST(Paths, anything_else_is_no_tile) {
  for (const char* bad : {"",
                          "tile",
                          "tile/",
                          "tile/0",
                          "tile/0/",
                          "tile/0/00",
                          "tile/0/0000",
                          "tile/00/000",
                          "tile/8/000",
                          "tile/-1/000",
                          "tile/0/000.p/0",
                          "tile/0/000.p/256",
                          "tile/0/000.p/01",
                          "tile/0/000.p/",
                          "tile/0/x000/001",
                          "tile/0/001/001",
                          "tile/0/x001",
                          "tile/0/x001/x002",
                          "tile/0/../000",
                          "tile/entries",
                          "tile/entries/00a",
                          "/tile/0/000",
                          "tile/0/000/",
                          "tile/0/000.p/1/",
                          "tile/0/x999/x999/x999/x999/x999/x999/999",
                          "tile/0/x001//001"}) {
    EXPECT_FALSE(TileAddress::parse(bad)) << bad;
  }
}

// The example of the specification: a tree of 70,000 entries.
TEST(Tiles, of_seventy_thousand_entries_are_those_of_the_specification) {
  EXPECT_EQ(tile_count(0, 70'000), 274u);
  EXPECT_EQ(tile_at(0, 272, 70'000).width, 256u);
  EXPECT_EQ(tile_at(0, 273, 70'000).width, 112u);
  EXPECT_EQ(tile_count(1, 70'000), 2u);
  EXPECT_EQ(tile_at(1, 0, 70'000).width, 256u);
  EXPECT_EQ(tile_at(1, 1, 70'000).width, 17u);
  EXPECT_EQ(tile_count(2, 70'000), 1u);
  EXPECT_EQ(tile_at(2, 0, 70'000).width, 1u);
  EXPECT_EQ(tile_count(3, 70'000), 0u);
  EXPECT_EQ(tile_at(0, 0, 256).width, 256u);
  EXPECT_EQ(tile_count(0, 256), 1u);
  EXPECT_EQ(tile_at(1, 0, 256).width, 1u);
}

TEST(Tiles, hold_the_hashes_of_complete_subtrees) {
  const InMemoryTrail trail(600);
  const auto bytes = tile_bytes(trail.tree, tile_at(1, 0, 600));
  ASSERT_TRUE(bytes);
  const auto hashes = parse_tile(*bytes, 2);
  ASSERT_TRUE(hashes);
  EXPECT_EQ((*hashes)[1], *merkle::subtree_root(trail.tree, 256, 512));
  EXPECT_FALSE(parse_tile(*bytes, 1));
  EXPECT_FALSE(parse_tile(*bytes, 3));
  EXPECT_EQ(tile_bytes(trail.tree, {.level = 0, .index = 2, .width = 256}).error().code(), ErrorCode::corrupt);
}

TEST(Bundles, round_trip_up_to_the_largest_entry) {
  Bytes bundle;
  const Bytes largest(entry_bytes_max, 'x');
  ASSERT_TRUE(append_entry(bundle, {}));
  ASSERT_TRUE(append_entry(bundle, largest));
  EXPECT_EQ(append_entry(bundle, Bytes(entry_bytes_max + 1)).error().code(), ErrorCode::too_large);
  const auto entries = parse_bundle(bundle, 2);
  ASSERT_TRUE(entries);
  EXPECT_TRUE((*entries)[0].empty());
  EXPECT_TRUE(std::ranges::equal((*entries)[1], largest));
  EXPECT_FALSE(parse_bundle(bundle, 1));
  EXPECT_FALSE(parse_bundle(bundle, 3));
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{3}, bundle.size() - 1}) {
    EXPECT_FALSE(parse_bundle(BytesView(bundle).first(cut), 2)) << cut;
  }
}

TEST(Proofs, round_trip_with_and_without_extra) {
  const InMemoryTrail trail(5);
  auto proof = make_proof(trail, 3);
  ASSERT_TRUE(proof);
  EXPECT_EQ(*parse_proof(format_proof(*proof)), *proof);
  proof->extra = base::to_bytes("where to find the entry");
  const std::string text = format_proof(*proof);
  EXPECT_TRUE(text.starts_with("c2sp.org/tlog-proof@v1\nextra "));
  EXPECT_EQ(*parse_proof(text), *proof);
}

TEST(Proofs, of_a_single_entry_have_no_hashes) {
  const auto proof = make_proof(InMemoryTrail(1), 0);
  ASSERT_TRUE(proof);
  EXPECT_TRUE(format_proof(*proof).starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\naudit.example/t/acme\n1\n"));
}

TEST(Proofs, malformed_files_are_refused_with_their_line) {
  const std::string hash = base::to_base64(base::Digest{}) + "\n";
  for (const auto& [bad, line] :
       std::vector<std::pair<std::string, int>>{{"", 1},
                                                {"c2sp.org/tlog-proof@v2\nindex 0\n\nx", 1},
                                                {"c2sp.org/tlog-proof@v1\n", 1},
                                                {"c2sp.org/tlog-proof@v1\nindex 00\n\nx", 2},
                                                {"c2sp.org/tlog-proof@v1\nindex -1\n\nx", 2},
                                                {"c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\nx", 2},
                                                {"c2sp.org/tlog-proof@v1\nextra AA==\nextra AA==\nindex 0\n\nx", 3},
                                                {"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx", 3},
                                                {"c2sp.org/tlog-proof@v1\nindex 0\n" + hash, 4},
                                                {"c2sp.org/tlog-proof@v1\nindex 0\n" + hash + "\n", 5}}) {
    const auto proof = parse_proof(bad);
    ASSERT_FALSE(proof) << bad;
    EXPECT_EQ(proof.error().line(), line) << bad;
  }
  std::string deep = "c2sp.org/tlog-proof@v1\nindex 0\n";
  for (int i = 0; i < 64; ++i) {
    deep += hash;
  }
  EXPECT_EQ(parse_proof(deep + "\nx").error().code(), ErrorCode::too_large);
  EXPECT_EQ(parse_proof(std::string(proof_bytes_max + 1, 'a')).error().code(), ErrorCode::too_large);
}

class Folders : public testing::Test {
 protected:
  fakes::TemporaryFolder temporary_;
  std::filesystem::path root_ = temporary_.path();
};

TEST_F(Folders, hold_every_tile_bundle_and_asked_proof) {
  const InMemoryTrail trail(600);
  const std::uint64_t wanted[] = {0, 599};
  std::uint64_t reported = 0;
  const auto exported =
      write_export(root_ / "e", trail,
                   {.proofs = wanted, .on_progress = [&](std::uint64_t done, std::uint64_t) { reported = done; }});
  ASSERT_TRUE(exported) << exported.error().message();
  EXPECT_EQ(exported->size, 600u);
  EXPECT_EQ(reported, 600u);
  for (const char* file :
       {"checkpoint", "key.pub", "README.txt", "proofs/0.tlog-proof", "proofs/599.tlog-proof", "tile/0/000",
        "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/88"}) {
    EXPECT_TRUE(std::filesystem::is_regular_file(root_ / "e" / file)) << file;
  }
  EXPECT_EQ(std::filesystem::file_size(root_ / "e" / "tile/0/000"), tile_bytes_max);
}

TEST_F(Folders, of_an_empty_trail_hold_a_checkpoint_of_size_zero) {
  const auto exported = write_export(root_ / "e", InMemoryTrail(0));
  ASSERT_TRUE(exported) << exported.error().message();
  EXPECT_FALSE(std::filesystem::exists(root_ / "e" / "tile"));
  EXPECT_TRUE(std::filesystem::exists(root_ / "e" / "checkpoint"));
}

TEST_F(Folders, that_have_files_are_left_alone) {
  std::ofstream(root_ / "mine") << "x";
  EXPECT_EQ(write_export(root_, InMemoryTrail(1)).error().code(), ErrorCode::conflict);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(root_), {}), 1);
}

TEST_F(Folders, are_refused_where_the_trail_contradicts_itself) {
  InMemoryTrail trail(300);
  trail.entries[257].back() ^= 1;
  const auto refused = write_export(root_ / "e", trail);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::corrupt);
  EXPECT_NE(refused.error().message().find("257"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(root_ / "e" / "checkpoint"));

  InMemoryTrail forged(3);
  forged.note = InMemoryTrail(4).note;
  EXPECT_EQ(write_export(root_ / "f", forged).error().code(), ErrorCode::corrupt);
}

TEST_F(Folders, cover_what_the_checkpoint_covers_and_no_more) {
  InMemoryTrail trail(10);
  trail.note = InMemoryTrail(7).note;
  const auto exported = write_export(root_ / "e", trail);
  ASSERT_TRUE(exported) << exported.error().message();
  EXPECT_EQ(exported->size, 7u);
  const std::uint64_t beyond[] = {7};
  EXPECT_EQ(write_export(root_ / "f", trail, {.proofs = beyond, .on_progress = {}}).error().code(),
            ErrorCode::not_found);
}

}  // namespace
}  // namespace trv::exporting
