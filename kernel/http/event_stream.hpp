#pragma once
// Server-sent events (HTML Living Standard §9.2): one response that goes on until either side ends it.

#include <functional>
#include <memory>
#include <string_view>

namespace trv::http {

class StreamQueue;

/// Why a stream is over.
enum class StreamEnd {
  by_us,        ///< close(), or the handle was destroyed
  by_peer,      ///< the client went away
  by_overflow,  ///< the client read too slowly for the bounded queue
  by_shutdown,  ///< the server stops
};

/// The handle of one stream, owned by who feeds it; destroying it closes the stream. Every function may be called from
/// any thread, also several at once (moving and destroying excepted), never blocks on the network, and is a no-op once
/// the stream is over. Bytes wait in a queue of bounded size: a client that reads too slowly receives what was
/// accepted, then a final comment, then the end, and resumes with Last-Event-ID. Nothing here is durable.
class EventStream {
 public:
  explicit EventStream(std::shared_ptr<StreamQueue> queue) noexcept;
  EventStream(EventStream&& other) noexcept = default;
  EventStream& operator=(EventStream&& other) noexcept;
  ~EventStream();

  /// Queues one event. Empty `id` or `event` leave their line out; line ends and NUL inside them are dropped. Line ends
  /// in `data` become several data lines. False: the stream is over, or this event overflowed it and it ends now.
  bool send(std::string_view id, std::string_view event, std::string_view data);
  /// Queues a comment, which clients ignore. False as above.
  bool comment(std::string_view text);
  /// Sends what is queued, then ends the response.
  void close();
  [[nodiscard]] bool is_open() const;

  /// Calls `callback` once when the stream is over: on a server thread, without any lock of ours held; at once on this
  /// thread if it is over already. At most one callback. It must not block.
  void on_closed(std::function<void(StreamEnd)> callback);

 private:
  std::shared_ptr<StreamQueue> queue_;
};

}  // namespace trv::http
