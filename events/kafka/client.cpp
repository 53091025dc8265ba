#include "events/kafka/client.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "events/kafka/failure.hpp"
#include "events/kafka/handles.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"

namespace trv::kafka {
namespace {

using base::ErrorCode;
using base::fail;

/// From here on SCRAM works with Kafka 4 (the nonce of earlier ones is refused).
constexpr int scram_version = 0x020601ff;
constexpr base::Duration answer_within_min = std::chrono::milliseconds(250);
constexpr base::Duration answer_within_max = std::chrono::seconds(2);
constexpr base::Duration ask_again_after = std::chrono::milliseconds(20);
constexpr std::size_t idle_max = 4;
constexpr base::Duration end_within = std::chrono::seconds(5);

using Configuration = std::unique_ptr<rd_kafka_conf_t, base::Frees<rd_kafka_conf_destroy>>;

std::string_view name_of(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::none: return "";
    case Mechanism::plain: return "PLAIN";
    case Mechanism::scram_sha_256: return "SCRAM-SHA-256";
    case Mechanism::scram_sha_512: return "SCRAM-SHA-512";
  }
  return "";
}

base::Status check(const Settings& settings) {
  if (settings.brokers.empty()) return fail(ErrorCode::invalid, "no Kafka broker is named: give host:port");
  const bool scram = settings.mechanism == Mechanism::scram_sha_256 || settings.mechanism == Mechanism::scram_sha_512;
  if (scram && rd_kafka_version() < scram_version) {
    return fail(ErrorCode::invalid,
                fmt::format("librdkafka {} cannot log in to Kafka by {}: use 2.6.1 or later, PLAIN over TLS, or a "
                            "client certificate",
                            rd_kafka_version_str(), name_of(settings.mechanism)));
  }
  return {};
}

/// In the order in which they are set; an empty value is left out.
Properties properties_of(const Settings& settings) {
  const std::string sasl = settings.mechanism == Mechanism::none ? "" : "sasl_";
  const std::string protocol = sasl + (settings.tls ? "ssl" : "plaintext");
  return {{"bootstrap.servers", settings.brokers},
          {"client.id", settings.client_id},
          {"security.protocol", protocol},
          {"ssl.ca.location", settings.ca_file},
          {"ssl.certificate.location", settings.certificate_file},
          {"ssl.key.location", settings.key_file},
          {"sasl.mechanisms", std::string(name_of(settings.mechanism))},
          {"sasl.username", settings.user},
          {"sasl.password", settings.password},
          // A broker that died or was paused is noticed in two seconds, and its successor asked soon.
          {"socket.timeout.ms", "2000"},
          {"socket.connection.setup.timeout.ms", "1000"},
          {"socket.nagle.disable", "true"},
          {"reconnect.backoff.ms", "10"},
          {"reconnect.backoff.max.ms", "200"},
          {"retry.backoff.ms", "20"},
          {"topic.metadata.refresh.interval.ms", "1000"},
          {"topic.metadata.refresh.fast.interval.ms", "20"},
          {"log.connection.close", "false"}};
}

/// What librdkafka's callbacks of a client write to.
struct Callbacks {
  Deliveries* deliveries = nullptr;
  std::mutex mutex;
  int error = RD_KAFKA_RESP_ERR_NO_ERROR;  ///< that a connection ended with last
  std::string reason;
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* callbacks) {
  static_cast<Callbacks*>(callbacks)->deliveries->delivered(
      {.number = reinterpret_cast<std::uintptr_t>(message->_private),
       .error = message->err,
       .offset = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? message->offset : -1});
}

// That all are down says less than what each of them ended with.
void on_error(rd_kafka_t*, int error, const char* reason, void* opaque) {
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
  auto* const callbacks = static_cast<Callbacks*>(opaque);
  const std::scoped_lock lock(callbacks->mutex);
  callbacks->error = error;
  callbacks->reason = reason;
}

/// Not by rd_kafka_query_watermark_offsets(): librdkafka 2.0.2 waits for a leader that is gone for a minute and longer,
/// whatever it is given as time-out.
rd_kafka_resp_err_t end_of(rd_kafka_t* client, const std::string& topic, std::int32_t partition, std::int64_t end,
                           base::Duration patience, std::int64_t& offset) {
  const Offsets asked(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(asked.get(), topic.c_str(), partition)->offset = end;
  const auto error = rd_kafka_offsets_for_times(client, asked.get(), milliseconds(patience));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  offset = asked->elems[0].offset;
  return asked->elems[0].err;
}

/// A client asks the leader that it knows, until it hears of another one.
void look_up_leader(rd_kafka_t* client, const std::string& topic) {
  const std::unique_ptr<rd_kafka_topic_t, base::Frees<rd_kafka_topic_destroy>> asked(
      rd_kafka_topic_new(client, topic.c_str(), nullptr));
  const rd_kafka_metadata_t* answer = nullptr;
  const auto error = rd_kafka_metadata(client, 0, asked.get(), &answer, milliseconds(answer_within_min));
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_metadata_destroy(answer);
}

}  // namespace

void EndsClient::operator()(rd_kafka_t* client) const noexcept {
  const std::unique_ptr<Callbacks> callbacks(static_cast<Callbacks*>(rd_kafka_opaque(client)));
  rd_kafka_destroy(client);
}

void EndsTopic::operator()(rd_kafka_topic_t* topic) const noexcept {
  rd_kafka_topic_destroy(topic);
}

base::Result<Client> connect(Kind kind, const Settings& settings, const Properties& properties,
                             Deliveries* deliveries) {
  TRV_EXPECTS((kind == Kind::producer) == (deliveries != nullptr));
  TRV_TRY(check(settings));
  std::array<char, 512> why{};
  Configuration configuration(rd_kafka_conf_new());
  for (const Properties& some : {properties_of(settings), properties}) {
    for (const auto& [name, value] : some) {
      if (value.empty()) continue;
      if (rd_kafka_conf_set(configuration.get(), name.c_str(), value.c_str(), why.data(), why.size()) !=
          RD_KAFKA_CONF_OK) {
        return fail(ErrorCode::invalid,
                    fmt::format("librdkafka {} refuses its setting {}: {}", rd_kafka_version_str(), name, why.data()));
      }
    }
  }
  auto callbacks = std::make_unique<Callbacks>();
  callbacks->deliveries = deliveries;
  rd_kafka_conf_set_opaque(configuration.get(), callbacks.get());
  rd_kafka_conf_set_error_cb(configuration.get(), on_error);
  rd_kafka_conf_set_log_cb(configuration.get(), nullptr);  // what goes wrong is reported by the calls that it concerns
  if (kind == Kind::member) rd_kafka_conf_set_events(configuration.get(), RD_KAFKA_EVENT_REBALANCE);
  if (deliveries != nullptr) rd_kafka_conf_set_dr_msg_cb(configuration.get(), on_delivery);
  Client client(rd_kafka_new(kind == Kind::producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, configuration.get(),
                             why.data(), why.size()));
  if (client == nullptr) {
    return fail(ErrorCode::invalid,
                fmt::format("no client of Kafka at {} can be made: {}", settings.brokers, why.data()));
  }
  static_cast<void>(configuration.release());  // the client's now
  static_cast<void>(callbacks.release());
  return client;
}

base::Error failure_of(rd_kafka_t* client, int code, std::string_view what) {
  const bool is_silence = code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                          code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
  if (!is_silence) return failure(code, what);
  rd_kafka_poll(client, 0);  // calls on_error
  auto* const callbacks = static_cast<Callbacks*>(rd_kafka_opaque(client));
  const std::scoped_lock lock(callbacks->mutex);
  if (callbacks->reason.empty()) return failure(code, what);
  return failure(callbacks->error, fmt::format("{}: {}", what, callbacks->reason));
}

bool is_refused(rd_kafka_t* client) {
  rd_kafka_poll(client, 0);  // calls on_error
  auto* const callbacks = static_cast<Callbacks*>(rd_kafka_opaque(client));
  const std::scoped_lock lock(callbacks->mutex);
  return callbacks->error == RD_KAFKA_RESP_ERR__AUTHENTICATION || callbacks->error == RD_KAFKA_RESP_ERR__SSL;
}

void EndingClients::end(Client client) {
  TRV_EXPECTS(client != nullptr);
  {
    const std::lock_guard lock(count_->mutex);
    ++count_->clients;
  }
  std::thread([client = std::move(client), count = count_]() mutable {
    client.reset();
    const std::lock_guard lock(count->mutex);
    --count->clients;
    count->changed.notify_all();
  }).detach();
}

EndingClients::~EndingClients() {
  std::unique_lock lock(count_->mutex);
  count_->changed.wait_for(lock, end_within, [this] { return count_->clients == 0; });
}

base::Result<Client> Consumers::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Client client = std::move(idle_.back());
      idle_.pop_back();
      return client;
    }
  }
  return connect(Kind::consumer, settings_,
                 {{"auto.offset.reset", "error"},
                  {"check.crcs", "true"},
                  {"fetch.wait.max.ms", "100"},
                  {"fetch.min.bytes", "1"},
                  {"fetch.error.backoff.ms", "20"},
                  {"fetch.message.max.bytes", "1048588"},
                  {"queued.min.messages", "20000"},
                  {"queued.max.messages.kbytes", "16384"}});
}

void Consumers::give_back(Client client) {
  TRV_EXPECTS(client != nullptr);
  const std::lock_guard lock(mutex_);
  if (idle_.size() < idle_max) idle_.push_back(std::move(client));
}

Consumers::~Consumers() {
  for (Client& idle : idle_) end(std::move(idle));
}

base::Result<Watermarks> watermarks(rd_kafka_t* client, const std::string& topic, std::int32_t partition,
                                    base::Duration within) {
  const base::SystemClock clock;
  const base::Duration deadline = clock.monotonic() + within;
  for (base::Duration patience = answer_within_min;; patience = std::min(2 * patience, answer_within_max)) {
    Watermarks found;
    auto error = end_of(client, topic, partition, RD_KAFKA_OFFSET_BEGINNING, patience, found.low);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      error = end_of(client, topic, partition, RD_KAFKA_OFFSET_END, patience, found.high);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && found.low <= found.high) {
      TRV_ENSURES(found.low >= 0);
      return found;
    }
    // A topic that was just created has no leader yet, and a leader that went has no successor.
    const bool may_pass = error == RD_KAFKA_RESP_ERR_NO_ERROR || reaction_to(error) == Reaction::retry ||
                          error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                          error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    if (!may_pass || clock.monotonic() >= deadline) {
      return fail(
          failure_of(client, error, fmt::format("asking for the ends of partition {} of {}", partition, topic)));
    }
    look_up_leader(client, topic);
    rd_kafka_poll(client, milliseconds(ask_again_after));
  }
}

std::string describe(const Settings& settings, std::int32_t partition) {
  return fmt::format("partition {} of {} at {}", partition, settings.topic, settings.brokers);
}

}  // namespace trv::kafka
