// `trav plugin dev` with a scripted server and a scripted watch.

#include <algorithm>

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class PluginDev : public CommandLine {
 protected:
  void SetUp() override {
    plugin_ = (folder_ / "hello").string();
    ASSERT_EQ(trav({"plugin", "new", plugin_, "--language", "python"}), ExitCode::ok) << err_;
    server_.script("POST /v1/plugins", {.status = 201, .body = R"({"id":"hello","version":"1.0.0-dev"})"});
    server_.script("PUT /v1/tenants/acme/plugins/hello", {.body = R"({"id":"hello","version":"1.0.0-dev"})"});
    server_.forget();
  }
  void change(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = read(folder_ / "hello" / file);
    text.replace(text.find(from), from.size(), to);
    write("hello/" + file, text);
  }
  std::size_t installations() {
    std::size_t count = 0;
    for (const Received& one : server_.received()) count += one.line == "POST /v1/plugins" ? 1 : 0;
    return count;
  }

  std::string plugin_;
};

TEST_F(PluginDev, a_change_is_installed_and_the_example_runs_again) {
  change("manifest.json", "\"1.0.0\"", "\"1.0.0-dev\"");
  int waits = 0;
  watch_ = [&] {
    ++waits;
    if (waits == 1) change("program/main.py", "def echo", "def echo(:");
    if (waits == 2) change("program/main.py", "def echo(:", "def echo");
    return waits < 3 ? WatchEnd::changed : WatchEnd::interrupted;
  };
  const std::string ran = (folder_ / "ran").string();
  EXPECT_EQ(trav({"plugin", "dev", plugin_, "--build", "pwd >> built", "--then", "echo once >> " + ran}), ExitCode::ok)
      << err_;
  EXPECT_EQ(waits, 3);
  if (std::system("command -v python3 >/dev/null") != 0) GTEST_SKIP() << "python3 is not installed";
  EXPECT_NE(err_.find("main.py:"), std::string::npos) << "what does not parse is named: " << err_;
  EXPECT_EQ(installations(), 2U) << "and is not installed";
  EXPECT_EQ(read(ran), "once\nonce\n");
  EXPECT_NE(out_.find("hello 1.0.0-dev is installed and enabled for tenant acme."), std::string::npos) << out_;
  const std::string built = read(folder_ / "hello" / "built");
  EXPECT_EQ(std::ranges::count(built, '\n'), 3) << built;
  EXPECT_NE(built.find("/hello\n"), std::string::npos) << built;
}

TEST_F(PluginDev, a_release_is_not_replaced_and_a_build_that_fails_is_reported) {
  EXPECT_EQ(trav({"plugin", "dev", plugin_}), ExitCode::ok);
  EXPECT_NE(err_.find("write 1.0.0-dev"), std::string::npos) << err_;
  change("manifest.json", "\"1.0.0\"", "\"1.0.0-dev\"");
  EXPECT_EQ(trav({"plugin", "dev", plugin_, "--build", "exit 7"}), ExitCode::ok);
  EXPECT_NE(err_.find("`exit 7` ended with exit code 7"), std::string::npos) << err_;
  EXPECT_EQ(installations(), 0U);
  EXPECT_EQ(trav({"plugin", "dev", (folder_ / "none").string()}), ExitCode::refused);
}

}  // namespace
}  // namespace trv::cli
