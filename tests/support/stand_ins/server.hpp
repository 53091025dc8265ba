#pragma once
// The stand-ins over HTTP/1.1 on 127.0.0.1: a thread per connection, keep-alive, bodies up to 2 MB.
//
// Owned by one thread. The destructor closes every connection and waits for its thread.

#include <cstdint>
#include <memory>

#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"
#include "tests/support/stand_ins/stand_ins.hpp"

namespace trv::stand_ins {

class Server {
 public:
  /// Listens on `port`, or on a free one for 0. Every answer waits for `delay`. Error: unavailable (the port is taken).
  [[nodiscard]] static base::Result<std::unique_ptr<Server>> start(StandIns& stand_ins, std::uint16_t port,
                                                                   base::Duration delay);
  virtual ~Server() = default;
  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
};

}  // namespace trv::stand_ins
