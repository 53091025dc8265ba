#pragma once
// The bounded queue between the feeder of an answer that goes on and the connection that sends it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "kernel/http/event_stream.hpp"
#include "kernel/http/part_stream.hpp"

namespace trv::http {

/// The one that sends what a queue holds.
class Waker {
 public:
  virtual ~Waker() = default;
  /// There is something to take. Any thread; must not call back into who wakes.
  virtual void wake() noexcept = 0;
};

/// Shared by the feeder (any thread) and the sender (one thread at a time). Bytes are unframed.
class StreamQueue {
 public:
  enum class Of : std::uint8_t {
    events,  ///< text/event-stream of the kernel: a heartbeat where it is silent, a good end where the server stops
    parts    ///< a body of any type: whole, or cut
  };

  /// `waker` is held until the stream is over. It may be null: then nobody takes, as in a test of handlers.
  StreamQueue(std::size_t bytes_max, std::shared_ptr<Waker> waker, Of of = Of::events)
      : of_(of), bytes_max_(bytes_max), waker_(std::move(waker)) {}
  [[nodiscard]] Of of() const noexcept { return of_; }

  // The feeder; see EventStream.
  std::size_t write(std::string_view bytes);
  void comment(std::string_view text);
  void close();
  [[nodiscard]] bool is_open() const;
  void on_ready(std::function<void()> callback);
  // The feeder of parts; see PartStream.
  void put(std::string_view part);
  void cut();
  void on_sent(PartStream::Sent callback);
  /// Bytes that wait for the sender.
  [[nodiscard]] std::size_t queued() const;

  // The sender.

  /// Appends what is queued to `bytes`, of parts some of it. What was taken before is sent. False: that was the last of
  /// it; call finish() when it is sent.
  bool take(std::string& bytes);
  /// After the last of it: it is not whole.
  [[nodiscard]] bool is_cut() const;
  /// The stream is over. What is queued is forgotten; calls the callback.
  void finish();

 private:
  bool take_parts(std::string& bytes);

  const Of of_;
  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::shared_ptr<Waker> waker_;
  std::string queued_;
  std::size_t begin_ = 0;    ///< of what is queued, within queued_
  std::size_t sending_ = 0;  ///< bytes of parts that were taken and may not be sent yet
  bool cut_ = false;
  bool cut_short_ = false;  ///< the feeder has more to write than there was room for
  bool closed_ = false;
  bool finished_ = false;
  std::function<void()> callback_;
  PartStream::Sent sent_callback_;
};

}  // namespace trv::http
