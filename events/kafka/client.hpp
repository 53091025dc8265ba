#pragma once
// What every client of the brokers has: its handle, its settings, and questions about a partition.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/kafka/settings.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_conf_s;

namespace trv::kafka {

struct EndsClient {
  void operator()(rd_kafka_s* client) const noexcept;
};
using Client = std::unique_ptr<rd_kafka_s, EndsClient>;

enum class Kind {
  producer,
  consumer,
  member,  ///< a consumer in a group, whose shares come as events
};

struct EndsTopic {
  void operator()(rd_kafka_topic_s* topic) const noexcept;
};
/// Its client outlives it.
using Topic = std::unique_ptr<rd_kafka_topic_s, EndsTopic>;

/// By librdkafka's own names, added to those that follow from the settings.
using Properties = std::map<std::string, std::string>;

/// Called on a thread of librdkafka's, or in one of its calls, for every delivery of a producer.
struct Delivery {
  std::uint64_t number = 0;  ///< as given to Producer::send
  int error = 0;
  std::int64_t offset = -1;  ///< negative: not known
};
class Deliveries {
 public:
  virtual ~Deliveries() = default;
  virtual void delivered(const Delivery& delivery) noexcept = 0;
};

/// Connects in the background. `deliveries` is for producers and outlives the client.
/// Errors: invalid where the settings cannot be, or where this librdkafka cannot do what they ask.
[[nodiscard]] base::Result<Client> connect(Kind kind, const Settings& settings, const Properties& properties,
                                           Deliveries* deliveries = nullptr);

/// failure() of a call of this client; where the brokers did not answer, with what a connection to them ended with
/// last.
[[nodiscard]] base::Error failure_of(rd_kafka_s* client, int code, std::string_view what);

/// The brokers refuse this client's log-in, or it their certificate: waiting does not help.
[[nodiscard]] bool is_refused(rd_kafka_s* client);

/// Ends clients on threads of their own: where a broker has refused a topic, librdkafka 2.0.2 may wait for ever for its
/// own threads. That costs the client then, and not its user. Any thread.
class EndingClients {
 public:
  EndingClients() = default;
  /// Waits a while for those that end.
  ~EndingClients();
  EndingClients(const EndingClients&) = delete;
  EndingClients& operator=(const EndingClients&) = delete;
  EndingClients(EndingClients&&) = delete;
  EndingClients& operator=(EndingClients&&) = delete;

  void end(Client client);

 private:
  /// Outlives this object where a client does not end.
  struct Count {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t clients = 0;
  };
  std::shared_ptr<Count> count_ = std::make_shared<Count>();
};

/// Consumers that nobody uses: a reader that closes leaves its connections to the next. Any thread.
class Consumers {
 public:
  explicit Consumers(Settings settings) : settings_(std::move(settings)) {}
  /// Waits a while for those that end.
  ~Consumers();
  Consumers(const Consumers&) = delete;
  Consumers& operator=(const Consumers&) = delete;
  Consumers(Consumers&&) = delete;
  Consumers& operator=(Consumers&&) = delete;

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  /// Errors: as connect().
  [[nodiscard]] base::Result<Client> take();
  /// Precondition: it reads no partition.
  void give_back(Client client);
  /// For one that must not be used again.
  void end(Client client) { ending_.end(std::move(client)); }

 private:
  Settings settings_;
  std::mutex mutex_;
  std::vector<Client> idle_;
  EndingClients ending_;
};

/// Offsets of the first entry and behind the last, as the leader knows them now. A leader that was paused may answer
/// with less than there is: good for knowing how far to read, never for what was stored.
struct Watermarks {
  std::int64_t low = 0;
  std::int64_t high = 0;
};
[[nodiscard]] base::Result<Watermarks> watermarks(rd_kafka_s* client, const std::string& topic, std::int32_t partition,
                                                  base::Duration within);

/// As librdkafka takes a time.
[[nodiscard]] inline int milliseconds(base::Duration duration) noexcept {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

/// For messages: "partition 3 of travertine.events at 127.0.0.1:9092".
[[nodiscard]] std::string describe(const Settings& settings, std::int32_t partition);

}  // namespace trv::kafka
