#pragma once
// The body of a request that its handler reads in parts while it comes: RouteOptions::body_in_parts.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "kernel/http/stream_queue.hpp"
#include "sdk/base/result.hpp"

namespace trv::http {

/// Bytes that come without leave, of one part, and of the whole (above: 413).
inline constexpr std::size_t body_room_bytes = 262'144;
inline constexpr std::size_t body_part_bytes = 65'536;
inline constexpr std::size_t body_in_parts_bytes_max = std::size_t{1} << 30;

/// Between its reader (any thread) and the connection (one thread), which reads from the client what it has leave for.
class RequestBody {
 public:
  /// Both on a server thread, without any lock of ours held; must not block. A part is borrowed and not empty. `end` is
  /// called once, last: the body is whole, or why the rest will not come: unavailable (the client has gone), timeout,
  /// too_large, invalid, cancelled (it was answered before).
  using Part = std::function<void(std::string_view part)>;
  using End = std::function<void(base::Status status)>;

  /// `waker` is held until the body is over.
  explicit RequestBody(std::shared_ptr<Waker> waker) : waker_(std::move(waker)) {}

  // The reader.
  /// Once. Before it, nothing of the body is read.
  void read(Part part, End end);
  /// So many bytes more may come; of those that have.
  void take(std::uint64_t byte_count);
  /// Nothing more of it is wanted: no callback begins from now on. May be called again.
  void drop();

  // The connection.
  /// How much may come now.
  [[nodiscard]] std::size_t room() const;
  /// At most room() and body_part_bytes.
  void deliver(std::string_view part);
  /// The second time does nothing.
  void finish(base::Status status);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Waker> waker_;
  std::size_t room_ = 0;
  bool is_over_ = false;
  base::Status status_;               ///< where it was over before anybody read it
  std::shared_ptr<const Part> part_;  ///< held by who calls it
  End end_;
};

}  // namespace trv::http
