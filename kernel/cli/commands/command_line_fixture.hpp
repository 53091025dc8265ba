#pragma once
// Whole command lines against a scripted server on a loopback socket. For tests; one thread beside the server's own.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/cli/commands/world.hpp"
#include "kernel/http/testing/loopback_server.hpp"

namespace trv::cli {
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
// closes its connection, also an event stream: it delivers what it has and breaks off. What is not HTTP is answered
// with 400. It never delays or reorders.
class FakeServer {
 public:
  [[nodiscard]] std::string url() const { return server_.url(); }
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
  std::string handle(const std::string& bytes) {
    const std::size_t head_end = bytes.find("\r\n\r\n");
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
    return fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\n{}{}Connection: close\r\n\r\n{}", answer.status,
                       answer.type, length, answer.header, answer.body);
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

  std::mutex mutex_;
  std::map<std::string, std::deque<Answer>> answers_;
  std::map<std::string, std::filesystem::path> shared_;
  std::vector<Received> received_;
  http::LoopbackServer server_{[this](const std::string& request) { return handle(request); }};
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
    World world{.in = in, .out = out, .err = err, .clock = clock_, .environment = environment_};
    world.out_is_terminal = terminal_;
    world.err_is_terminal = err_terminal_;
    world.columns = columns_;
    world.out_is_gone = [this] { return gone_; };
    world.watch = [this](const std::vector<std::string>&) -> base::Result<std::function<WatchEnd()>> { return watch_; };
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
  std::map<std::string, std::string, std::less<>> environment_;
  bool terminal_ = false;
  bool err_terminal_ = false;
  int columns_ = 0;
  bool gone_ = false;
  std::function<WatchEnd()> watch_ = [] { return WatchEnd::interrupted; };
  std::string out_;
  std::string err_;
};

}  // namespace trv::cli
