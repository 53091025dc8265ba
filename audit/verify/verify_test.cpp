#include "audit/verify/verify.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "audit/export/folder.hpp"
#include "audit/fakes/folder.hpp"
#include "audit/fakes/in_memory_trail.hpp"

namespace trv::verify {
namespace {

using fakes::FlippedByte;
using fakes::InMemoryTrail;
using fakes::read_text;
using fakes::TemporaryFolder;
using fakes::write_text;

using base::ErrorCode;

class Exports : public testing::Test {
 protected:
  std::filesystem::path write(const InMemoryTrail& trail, const char* name, std::vector<std::uint64_t> proofs = {}) {
    const auto folder = temporary_.path() / name;
    const auto exported = exporting::write_export(folder, trail, {.proofs = proofs, .on_progress = {}});
    EXPECT_TRUE(exported) << exported.error().message();
    return folder;
  }
  static Report report_of(const std::filesystem::path& folder, const std::optional<note::VerifierKey>& key) {
    auto report = verify_folder(folder, key);
    EXPECT_TRUE(report) << report.error().message();
    return report.value_or(Report{});
  }
  TemporaryFolder temporary_;
};

TEST_F(Exports, of_every_shape_verify_and_say_what_was_checked) {
  for (const std::uint64_t size : {0u, 1u, 2u, 255u, 256u, 257u, 1000u, 65'535u, 65'536u, 65'537u}) {
    const InMemoryTrail trail(size);
    const std::vector<std::uint64_t> proofs =
        size == 0 ? std::vector<std::uint64_t>{} : std::vector{0 * size, size - 1};
    const auto folder = write(trail, std::to_string(size).c_str(), proofs);
    const Report report = report_of(folder, trail.key());
    EXPECT_TRUE(report.holds()) << report.to_text();
    EXPECT_EQ(report.origin, "audit.example/t/acme");
    EXPECT_EQ(report.size, size);
    EXPECT_EQ(report.entries, size);
    EXPECT_EQ(report.root_hex, base::to_hex(*merkle::root(trail.tree, size)));
    EXPECT_EQ(report.proofs, size == 0 ? 0u : size == 1 ? 1u : 2u);
    EXPECT_FALSE(report.self_signed);
    EXPECT_EQ(report.unchecked, std::vector<std::string>{"README.txt"});
  }
}

TEST_F(Exports, without_a_trusted_key_say_plainly_that_they_are_self_signed) {
  const Report report = report_of(write(InMemoryTrail(3), "e"), std::nullopt);
  EXPECT_TRUE(report.holds());
  EXPECT_TRUE(report.self_signed);
  EXPECT_NE(report.to_text().find("not who signed it"), std::string::npos);
}

TEST_F(Exports, of_another_signer_are_refused_by_the_trusted_key) {
  const InMemoryTrail trail(3);
  const auto folder = write(trail, "e");
  const auto other = note::SigningKey::from_seed("audit.example/t/acme", {8}).value();
  const Report report = report_of(folder, other.verifier());
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].file, "key.pub");
  EXPECT_EQ(report.problems[1].file, "checkpoint");
}

TEST_F(Exports, with_any_flipped_byte_are_refused_and_the_file_is_named) {
  const InMemoryTrail trail(3);
  const auto folder = write(trail, "e", {1});
  for (const char* file : {"checkpoint", "key.pub", "tile/0/000.p/3", "tile/entries/000.p/3", "proofs/1.tlog-proof"}) {
    const std::size_t size = std::filesystem::file_size(folder / file);
    for (std::size_t at = 0; at < size; ++at) {
      const FlippedByte flipped(folder / file, at);
      const Report report = report_of(folder, trail.key());
      ASSERT_FALSE(report.holds()) << file << " " << at;
      EXPECT_TRUE(std::any_of(report.problems.begin(), report.problems.end(),
                              [&](const Problem& problem) {
                                return problem.file == file || (problem.file == "tile/0/000.p/3" && file[5] == 'e');
                              }))
          << file << " " << at << report.to_text();
    }
  }
  EXPECT_TRUE(report_of(folder, trail.key()).holds());
}

TEST_F(Exports, name_the_entry_that_was_changed) {
  const InMemoryTrail trail(1000);
  const auto folder = write(trail, "e");
  const auto bundle = folder / "tile/entries/003.p/232";
  std::string bytes = read_text(bundle);
  const std::size_t at = bytes.find("{\"entry\":801}");
  ASSERT_NE(at, std::string::npos);
  const FlippedByte flipped(bundle, at + 10);
  const Report report = report_of(folder, trail.key());
  ASSERT_FALSE(report.holds());
  EXPECT_EQ(report.problems[0].file, "tile/0/003.p/232");
  EXPECT_NE(report.problems[0].what.find("entry 801:"), std::string::npos) << report.problems[0].what;
  EXPECT_EQ(report.problems.back().file, "checkpoint");
}

TEST_F(Exports, with_a_missing_file_are_refused) {
  const InMemoryTrail trail(600);
  for (const char* file : {"checkpoint", "key.pub", "tile/0/001", "tile/1/000.p/2", "tile/entries/002.p/88"}) {
    const auto folder = write(trail, ("without-" + std::to_string(file[5]) + std::string(file).substr(0, 4) +
                                      std::to_string(std::string_view(file).size()))
                                         .c_str());
    std::filesystem::remove(folder / file);
    const Report report = report_of(folder, trail.key());
    ASSERT_FALSE(report.holds()) << file;
    EXPECT_EQ(report.problems[0].file, file);
    EXPECT_TRUE(report.problems[0].what.starts_with("is missing")) << report.problems[0].what;
  }
}

TEST_F(Exports, with_entries_and_tiles_rewritten_together_fail_at_the_signature) {
  const InMemoryTrail honest(300);
  InMemoryTrail forged(300, "other");
  const auto folder = write(forged, "e");
  write_text(folder / "checkpoint", honest.note);
  const Report report = report_of(folder, honest.key());
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].file, "checkpoint");
  EXPECT_NE(report.problems[0].what.find("says root"), std::string::npos);
}

TEST_F(Exports, list_what_the_checkpoint_does_not_cover) {
  const InMemoryTrail trail(3);
  const auto folder = write(trail, "e");
  write_text(folder / "tile/0/000.p/2", "old");
  write_text(folder / "notes.txt", "stray");
  const Report report = report_of(folder, trail.key());
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.unchecked, (std::vector<std::string>{"README.txt", "notes.txt", "tile/0/000.p/2"}));
}

TEST_F(Exports, with_pipes_links_and_giants_in_place_of_files_are_refused_without_hanging) {
  const InMemoryTrail trail(3);
  const auto folder = write(trail, "e");
  const auto tile = folder / "tile/0/000.p/3";
  std::filesystem::remove(tile);
  ASSERT_EQ(::mkfifo(tile.c_str(), 0600), 0);
  EXPECT_EQ(report_of(folder, trail.key()).problems.at(0).what, "is not a regular file");
  std::filesystem::remove(tile);
  std::filesystem::create_symlink("/dev/zero", tile);
  EXPECT_EQ(report_of(folder, trail.key()).problems.at(0).what, "is not a regular file");
  std::filesystem::remove(tile);
  write_text(tile, std::string(10'000, 'x'));
  EXPECT_TRUE(report_of(folder, trail.key()).problems.at(0).what.starts_with("has 10000 bytes"));
}

TEST_F(Exports, that_do_not_exist_are_an_error) {
  EXPECT_EQ(verify_folder(temporary_.path() / "nowhere", std::nullopt).error().code(), ErrorCode::not_found);
}

TEST_F(Exports, claiming_an_enormous_size_stop_at_the_first_missing_file) {
  InMemoryTrail trail(3);
  for (const std::uint64_t size : {std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    const auto folder = write(trail, std::to_string(size).c_str());
    write_text(folder / "checkpoint",
               *note::sign_checkpoint({.origin = trail.signing.name(), .size = size, .root = {}}, trail.signing));
    EXPECT_FALSE(report_of(folder, trail.key()).holds());
  }
}

TEST_F(Exports, hold_proofs_of_earlier_checkpoints_to_the_same_entries) {
  InMemoryTrail trail(300);
  trail.note = trail.checkpoint_at(77);
  const std::string earlier = exporting::format_proof(exporting::make_proof(trail, 5).value());
  trail.note = trail.checkpoint_at(300);
  const auto folder = write(trail, "e", {299});
  write_text(folder / "proofs/5.tlog-proof", earlier);
  EXPECT_EQ(report_of(folder, trail.key()).proofs, 2u);

  InMemoryTrail other(300, "other");
  write_text(folder / "proofs/5.tlog-proof", exporting::format_proof(exporting::make_proof(other, 5).value()));
  const Report report = report_of(folder, trail.key());
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].file, "proofs/5.tlog-proof");

  write_text(folder / "proofs/5.tlog-proof", exporting::format_proof(exporting::make_proof(trail, 6).value()));
  EXPECT_FALSE(report_of(folder, trail.key()).holds());
}

TEST_F(Exports, grow_from_every_earlier_checkpoint_and_from_no_other) {
  const InMemoryTrail trail(300);
  const auto folder = write(trail, "e");
  for (const std::uint64_t size : {0u, 1u, 128u, 255u, 256u, 299u, 300u}) {
    const auto grown = verify_growth(trail.checkpoint_at(size), folder, trail.key());
    ASSERT_TRUE(grown) << grown.error().message();
    EXPECT_TRUE(grown->holds()) << size << grown->to_text();
  }
  const InMemoryTrail other(200, "other");
  const auto rewritten = verify_growth(other.note, folder, trail.key());
  ASSERT_TRUE(rewritten);
  ASSERT_EQ(rewritten->problems.size(), 1u);
  EXPECT_EQ(rewritten->problems[0].file, "the older checkpoint");

  const auto shrunk = verify_growth(InMemoryTrail(301).note, folder, trail.key());
  ASSERT_TRUE(shrunk);
  ASSERT_FALSE(shrunk->holds());
  EXPECT_NE(shrunk->problems[0].what.find("entries were removed"), std::string::npos);

  EXPECT_EQ(verify_growth("not a note", folder, trail.key()).error().code(), ErrorCode::invalid);
}

TEST(ProofFiles, prove_their_entry_and_no_other_with_their_key_and_no_other) {
  const InMemoryTrail trail(100);
  const std::string proof = exporting::format_proof(exporting::make_proof(trail, 42).value());
  const auto proven = verify_proof_file(proof, trail.entries[42], trail.key());
  ASSERT_TRUE(proven) << proven.error().message();
  EXPECT_EQ(proven->index, 42u);
  EXPECT_EQ(proven->checkpoint.size, 100u);
  EXPECT_EQ(verify_proof_file(proof, trail.entries[41], trail.key()).error().code(), ErrorCode::unauthenticated);
  const auto other = note::SigningKey::from_seed(trail.signing.name(), {9}).value();
  EXPECT_EQ(verify_proof_file(proof, trail.entries[42], other.verifier()).error().code(), ErrorCode::unauthenticated);
}

TEST(Reports, are_bounded) {
  Report report;
  for (std::size_t i = 0; i < Report::problems_max + 900; ++i) {
    report.add("file", "what");
  }
  EXPECT_EQ(report.problems.size(), Report::problems_max);
  EXPECT_EQ(report.problems_left_out, 900u);
  EXPECT_TRUE(report.to_text().starts_with("NOT verified: 100900 problems\n"));
}

TEST(Reports, people_see_the_first_ten_problems_and_how_many_more_there_are) {
  Report report;
  report.add("tile/entries/001", "the cause");
  for (int i = 0; i < 1721; ++i) {
    report.add("proofs/1.tlog-proof", "what follows");
  }
  for (int i = 0; i < 12; ++i) {
    report.unchecked.push_back("other" + std::to_string(i));
  }
  const std::string text = report.to_text("ask for all");
  EXPECT_TRUE(text.starts_with("NOT verified: 1722 problems\n  tile/entries/001: the cause\n")) << text;
  EXPECT_NE(text.find("\n  and 1712 more, which may follow from these; ask for all\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  and 2 more such files; ask for all\n"), std::string::npos) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 1 + 10 + 1 + 1 + 10 + 1);
  Report one;
  one.add("key.pub", "is missing");
  EXPECT_TRUE(one.to_text().starts_with("NOT verified: 1 problem\n"));
}

}  // namespace
}  // namespace trv::verify
