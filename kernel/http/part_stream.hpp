#pragma once
// A body in parts: one response of any type whose body comes over time, and is whole or seen not to be.

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

namespace trv::http {

class StreamQueue;

/// The handle of one body, owned by its feeder. Every function may be called from any thread, also several at once
/// (moving and destroying excepted), never blocks on the network, and is a no-op once the response is over. Destroyed
/// before close() it cuts the response.
class PartStream {
 public:
  /// So many bytes are on their way to the client, and take no memory of the server any more. On a server thread,
  /// without any lock of ours held; must not block.
  using Sent = std::function<void(std::size_t byte_count)>;

  explicit PartStream(std::shared_ptr<StreamQueue> queue) noexcept;
  PartStream(PartStream&& other) noexcept = default;
  PartStream& operator=(PartStream&& other) noexcept;
  ~PartStream();

  /// Queues a part. Who writes sees to it that what is queued and not sent stays within bounds.
  void write(std::string_view part);
  /// Sends what is queued, then ends the response: it is whole.
  void close();
  /// Sends what is queued, then cuts the connection: the client sees that the response is not whole.
  void cut();
  /// From now on `sent` is called. Once, and first.
  void on_sent(Sent sent);
  /// `over` is called once when the response is over, for whatever reason; at once on this thread if it is already. On
  /// a server thread, without any lock of ours held; must not block.
  void on_over(std::function<void()> over);

 private:
  std::shared_ptr<StreamQueue> queue_;
};

}  // namespace trv::http
