// Whole command lines against a scripted server on a loopback socket.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "audit/export/folder.hpp"
#include "audit/merkle/tree.hpp"
#include "audit/note/checkpoint.hpp"
#include "kernel/cli/world.hpp"

namespace trv::cli {
namespace {

struct Answer {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::string header{};
};

struct Received {
  std::string line;  // "GET /v1/whoami"
  std::string head;
  std::string body;
};

// Answers each "METHOD target" from a queue, whose last entry stays; whatever is not scripted is a 404. Every answer
// closes its connection, also an event stream: it delivers what it has and breaks off. It never delays or reorders.
class FakeServer {
 public:
  FakeServer() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    socklen_t length = sizeof address;
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  ~FakeServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  void script(const std::string& line, Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_[line].push_back(std::move(answer));
  }
  /// GETs below `prefix` are answered with the files of a folder.
  void share(const std::string& prefix, const std::filesystem::path& folder) {
    const std::lock_guard lock(mutex_);
    shared_[prefix] = folder;
  }
  [[nodiscard]] std::vector<Received> received() {
    const std::lock_guard lock(mutex_);
    return received_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    received_.clear();
  }

 private:
  void serve() {
    for (;;) {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      handle(connection);
      ::close(connection);
    }
  }

  void handle(int connection) {
    std::string bytes;
    std::array<char, 65536> part{};
    std::size_t wanted = std::string::npos;
    std::size_t head_end = std::string::npos;
    while (head_end == std::string::npos || bytes.size() < wanted) {
      const ssize_t count = ::recv(connection, part.data(), part.size(), 0);
      if (count <= 0) return;
      bytes.append(part.data(), static_cast<std::size_t>(count));
      head_end = bytes.find("\r\n\r\n");
      if (head_end == std::string::npos) continue;
      const auto at = bytes.find("Content-Length: ");
      wanted = head_end + 4 + (at < head_end ? std::stoul(bytes.substr(at + 16)) : 0);
    }
    Received request{.line = bytes.substr(0, bytes.find(" HTTP/")),
                     .head = bytes.substr(0, head_end),
                     .body = bytes.substr(head_end + 4)};
    const Answer answer = answer_to(request.line);
    {
      const std::lock_guard lock(mutex_);
      received_.push_back(std::move(request));
    }
    const std::string length =
        answer.type == "text/event-stream" ? "" : fmt::format("Content-Length: {}\r\n", answer.body.size());
    const std::string reply = fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\n{}{}Connection: close\r\n\r\n{}",
                                          answer.status, answer.type, length, answer.header, answer.body);
    static_cast<void>(::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL));
  }

  Answer answer_to(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (const auto found = answers_.find(line); found != answers_.end()) {
      Answer answer = found->second.front();
      if (found->second.size() > 1) found->second.pop_front();
      return answer;
    }
    for (const auto& [prefix, folder] : shared_) {
      if (!line.starts_with("GET " + prefix)) continue;
      std::ifstream file(folder / line.substr(4 + prefix.size()), std::ios::binary);
      if (file) return {.type = "application/octet-stream", .body = {std::istreambuf_iterator<char>(file), {}}};
    }
    return {.status = 404,
            .type = "application/problem+json",
            .body = R"({"title":"Not found","status":404,"detail":"nothing scripted","code":"not_found"})"};
  }

  int listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::deque<Answer>> answers_;
  std::map<std::string, std::filesystem::path> shared_;
  std::vector<Received> received_;
  std::thread thread_;
};

class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    std::string pattern = (std::filesystem::temp_directory_path() / "trv-cli-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    environment_["TRAV_CONFIG_DIR"] = (folder_ / "config").string();
    environment_["TRAV_URL"] = server_.url();
    environment_["TRAV_TENANT"] = "acme";
    environment_["TRAV_TOKEN"] = "trv_1_secret";
  }
  ~CommandLine() override { std::filesystem::remove_all(folder_); }

  ExitCode trav(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    World world{.in = in, .out = out, .err = err, .clock = clock_, .environment = [this](const std::string& name) {
                  const auto found = environment_.find(name);
                  return found == environment_.end() ? std::nullopt : std::optional(found->second);
                }};
    world.out_is_terminal = terminal_;
    const ExitCode code = run(arguments, world);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  std::filesystem::path write(const std::string& name, std::string_view text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static std::string read(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  FakeServer server_;
  base::SystemClock clock_;
  std::filesystem::path folder_;
  std::map<std::string, std::string> environment_;
  bool terminal_ = false;
  std::string out_;
  std::string err_;
};

TEST_F(CommandLine, help_of_a_noun_lists_its_verbs_and_examples) {
  EXPECT_EQ(trav({"help", "token"}), ExitCode::ok);
  EXPECT_EQ(out_,
            R"(Tokens: who may speak for a tenant
Usage: trav token [OPTIONS] [COMMAND]

Options:
  -h,--help                       Print this help

Commands:
  create                          Make a token; it is shown once
  list                            List tokens, never their secrets
  revoke                          End a token at once

Examples:
  trav token create dashboard --role viewer --expires 30d
  trav token revoke tok_123
)");
  const std::string page = out_;
  EXPECT_EQ(trav({"token", "--help"}), ExitCode::ok);
  EXPECT_EQ(out_, page);
}

TEST_F(CommandLine, every_noun_has_an_example) {
  for (const char* noun : {"login", "tenant", "token", "member", "connection", "plugin", "workflow", "run", "instance",
                           "events", "audit", "completion", "help"}) {
    EXPECT_EQ(trav({"help", noun}), ExitCode::ok);
    EXPECT_NE(out_.find("Examples:\n  "), std::string::npos) << noun;
  }
  EXPECT_EQ(trav({}), ExitCode::ok);
  EXPECT_NE(out_.find("Exit codes:"), std::string::npos);
}

TEST_F(CommandLine, the_reference_page_is_what_help_prints) {
  EXPECT_EQ(trav({"help", "--markdown"}), ExitCode::ok);
  EXPECT_EQ(read(TRV_SOURCE_DIR "/docs/guides/cli.md"), out_) << "run: trav help --markdown > docs/guides/cli.md";
}

TEST_F(CommandLine, wrong_usage_exits_2_and_suggests_the_nearest_word) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"tenat", "list"}, "trav: no command 'tenat'; did you mean 'tenant'?\n"},
      {{"token", "crate", "x"}, "trav: no command 'token crate'; did you mean 'create'?\n"},
      {{"token", "create", "x", "--rolle", "viewer"}, "trav: no option '--rolle'; did you mean '--role'?\n"},
      {{"--outptu", "json", "version"}, "trav: no option '--outptu'; did you mean '--output'?\n"},
      {{"token", "create", "x", "--role", "ownr"}, "'ownr' is none of viewer|owner; did you mean 'owner'?"},
      {{"token", "create"}, "NAME is required"},
      {{"token"}, "trav: what to do with token? Run `trav help token`\n"},
      {{"token", "create", "x", "--role", "owner", "--expires", "soon"}, "--expires soon: write a number"},
      {{"run", "triage"}, "'triage' names no workflow"},
      {{"run", "a/b", "--input", "{nope"}, "--input is not JSON"},
      {{"completion", "tcsh"}, "'tcsh' is none of bash|zsh|fish"}};
  for (const auto& [arguments, expected] : cases) {
    EXPECT_EQ(trav(arguments), ExitCode::usage) << expected;
    EXPECT_NE(err_.find(expected), std::string::npos) << err_;
    EXPECT_EQ(out_, "");
  }
}

TEST_F(CommandLine, a_server_that_does_not_answer_is_named_with_the_way_to_start_one) {
  environment_["TRAV_URL"] = "http://127.0.0.1:1";
  EXPECT_EQ(trav({"tenant", "list"}), ExitCode::unreachable);
  EXPECT_NE(err_.find("trav: no answer from http://127.0.0.1:1"), std::string::npos) << err_;
  EXPECT_NE(err_.find("travd"), std::string::npos);
}

TEST_F(CommandLine, a_problem_is_printed_with_its_place_in_the_file) {
  server_.script("POST /v1/tenants/acme/workflows",
                 {.status = 422,
                  .type = "application/problem+json",
                  .body = R"({"title":"Invalid workflow","detail":"no task 'x\u001b[2J'","line":3,"column":7})"});
  const auto file = write("bad.yaml", "do: []\n");
  EXPECT_EQ(trav({"workflow", "apply", file.string()}), ExitCode::refused);
  EXPECT_EQ(err_, "trav: Invalid workflow: no task 'x\\x1b[2J' (line 3, column 7 of " + file.string() + ")\n");
  EXPECT_NE(server_.received()[0].head.find("Content-Type: application/yaml"), std::string::npos);
}

TEST_F(CommandLine, a_new_tenants_token_is_shown_once_and_kept) {
  server_.script("POST /v1/tenants",
                 {.status = 201,
                  .body = R"({"id":"beta","display_name":"Beta","created":"2026-01-01T00:00:00Z",)"
                          R"("token":{"id":"1","name":"owner","role":"owner","token":"trv_1_new"}})"});
  EXPECT_EQ(trav({"tenant", "create", "beta", "--name", "Beta"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("owner token  trv_1_new\n"), std::string::npos) << out_;
  EXPECT_EQ(server_.received()[0].body, R"({"id":"beta","display_name":"Beta"})");
  EXPECT_NE(server_.received()[0].head.find("Authorization: Bearer trv_1_secret"), std::string::npos);

  // Later commands need neither a token nor a tenant: there is only one.
  environment_.erase("TRAV_TOKEN");
  environment_.erase("TRAV_TENANT");
  environment_.erase("TRAV_URL");
  server_.script("GET /v1/tenants/beta/tokens", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"token", "list"}), ExitCode::ok) << err_;
  EXPECT_NE(server_.received()[1].head.find("Authorization: Bearer trv_1_new"), std::string::npos);
}

TEST_F(CommandLine, login_checks_the_token_before_it_keeps_it) {
  environment_.erase("TRAV_TOKEN");
  environment_.erase("TRAV_TENANT");
  server_.script("GET /v1/whoami", {.status = 401, .body = R"({"title":"Unauthenticated","detail":"unknown token"})"});
  EXPECT_EQ(trav({"login"}, "trv_bad\n"), ExitCode::refused);
  EXPECT_EQ(err_, "trav: Unauthenticated: unknown token\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "config"));
  server_.script("GET /v1/whoami", {.body = R"({"tenant":"acme","role":"owner","token_id":"1","name":"x"})"});
  EXPECT_EQ(trav({"login", "--token", "trv_good"}), ExitCode::refused);
  EXPECT_EQ(trav({"login", "--token", "trv_good"}), ExitCode::ok) << err_;
  EXPECT_NE(read(folder_ / "config/credentials.toml").find("trv_good"), std::string::npos);
}

TEST_F(CommandLine, without_a_login_the_way_to_one_is_told) {
  environment_.erase("TRAV_TOKEN");
  environment_.erase("TRAV_TENANT");
  EXPECT_EQ(trav({"instance", "list"}), ExitCode::usage);
  EXPECT_NE(err_.find("trav login --url"), std::string::npos) << err_;
  EXPECT_TRUE(server_.received().empty());
}

TEST_F(CommandLine, secrets_come_from_standard_input_a_file_or_the_environment) {
  server_.script("PUT /v1/tenants/acme/connections/forge", {.body = R"({"name":"forge","has_secret":true})"});
  const auto file = write("hook", "hook secret\n");
  environment_["FORGE"] = "from env";
  EXPECT_EQ(trav({"connection", "set", "forge", "--plugin", "forge", "--base-url", "https://api.example.com",
                  "--secret-file", "-", "--webhook-secret-file", file.string()},
                 "s3cret\n"),
            ExitCode::ok)
      << err_;
  EXPECT_EQ(server_.received()[0].body,
            R"({"plugin":"forge","base_url":"https://api.example.com","auth":{"scheme":"bearer"},)"
            R"("secret":"s3cret","webhook_secret":"hook secret"})");
  EXPECT_EQ(trav({"connection", "set", "forge", "--plugin", "p", "--base-url", "u", "--auth", "basic", "--user", "ada",
                  "--secret-env", "FORGE", "--allow-private-network"}),
            ExitCode::ok);
  EXPECT_EQ(server_.received()[1].body, R"({"plugin":"p","base_url":"u","auth":{"scheme":"basic","user":"ada"},)"
                                        R"("secret":"from env","allow_private_network":true})");
  EXPECT_EQ(trav({"connection", "set", "forge", "--plugin", "p", "--base-url", "u", "--secret-env", "GONE"}),
            ExitCode::usage);
}

TEST_F(CommandLine, a_list_is_a_table_for_people_and_the_servers_bytes_for_programs) {
  const std::string body =
      R"({"items": [{"id":"i-1","workflow":{"namespace":"ns","name":"w\u001b[1m","version":"1.0.0"},)"
      R"("status":"completed","started":"2026-01-01T00:00:00Z","ended":null}], "next_cursor":"abc"})";
  server_.script("GET /v1/tenants/acme/instances?status=completed&limit=5", {.body = body});
  EXPECT_EQ(trav({"instance", "list", "--status", "completed", "--limit", "5"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_,
            "ID   NAMESPACE  WORKFLOW  VERSION  STATUS     STARTED               ENDED\n"
            "i-1  ns         w\\x1b[1m  1.0.0    completed  2026-01-01T00:00:00Z\n");
  EXPECT_EQ(err_, "There is more: --cursor abc\n");
  EXPECT_EQ(trav({"--output", "json", "instance", "list", "--status", "completed", "--limit", "5"}), ExitCode::ok);
  EXPECT_EQ(out_, body + "\n");
}

TEST_F(CommandLine, a_waited_for_run_prints_its_steps_as_they_happen) {
  const std::string instance = "/v1/tenants/acme/instances/i-7";
  server_.script("POST /v1/tenants/acme/workflows/support/triage/instances?version=1.0.0",
                 {.status = 201, .body = R"({"id":"i-7","status":"running","lsn":4})"});
  server_.script(
      "GET /v1/tenants/acme/events/stream",
      {.type = "text/event-stream",
       .body = "id: 5\nevent: task\ndata: {\"subject\":\"i-7\"}\n\nid: 6\ndata: {\"subject\":\"other\"}\n\n"});
  server_.script("GET /v1/tenants/acme/events/stream?after=6",
                 {.type = "text/event-stream", .body = "id: 7\ndata: {\"subject\":\"i-7\"}\n\n"});
  const std::string first =
      R"({"lsn":5,"time":"2026-01-01T10:00:00.123456Z","task":"greet","kind":"set","outcome":"completed","duration_ms":0.25})";
  const std::string second =
      R"({"lsn":7,"time":"2026-01-01T10:00:01.500000Z","task":"open an issue with a long name","kind":"call",)"
      R"("operation":"forge.create-issue","outcome":"completed","duration_ms":1377,"attempt":1})";
  server_.script("GET " + instance + "/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  server_.script("GET " + instance + "/tasks?limit=500",
                 {.body = R"({"items":[)" + first + R"(],"next_cursor":null})"});
  server_.script("GET " + instance + "/tasks?limit=500",
                 {.body = R"({"items":[)" + first + "," + second + R"(],"next_cursor":null})"});
  const std::string running = R"({"id":"i-7","status":"running"})";
  server_.script("GET " + instance, {.body = running});
  server_.script("GET " + instance, {.body = running});
  server_.script("GET " + instance, {.body = R"({"id":"i-7","status":"completed","started":"2026-01-01T10:00:00Z",)"
                                             R"("ended":"2026-01-01T10:00:01.5Z","output":{"n":1}})"});
  EXPECT_EQ(trav({"run", "support/triage:1.0.0", "--input", R"({"ticket":7})", "--wait"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received()[0].body, R"({"ticket":7})");
  EXPECT_EQ(out_,
            "instance i-7\n"
            "TIME               LSN  TASK                    OPERATION                     OUTCOME      DURATION\n"
            "10:00:00.123         5  greet                   set                           completed      250 µs\n"
            "10:00:01.500         7  open an issue with a …  forge.create-issue            completed      1.38 s\n"
            "completed after 1.50 s\n"
            "output: {\"n\":1}\n");
}

TEST_F(CommandLine, a_faulted_run_exits_3_and_prints_one_object_per_line_for_programs) {
  server_.script("GET /v1/tenants/acme/events/stream", {.type = "text/event-stream", .body = ": hello\n\n"});
  server_.script("GET /v1/tenants/acme/instances/i-1",
                 {.body = R"({"id":"i-1","status":"faulted","error":{"title":"no"}})"});
  server_.script("GET /v1/tenants/acme/instances/i-1/tasks?limit=500",
                 {.body = R"({"items":[{"lsn":1,"task":"a"}],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "watch", "i-1", "--output", "json"}), ExitCode::faulted) << err_;
  EXPECT_EQ(out_, "{\"lsn\":1,\"task\":\"a\"}\n{\"id\":\"i-1\",\"status\":\"faulted\",\"error\":{\"title\":\"no\"}}\n");
}

TEST_F(CommandLine, events_are_followed_over_a_stream_that_breaks) {
  const auto event = [](int lsn, const std::string& type) {
    return fmt::format("id: {}\nevent: {}\ndata: {{\"type\":\"{}\",\"n\":{}}}\n\n", lsn, type, type, lsn);
  };
  server_.script(
      "GET /v1/tenants/acme/events/stream?after=0",
      {.type = "text/event-stream", .body = event(1, "tenant.created") + event(2, "task.done") + "id: 3\nda"});
  server_.script("GET /v1/tenants/acme/events/stream?after=2",
                 {.type = "text/event-stream", .body = event(3, "task.done")});
  EXPECT_EQ(trav({"events", "tail", "--after", "0", "--type", "task.", "--count", "2", "--output", "json"}),
            ExitCode::ok)
      << err_;
  EXPECT_EQ(out_, "{\"type\":\"task.done\",\"n\":2}\n{\"type\":\"task.done\",\"n\":3}\n");
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
  EXPECT_NE(err_.find("(line 3, column "), std::string::npos) << err_;
}

TEST_F(CommandLine, a_new_plugin_is_the_template_under_its_own_name) {
  write("template/manifest.json", R"({"id": "first-step", "version": "0.1.0"})");
  write("template/first_step.cpp", "class FirstStep; // first-step, not first-steps\n");
  environment_["TRAV_TEMPLATE_DIR"] = (folder_ / "template").string();
  const auto made = folder_ / "made";
  EXPECT_EQ(trav({"plugin", "new", made.string(), "--id", "my-tool"}), ExitCode::ok) << err_;
  EXPECT_EQ(read(made / "manifest.json"), R"({"id": "my-tool", "version": "0.1.0"})");
  EXPECT_EQ(read(made / "my_tool.cpp"), "class MyTool; // my-tool, not first-steps\n");
  EXPECT_EQ(trav({"plugin", "new", made.string(), "--id", "my-tool"}), ExitCode::refused) << "the folder exists";
  EXPECT_EQ(trav({"plugin", "new", (folder_ / "other").string(), "--id", "No Label"}), ExitCode::usage);
}

TEST_F(CommandLine, the_newest_version_of_a_plugin_is_enabled) {
  server_.script("GET /v1/plugins?limit=500",
                 {.body = R"({"items":[{"id":"forge","version":"1.10.0"},{"id":"forge","version":"1.9.0"},)"
                          R"({"id":"other","version":"3.0.0"}],"next_cursor":null})"});
  server_.script("PUT /v1/tenants/acme/plugins/forge", {.body = "{}"});
  EXPECT_EQ(trav({"plugin", "enable", "forge"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received()[1].body, R"({"version":"1.10.0"})");
  EXPECT_EQ(trav({"plugin", "enable", "gone"}), ExitCode::refused);
}

class AuditTrail : public CommandLine, public exporting::TrailSource {
 protected:
  void grow_to(std::uint64_t size) {
    for (std::uint64_t i = entries_.size(); i < size; ++i) {
      entries_.push_back(base::to_bytes("{\"entry\":" + std::to_string(i) + "}"));
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
  EXPECT_EQ(trav({"audit", "verify", copy.string(), "--key", key}), ExitCode::verification_failed) << out_;
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

// The words that bash would offer.
std::string completed(const std::filesystem::path& script, const std::string& line) {
  const std::string command = fmt::format(
      "bash -c '. {}; COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _trav; echo "
      "\"${{COMPREPLY[*]}}\"'",
      script.string(), line);
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::string words;
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) words += part.data();
  EXPECT_EQ(::pclose(pipe), 0);
  return words;
}

TEST_F(CommandLine, bash_completes_nouns_verbs_options_and_words) {
  EXPECT_EQ(trav({"completion", "bash"}), ExitCode::ok);
  const auto script = write("trav.bash", out_);
  EXPECT_EQ(completed(script, "trav ten"), "tenant\n");
  EXPECT_EQ(completed(script, "trav token c"), "create\n");
  EXPECT_EQ(completed(script, "trav completion z"), "zsh\n");
  EXPECT_EQ(completed(script, "trav token create --ro"), "--role\n");
  EXPECT_EQ(completed(script, "trav token create --role \"\""), "viewer owner\n");
  EXPECT_EQ(completed(script, "trav --output json instance list --st"), "--status\n");
  EXPECT_EQ(trav({"completion", "zsh"}), ExitCode::ok);
  EXPECT_NE(out_.find("'tenant create') choices=("), std::string::npos);
  EXPECT_EQ(trav({"completion", "fish"}), ExitCode::ok);
  EXPECT_NE(out_.find("-l role -d 'What it may do' -x -a 'viewer owner'"), std::string::npos);
}

}  // namespace
}  // namespace trv::cli
