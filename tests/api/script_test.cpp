// Scripts of workflows, run by a real daemon in real sandboxes.

#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ScriptTest : public testing::Test {
 protected:
  // A host whose users get no namespaces runs no scripts: the daemon says so and does not start.
  void start(const std::string& languages) {
    auto started = Daemon::start(
        scratch_, {},
        {.variables = {{"TRAV_RUN_LANGUAGES", languages}, {"TRAV_EGRESS_ALLOW_PRIVATE_NETWORK", "true"}}});
    if (!started && started.error().message().find("allows no namespaces") != std::string::npos) {
      GTEST_SKIP() << started.error().message();
    }
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (owner_.empty()) owner_ = create_tenant(*daemon_, "acme");
  }

  /// Begins an instance of a workflow with this task.
  std::string begin(const std::string& task, const std::string& input = "{}") {
    return begin_workflow(*daemon_, owner_, "script-" + std::to_string(++count_), "do:\n  - it:\n" + task, input);
  }
  json::object ended(const std::string& id) { return ended_instance(*daemon_, owner_, id); }
  json::value output_of(const std::string& task, const std::string& input = "{}") {
    const json::object shown = ended(begin(task, input));
    EXPECT_EQ(shown.at("status"), "completed") << json::serialize(shown);
    return shown.at("output");
  }
  std::string detail_of(const std::string& task) {
    const json::object shown = ended(begin(task));
    EXPECT_EQ(shown.at("status"), "faulted") << json::serialize(shown);
    return json::serialize(shown.at("error"));
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string owner_;
  int count_ = 0;
};

TEST_F(ScriptTest, a_shell_command_and_a_script_run_and_give_what_return_asks_for) {
  start("shell, python");
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_EQ(output_of("      run:\n        shell:\n          stdin: '${ .message }'\n"
                      "          command: |\n            input=$(cat)\n            echo \"STDIN was: $input\"\n"
                      "            echo \"ARGS are $1 $2\"\n          arguments: [Foo, Bar]\n",
                      R"({"message":"Hello World"})"),
            "STDIN was: Hello World\nARGS are Foo Bar\n");
  EXPECT_EQ(output_of("      run:\n        script:\n          language: python\n          stdin: '${ . }'\n"
                      "          environment: {FACTOR: 3}\n          code: |\n            import json, os, sys\n"
                      "            data = json.load(sys.stdin)\n"
                      "            print(json.dumps({'n': data['n'] * int(os.environ['FACTOR'])}), end='')\n"
                      "      output: {as: fromjson}\n",
                      R"({"n":14})"),
            json::value({{"n", 42}}));
  EXPECT_EQ(output_of("      run: {shell: {command: 'echo out; echo err >&2; exit 4'}, return: all}\n"),
            json::value({{"code", 4}, {"stdout", "out\n"}, {"stderr", "err\n"}}));
  EXPECT_EQ(output_of("      run: {shell: {command: 'exit 5'}, return: code}\n"), 5);
  EXPECT_EQ(output_of("      run: {shell: {command: 'echo e >&2'}, return: stderr}\n"), "e\n");
  EXPECT_EQ(output_of("      run: {shell: {command: 'echo x'}, return: none}\n"), json::value());
}

TEST_F(ScriptTest, what_goes_wrong_is_said) {
  start("shell");
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_THAT(detail_of("      run: {shell: {command: 'echo no such order >&2; exit 4'}}\n"),
              HasSubstr("exit code 4: no such order"));
  EXPECT_THAT(detail_of("      run: {shell: {command: 'printf \"\\\\377\"'}}\n"), HasSubstr("not UTF-8"));
  EXPECT_THAT(detail_of("      run: {shell: {command: 'sleep 60'}}\n      timeout: {after: {milliseconds: 300}}\n"),
              HasSubstr("timeout"));
  EXPECT_THAT(detail_of("      run: {shell: {command: 'yes'}}\n"),
              HasSubstr("more than 262144 bytes to standard output"));
  EXPECT_THAT(detail_of("      run: {script: {language: python, code: 'print(1)'}}\n"), HasSubstr("run.languages"));
}

TEST_F(ScriptTest, none_runs_where_the_operator_allows_none) {
  start("");
  EXPECT_THAT(detail_of("      run: {shell: {command: 'echo x'}}\n"), HasSubstr("run.languages"));
}

TEST_F(ScriptTest, a_language_that_is_none_ends_the_start) {
  const auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_RUN_LANGUAGES", "shell, perl"}}});
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("run.languages: 'perl' is not a language of scripts"));
}

TEST_F(ScriptTest, one_that_was_under_way_when_the_process_ended_runs_again) {
  start("shell");
  if (IsSkipped() || HasFatalFailure()) return;
  const std::string id = begin("      run: {shell: {command: 'sleep 1; echo done'}}\n");
  ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return !daemon_->running(); }));
  daemon_.reset();
  start("shell");
  const json::object shown = ended(id);
  EXPECT_EQ(shown.at("status"), "completed") << json::serialize(shown);
  EXPECT_EQ(shown.at("output"), "done\n");
}

TEST_F(ScriptTest, code_from_an_address_is_fetched_once_and_runs_again_after_a_crash) {
  std::atomic<int> fetched = 0;
  http::LoopbackServer server([&](const std::string& request) {
    ++fetched;
    const std::string body = request.starts_with("GET /wait.py ")
                                 ? "import sys, time\ntime.sleep(1)\nprint(sys.argv[1], end='')\n"
                                 : "nothing";
    return "HTTP/1.1 " + std::string(body == "nothing" ? "404 Not Found" : "200 OK") +
           "\r\nContent-Type: text/x-python\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  });
  start("python");
  if (IsSkipped() || HasFatalFailure()) return;
  const std::string id = begin("      run: {script: {language: python, source: {endpoint: '" + server.url() +
                                   "/{name}.py'}, arguments: ['${ .word }']}}\n",
                               R"({"name":"wait","word":"done"})");
  ASSERT_TRUE(eventually([&] {
    const std::string steps = ask(*daemon_, owner_, "GET", "/v1/tenants/acme/instances/" + id + "/tasks").body;
    return steps.find("/do/0/it/run/script\"") != std::string::npos;
  }));
  ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return !daemon_->running(); }));
  daemon_.reset();
  start("python");
  const json::object shown = ended(id);
  EXPECT_EQ(shown.at("status"), "completed") << json::serialize(shown);
  EXPECT_EQ(shown.at("output"), "done");
  EXPECT_EQ(fetched, 1) << "its code is recorded";
  EXPECT_THAT(detail_of("      run: {script: {language: python, source: {endpoint: '" + server.url() + "/no.py'}}}\n"),
              HasSubstr("/do/0/it/run/script/source"));
}

TEST_F(ScriptTest, a_cancelled_instance_ends_it) {
  start("shell");
  if (IsSkipped() || HasFatalFailure()) return;
  const std::string id = begin("      run: {shell: {command: 'sleep 3600'}}\n      timeout: {after: PT2H}\n");
  EXPECT_EQ(ask(*daemon_, owner_, "POST", "/v1/tenants/acme/instances/" + id + "/cancel", "{}").status, 200);
  EXPECT_EQ(ended(id).at("status"), "cancelled");
}

TEST_F(ScriptTest, javascript_is_a_module) {
  if (!std::filesystem::exists("/usr/bin/node")) GTEST_SKIP() << "there is no node on this machine";
  start("javascript");
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_EQ(output_of("      run:\n        script:\n          language: js\n          stdin: Hello\n"
                      "          arguments: [there]\n          environment: {foo: bar}\n          code: |\n"
                      "            import { readFileSync } from 'node:fs';\n"
                      "            const said = readFileSync(process.stdin.fd, 'utf8');\n"
                      "            console.log(said, process.argv[2], process.env.foo);\n"),
            "Hello there bar\n");
}

}  // namespace
}  // namespace trv::api
