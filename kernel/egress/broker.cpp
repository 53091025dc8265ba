#include "kernel/egress/broker.hpp"

#include "kernel/egress/broker_loop.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::egress {

base::Result<std::unique_ptr<Broker>> Broker::start(BrokerConfiguration configuration, ConnectionSource& connections,
                                                    SecretSource& secrets, const base::Clock& clock) {
  if (configuration.response_headers_max == 0 || configuration.response_header_bytes_max == 0 ||
      configuration.url_limits.timeout_ms_max == 0 || configuration.url_limits.concurrency_max == 0) {
    return base::fail(base::ErrorCode::invalid, "HTTP limits must be above 0");
  }
  if (!base::is_field_value(configuration.user_agent)) {
    return base::fail(base::ErrorCode::invalid, "user_agent holds a control character");
  }
  auto loop = std::make_unique<Loop>(std::move(configuration), connections, secrets, clock);
  TRV_TRY(loop->start());
  return std::unique_ptr<Broker>(new Broker(std::move(loop)));
}

Broker::Broker(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Broker::~Broker() {
  stop();
}

RequestId Broker::send(Request request, Completion completion) {
  TRV_EXPECTS(completion);
  return loop_->post(std::move(request), std::move(completion), nullptr);
}
RequestId Broker::send_in_parts(Request request, std::shared_ptr<PartReceiver> receiver) {
  TRV_EXPECTS(receiver != nullptr && request.credential.scheme != Credential::Scheme::digest);
  Completion completion = [receiver](base::Result<Response> result) {
    receiver->end(result ? base::Status() : base::fail(std::move(result).error()));
  };
  return loop_->post(std::move(request), std::move(completion), std::move(receiver));
}
void Broker::take(RequestId id, std::uint64_t byte_count) {
  loop_->take(id, byte_count);
}
void Broker::cancel(RequestId id) {
  loop_->cancel(id);
}
void Broker::stop() {
  loop_->stop();
}
void Broker::allow_private_network(bool is_allowed) noexcept {
  loop_->allow_private_network(is_allowed);
}

BrokerMetrics Broker::metrics() const {
  return loop_->metrics();
}

}  // namespace trv::egress
