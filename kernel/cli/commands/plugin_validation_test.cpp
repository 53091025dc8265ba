// `trav plugin validate` of a plugin in Python, as it comes and with planted bugs, and the report that it writes.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class PluginValidateCommand : public CommandLine {
 protected:
  void SetUp() override {
    environment_["TRAV_PLUGIN_HOST"] = TRV_PLUGIN_HOST;
    environment_["TRAV_TEMPLATE_DIR"] = "";
    plugin_ = (folder_ / "hello").string();
    ASSERT_EQ(trav({"plugin", "new", plugin_, "--language", "python"}), ExitCode::ok) << err_;
  }
  /// Before the body of the operation echo.
  void plant(const std::string& bug) {
    std::string text = read(folder_ / "hello" / "program" / "main.py");
    const std::string good = "return {\"text\": call.input[\"text\"]}";
    ASSERT_NE(text.find(good), std::string::npos) << text;
    text.replace(text.find(good), good.size(), bug + "\n    " + good);
    write("hello/program/main.py", text);
  }

  std::string plugin_;
};

TEST_F(PluginValidateCommand, the_template_holds_and_its_report_is_written) {
  const std::string report = (folder_ / "report.json").string();
  ASSERT_EQ(trav({"plugin", "validate", plugin_, "--report", report}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("ok   isolated    examples_are_answered_whatever_a_service_answers\n"), std::string::npos)
      << out_;
  EXPECT_NE(out_.find("hello 1.0.0: 6 checks, 0 failed"), std::string::npos) << out_;
  EXPECT_NE(err_.find("it is a program, which does not run in-process"), std::string::npos) << err_;
  EXPECT_EQ(read(report).find("{\"report\":1,\"plugin\":\"hello\",\"version\":\"1.0.0\",\"package\":\""), 0U);
  ASSERT_EQ(trav({"plugin", "validate", plugin_, "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("\"holds\":true"), std::string::npos) << out_;
}

TEST_F(PluginValidateCommand, a_crash_is_reported_with_its_operation) {
  plant("import os; os._exit(3)");
  EXPECT_EQ(trav({"plugin", "validate", plugin_}), ExitCode::faulted);
  EXPECT_NE(out_.find("FAIL isolated    examples_are_answered_whatever_a_service_answers\n"), std::string::npos)
      << out_;
  EXPECT_NE(err_.find("operation echo, example 1, requests ended with answer 200 with 2 bytes of body: it crashed: "),
            std::string::npos)
      << err_;
}

TEST_F(PluginValidateCommand, a_hang_is_reported_with_its_operation) {
  plant("import time; time.sleep(3600)");
  EXPECT_EQ(trav({"plugin", "validate", plugin_, "--timeout", "1"}), ExitCode::faulted);
  EXPECT_NE(err_.find("operation echo, example 1, requests ended with answer 200 with 2 bytes of body: it hung: "),
            std::string::npos)
      << err_;
  EXPECT_EQ(trav({"plugin", "validate", plugin_, "--timeout", "0"}), ExitCode::usage);
  EXPECT_NE(err_.find("--timeout 0: a number of seconds from 1 to "), std::string::npos) << err_;
}

}  // namespace
}  // namespace trv::cli
