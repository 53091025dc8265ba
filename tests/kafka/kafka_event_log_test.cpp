// The log on a real Kafka under the suite that every log passes.

#include "events/kafka/kafka_event_log.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "events/kafka/topic.hpp"
#include "events/log/event_log_suite.hpp"

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

 private:
  std::filesystem::path folder_;
  std::string brokers_;
};

Broker* broker = nullptr;

class KafkaWorld final : public log::EventLogWorld {
 public:
  KafkaWorld() {
    static int worlds = 0;
    settings_.brokers = broker->brokers();
    settings_.topic = fmt::format("world-{}", ++worlds);
    const auto created = create_topic(settings_, {.partitions = 16, .replication = 1, .in_sync_min = 1});
    EXPECT_TRUE(created.has_value()) << created.error().message();
    reopen();
    const auto ready = owner_->bounds(log::ShardId(0));
    EXPECT_TRUE(ready.has_value()) << ready.error().message();
  }
  log::EventLog& owner() override { return *owner_; }
  log::EventLog& rival() override { return *rival_; }
  bool reopen() override {
    owner_ = std::make_unique<KafkaEventLog>(settings_);
    rival_ = std::make_unique<KafkaEventLog>(settings_);
    return true;
  }

 private:
  Settings settings_;
  std::unique_ptr<KafkaEventLog> owner_;
  std::unique_ptr<KafkaEventLog> rival_;
};

}  // namespace
}  // namespace trv::kafka

namespace trv::log {
INSTANTIATE_TEST_SUITE_P(Kafka, EventLogSuite,
                         testing::Values(EventLogWorldMaker([] { return std::make_unique<kafka::KafkaWorld>(); })));
}  // namespace trv::log

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
