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
  const std::size_t at = bytes.find("\"lsn\":802,");
  ASSERT_NE(at, std::string::npos);
  const FlippedByte flipped(bundle, bytes.find("trv.instance", at) + 4);
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

  const auto foreign = note::SigningKey::from_seed("audit.example/t/acme", {8}).value();
  const std::string another_key =
      note::sign_checkpoint({.origin = foreign.name(), .size = 0, .root = merkle::empty_root()}, foreign).value();
  for (const std::string& bad : {std::string(), std::string("not a note"), trail.note.substr(0, trail.note.size() / 2),
                                 std::string(100, '\0'), another_key}) {
    const auto refused = verify_growth(bad, folder, trail.key());
    ASSERT_TRUE(refused) << bad;
    ASSERT_EQ(refused->problems.size(), 1u) << bad;
    EXPECT_EQ(refused->problems[0].file, "the older checkpoint");
    EXPECT_EQ(refused->entries, 300u) << "the export itself is checked nevertheless";
  }
}

/// Removes the entry with this lsn from a bundle of an export.
void remove_entry(const std::filesystem::path& bundle, const std::string& lsn) {
  std::string bytes = read_text(bundle);
  const std::size_t begin = bytes.find("{\"v\":1,\"shard\":0,\"lsn\":" + lsn + ",");
  ASSERT_NE(begin, std::string::npos);
  const std::size_t end = bytes.find('}', begin) + 1;
  write_text(bundle, bytes.erase(begin - 2, end - begin + 2));
}

TEST_F(Exports, name_the_entries_that_were_removed_and_check_the_rest) {
  const InMemoryTrail trail(1000);
  const auto folder = write(trail, "e", {990});
  remove_entry(folder / "tile/entries/003.p/232", "802");
  Report report = report_of(folder, trail.key());
  ASSERT_EQ(report.problems.size(), 1u) << report.to_text();
  EXPECT_EQ(report.problems[0].file, "tile/entries/003.p/232");
  EXPECT_EQ(report.problems[0].what, "entry 801 is missing: the file has 231 of its 232 entries");
  EXPECT_EQ(report.entries, 999u);
  EXPECT_EQ(report.proofs, 1u) << "the root is known nevertheless";

  for (const char* lsn : {"803", "804", "1000"}) remove_entry(folder / "tile/entries/003.p/232", lsn);
  remove_entry(folder / "tile/entries/000", "1");
  report = report_of(folder, trail.key());
  ASSERT_EQ(report.problems.size(), 2u) << report.to_text();
  EXPECT_EQ(report.problems[0].what, "entry 0 is missing: the file has 255 of its 256 entries");
  EXPECT_EQ(report.problems[1].what, "entries 801 to 803, 999 are missing: the file has 228 of its 232 entries");

  std::filesystem::remove(folder / "tile/entries/001");
  report = report_of(folder, trail.key());
  ASSERT_EQ(report.problems.size(), 3u) << report.to_text();
  EXPECT_EQ(report.problems[1].what, "is missing; entries 256 to 511 are not checked");
}

TEST_F(Exports, with_an_entry_too_many_or_a_torn_one_say_so) {
  const InMemoryTrail trail(3);
  const auto folder = write(trail, "e");
  const auto bundle = folder / "tile/entries/000.p/3";
  const std::string bytes = read_text(bundle);
  const std::string first = bytes.substr(0, bytes.size() / 3);
  write_text(bundle, bytes + first);
  EXPECT_EQ(report_of(folder, trail.key()).problems.at(0).what,
            "has more than its 3 entries: 1 that the tile does not name");
  write_text(bundle, bytes.substr(0, bytes.size() - 1));
  EXPECT_NE(report_of(folder, trail.key()).problems.at(0).what.find("entry 2 is missing"), std::string::npos);
  write_text(bundle, bytes + "x");
  EXPECT_EQ(report_of(folder, trail.key()).problems.at(0).what, "has 1 bytes after its 3 entries");
  write_text(bundle, std::string(bytes).erase(bytes.size() / 2, 1));
  const Report report = report_of(folder, trail.key());
  EXPECT_NE(report.problems.at(0).what.find("missing or changed"), std::string::npos) << report.to_text();
}

TEST_F(Exports, of_a_tenant_that_moved_follow_it_from_shard_to_shard) {
  const auto entry = [](std::uint64_t shard, std::uint64_t lsn, std::string_view type, int second) {
    const std::string time = "2026-01-31T12:00:0" + std::to_string(second) + ".000000000Z";
    std::string text = fakes::entry_text({.lsn = lsn, .shard = shard, .time = time});
    constexpr std::string_view started = "trv.instance.started";
    return text.replace(text.find(started), started.size(), type);
  };
  const std::string before = entry(1, 50, "trv.instance.started", 3);
  const std::string departed = entry(1, 51, "trv.tenant.departed", 4);
  const std::string arrived = entry(2, 7, "trv.tenant.arrived", 2);
  const std::string back = entry(1, 60, "trv.tenant.arrived", 5);
  int folders = 0;
  const auto problems_of = [&](std::vector<std::string> entries) {
    const InMemoryTrail trail(std::move(entries));
    return report_of(write(trail, ("moved" + std::to_string(++folders)).c_str()), trail.key()).problems;
  };
  EXPECT_TRUE(problems_of({before, departed, arrived, entry(2, 8, "trv.tenant.departed", 3), back}).empty());
  EXPECT_FALSE(problems_of({before, arrived}).empty()) << "it has not left";
  EXPECT_FALSE(problems_of({before, departed, entry(1, 52, "trv.instance.started", 5)}).empty()) << "it has left";
  EXPECT_FALSE(problems_of({before, departed, entry(2, 7, "trv.instance.started", 5)}).empty()) << "it has not arrived";
  EXPECT_FALSE(problems_of({before, departed, entry(1, 52, "trv.tenant.arrived", 5)}).empty()) << "where it was";
  EXPECT_FALSE(problems_of({before, departed, arrived, entry(2, 7, "trv.instance.started", 5)}).empty());
  EXPECT_FALSE(problems_of({before, departed, arrived, entry(2, 8, "trv.tenant.departed", 3),
                            entry(1, 40, "trv.tenant.arrived", 6)})
                   .empty())
      << "the lsns of a shard grow over its stays";
}

TEST_F(Exports, that_the_owner_signed_are_refused_for_what_is_in_them) {
  const std::string good = fakes::entry_text({.lsn = 10, .time = "2026-01-31T12:00:00.000000005Z"});
  const auto replaced = [&](std::string_view what, std::string_view by) {
    std::string text = fakes::entry_text({.lsn = 20, .time = "2026-01-31T12:00:01.000000000Z"});
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), by);
  };
  int folders = 0;
  const auto problems_of = [&](const std::string& second) {
    const InMemoryTrail trail({good, second});
    const Report report = report_of(write(trail, std::to_string(++folders).c_str()), trail.key());
    EXPECT_EQ(report.entries, 2u);
    return report.problems;
  };
  const std::string digest(64, 'a');
  for (const auto& fine : {
           replaced("\"stream_id\":\"s\",", ""),
           replaced("\"type\":\"trv.instance.started\",", ""),
           replaced("\"s\"", "\"\\u0000\\u001f\\u007f\\\"\\\\\\n\\r\\t\xc3\xa4\""),
           replaced("\"s\"", "\"" + std::string(1024, 'x') + "\xe2\x80\xa6\""),
           replaced("\"outcome\"", "\"actor\":\"token:x\",\"outcome\""),
           replaced("started\",", "faulted\",")
               .replace(replaced("started\",", "faulted\",").find("success"), 7, "failure"),
           replaced("\"payload_sha256\"",
                    "\"causation_id\":\"00000000-0000-7000-8000-00000000000a\",\"payload_sha256\""),
       }) {
    EXPECT_TRUE(problems_of(fine).empty()) << fine << problems_of(fine).at(0).what;
  }
  for (const auto& [bad, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "\"v\""},
           {"garbage", "\"v\""},
           {"{\"entry\":1}", "\"v\""},
           {replaced("\"v\":1", "\"v\":2"), "\"v\""},
           {replaced("\"v\":1", "\"v\":01"), "\"v\""},
           {replaced("{\"v\"", " {\"v\""), "\"v\""},
           {replaced(",\"lsn\"", ", \"lsn\""), "lsn"},
           {replaced("\"lsn\":20", "\"lsn\":9"), "lsn 9"},
           {replaced("\"lsn\":20", "\"lsn\":10"), "lsn 10"},
           {replaced("\"lsn\":20", "\"lsn\":0"), "lsn"},
           {replaced("\"lsn\":20", "\"lsn\":020"), "lsn"},
           {replaced("\"lsn\":20", "\"lsn\":-20"), "lsn"},
           {replaced("\"lsn\":20", "\"lsn\":2e1"), "event_id"},
           {replaced("\"lsn\":20", "\"lsn\":99999999999999999999"), "lsn"},
           {replaced("\"lsn\":20,", ""), "lsn"},
           {replaced("\"shard\":0", "\"shard\":1"), "shard 1"},
           {replaced("\"shard\":0", "\"shard\":4294967296"), "shard"},
           {replaced("-0000-7000", "-0000-700"), "event_id"},
           {replaced("-0000-7000", "-0000-700G"), "event_id"},
           {replaced("\"00000000-", "\"0000000A-"), "event_id"},
           {replaced("2026-01-31T12:00:01.000000000Z", "2026-01-31T12:00:00.000000004Z"), "time"},
           {replaced("2026-01-31T12:00:01.000000000Z", "2026-02-30T12:00:01.000000000Z"), "time"},
           {replaced("2026-01-31T12:00:01.000000000Z", "2026-01-31T25:00:01.000000000Z"), "time"},
           {replaced("2026-01-31T12:00:01.000000000Z", "2026-01-31T12:00:60.000000000Z"), "time"},
           {replaced("2026-01-31T12:00:01.000000000Z", "2026-01-31T12:00:01.000000Z"), "time"},
           {replaced("2026-01-31T12:00:01.000000000Z", "2026-01-31T12:00:01.000000000+00:00"), "time"},
           {replaced("\"acme\"", "\"umbrella\""), "umbrella"},
           {replaced("\"acme\"", "\"ACME\""), "ACME"},
           {replaced("\"tenant\":\"acme\",", ""), "tenant"},
           {replaced("\"s\"", "\"\""), "stream_id"},
           {replaced("\"s\"", "7"), "stream_id"},
           {replaced("\"s\"", "\"\\u0041\""), "stream_id"},
           {replaced("\"s\"", "\"\\u000a\""), "stream_id"},
           {replaced("\"s\"", "\"\\u001F\""), "stream_id"},
           {replaced("\"s\"", "\"\\/\""), "stream_id"},
           {replaced("\"s\"", "\"\x7f\""), "stream_id"},
           {replaced("\"s\"", "\"\n\""), "stream_id"},
           {replaced("\"s\"", "\"\xff\""), "UTF-8"},
           {replaced("\"s\"", "\"" + std::string(1025, 'x') + "\""), "stream_id"},
           {replaced("\"s\"", "\"" + std::string(1025, 'x') + "\xe2\x80\xa6\""), "stream_id"},
           {replaced("\"type\":\"trv.instance.started\",\"stream_kind\":\"instance\"",
                     "\"stream_kind\":\"instance\",\"type\":\"trv.instance.started\""),
            "type"},
           {replaced("\"outcome\"", "\"action\":\"x\",\"outcome\""), "action"},
           {replaced("\"outcome\"", "\"target\":\"x\",\"outcome\""), "target"},
           {replaced("\"payload_sha256\"", "\"source\":\"x\",\"payload_sha256\""), "source"},
           {replaced("\"outcome\"", "\"note\":\"x\",\"outcome\""), "outcome"},
           {replaced("success", "failure"), "outcome"},
           {replaced("started\",", "denied\","), "outcome"},
           {replaced("\"payload_sha256\"", "\"causation_id\":\"x\",\"payload_sha256\""), "causation_id"},
           {replaced(digest, std::string(63, 'a')), "payload_sha256"},
           {replaced(digest, std::string(65, 'a')), "payload_sha256"},
           {replaced(digest, std::string(64, 'A')), "payload_sha256"},
           {replaced(",\"record_sha256\":\"" + digest + "\"", ""), "record_sha256"},
           {fakes::entry_text({.lsn = 20}) + " ", "end"},
           {fakes::entry_text({.lsn = 20}) + fakes::entry_text({.lsn = 21}), "end"},
       }) {
    const auto problems = problems_of(bad);
    ASSERT_EQ(problems.size(), 1u) << bad;
    EXPECT_EQ(problems[0].file, "tile/entries/000.p/2");
    EXPECT_TRUE(problems[0].what.starts_with("entry 1: ")) << problems[0].what;
    EXPECT_NE(problems[0].what.find(why), std::string::npos) << bad << "\n" << problems[0].what;
  }
}

TEST_F(Exports, of_an_origin_without_a_tenant_are_refused) {
  InMemoryTrail trail(0);
  trail.signing = note::SigningKey::from_seed("audit.example/acme", {7}).value();
  trail.note = trail.checkpoint_at(0);
  const Report report = report_of(write(trail, "e"), trail.key());
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].what.find("tenant"), std::string::npos) << report.problems[0].what;
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

TEST(ProofFiles, prove_nothing_where_what_was_signed_is_not_an_entry_of_the_tenant) {
  for (const std::string& text : {std::string("{}"), fakes::entry_text({.tenant = "umbrella"})}) {
    const InMemoryTrail trail({text});
    const std::string proof = exporting::format_proof(exporting::make_proof(trail, 0).value());
    const auto proven = verify_proof_file(proof, trail.entries[0], trail.key());
    ASSERT_FALSE(proven) << text;
    EXPECT_EQ(proven.error().code(), ErrorCode::invalid);
  }
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
