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

#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

constexpr const char* script = TRV_SOURCE_DIR "/tests/kafka/broker.sh";

/// The first of two neighbouring ports that nobody listens on.
int free_ports() {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int first = ::socket(AF_INET, SOCK_STREAM, 0);
    const int second = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int port = 0;
    if (::bind(first, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::getsockname(first, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      port = ntohs(address.sin_port);
      address.sin_port = htons(static_cast<std::uint16_t>(port + 1));
      if (::bind(second, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) port = 0;
    }
    ::close(first);
    ::close(second);
    if (port != 0) return port;
  }
  return 0;
}

/// One broker for the whole program; ended with it.
class Broker : public testing::Environment {
 public:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / fmt::format("kafka_{}", ::getpid());
    std::FILE* output = ::popen(fmt::format("{} start {} {}", script, folder_.string(), free_ports()).c_str(), "r");
    ASSERT_NE(output, nullptr);
    std::array<char, 256> line{};
    if (std::fgets(line.data(), line.size(), output) != nullptr) brokers_ = line.data();
    ASSERT_EQ(::pclose(output), 0);
    while (!brokers_.empty() && brokers_.back() == '\n') brokers_.pop_back();
  }
  void TearDown() override {
    EXPECT_EQ(std::system(fmt::format("{} stop {}", script, folder_.string()).c_str()), 0);
    std::filesystem::remove_all(folder_);
  }
  [[nodiscard]] const std::string& brokers() const { return brokers_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::string brokers_;
};

Broker* broker = nullptr;

}  // namespace

const std::string& brokers() {
  return broker->brokers();
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
  testing::InitGoogleTest(&argc, argv);
  trv::kafka::broker = new trv::kafka::Broker;
  testing::AddGlobalTestEnvironment(trv::kafka::broker);
  return RUN_ALL_TESTS();
}
