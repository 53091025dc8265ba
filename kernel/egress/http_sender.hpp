#pragma once
// Who sends HTTP requests for plugins: the port between a plugin's calls and the network.

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "kernel/egress/request.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

using RequestId = std::uint64_t;  ///< never 0

/// Called exactly once for each send. Errors: invalid, denied, not_found (no such connection), too_large, exhausted,
/// unavailable (name, connect, TLS, reset), timeout, cancelled, corrupt (the secret's file).
using Completion = std::move_only_function<void(base::Result<Response>)>;

/// Of an answer in parts, whatever its length: bytes that come without leave, and that travel at most of a stream;
/// bytes of one part; bytes of the whole.
inline constexpr std::uint64_t stream_room_bytes = 262'144;
inline constexpr std::uint64_t stream_part_bytes = 65'536;
inline constexpr std::uint64_t stream_bytes_max = 1'073'741'824;

/// Who receives an answer in parts: its head, its parts, its end, in this order. Runs where completions do, and must
/// not block.
class PartReceiver {
 public:
  virtual ~PartReceiver() = default;
  /// As soon as it is there; without a body. At most once.
  virtual void head(Response head) = 0;
  /// Borrowed; not empty, at most stream_part_bytes. Over the first stream_room_bytes only what was taken comes.
  virtual void part(std::string_view bytes) = 0;
  /// Exactly once, last. Errors as of a Completion; without a head before, there is no answer.
  virtual void end(base::Status status) = 0;
};

/// Any thread.
class HttpSender {
 public:
  HttpSender() = default;
  HttpSender(const HttpSender&) = delete;
  HttpSender& operator=(const HttpSender&) = delete;
  virtual ~HttpSender() = default;

  /// The completion runs on a thread of the sender, never inside send, and must not block; once the sender has stopped
  /// it runs here, with cancelled.
  virtual RequestId send(Request request, Completion completion) = 0;

  /// As send, with the answer in parts. `timeout_ms` of the request is the time until the head; the rest has no
  /// end but cancel. It is not read on from the network while the receiver has not taken what came.
  virtual RequestId send_in_parts(Request request, std::shared_ptr<PartReceiver> receiver) = 0;

  /// So many bytes more may come of an answer in parts; an id that is unknown or done is ignored. What was taken and
  /// has not come is at most stream_room_bytes, the rest is forgotten.
  virtual void take(RequestId id, std::uint64_t byte_count) = 0;

  /// The completion is called with cancelled, an answer in parts ends with it; an id that is unknown or done is
  /// ignored.
  virtual void cancel(RequestId id) = 0;
};

}  // namespace trv::egress
