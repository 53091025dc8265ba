// Files of types: where they are, when they are written, and that none of another origin is lost.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class PluginGenerate : public CommandLine {
 protected:
  std::string folder(const std::string& more = "", const std::string& input = R"({"type":"object"})") {
    write("forge/manifest.json",
          fmt::format(R"({{"manifest":1,"id":"forge","version":"1.0.0","title":"F","summary":"F","license":"MIT",)"
                      R"("abi":{{"major":1,"minor":0}},"isolation":"sandboxed","configuration":{{}},"connections":[],)"
                      R"({}"operations":[{{"name":"ask","title":"Ask","idempotent":true,"input":{},"output":true}}],)"
                      R"("webhooks":[]}})",
                      more, input));
    return (folder_ / "forge").string();
  }
};

TEST_F(PluginGenerate, a_file_is_made_checked_and_made_again) {
  const std::string forge = folder();
  EXPECT_EQ(trav({"plugin", "generate", forge, "--check"}), ExitCode::refused);
  EXPECT_NE(err_.find("operations.hpp is missing: make it with `trav plugin generate"), std::string::npos) << err_;
  ASSERT_EQ(trav({"plugin", "generate", forge}), ExitCode::ok) << err_;
  EXPECT_NE(read(folder_ / "forge" / "operations.hpp").find("namespace forge_types {"), std::string::npos);
  EXPECT_EQ(trav({"plugin", "generate", forge, "--check"}), ExitCode::ok) << err_;
  (void)folder("", R"({"type":"object","properties":{"a":{"type":"string"}}})");
  EXPECT_EQ(trav({"plugin", "generate", forge, "--check"}), ExitCode::refused);
  EXPECT_NE(err_.find("not what manifest.json gives"), std::string::npos) << err_;
  EXPECT_EQ(trav({"plugin", "generate", forge}), ExitCode::ok) << err_;
  EXPECT_EQ(trav({"plugin", "generate", forge}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("as before"), std::string::npos) << out_;
}

TEST_F(PluginGenerate, the_language_is_the_plugins) {
  const std::string forge =
      folder(R"("runtime":"process","program":{"interpreter":"python3","file":"program/main.py"},)");
  ASSERT_EQ(trav({"plugin", "generate", forge}), ExitCode::refused) << "its folder is not there";
  write("forge/program/main.py", "");
  ASSERT_EQ(trav({"plugin", "generate", forge}), ExitCode::ok) << err_;
  EXPECT_NE(read(folder_ / "forge" / "program" / "operations.py").find("AskInput = "), std::string::npos);
  ASSERT_EQ(trav({"plugin", "generate", forge, "--language", "typescript"}), ExitCode::ok) << err_;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "forge" / "program" / "operations.d.mts"));
  EXPECT_EQ(trav({"plugin", "generate", forge, "--language", "cobol"}), ExitCode::usage);
}

TEST_F(PluginGenerate, a_file_of_another_origin_is_kept) {
  const std::string forge = folder();
  const auto mine = write("forge/operations.hpp", "// written by hand\n");
  EXPECT_EQ(trav({"plugin", "generate", forge}), ExitCode::refused);
  EXPECT_NE(err_.find("was not made by this command and is kept"), std::string::npos) << err_;
  EXPECT_EQ(read(mine), "// written by hand\n");
  EXPECT_EQ(trav({"plugin", "generate", forge, "--output", (folder_ / "types.hpp").string()}), ExitCode::ok) << err_;
}

TEST_F(PluginGenerate, a_manifest_that_cannot_be_read_is_named) {
  write("forge/manifest.json", R"({"manifest":1})");
  EXPECT_EQ(trav({"plugin", "generate", (folder_ / "forge").string()}), ExitCode::usage);
  EXPECT_NE(err_.find("forge/manifest.json: "), std::string::npos) << err_;
}

}  // namespace
}  // namespace trv::cli
