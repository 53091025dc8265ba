// `trav plugin build`, in the languages that need no compiler, and with commands that a test gives.

#include "kernel/cli/commands/plugin_build.hpp"

#include <cstdlib>

#include "kernel/cli/commands/command_line_fixture.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

class PluginBuild : public CommandLine {
 protected:
  void make(const std::string& language) {
    plugin_ = (folder_ / "hello").string();
    ASSERT_EQ(trav({"plugin", "new", plugin_, "--language", language}), ExitCode::ok) << err_;
  }
  std::string plugin_;
  std::string package_ = (folder_ / "hello.trvp").string();
};

TEST_F(PluginBuild, a_folder_becomes_a_package_once_its_tests_pass) {
  if (std::system("command -v python3 >/dev/null") != 0) GTEST_SKIP() << "python3 is not installed";
  make("python");
  ASSERT_EQ(trav({"plugin", "build", plugin_, "--output", package_}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("Built hello 1.0.0 into " + package_), std::string::npos) << out_;
  const auto built = package::read(std::filesystem::path(package_));
  ASSERT_TRUE(built) << built.error().message();
  EXPECT_EQ(built->manifest.id, "hello");

  std::filesystem::remove(package_);
  write("hello/test_wrong.py",
        "import unittest\nclass T(unittest.TestCase):\n  def test(self): self.fail('planted')\n");
  EXPECT_EQ(trav({"plugin", "build", plugin_, "--output", package_}), ExitCode::refused);
  EXPECT_NE(err_.find("`python3 -m unittest` ended with exit code 1"), std::string::npos) << err_;
  EXPECT_FALSE(std::filesystem::exists(package_));
  EXPECT_EQ(trav({"plugin", "build", plugin_, "--output", package_, "--skip-tests"}), ExitCode::ok) << err_;
  EXPECT_TRUE(std::filesystem::exists(package_));
}

TEST_F(PluginBuild, a_build_that_fails_makes_no_package) {
  make("c++");
  EXPECT_EQ(trav({"plugin", "build", plugin_, "--output", package_, "--build", "exit 7"}), ExitCode::refused);
  EXPECT_NE(err_.find("`exit 7` ended with exit code 7"), std::string::npos) << err_;
  EXPECT_EQ(trav({"plugin", "build", plugin_, "--output", package_, "--build", "true", "--skip-tests"}),
            ExitCode::refused);
  EXPECT_NE(err_.find("plugin.so is not there"), std::string::npos) << err_;
  EXPECT_FALSE(std::filesystem::exists(package_));
  EXPECT_EQ(trav({"plugin", "build", (folder_ / "none").string()}), ExitCode::refused);
  EXPECT_NE(err_.find("there is no folder"), std::string::npos) << err_;
}

TEST_F(PluginBuild, the_sdk_of_this_installation_is_named_to_the_build) {
  make("c++");
  EXPECT_EQ(trav({"plugin", "build", plugin_, "--output", package_, "--skip-tests", "--build",
                  "test -f \"$TRV_SDK/sdk/cpp/plugin.hpp\" && echo \"$TRV_SDK\" > found && false"}),
            ExitCode::refused);
  EXPECT_FALSE(read(folder_ / "hello" / "found").empty()) << err_;
}

TEST_F(PluginBuild, each_language_has_its_steps) {
  make("c++");
  EXPECT_EQ(build_steps_of(plugin_).build, "cmake -S . -B build && cmake --build build");
  for (const char* language : {"rust", "typescript"}) {
    const std::string folder = (folder_ / language).string();
    ASSERT_EQ(trav({"plugin", "new", folder, "--language", language}), ExitCode::ok) << err_;
    EXPECT_FALSE(build_steps_of(folder).build.empty());
    EXPECT_FALSE(build_steps_of(folder).test.empty());
  }
}

}  // namespace
}  // namespace trv::cli
