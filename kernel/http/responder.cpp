#include "kernel/http/responder.hpp"

#include "kernel/http/stream_queue.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    if (exchange_) exchange_->drop();
    exchange_ = std::move(other.exchange_);
  }
  return *this;
}

Responder::~Responder() {
  if (exchange_) exchange_->drop();
}

const Request& Responder::request() const noexcept {
  TRV_EXPECTS(pending());
  return exchange_->request();
}

std::shared_ptr<RequestBody> Responder::body() const noexcept {
  TRV_EXPECTS(pending());
  return exchange_->body();
}

void Responder::when_gone(std::move_only_function<void()> tell) {
  TRV_EXPECTS(pending() && tell);
  exchange_->when_gone(std::move(tell));
}

void Responder::send(Response response) {
  TRV_EXPECTS(pending());
  std::exchange(exchange_, nullptr)->answer(std::move(response));
}

void Responder::fail(const base::Error& error) {
  TRV_EXPECTS(pending());
  if (status_of(error.code()) == 500) exchange_->log_failure(error);
  send(problem_of(error));
}

void Responder::fail_storing(const base::Error& error) {
  TRV_EXPECTS(pending());
  if (!error.may_pass()) return fail(error);
  exchange_->log_failure(error);
  send(problem_of(
      {base::ErrorCode::unavailable, "the node cannot store this now; nothing was changed; try again later"}));
}

void Responder::answer(base::Result<Response> response) {
  if (!response) return fail(response.error());
  send(*std::move(response));
}

EventStream Responder::stream(std::vector<std::pair<std::string, std::string>> headers) {
  TRV_EXPECTS(pending());
  Response head;
  head.headers = std::move(headers);
  head.content_type = "text/event-stream";
  return EventStream(std::exchange(exchange_, nullptr)->open_stream(std::move(head)));
}

PartStream Responder::parts(Response head) {
  TRV_EXPECTS(pending() && head.body.empty() && head.status != 204 && head.status != 304);
  return PartStream(std::exchange(exchange_, nullptr)->open_parts(std::move(head)));
}

}  // namespace trv::http
