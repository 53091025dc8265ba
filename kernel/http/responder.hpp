#pragma once
// The duty to answer one request.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/http/event_stream.hpp"
#include "kernel/http/part_stream.hpp"
#include "kernel/http/request.hpp"
#include "kernel/http/request_body.hpp"
#include "kernel/http/response.hpp"
#include "sdk/base/result.hpp"

namespace trv::http {

/// The other end of a Responder: the server's connection, or a recorder in a test of handlers. Any thread.
/// Exactly one of answer(), open_stream(), open_parts() and drop() is called, once.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual const Request& request() const noexcept = 0;
  /// Calls `tell`, which must not block, once where the client goes before the answer is there; on any thread, also at
  /// once. One that has ended its side of the connection counts as gone.
  virtual void when_gone(std::move_only_function<void()> tell) { static_cast<void>(tell); }
  /// The body of the request, where the handler reads it in parts.
  [[nodiscard]] virtual std::shared_ptr<RequestBody> body() noexcept { return nullptr; }
  virtual void answer(Response response) = 0;
  [[nodiscard]] virtual std::shared_ptr<StreamQueue> open_stream(Response head) = 0;
  [[nodiscard]] virtual std::shared_ptr<StreamQueue> open_parts(Response head) = 0;
  /// The responder was destroyed unanswered: answer 500 and log.
  virtual void drop() noexcept = 0;
  /// The error behind a 5xx answer whose message the client does not see.
  virtual void log_failure(const base::Error& error) noexcept = 0;
};

/// Movable; answers exactly once, from any thread, at any time, also after the client or the server has gone (then the
/// answer falls away). Not for two threads at once. Destroyed unanswered it answers 500, and the log says so.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Exchange> exchange) noexcept : exchange_(std::move(exchange)) {}
  Responder(Responder&& other) noexcept = default;
  Responder& operator=(Responder&& other) noexcept;
  ~Responder();

  /// Still unanswered.
  [[nodiscard]] bool pending() const noexcept { return exchange_ != nullptr; }
  /// The request in question. Contract: pending().
  [[nodiscard]] const Request& request() const noexcept;

  /// The body of the request, where it is read in parts (RouteOptions::body_in_parts); else nullptr.
  [[nodiscard]] std::shared_ptr<RequestBody> body() const noexcept;
  /// Of what becomes of the client while it waits: Exchange::when_gone. Contract: pending(), also for those below.
  void when_gone(std::move_only_function<void()> tell);
  void send(Response response);
  /// Sends problem_of(error); logs the message of internal and corrupt errors under the request's id.
  void fail(const base::Error& error);
  /// The same for what the node's own storage said: an error that may pass is logged, and answered 503 without its
  /// message, which names files.
  void fail_storing(const base::Error& error);
  /// Sends the response or, where there is none, fails with the error.
  void answer(base::Result<Response> response);
  /// Sends the head of a text/event-stream response and hands the stream over.
  [[nodiscard]] EventStream stream(std::vector<std::pair<std::string, std::string>> headers = {});
  /// Sends the head of a response whose body comes in parts; that of `head` is empty, and its status has one. For HEAD
  /// the response is over then.
  [[nodiscard]] PartStream parts(Response head);

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace trv::http
