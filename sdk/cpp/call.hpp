#pragma once
// One call of an operation, as the plugin author sees it. C++20.

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sdk/cpp/values.hpp"

namespace trv::sdk {

enum class Level : std::int32_t { debug = 0, info = 1, warning = 2, error = 3 };

class PendingResponse;

/// What a Call needs of the instance that it runs in; Session implements it.
class CallServices {
 public:
  /// Sends at once; returns the id of the request.
  virtual std::uint64_t send(std::uint64_t call_id, const Request& request) = 0;
  virtual bool arrived(std::uint64_t request_id) const noexcept = 0;
  virtual void await(std::uint64_t request_id, std::coroutine_handle<> waiter) noexcept = 0;
  /// Only after it arrived.
  virtual HttpResult take(std::uint64_t request_id) = 0;
  /// The answer is not wanted any more.
  virtual void forget(std::uint64_t request_id) noexcept = 0;
  virtual void write_log(Level level, std::uint64_t call_id, std::string_view text) const noexcept = 0;

 protected:
  ~CallServices() = default;
};

/// An answer on its way. `co_await` it once; dropping it means that the answer is not wanted. Several may be on their
/// way at the same time. Lives in a coroutine of the call that sent it.
class [[nodiscard]] PendingResponse {
 public:
  PendingResponse(CallServices& services, std::uint64_t request_id) noexcept
      : services_(services), request_id_(request_id) {}
  PendingResponse(const PendingResponse&) = delete;
  PendingResponse& operator=(const PendingResponse&) = delete;
  ~PendingResponse() { services_.forget(request_id_); }

 private:
  friend class ResponseAwaiter;
  CallServices& services_;
  std::uint64_t request_id_;
};

/// Waits for an answer and takes it. The PendingResponse outlives it.
class ResponseAwaiter {
 public:
  explicit ResponseAwaiter(const PendingResponse& pending) noexcept
      : services_(&pending.services_), request_id_(pending.request_id_) {}
  bool await_ready() const noexcept { return services_->arrived(request_id_); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { services_->await(request_id_, waiter); }
  HttpResult await_resume() { return services_->take(request_id_); }

 private:
  CallServices* services_;
  std::uint64_t request_id_;
};

/// Lives until the operation's coroutine has ended; the texts too. Only from that coroutine, but for cancelled().
class Call {
 public:
  struct Facts {
    std::uint64_t id = 0;
    std::uint32_t attempt = 1;
    std::uint64_t timeout_ms = 0;
    std::string operation = {};
    std::string tenant = {};
    std::string connection = {};
    std::string idempotency_key = {};
    std::string traceparent = {};
    std::string input = {};
  };

  Call(CallServices& services, Facts facts) : services_(services), facts_(std::move(facts)) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] std::uint64_t id() const noexcept { return facts_.id; }
  /// From 1; grows with each retry of the same effect.
  [[nodiscard]] std::uint32_t attempt() const noexcept { return facts_.attempt; }
  /// Time that was left when the call began; 0 = no limit. The host watches it, the plugin need not.
  [[nodiscard]] std::uint64_t timeout_ms() const noexcept { return facts_.timeout_ms; }
  [[nodiscard]] const std::string& operation() const noexcept { return facts_.operation; }
  [[nodiscard]] const std::string& tenant() const noexcept { return facts_.tenant; }
  [[nodiscard]] const std::string& connection() const noexcept { return facts_.connection; }
  /// The same over every retry and restart.
  [[nodiscard]] const std::string& idempotency_key() const noexcept { return facts_.idempotency_key; }
  [[nodiscard]] const std::string& traceparent() const noexcept { return facts_.traceparent; }
  /// JSON text, valid for the operation's input schema where a kernel is the host.
  [[nodiscard]] const std::string& input() const noexcept { return facts_.input; }

  /// Sends a request now; `co_await` the result for the answer.
  PendingResponse http(Request&& request) { return {services_, services_.send(facts_.id, request)}; }

  /// One line for the operator's log. Never secrets or personal data. Any thread.
  void log(Level level, std::string_view text) const noexcept { services_.write_log(level, facts_.id, text); }

  /// Whether the host asked to stop. A coroutine that waits is ended without being asked; only one that computes for
  /// long has to look. Any thread.
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
  void mark_cancelled() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  CallServices& services_;
  Facts facts_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace trv::sdk
