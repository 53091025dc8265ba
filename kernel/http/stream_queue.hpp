#pragma once
// The bounded queue between the feeder of an event stream and the connection that sends it.

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "kernel/http/event_stream.hpp"

namespace trv::http {

/// The one that sends what a queue holds.
class Waker {
 public:
  virtual ~Waker() = default;
  /// There is something to take. Any thread; must not call back into who wakes.
  virtual void wake() noexcept = 0;
};

/// Shared by the feeder (any thread) and the sender (one thread at a time). Bytes are text/event-stream, unframed.
class StreamQueue {
 public:
  /// `waker` is held until the stream is over. It may be null: then nobody takes, as in a test of handlers.
  StreamQueue(std::size_t bytes_max, std::shared_ptr<Waker> waker) : bytes_max_(bytes_max), waker_(std::move(waker)) {}

  // The feeder; see EventStream.
  std::size_t write(std::string_view bytes);
  void comment(std::string_view text);
  void close();
  [[nodiscard]] bool is_open() const;
  void on_ready(std::function<void()> callback);
  /// Bytes that wait for the sender.
  [[nodiscard]] std::size_t queued() const;

  // The sender.

  /// Appends what is queued to `bytes`. False: that was the last of it; call finish() when it is sent.
  bool take(std::string& bytes);
  /// The stream is over. What is queued is forgotten; calls the callback.
  void finish();

 private:
  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::shared_ptr<Waker> waker_;
  std::string queued_;
  bool cut_short_ = false;  ///< the feeder has more to write than there was room for
  bool closed_ = false;
  bool finished_ = false;
  std::function<void()> callback_;
};

}  // namespace trv::http
