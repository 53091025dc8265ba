#pragma once
// The coroutines that a plugin author writes: Task for an operation, Async<T> for a part of one. C++20.
//
// A coroutine owns its frame through its Task or Async. Dropping the Task while it waits destroys the frame and all
// that lives in it; it is never resumed. Both can await only what the SDK hands out.

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

/// What co_await takes: an Asked, as an Exchange is, or an Async that has a name.
struct AwaitsNamed {
  template <typename T>
  Awaiter<T> await_transform(Asked<T>& asked) noexcept {
    return Awaiter<T>(asked);
  }
  template <typename T>
  PartAwaiter<T> await_transform(Async<T>& part) noexcept {
    return PartAwaiter<T>(part);
  }
  template <typename T>
  void await_transform(Asked<T>&&) = delete;  // name it first: `auto sent = call.http(…); co_await sent;`
  template <typename T>
  void await_transform(Async<T>&&) = delete;  // name it first: `auto part = f(…); co_await part;`
};

/// What became of a call: JSON text, a failure, or the response to a request over HTTP, whole or in parts.
using Outcome = std::variant<std::string, Failure, Response, Ended>;

/// The failure that an escaped exception becomes. Call from inside a catch block.
[[nodiscard]] inline Failure failure_of_current_exception() noexcept {
  Failure failure;
  try {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& exception) {
      failure.message = std::string("the plugin threw: ") + exception.what();
    } catch (...) {
      failure.message = "the plugin threw something that is not a std::exception";
    }
  } catch (...) {
    failure.message.clear();
  }
  return failure;
}

/// The body of an operation: `co_return` JSON text or a Failure; of serve() a Response, the end of its Parts, or a
/// Failure. An exception that escapes becomes Code::internal.
class [[nodiscard]] Task {
 public:
  struct promise_type : AwaitsNamed {
    Outcome outcome = Failure{};

    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_value(std::string output) { outcome = std::move(output); }
    void return_value(Failure failure) { outcome = std::move(failure); }
    void return_value(Response response) { outcome = std::move(response); }
    void return_value(Ended ended) { outcome = std::move(ended); }
    void unhandled_exception() noexcept { outcome = failure_of_current_exception(); }
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

/// A part of an operation that gives a T:
///
///   auto id = find_id(call, name);
///   co_await id;
///   use(*id);
///
/// It begins with co_await, which is a statement of its own as for an Exchange. An exception that escapes from the part
/// is thrown on by co_await. T must not be a reference or void. Parameters of a part are values, or live as long.
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
  struct promise_type : AwaitsNamed {
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
  };

  Async(const Async&) = delete;
  Async& operator=(const Async&) = delete;
  ~Async() { frame_.destroy(); }

  /// Only after co_await; before, they throw std::bad_optional_access, which ends the call as internal.
  [[nodiscard]] T& operator*() { return frame_.promise().value.value(); }
  [[nodiscard]] T* operator->() { return &frame_.promise().value.value(); }

 private:
  friend PartAwaiter<T>;
  explicit Async(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

/// Runs a part to its end. The part outlives it. A second wait ends at once.
template <typename T>
class PartAwaiter {
 public:
  explicit PartAwaiter(const Async<T>& part) noexcept : frame_(part.frame_) {}
  bool await_ready() const noexcept { return frame_.done(); }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    frame_.promise().awaiting = awaiting;
    return frame_;
  }
  void await_resume() {
    if (frame_.promise().exception) std::rethrow_exception(frame_.promise().exception);
  }

 private:
  std::coroutine_handle<typename Async<T>::promise_type> frame_;
};

}  // namespace trv::sdk
