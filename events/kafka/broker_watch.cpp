#include "events/kafka/broker_watch.hpp"

#include <librdkafka/rdkafka.h>

#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {
namespace {

constexpr auto ask_after = std::chrono::seconds(2);
constexpr base::Duration answer_within = std::chrono::seconds(2);
constexpr base::Duration gone_after = std::chrono::seconds(5);

/// Who the brokers are, of any of them. Not for the end of a partition: librdkafka 2.0.2 waits for that for ever.
base::Status ask(rd_kafka_t* client) {
  const rd_kafka_metadata_t* answer = nullptr;
  const auto error = rd_kafka_metadata(client, 0, nullptr, &answer, milliseconds(answer_within));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return base::fail(failure_of(client, error, "asking for the brokers"));
  rd_kafka_metadata_destroy(answer);
  return {};
}

}  // namespace

base::Result<std::unique_ptr<BrokerWatch>> BrokerWatch::start(const Settings& settings, Listener listener) {
  TRV_EXPECTS(listener.gone != nullptr && listener.back != nullptr);
  TRV_TRY_ASSIGN(Client client, connect(Kind::consumer, settings, {}));
  return std::unique_ptr<BrokerWatch>(new BrokerWatch(std::move(client), std::move(listener)));
}

BrokerWatch::BrokerWatch(Client client, Listener listener)
    : client_(std::move(client)),
      listener_(std::move(listener)),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

void BrokerWatch::watch(const std::stop_token& stop) {
  const base::SystemClock clock;
  base::Duration answered = clock.monotonic();
  while (!stop.stop_requested()) {
    const base::Status asked = ask(client_.get());
    const base::Duration now = clock.monotonic();
    if (asked) {
      if (!is_answered_.exchange(true)) listener_.back(now - answered);
      answered = now;
    } else if (now - answered >= gone_after && is_answered_.exchange(false)) {
      listener_.gone(asked.error());
    }
    std::unique_lock lock(mutex_);
    pause_.wait_for(lock, stop, ask_after, [] { return false; });
  }
}

}  // namespace trv::kafka
