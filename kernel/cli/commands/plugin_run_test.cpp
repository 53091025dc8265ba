// `trav plugin run` and what `pack` refuses, of a plugin in Python as `trav plugin new` makes it.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class PluginRunCommand : public CommandLine {
 protected:
  void SetUp() override {
    environment_["TRAV_PLUGIN_HOST"] = TRV_PLUGIN_HOST;
    environment_["TRAV_TEMPLATE_DIR"] = "";
    plugin_ = (folder_ / "hello").string();
    ASSERT_EQ(trav({"plugin", "new", plugin_, "--language", "python"}), ExitCode::ok) << err_;
  }
  ExitCode run_plugin(const std::vector<std::string>& more) { return plugin("run", more); }
  ExitCode plugin(const std::string& verb, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"plugin", verb, plugin_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return trav(arguments);
  }
  bool err_has(std::string_view part) const { return err_.find(part) != std::string::npos; }

  std::string plugin_;
};

TEST_F(PluginRunCommand, an_operation_of_a_folder_is_run_recorded_and_replayed) {
  ASSERT_EQ(run_plugin({"echo", "--input", R"({"text":"hello"})"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "{\"text\":\"hello\"}\n");
  EXPECT_EQ(run_plugin({"echo", "--input", R"({"text":7})"}), ExitCode::refused);
  EXPECT_TRUE(err_has("the input of 'echo'")) << err_;
  EXPECT_EQ(run_plugin({"ehco", "--input", "{}"}), ExitCode::refused);
  EXPECT_TRUE(err_has("it has echo, fetch")) << err_;

  server_.script("GET /x", {.type = "text/plain", .body = "page"});
  const std::string cassette = (folder_ / "fetch.jsonl").string();
  const std::vector<std::string> input = {"--input", R"({"page":"x"})", "--connection", "service=" + server_.url()};
  const auto fetch = [&](const std::string& verb, const std::vector<std::string>& more) {
    std::vector<std::string> all = {"fetch"};
    all.insert(all.end(), more.begin(), more.end());
    all.insert(all.end(), input.begin(), input.end());
    return plugin(verb, all);
  };
  ASSERT_EQ(fetch("record", {cassette}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "{\"content\":\"page\"}\n");
  EXPECT_TRUE(err_has("info: read 4 bytes")) << err_;
  EXPECT_TRUE(err_has("has 1 recordings")) << err_;
  server_.forget();
  ASSERT_EQ(fetch("replay", {cassette}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "{\"content\":\"page\"}\n");
  EXPECT_TRUE(server_.received().empty());
  write("fetch.jsonl", "{\"cassette\":1}\n");
  EXPECT_EQ(fetch("replay", {cassette}), ExitCode::faulted);
  EXPECT_TRUE(err_has("GET /x over connection 'service' has no recording")) << err_;
  EXPECT_EQ(fetch("run", {"--secret-env", "service=GONE"}), ExitCode::usage);
  environment_["HELD"] = "s3cr3t";
  ASSERT_EQ(fetch("run", {"--secret-env", "service=HELD"}), ExitCode::ok) << err_;
  EXPECT_NE(server_.received().back().head.find("Authorization: Bearer s3cr3t"), std::string::npos);
}

TEST_F(PluginRunCommand, a_request_without_a_connection_says_how_to_give_one) {
  const std::vector<std::string> fetch = {"fetch", "--input", R"({"page":"x"})"};
  EXPECT_EQ(run_plugin(fetch), ExitCode::faulted);
  EXPECT_TRUE(err_has("no connection was given: --connection service=URL")) << err_;

  server_.script("GET /x", {.type = "text/plain", .body = "page"});
  const std::string cassette = (folder_ / "fetch.jsonl").string();
  ASSERT_EQ(
      plugin("record", {"fetch", cassette, "--input", R"({"page":"x"})", "--connection", "service=" + server_.url()}),
      ExitCode::ok)
      << err_;
  EXPECT_EQ(plugin("replay", {"fetch", cassette, "--input", R"({"page":"x"})"}), ExitCode::faulted);
  EXPECT_TRUE(err_has("no connection was given: --connection service=URL")) << err_;
}

TEST_F(PluginRunCommand, a_file_that_cannot_be_written_is_found_before_the_call) {
  server_.script("GET /x", {.type = "text/plain", .body = "page"});
  for (const std::string option : {"FILE", "--kv"}) {
    for (const auto& [file, why] : {std::pair((folder_ / "none" / "file").string(), std::string("there is no folder")),
                                    std::pair(folder_.string(), std::string("it is a folder"))}) {
      std::vector<std::string> all = {"fetch", "--input", R"({"page":"x"})", "--connection",
                                      "service=" + server_.url()};
      if (option == "FILE") {
        all.push_back(file);
      } else {
        all.insert(all.end(), {option, file});
      }
      EXPECT_EQ(plugin(option == "FILE" ? "record" : "run", all), ExitCode::usage);
      EXPECT_TRUE(err_has(option + " " + file + ": " + why)) << err_;
    }
  }
  EXPECT_TRUE(server_.received().empty());
}

TEST_F(PluginRunCommand, a_store_and_secrets_are_read_from_files) {
  const std::string kv = (folder_ / "kv.json").string();
  const std::vector<std::string> echo = {"echo", "--input", R"({"text":"hello"})"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = echo;
    all.insert(all.end(), more.begin(), more.end());
    return run_plugin(all);
  };
  ASSERT_EQ(with({"--kv", kv}), ExitCode::ok) << err_;
  EXPECT_EQ(read(kv), "{}\n") << "what is not there is empty";
  write("kv.json", R"({"b":1,"a":[2]})");
  ASSERT_EQ(with({"--kv", kv}), ExitCode::ok) << err_;
  EXPECT_EQ(read(kv), "{\n  \"a\": [2],\n  \"b\": 1\n}\n");
  write("kv.json", "[1]");
  EXPECT_EQ(with({"--kv", kv}), ExitCode::usage);
  EXPECT_TRUE(err_has("kv.json: a store must be a JSON object")) << err_;
  EXPECT_EQ(read(kv), "[1]") << "and is kept as it was";
  EXPECT_EQ(plugin("replay", {"echo", write("run.jsonl", "{\"cassette\":1}\n").string(), "--input",
                              R"({"text":"hello"})", "--kv", kv}),
            ExitCode::usage);
  EXPECT_TRUE(err_has("leave --kv out")) << err_;
  EXPECT_EQ(with({"--secrets", write("secrets.json", R"({"vault":7})").string()}), ExitCode::usage);
  EXPECT_TRUE(err_has("secrets.json: must be a JSON object of texts")) << err_;
}

TEST_F(PluginRunCommand, a_failure_says_its_code_and_a_missing_host_program_is_named) {
  EXPECT_EQ(run_plugin({"fetch", "--input", R"({"page":"gone"})", "--connection", "service=" + server_.url()}),
            ExitCode::faulted);
  EXPECT_TRUE(err_has("the operation failed (not_found, status 404): the service answered 404 for gone")) << err_;
  environment_["TRAV_PLUGIN_HOST"] = "/none/trav-plugin-host";
  EXPECT_EQ(run_plugin({"echo", "--input", "{}"}), ExitCode::refused);
  EXPECT_TRUE(err_has("no program /none/trav-plugin-host")) << err_;
}

TEST_F(PluginRunCommand, what_cannot_work_is_not_packed) {
  const std::string out = (folder_ / "hello.trvp").string();
  const std::string manifest = read(plugin_ + "/manifest.json");
  const auto pack_with = [&](std::string from, const std::string& to) {
    std::string changed = manifest;
    changed.replace(changed.find(from), from.size(), to);
    write("hello/manifest.json", changed);
    const ExitCode code = trav({"plugin", "pack", plugin_, "--output", out});
    write("hello/manifest.json", manifest);
    return code;
  };
  EXPECT_EQ(pack_with(R"("minLength": 1)", R"("minLength": "one")"), ExitCode::refused);
  EXPECT_TRUE(err_has("manifest.json: ") && err_has("operations[0].input")) << err_;
  EXPECT_EQ(pack_with("program/main.py", "program/mian.py"), ExitCode::refused);
  EXPECT_TRUE(err_has("program.file: there is no")) << err_;
  EXPECT_EQ(pack_with(R"("configuration": {)", R"("configuration": {"items": {"type": "string", "secret": true}, )"),
            ExitCode::refused);
  EXPECT_TRUE(err_has("configuration: #/items: \"secret\": true has no effect here")) << err_;
  EXPECT_EQ(pack_with(R"("license")", R"("version": "9.0.0", "license")"), ExitCode::refused);
  EXPECT_TRUE(err_has("manifest.json: manifest: JSON at line ") && err_has("the key \"version\" occurs twice")) << err_;
  EXPECT_FALSE(std::filesystem::exists(out));
  if (std::system("command -v python3 >/dev/null") != 0) GTEST_SKIP() << "python3 is not installed";
  write("hello/program/broken.py", "x = 1\ndef echo(:\n");
  EXPECT_EQ(trav({"plugin", "pack", plugin_, "--output", out}), ExitCode::refused);
  EXPECT_TRUE(err_has("broken.py:2: ")) << err_;
  std::filesystem::remove(plugin_ + "/program/broken.py");
  EXPECT_EQ(trav({"plugin", "pack", plugin_, "--output", out}), ExitCode::ok) << err_;
  EXPECT_EQ(err_, "");
  write("hello/program/.env", "TOKEN=s3cr3t\n");
  write("hello/program/.venv/broken.py", "def echo(:\n");
  EXPECT_EQ(trav({"plugin", "pack", plugin_, "--output", out}), ExitCode::ok) << err_;
  EXPECT_TRUE(err_has("left out, as names that begin with '.' are: program/.env, program/.venv/")) << err_;
}

}  // namespace
}  // namespace trv::cli
