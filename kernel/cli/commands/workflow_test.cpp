// trav workflow: what is shown of the problems of definitions.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

TEST_F(CommandLine, what_the_server_refuses_is_shown_as_check_shows_it) {
  const auto file = write("bad.yaml",
                          "document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0'}\n"
                          "do:\n  - a:\n      sett: {x: 1}\n      then: \"\x1b\"\n");
  server_.script("POST /v1/tenants/acme/workflows",
                 {.status = 400,
                  .type = "application/problem+json",
                  .body = R"({"title":"Bad Request","detail":"first","line":4,"column":7,"errors":[)"
                          R"({"severity":"error","line":4,"column":7,"end_column":11,"detail":"no 'sett'\u001b[2J"},)"
                          R"({"severity":"error","detail":"the whole"}],"error_count":7,)"
                          R"("warnings":[{"severity":"warning","line":3,"column":5,"end_column":6,"detail":"odd"}],)"
                          R"("warning_count":1})"});
  EXPECT_EQ(trav({"workflow", "apply", file.string()}), ExitCode::refused);
  EXPECT_EQ(err_, file.string() + ": error: the whole\n" + file.string() +
                      ":3:5: warning: odd\n"
                      "    - a:\n"
                      "      ^\n" +
                      file.string() +
                      ":4:7: error: no 'sett'\\x1b[2J\n"
                      "        sett: {x: 1}\n"
                      "        ^^^^\n"
                      "7 errors, 1 warning in 1 file\n"
                      "5 more are not shown: at most 100 are for each file\n");
  EXPECT_EQ(out_, "");
  EXPECT_NE(server_.received()[0].head.find("Content-Type: application/yaml"), std::string::npos);
  EXPECT_EQ(trav({"workflow", "apply", file.string(), "--output", "json"}), ExitCode::refused);
  EXPECT_TRUE(out_.starts_with("[{\"file\":")) << out_;
}

TEST_F(CommandLine, a_refusal_without_a_list_has_its_reason_and_place) {
  server_.script("POST /v1/tenants/acme/workflows",
                 {.status = 422,
                  .type = "application/problem+json",
                  .body = R"({"title":"Invalid workflow","detail":"no task 'x'","line":3,"column":7})"});
  const auto file = write("bad.yaml", "do:\n  - a:\n      then: x\n");
  EXPECT_EQ(trav({"workflow", "apply", file.string()}), ExitCode::refused);
  EXPECT_EQ(err_, "trav: Invalid workflow: no task 'x' (line 3, column 7)\n");
}

TEST_F(CommandLine, warnings_about_a_definition_are_reported_and_it_is_applied) {
  const std::string body =
      R"({"namespace":"a","name":"b","version":"1.0.0","warnings":[{"severity":"warning","line":1,"column":5,)"
      R"("end_column":7,"detail":"no plugin 'nope'"},"line\nbreak \u001b[2J"],"warning_count":2})";
  server_.script("POST /v1/tenants/acme/workflows", {.status = 201, .body = body});
  const auto file = write("b.yaml", "do: []\n").string();
  EXPECT_EQ(trav({"workflow", "apply", file}), ExitCode::ok);
  EXPECT_EQ(out_, "Applied a/b:1.0.0\n");
  EXPECT_EQ(err_, file + ": warning: line\n    break \\x1b[2J\n" + file +
                      ":1:5: warning: no plugin 'nope'\n  do: []\n      ^^\n0 errors, 2 warnings in 1 file\n");
  EXPECT_EQ(trav({"workflow", "apply", file, "--output", "json"}), ExitCode::ok);
  EXPECT_EQ(out_, body + "\n");
}

TEST_F(CommandLine, results_of_cases_are_written_as_junit_xml) {
  const std::string workflow = "    workflow: {do: [{a: {set: {x: 1}}}]}\n";
  const std::string good = write("good.yaml", "cases:\n  - name: \"it's <fine> & \\\"good\\\"\"\n" + workflow +
                                                  "    expect: {output: {x: 1}}\n"
                                                  "  - name: wrong\n" +
                                                  workflow + "    expect: {output: {x: 2}}\n")
                               .string();
  const std::string bad = write("bad.yaml", "cases: 1\n").string();
  const std::filesystem::path results = folder_ / "results.xml";
  EXPECT_EQ(trav({"workflow", "test", good, bad, "--junit", results.string()}), ExitCode::refused);
  const std::string xml = read(results);
  EXPECT_TRUE(
      xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"3\" failures=\"1\" "
                      "errors=\"1\">\n"))
      << xml;
  EXPECT_TRUE(xml.contains("<testcase name=\"it's &lt;fine&gt; &amp; &quot;good&quot;\" classname=\"" + good + "\"/>"))
      << xml;
  EXPECT_TRUE(xml.contains("<failure message=\"" + good + ":7:")) << xml;
  EXPECT_TRUE(xml.contains("<error message=\"" + bad + ":1:")) << xml;
  EXPECT_TRUE(xml.ends_with("</testsuites>\n"));
}

TEST_F(CommandLine, cases_of_which_none_is_chosen_are_an_error_and_no_result) {
  const std::string cases = write("c.yaml",
                                  "cases:\n  - name: paid\n    workflow: {do: [{a: {set: {x: 1}}}]}\n"
                                  "    expect: {output: {x: 1}}\n")
                                .string();
  const std::filesystem::path results = folder_ / "none.xml";
  EXPECT_EQ(trav({"workflow", "test", cases, "--only", "piad", "--junit", results.string()}), ExitCode::refused);
  EXPECT_NE(err_.find("no case has a name with 'piad' in it; did you mean 'paid'?"), std::string::npos) << err_;
  EXPECT_FALSE(std::filesystem::exists(results));
  EXPECT_EQ(trav({"workflow", "test", cases, "--only", "something else"}), ExitCode::refused);
  EXPECT_NE(err_.find("there is 'paid'"), std::string::npos) << err_;
}

TEST_F(CommandLine, a_query_of_the_endpoint_is_a_part_of_the_name_of_a_call) {
  const std::string cases =
      write("q.yaml",
            "cases:\n"
            "  - name: written in the address\n"
            "    workflow: {do: [{a: {call: http, with: {method: get, endpoint: 'https://a.example/o?page=2'}}}]}\n"
            "    answers: [{to: 'GET https://a.example/o?page=2', reply: {body: 1}}]\n"
            "    expect: {output: 1, calls: [{to: 'GET https://a.example/o?page=2'}]}\n"
            "  - name: given apart\n"
            "    workflow: {do: [{a: {call: http, with: {method: get, endpoint: 'https://a.example/o', query: {page: "
            "2}}}}]}\n"
            "    answers: [{to: GET https://a.example/o, reply: {body: 1}}]\n"
            "    expect: {output: 1, calls: [{to: GET https://a.example/o, query: {page: 2}}]}\n")
          .string();
  EXPECT_EQ(trav({"workflow", "test", cases}), ExitCode::ok) << out_ << err_;
}

TEST_F(CommandLine, the_schema_for_editors_is_printed) {
  EXPECT_EQ(trav({"workflow", "schema"}), ExitCode::ok);
  EXPECT_TRUE(out_.contains("https://json-schema.org/draft/2020-12/schema")) << out_.substr(0, 200);
  EXPECT_TRUE(out_.contains("Runs tasks beside each other.")) << "the sentences of hover";
}

TEST_F(CommandLine, a_definition_that_is_watched_is_checked_again_when_it_changes) {
  const std::string head = "document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0'}\n";
  const std::string file = write("b.yaml", head + "do: [{x: {sett: {a: 1}}}]\n").string();
  int waits = 0;
  watch_ = [&] {
    if (++waits > 1) return WatchEnd::interrupted;
    write("b.yaml", head + "do: [{x: {set: {a: 1}}}]\n");
    return WatchEnd::changed;
  };
  terminal_ = true;
  EXPECT_EQ(trav({"workflow", "check", "--watch", file}), ExitCode::ok) << err_;
  EXPECT_EQ(waits, 2);
  EXPECT_TRUE(out_.starts_with("\x1b[H\x1b[2J")) << out_;
  const std::size_t second = out_.find("\x1b[H", 1);
  ASSERT_NE(second, std::string::npos);
  EXPECT_NE(out_.substr(0, second).find("did you mean 'set'?"), std::string::npos) << out_;
  EXPECT_EQ(out_.substr(second), "\x1b[H\x1b[2J\x1b[3J" + file + " is valid: a/b:1.0.0\n");
  EXPECT_EQ(trav({"workflow", "check", "--watch", "-"}), ExitCode::usage);
  EXPECT_EQ(err_, "trav: --watch needs files; standard input comes once\n");
}

TEST_F(CommandLine, a_definition_is_checked_without_a_server) {
  environment_["TRAV_URL"] = "http://127.0.0.1:1";
  const auto good = write("good.yaml",
                          "document: {dsl: '1.0.3', namespace: support, name: triage, version: '1.0.0'}\n"
                          "do:\n  - greet: {set: {a: 1}}\n");
  EXPECT_EQ(trav({"workflow", "check", good.string()}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, good.string() + " is valid: support/triage:1.0.0\n");
  const auto bad = write("bad.yaml",
                         "document: {dsl: '1.0.3', namespace: support, name: triage, version: '1.0.0'}\n"
                         "do:\n  - greet: {sett: {a: 1}}\n");
  EXPECT_EQ(trav({"workflow", "check", bad.string()}), ExitCode::refused);
  EXPECT_EQ(out_, bad.string() +
                      ":3:13: error: task 'greet' has no property 'sett'; did you mean 'set'?\n"
                      "    - greet: {sett: {a: 1}}\n"
                      "              ^^^^\n"
                      "1 error, 0 warnings in 1 file\n");
  EXPECT_EQ(err_, "");
  EXPECT_EQ(trav({"workflow", "check"}), ExitCode::usage);
  const std::string none = (folder_ / "none.yaml").string();
  EXPECT_EQ(trav({"workflow", "check", none, good.string()}), ExitCode::usage);
  EXPECT_EQ(out_, none + ": error: No such file or directory\n" + good.string() +
                      " is valid: support/triage:1.0.0\n1 error, 0 warnings in 2 files\n");
  EXPECT_EQ(trav({"workflow", "check", none, bad.string()}), ExitCode::refused);
  EXPECT_TRUE(out_.ends_with("2 errors, 0 warnings in 2 files\n")) << out_;
}

TEST_F(CommandLine, every_problem_of_every_definition_is_shown_with_its_line) {
  const auto odd = write("odd.yaml",
                         "document: {dsl: '1.0.3', namespace: support, name: odd, version: '1.0.0'}\n"
                         "do:\n  - greet:\n      try: [{a: {wait: PT1S}}]\n      catch: {}\n");
  const std::string odd_text =
      odd.string() +
      ":5:7: warning: 'catch' of task 'greet' has neither 'do' nor 'retry': it swallows the "
      "error, and the workflow goes on as if there had been none; say in 'do' what is to happen "
      "then\n"
      "        catch: {}\n"
      "        ^^^^^\n" +
      odd.string() + " is valid: support/odd:1.0.0\n";
  EXPECT_EQ(trav({"workflow", "check", odd.string()}), ExitCode::ok) << "a text with warnings only is taken";
  EXPECT_EQ(out_, odd_text + "0 errors, 1 warning in 1 file\n");

  const std::string two =
      "document: {dsl: '1.0.3', namespace: support, name: two, version: '1.0.0'}\n"
      "do:\n  - \"東京\": {wait: soon}\n  - b:\t{set: {x: \"\x1b\"}}\n";
  EXPECT_EQ(trav({"workflow", "check", odd.string(), "-"}, two), ExitCode::refused);
  EXPECT_EQ(out_,
            odd_text +
                "standard input:4:19: error: a definition cannot contain the control character U+001B; write it as "
                "an escape in double quotes\n"
                "    - b:    {set: {x: \"\\x1b\"}}\n"
                "                       ^^^^\n"
                "1 error, 1 warning in 2 files\n");

  const std::string three =
      "document: {dsl: '1.0.3', namespace: support, name: two, version: '1.0.0'}\n"
      "do:\n  - \"東京\": {wait: soon}\n  - b: {set: {x: 1}, then: c}\n";
  EXPECT_EQ(trav({"workflow", "check", "-"}, three), ExitCode::refused);
  EXPECT_EQ(out_,
            "standard input:3:22: error: 'soon' is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D\n"
            "    - \"東京\": {wait: soon}\n"
            "                     ^^^^\n"
            "standard input:4:28: error: 'then' names 'c', which is not a task of the same list; did you mean 'b'?\n"
            "    - b: {set: {x: 1}, then: c}\n"
            "                             ^\n"
            "2 errors, 0 warnings in 1 file\n");
  EXPECT_EQ(trav({"workflow", "check", "-", "--output", "json"}, three), ExitCode::refused);
  EXPECT_EQ(
      out_,
      R"([{"file":"standard input","severity":"error","line":3,"column":22,"end_column":26,)"
      R"("pointer":"/do/0/東京/wait","source":"  - \"東京\": {wait: soon}","expected":"an ISO 8601 duration",)"
      R"("message":"'soon' is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D"},)"
      R"({"file":"standard input","severity":"error","line":4,"column":28,"end_column":29,"pointer":"/do/1/b/then",)"
      R"("source":"  - b: {set: {x: 1}, then: c}","expected":"continue, exit, end, 東京, b","suggestion":"b",)"
      R"("message":"'then' names 'c', which is not a task of the same list; did you mean 'b'?"}])"
      "\n");
  std::string many = "do:\n";
  for (int i = 0; i < 120; ++i) many += fmt::format("  - task{}: {{wait: soon}}\n", i);
  EXPECT_EQ(trav({"workflow", "check", "-"}, many), ExitCode::refused);
  EXPECT_TRUE(out_.ends_with("\n121 errors, 0 warnings in 1 file\n")) << out_;
  EXPECT_EQ(err_, "21 more are not shown: at most 100 are for each file\n");
  EXPECT_EQ(trav({"workflow", "check", "-"}, std::string(300'000, ' ')), ExitCode::refused);
  EXPECT_EQ(out_,
            "standard input: error: the definition has 300000 bytes; expected at most 262144\n"
            "1 error, 0 warnings in 1 file\n");
}

// Definitions with mistakes that people make, and beside each all that `trav workflow check` says about it. To write
// them anew: TRAV_WRITE_GOLDEN=1.
TEST_F(CommandLine, what_is_said_about_usual_mistakes_is_as_it_was_reviewed) {
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(TRV_SOURCE_DIR "/tests/golden/problems")) {
    if (file.path().extension() == ".yaml") files.push_back(file.path());
  }
  std::ranges::sort(files);
  EXPECT_GE(files.size(), 20U);
  for (const std::filesystem::path& file : files) {
    trav({"workflow", "check", "-"}, read(file));
    std::filesystem::path golden = file;
    golden.replace_extension(".txt");
    if (std::getenv("TRAV_WRITE_GOLDEN") != nullptr) std::ofstream(golden, std::ios::binary) << out_;
    EXPECT_EQ(out_, read(golden)) << file;
    EXPECT_EQ(err_, "");
  }
}

TEST_F(CommandLine, a_workflow_is_disabled_enabled_and_deleted_as_a_whole) {
  server_.script("POST /v1/tenants/acme/workflows/a/b/disable",
                 {.body = R"({"namespace":"a","name":"b","disabled":true,"changed":true})"});
  EXPECT_EQ(trav({"workflow", "disable", "a/b", "--reason", "it is broken"}), ExitCode::ok);
  EXPECT_EQ(out_, "Workflow a/b is disabled: nothing starts it; what runs goes on.\n");
  EXPECT_EQ(server_.received()[0].body, R"({"reason":"it is broken"})");
  server_.script("POST /v1/tenants/acme/workflows/a/b/enable",
                 {.body = R"({"namespace":"a","name":"b","disabled":false,"changed":false})"});
  EXPECT_EQ(trav({"workflow", "enable", "a/b"}), ExitCode::ok);
  EXPECT_EQ(out_, "Workflow a/b is enabled already.\n");
  server_.script("DELETE /v1/tenants/acme/workflows/a/b?reason=old&while_running=true",
                 {.body = R"({"namespace":"a","name":"b","versions":["1.0.0","1.1.0"],"running":2})"});
  EXPECT_EQ(trav({"workflow", "delete", "a/b", "--while-running", "--reason", "old"}), ExitCode::ok);
  EXPECT_EQ(out_, "Workflow a/b is deleted, 2 versions. Instances that go on: 2.\n");
  EXPECT_EQ(trav({"workflow", "delete", "a/b:1.0.0"}), ExitCode::usage);
  EXPECT_NE(err_.find("this is about all of them; write a/b"), std::string::npos) << err_;
}

}  // namespace
}  // namespace trv::cli
