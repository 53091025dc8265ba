#pragma once
// Server-sent events (HTML Living Standard §9.2): one response that goes on until either side ends it.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace trv::http {

class StreamQueue;

/// One event as it is written to a stream. Empty `id` or `event` leave their line out; line ends and NUL inside them
/// are dropped. Line ends in `data` become several data lines.
[[nodiscard]] std::string event_frame(std::string_view id, std::string_view event, std::string_view data);

/// The handle of one stream, owned by its feeder; destroying it closes the stream. Every function may be called from
/// any thread, also several at once (moving and destroying excepted), never blocks on the network, and is a no-op once
/// the stream is over. A few tens of KiB wait for a client that reads slowly; the rest waits at its source until
/// on_ready() calls. Nothing here is durable.
class EventStream {
 public:
  explicit EventStream(std::shared_ptr<StreamQueue> queue) noexcept;
  EventStream(EventStream&& other) noexcept = default;
  EventStream& operator=(EventStream&& other) noexcept;
  ~EventStream();

  /// Queues as many of the bytes, from the first, as there is room for, and returns how many: fewer than all where the
  /// client reads too slowly or the stream is over. An event may be written in parts.
  std::size_t write(std::string_view bytes);
  /// Queues a comment, which clients ignore, whether there is room or not. Only between events.
  void comment(std::string_view text);
  /// Sends what is queued, then ends the response.
  void close();
  [[nodiscard]] bool is_open() const;

  /// From now on `callback` is called on a server thread, without any lock of ours held, when there is room after a
  /// write() that was cut short, and once when the stream is over; at once on this thread if it is over already. It
  /// must not block. It takes the place of the one before.
  void on_ready(std::function<void()> callback);

 private:
  std::shared_ptr<StreamQueue> queue_;
};

}  // namespace trv::http
