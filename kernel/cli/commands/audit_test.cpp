// The trail, exported and verified.

#include <algorithm>

#include "audit/export/folder.hpp"
#include "audit/fakes/in_memory_trail.hpp"
#include "audit/merkle/tree.hpp"
#include "audit/note/checkpoint.hpp"
#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class AuditTrail : public CommandLine, public exporting::TrailSource {
 protected:
  void grow_to(std::uint64_t size) {
    for (std::uint64_t i = entries_.size(); i < size; ++i) {
      entries_.push_back(base::to_bytes(fakes::entry_text({.lsn = i + 1})));
      ASSERT_TRUE(merkle::append(tree_, i, merkle::leaf_hash(entries_.back())));
    }
    note_ = note::sign_checkpoint({.origin = signing_.name(), .size = size, .root = merkle::root(tree_, size).value()},
                                  signing_)
                .value();
    const auto origin = folder_ / ("origin" + std::to_string(size));
    ASSERT_TRUE(exporting::write_export(origin, *this));
    write(origin.filename().string() + "/key", signing_.verifier().format());
    server_.share("/v1/tenants/acme/audit/", origin);
  }
  base::Result<std::uint64_t> size() const override { return entries_.size(); }
  base::Result<base::Bytes> entry(std::uint64_t index) const override { return entries_.at(index); }
  base::Result<std::string> checkpoint() const override { return note_; }
  const merkle::NodeReader& nodes() const override { return tree_; }
  note::VerifierKey key() const override { return signing_.verifier(); }

  std::vector<base::Bytes> entries_;
  merkle::InMemoryNodes tree_;
  note::SigningKey signing_ = note::SigningKey::from_seed("audit.example/t/acme", {7}).value();
  std::string note_;
};

TEST_F(AuditTrail, an_export_holds_without_server_and_a_changed_byte_does_not) {
  grow_to(700);
  const auto copy = folder_ / "copy";
  EXPECT_EQ(trav({"audit", "export", "--output", copy.string(), "--proofs", "all"}), ExitCode::ok) << err_ << out_;
  environment_["TRAV_URL"] = "http://127.0.0.1:1";
  const std::string key = signing_.verifier().format();
  EXPECT_EQ(trav({"audit", "verify", copy.string(), "--key", key}), ExitCode::ok) << out_;
  EXPECT_EQ(trav({"audit", "verify", copy.string(), "--key", key, "--output", "json"}), ExitCode::ok);
  EXPECT_NE(out_.find("\"entries\":700,"), std::string::npos) << out_;
  EXPECT_NE(out_.find("\"proofs\":700,"), std::string::npos) << out_;

  const auto entry = write("entry", base::as_text(entries_[300]));
  const auto proof = (copy / "proofs/300.tlog-proof").string();
  EXPECT_EQ(trav({"audit", "verify-proof", proof, "--entry", entry.string(), "--key", key}), ExitCode::ok) << err_;
  const auto other = write("other", "{}");
  EXPECT_EQ(trav({"audit", "verify-proof", proof, "--entry", other.string(), "--key", key}),
            ExitCode::verification_failed);

  std::string bundle = read(copy / "tile/entries/001");
  bundle[40] ^= 1;
  std::ofstream(copy / "tile/entries/001", std::ios::binary) << bundle;
  std::ofstream(copy / "proofs/7.tlog-proof") << "no proof";
  EXPECT_EQ(trav({"audit", "verify", copy.string(), "--key", key}), ExitCode::verification_failed) << out_;
  EXPECT_LT(std::ranges::count(out_, '\n'), 20) << out_;
  EXPECT_NE(out_.find(" problems\n  tile/entries/001: entry 256: "), std::string::npos)
      << "the cause comes first: " << out_;
  EXPECT_NE(out_.find(fmt::format("; `trav audit verify {} --output json` shows all\n", copy.string())),
            std::string::npos)
      << out_;
  EXPECT_EQ(trav({"audit", "verify", copy.string(), "--key", key, "--output", "json"}), ExitCode::verification_failed);
  std::size_t reported = 0;
  for (std::size_t at = out_.find("\"what\""); at != std::string::npos; at = out_.find("\"what\"", at + 1)) ++reported;
  EXPECT_GT(reported, 400U) << "one for every proof behind the changed entry";
  EXPECT_NE(out_.find("\"problems_left_out\":0"), std::string::npos);
}

TEST_F(AuditTrail, an_older_checkpoint_that_does_not_hold_fails_the_verification) {
  grow_to(300);
  const std::string earlier = note_;
  grow_to(400);
  const auto copy = (folder_ / "copy").string();
  EXPECT_EQ(trav({"audit", "export", "--output", copy}), ExitCode::ok) << err_ << out_;
  const std::string key = signing_.verifier().format();
  EXPECT_EQ(trav({"audit", "verify", copy, "--key", key, "--since", write("kept", earlier).string()}), ExitCode::ok)
      << out_;
  for (const std::string& bad : {std::string(), std::string("not a note\n"), std::string(2'000'000, 'x')}) {
    EXPECT_EQ(trav({"audit", "verify", copy, "--key", key, "--since", write("bad", bad).string()}),
              ExitCode::verification_failed)
        << out_ << err_;
    EXPECT_NE((out_ + err_).find("the older checkpoint"), std::string::npos) << out_ << err_;
  }
  EXPECT_EQ(trav({"audit", "verify", copy, "--key", key, "--since", "/nowhere/checkpoint"}), ExitCode::usage) << err_;
}

TEST_F(AuditTrail, a_second_export_fetches_only_what_is_new) {
  grow_to(700);
  const auto copy = folder_ / "copy";
  EXPECT_EQ(trav({"audit", "export", "--output", copy.string()}), ExitCode::ok) << err_;
  server_.forget();
  EXPECT_EQ(trav({"audit", "export", "--output", copy.string()}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received().size(), 2U) << "the checkpoint and the key";
  grow_to(900);
  server_.forget();
  EXPECT_EQ(trav({"audit", "export", "--output", copy.string()}), ExitCode::ok) << err_ << out_;
  // Checkpoint, key; bundles 2 and 3.p/132; tiles 0/2, 0/3.p/132 and 1/0.p/3.
  EXPECT_EQ(server_.received().size(), 7U);
  EXPECT_FALSE(std::filesystem::exists(copy / "tile/entries/002.p"));
}

TEST_F(AuditTrail, the_copy_of_another_trail_is_left_alone) {
  grow_to(3);
  write("copy/key.pub", "audit.example/other+00000000+AAAA\n");
  EXPECT_EQ(trav({"audit", "export", "--output", (folder_ / "copy").string()}), ExitCode::refused);
  EXPECT_NE(err_.find("another key"), std::string::npos) << err_;
}

}  // namespace
}  // namespace trv::cli
