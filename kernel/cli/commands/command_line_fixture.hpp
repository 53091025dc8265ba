#pragma once
// Whole command lines against a scripted server on a loopback socket. For tests; one thread beside the server's own.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
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
#include <thread>
#include <vector>

#include "kernel/cli/commands/world.hpp"

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
      if (bytes.front() < 'A' || bytes.front() > 'Z') {  // of a TLS client for example
        constexpr std::string_view refusal = "HTTP/1.1 400 X\r\nConnection: close\r\n\r\n";
        static_cast<void>(::send(connection, refusal.data(), refusal.size(), MSG_NOSIGNAL));
        return;
      }
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
    world.columns = columns_;
    world.out_is_gone = [this] { return gone_; };
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
  int columns_ = 0;
  bool gone_ = false;
  std::string out_;
  std::string err_;
};

}  // namespace trv::cli
