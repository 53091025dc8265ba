#pragma once
// One call of an operation, as the plugin author sees it. C++20.

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "sdk/cpp/values.hpp"

namespace trv::sdk {

enum class Level : std::int32_t { debug = 0, info = 1, warning = 2, error = 3 };

/// What a Call needs of the instance that it runs in; Session implements it.
class CallServices {
 public:
  /// Sends at once; returns the id of the request.
  virtual std::uint64_t send(std::uint64_t call_id, const Request& request) = 0;
  /// Begins to wait at once; the answer, once the time has come, is an empty one.
  virtual std::uint64_t wait(std::uint64_t call_id, std::uint64_t after_ms) = 0;
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

/// A request that was sent, and its answer once it was waited for:
///
///   auto sent = call.http(get("/things"));
///   co_await sent;
///   if (!sent) co_return sent.failure();
///
/// co_await takes a named Exchange only and gives nothing back, so that it is always a statement of its own: g++ 12
/// destroys temporaries of a larger expression twice. Several may be on their way at the same time; dropping one means
/// that its answer is not wanted. Lives in a coroutine of the call that sent it.
class [[nodiscard]] Exchange {
 public:
  Exchange(CallServices& services, std::uint64_t request_id) noexcept : services_(services), request_id_(request_id) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() { services_.forget(request_id_); }

  /// Whether a response arrived, whatever its status; false before co_await.
  [[nodiscard]] explicit operator bool() const noexcept { return std::holds_alternative<Response>(result_); }
  /// Only where a response arrived; throws std::bad_variant_access otherwise, which ends the call as internal.
  [[nodiscard]] const Response& operator*() const { return std::get<Response>(result_); }
  [[nodiscard]] const Response* operator->() const { return &std::get<Response>(result_); }
  /// Only where none arrived. Before co_await: internal.
  [[nodiscard]] const Failure& failure() const { return std::get<Failure>(result_); }

 private:
  friend class ExchangeAwaiter;
  CallServices& services_;
  std::uint64_t request_id_;
  bool is_taken_ = false;
  HttpResult result_ = Failure{.message = "the answer was read before co_await"};
};

/// Waits for an answer and puts it into the exchange, which outlives it. A second wait ends at once.
class ExchangeAwaiter {
 public:
  explicit ExchangeAwaiter(Exchange& exchange) noexcept : exchange_(&exchange) {}
  bool await_ready() const noexcept {
    return exchange_->is_taken_ || exchange_->services_.arrived(exchange_->request_id_);
  }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    exchange_->services_.await(exchange_->request_id_, waiter);
  }
  void await_resume() {
    if (exchange_->is_taken_) return;
    exchange_->result_ = exchange_->services_.take(exchange_->request_id_);
    exchange_->is_taken_ = true;
  }

 private:
  Exchange* exchange_;
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

  /// Sends a request now. See Exchange for the answer.
  Exchange http(const Request& request) { return {services_, services_.send(facts_.id, request)}; }

  /// Lets time pass without holding a thread; the time begins now:
  ///
  ///   auto pause = call.wait(std::chrono::seconds(2));
  ///   co_await pause;
  ///
  /// Without time to wait on this host (trv.timer/1) the pause has a failure.
  Exchange wait(std::chrono::milliseconds time) {
    const auto after_ms = time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
    return {services_, services_.wait(facts_.id, after_ms)};
  }

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
