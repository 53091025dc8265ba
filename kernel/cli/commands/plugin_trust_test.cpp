#include <sys/stat.h>

#include "kernel/cli/commands/command_line_fixture.hpp"
#include "kernel/trust/signatures.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

class PluginTrust : public CommandLine {
 protected:
  void SetUp() override {
    base::Bytes library(64, 0);
    const std::uint8_t head[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    std::ranges::copy(head, library.begin());
    library[16] = 3;
    library[18] = 62;
    const auto packed = package::assemble(
        R"({"manifest": 1, "id": "hello", "version": "1.0.0", "title": "Hello", "summary": "", "license": "MIT",
            "abi": {"major": 1, "minor": 0}, "isolation": "sandboxed",
            "libraries": {"linux-x86_64": {"path": "lib/linux-x86_64/plugin.so"}}})",
        {{"lib/linux-x86_64/plugin.so", library}});
    ASSERT_TRUE(packed) << packed.error().message();
    plain_.assign(packed->begin(), packed->end());
    package_ = write("hello.trvp", plain_).string();
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string text(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool out_has(std::string_view part) const { return out_.find(part) != std::string::npos; }
  bool err_has(std::string_view part) const { return err_.find(part) != std::string::npos; }

  std::string plain_;
  std::string package_;
};

TEST_F(PluginTrust, a_package_is_signed_countersigned_and_shown) {
  ASSERT_EQ(trav({"plugin", "inspect", package_}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has("it is not signed")) << out_;
  ASSERT_EQ(trav({"plugin", "keygen", "acme-plugins", "--output", path("acme.key")}), ExitCode::ok) << err_;
  struct stat status{};
  ASSERT_EQ(::stat(path("acme.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_TRUE(text("acme.key.pub").starts_with("acme-plugins+"));
  EXPECT_EQ(trav({"plugin", "keygen", "acme-plugins", "--output", path("acme.key")}), ExitCode::refused);
  ASSERT_EQ(trav({"plugin", "keygen", "certifier", "--output", path("certifier.key")}), ExitCode::ok) << err_;

  EXPECT_EQ(trav({"plugin", "countersign", package_, "--key", path("certifier.key"), "--level", "private", "--expires",
                  "never"}),
            ExitCode::refused);
  EXPECT_TRUE(err_has("`trav plugin sign` comes first")) << err_;
  ASSERT_EQ(trav({"plugin", "sign", package_, "--key", path("acme.key")}), ExitCode::ok) << err_;
  EXPECT_EQ(trav({"plugin", "countersign", package_, "--key", path("certifier.key"), "--level", "certified",
                  "--expires", "2199-11-30"}),
            ExitCode::usage);
  EXPECT_TRUE(err_has("--report")) << err_;
  const std::string report = write("report.txt", "all promises kept\n").string();
  EXPECT_EQ(trav({"plugin", "countersign", package_, "--key", path("certifier.key"), "--level", "dev", "--expires",
                  "2020-01-01"}),
            ExitCode::usage);
  EXPECT_TRUE(err_has("--expires 2020-01-01: that is over")) << err_;
  ASSERT_EQ(trav({"plugin", "countersign", package_, "--key", path("certifier.key"), "--level", "certified", "--report",
                  report, "--expires", "2199-11-30", "--output", path("certified.trvp")}),
            ExitCode::ok)
      << err_;

  write("trust.keys", text("acme.key.pub").substr(0, text("acme.key.pub").size() - 1) + " publisher\n");
  ASSERT_EQ(trav({"plugin", "inspect", path("certified.trvp"), "--trust", path("trust.keys")}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has("trusted as publisher")) << out_;
  EXPECT_TRUE(out_has("not in the trust file")) << out_;
  EXPECT_TRUE(out_has("2199-11-30T00:00:00Z")) << out_;
  EXPECT_TRUE(out_has("lib/linux-x86_64/plugin.so")) << out_;
  ASSERT_EQ(trav({"plugin", "inspect", path("certified.trvp"), "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has(R"("level":"certified")")) << out_;
  EXPECT_TRUE(out_has(base::to_hex(base::sha256(base::as_bytes(plain_)))))
      << "the content is that of the package before";

  ASSERT_EQ(trav({"plugin", "sign", path("certified.trvp"), "--key", path("acme.key")}), ExitCode::ok) << err_;
  EXPECT_EQ(err_, "") << "the same signature again leaves the certifier's";
  ASSERT_EQ(trav({"plugin", "sign", path("certified.trvp"), "--key", path("certifier.key")}), ExitCode::ok) << err_;
  EXPECT_TRUE(err_has("the certifier's signature was about another publisher's and is gone")) << err_;
}

TEST_F(PluginTrust, a_changed_package_is_named_as_damaged) {
  ASSERT_EQ(trav({"plugin", "keygen", "acme", "--output", path("acme.key")}), ExitCode::ok) << err_;
  ASSERT_EQ(trav({"plugin", "sign", package_, "--key", path("acme.key")}), ExitCode::ok) << err_;
  std::string damaged = text("hello.trvp");
  const std::size_t at = damaged.find("travertine package publisher 1\n") + 200;
  damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
  write("hello.trvp", damaged);
  EXPECT_EQ(trav({"plugin", "inspect", package_}), ExitCode::verification_failed);
  EXPECT_TRUE(err_has("signatures/publisher.note")) << err_;
}

TEST_F(PluginTrust, a_revocation_list_grows_and_counts_up) {
  ASSERT_EQ(trav({"plugin", "keygen", "operations", "--output", path("o.key")}), ExitCode::ok) << err_;
  ASSERT_EQ(trav({"plugin", "keygen", "thief", "--output", path("t.key")}), ExitCode::ok) << err_;
  const std::vector<std::string> common = {"--list", path("revoked"), "--key", path("o.key")};
  const auto revoke = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"plugin", "revoke"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), common.begin(), common.end());
    return trav(arguments);
  };
  EXPECT_EQ(revoke({"--reason", "why"}), ExitCode::usage);
  ASSERT_EQ(revoke({package_, "--reason", "reads files"}), ExitCode::ok) << err_;
  const std::string thief = text("t.key.pub").substr(0, text("t.key.pub").size() - 1);
  ASSERT_EQ(revoke({"--signer", thief, "--reason", "stolen"}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has("is list 2 of operations: 1 packages and 1 keys")) << out_;
  const std::string list = text("revoked");
  EXPECT_EQ(revoke({"--signer", path("none.pub"), "--reason", "stolen"}), ExitCode::usage);
  EXPECT_TRUE(err_has("neither a public key")) << err_;
  ASSERT_EQ(trav({"plugin", "revoke", "--signer", path("t.key.pub"), "--reason", "stolen", "--list", path("other"),
                  "--key", path("o.key")}),
            ExitCode::ok)
      << err_;
  EXPECT_NE(text("other").find("signer " + thief + " stolen\n"), std::string::npos);
  EXPECT_NE(list.find("content " + base::to_hex(base::sha256(base::as_bytes(plain_))) + " reads files\n"),
            std::string::npos);
  EXPECT_NE(list.find("signer " + thief + " stolen\n"), std::string::npos);
  EXPECT_NE(revoke({package_, "--reason", "again"}), ExitCode::ok) << "it is in the list already";
  EXPECT_EQ(text("revoked"), list);
  EXPECT_NE(trav({"plugin", "revoke", package_, "--reason", "why", "--list", path("revoked"), "--key", path("t.key")}),
            ExitCode::ok)
      << "another key's list";
}

TEST_F(PluginTrust, what_cannot_sign_is_named) {
  EXPECT_NE(trav({"plugin", "sign", package_, "--key", path("none.key")}), ExitCode::ok);
  EXPECT_TRUE(err_has("none.key")) << err_;
  EXPECT_EQ(trav({"plugin", "keygen", "two words", "--output", path("bad.key")}), ExitCode::usage);
  ASSERT_EQ(trav({"plugin", "keygen", "c", "--output", path("c.key")}), ExitCode::ok) << err_;
  EXPECT_EQ(trav({"plugin", "countersign", package_, "--key", path("c.key"), "--level", "dev", "--expires", "soon"}),
            ExitCode::usage);
  EXPECT_TRUE(err_has("--expires soon: write a day as 2027-11-30")) << err_;
}

}  // namespace
}  // namespace trv::cli
