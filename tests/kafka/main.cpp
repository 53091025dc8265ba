// Everything that needs a real Kafka: one broker serves the whole program.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

constexpr const char* script = TRV_SOURCE_DIR "/tests/kafka/broker.sh";

/// One broker for the whole program; ended with it.
class Broker : public testing::Environment {
 public:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / fmt::format("kafka_{}", ::getpid());
    const int port = free_ports(4);
    secured_ = {.by_password = fmt::format("127.0.0.1:{}", port + 2),
                .by_certificate = fmt::format("127.0.0.1:{}", port + 3),
                .files = folder_ / "1"};
    const std::string secure =
        fmt::format(TRV_SOURCE_DIR "/tests/kafka/secure.sh {} {}", secured_.files.string(), port);
    ASSERT_EQ(std::system(secure.c_str()), 0);
    brokers_ = start_brokers(folder_, port, 1);
    ASSERT_FALSE(brokers_.empty());
  }
  void TearDown() override { stop_brokers(folder_); }
  [[nodiscard]] const std::string& brokers() const { return brokers_; }
  [[nodiscard]] const SecuredBroker& secured() const { return secured_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::string brokers_;
  SecuredBroker secured_;
};

Broker* broker = nullptr;

}  // namespace

int free_ports(int count) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::vector<int> sockets(static_cast<std::size_t>(count));
    int port = 0;
    bool are_free = true;
    for (int i = 0; i < count; ++i) {
      int& one = sockets.at(static_cast<std::size_t>(i));
      one = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(port == 0 ? 0 : port + i));
      socklen_t size = sizeof address;
      are_free = are_free && ::bind(one, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                 ::getsockname(one, reinterpret_cast<sockaddr*>(&address), &size) == 0;
      if (i == 0) port = ntohs(address.sin_port);
      are_free = are_free && port < 65536 - count;
    }
    for (const int one : sockets) ::close(one);
    if (are_free) return port;
  }
  return 0;
}

std::string start_brokers(const std::filesystem::path& folder, int port, int count) {
  std::FILE* output = ::popen(fmt::format("{} start {} {} {}", script, folder.string(), port, count).c_str(), "r");
  EXPECT_NE(output, nullptr);
  std::array<char, 256> line{};
  std::string started;
  if (output != nullptr && std::fgets(line.data(), line.size(), output) != nullptr) started = line.data();
  EXPECT_EQ(::pclose(output), 0);
  while (!started.empty() && started.back() == '\n') started.pop_back();
  return started;
}

void stop_brokers(const std::filesystem::path& folder) {
  EXPECT_EQ(std::system(fmt::format("{} stop {}", script, folder.string()).c_str()), 0);
  std::filesystem::remove_all(folder);
}

const std::string& brokers() {
  return broker->brokers();
}

const SecuredBroker& secured_broker() {
  return broker->secured();
}

void pause_brokers(bool paused) {
  pid_t id = 0;
  ASSERT_TRUE(std::ifstream(broker->folder() / "1" / "pid") >> id);
  ASSERT_EQ(::kill(id, paused ? SIGSTOP : SIGCONT), 0);
}

}  // namespace trv::kafka

int main(int argc, char** argv) {
  // 3: its libraries are not here.
  if (const int status = std::system(fmt::format("{} have", trv::kafka::script).c_str()); WEXITSTATUS(status) == 3) {
    fmt::print("skipped: no Kafka on this machine; `./dev kafka up` fetches one\n");
    return 77;
  }
  ::setenv("TRV_BROKERS_OF", std::to_string(::getpid()).c_str(), 1);
  testing::InitGoogleTest(&argc, argv);
  trv::kafka::broker = new trv::kafka::Broker;
  testing::AddGlobalTestEnvironment(trv::kafka::broker);
  return RUN_ALL_TESTS();
}
