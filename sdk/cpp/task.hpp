#pragma once
// The coroutines that a plugin author writes: Task for an operation, Async<T> for a part of one. C++20.
//
// A coroutine owns its frame through its Task or Async. Whoever drops the Task while it waits destroys the frame and
// all that lives in it; it is never resumed. Both can await only what the SDK hands out.

#include <coroutine>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "sdk/cpp/call.hpp"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

template <typename T>
class Async;
template <typename T>
class PartAwaiter;

/// What became of a call: JSON text, or a failure.
using Outcome = std::variant<std::string, Failure>;

/// The failure that an escaped exception becomes. Call from inside a catch block.
[[nodiscard]] inline Failure failure_of_current_exception() noexcept {
  Failure failure;
  try {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& exception) {
      failure.message = std::string("the plugin threw: ") + exception.what();
    } catch (...) {
      failure.message = "the plugin threw something that is no std::exception";
    }
  } catch (...) {
    failure.message.clear();
  }
  return failure;
}

/// The body of an operation: `co_return` JSON text or a Failure. An exception that escapes becomes Code::internal.
class [[nodiscard]] Task {
 public:
  struct promise_type {
    Outcome outcome = Failure{};

    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_value(std::string output) { outcome = std::move(output); }
    void return_value(Failure failure) { outcome = std::move(failure); }
    void unhandled_exception() noexcept { outcome = failure_of_current_exception(); }

    ResponseAwaiter await_transform(const PendingResponse& pending) noexcept { return ResponseAwaiter(pending); }
    template <typename T>
    PartAwaiter<T> await_transform(const Async<T>& part) noexcept {
      return PartAwaiter<T>(part);
    }
  };

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~Task() {
    if (frame_) frame_.destroy();
  }

  [[nodiscard]] std::coroutine_handle<> frame() const noexcept { return frame_; }
  [[nodiscard]] bool done() const noexcept { return frame_.done(); }
  /// Only once, and only when done.
  [[nodiscard]] Outcome take_outcome() { return std::move(frame_.promise().outcome); }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

/// A part of an operation that gives a T: `co_await` it once, in the expression that makes it. An exception that
/// escapes is thrown on in the awaiting coroutine. T must not be a reference or void.
template <typename T>
class [[nodiscard]] Async {
 public:
  struct promise_type;
  struct ResumeAwaiting {
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> frame) noexcept {
      return frame.promise().awaiting;
    }
    void await_resume() noexcept {}
  };
  struct promise_type {
    std::optional<T> value;
    std::exception_ptr exception;
    std::coroutine_handle<> awaiting = std::noop_coroutine();

    Async get_return_object() { return Async(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    ResumeAwaiting final_suspend() noexcept { return {}; }
    template <typename U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
    void unhandled_exception() noexcept { exception = std::current_exception(); }

    ResponseAwaiter await_transform(const PendingResponse& pending) noexcept { return ResponseAwaiter(pending); }
    template <typename U>
    PartAwaiter<U> await_transform(const Async<U>& part) noexcept {
      return PartAwaiter<U>(part);
    }
  };

  Async(const Async&) = delete;
  Async& operator=(const Async&) = delete;
  ~Async() { frame_.destroy(); }

 private:
  friend PartAwaiter<T>;
  explicit Async(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

/// Runs a part and gives its value. The part outlives it. Any compiler keeps a plain value in the frame; g++ 12 would
/// copy an awaitable that await_transform passes on by reference.
template <typename T>
class PartAwaiter {
 public:
  explicit PartAwaiter(const Async<T>& part) noexcept : frame_(part.frame_) {}
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    frame_.promise().awaiting = awaiting;
    return frame_;
  }
  T await_resume() {
    if (frame_.promise().exception) std::rethrow_exception(frame_.promise().exception);
    return std::move(*frame_.promise().value);
  }

 private:
  std::coroutine_handle<typename Async<T>::promise_type> frame_;
};

}  // namespace trv::sdk
