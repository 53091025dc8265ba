#pragma once
// Who sends HTTP requests for plugins: the port between a plugin's calls and the network.

#include <cstdint>
#include <functional>

#include "kernel/egress/request.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

using RequestId = std::uint64_t;  ///< never 0

/// Called exactly once for each send. Errors: invalid, denied, not_found (no such connection), too_large, exhausted,
/// unavailable (name, connect, TLS, reset), timeout, cancelled, corrupt (the secret's file).
using Completion = std::move_only_function<void(base::Result<Response>)>;

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

  /// The completion is called with cancelled; an id that is unknown or done is ignored.
  virtual void cancel(RequestId id) = 0;
};

}  // namespace trv::egress
