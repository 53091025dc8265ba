#pragma once
// The bounded queue between who feeds an event stream and the connection that sends it.

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
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
  bool send(std::string_view id, std::string_view event, std::string_view data);
  bool comment(std::string_view text);
  void close();
  [[nodiscard]] bool is_open() const;
  void on_closed(std::function<void(StreamEnd)> callback);

  // The sender.

  /// Appends what is queued to `bytes`. False: that was the last of it; call finish() when it is sent.
  bool take(std::string& bytes);
  /// The stream is over, for `reason` unless it had another before. What is queued is forgotten; calls the callback.
  void finish(StreamEnd reason);

 private:
  bool append(std::string_view frame);

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::shared_ptr<Waker> waker_;
  std::string queued_;
  std::optional<StreamEnd> end_;
  bool finished_ = false;
  std::function<void(StreamEnd)> callback_;
};

}  // namespace trv::http
