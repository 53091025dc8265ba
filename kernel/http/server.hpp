#pragma once
// The HTTP/1.1 server: sockets in, handlers called, answers out.
//
// It knows nothing of tenants or workflows. Each server thread owns its share of
// the connections and runs the handlers of their requests. Requests of one connection are handled one after another, in
// order.

#include <spdlog/fwd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kernel/http/client_address.hpp"
#include "kernel/http/request.hpp"
#include "kernel/http/router.hpp"
#include "kernel/http/tls.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::http {

struct ServerOptions {
  std::string address = "127.0.0.1";  ///< an IPv4 or IPv6 address, not a name
  std::uint16_t port = 0;             ///< 0: any free one, see Server::port
  int listening_socket = -1;          ///< one that listens already, instead of address and port; becomes its own
  /// Set: HTTP without TLS on this Unix socket as well, for its owner and its group. A file that no process listens on
  /// any more is replaced.
  std::string socket_path = {};
  TrustedProxies trusted_proxies = {};     ///< who may say that a request comes from another address
  std::size_t threads = 1;                 ///< 1 to 256
  std::size_t body_bytes_max = 1'000'000;  ///< above: 413
  /// What bodies over body_bytes_max, which routes may allow, take together; above: 503.
  std::size_t large_bodies_bytes_max = std::size_t{192} << 20;
  std::size_t header_bytes_max = 16 * 1024;                   ///< request line and headers; above: 431
  base::Duration idle_timeout = std::chrono::seconds(60);     ///< between requests, and without progress of an answer
  base::Duration request_timeout = std::chrono::seconds(30);  ///< from a request's first byte to its last; then 408
  std::size_t connections_max = 4096;                         ///< above: 503 and close
  std::size_t workers = 4;                                    ///< threads for routes that may wait; at least 1
  std::size_t workers_waiting_max = 256;                      ///< requests that wait for a worker; above: 503
  /// Set: over TLS. What a connection is accepted with; called on a server thread for each.
  std::function<base::Result<TlsContext>()> tls = {};
  bool is_for_nodes = false;   ///< only other nodes are let in, which `tls` makes sure of
  bool opens_at_start = true;  ///< false: open() is called later; until then `listening_socket` accepts nothing
  std::size_t stream_bytes_max = 32 * 1024;                      ///< what one event stream may have queued
  base::Duration heartbeat_interval = std::chrono::seconds(15);  ///< a comment on silent event streams
  /// Set: called on a server thread for every request, when its head is there. What it gives is the request's
  /// traceparent().
  std::function<std::string(const Request&)> begin_trace = {};
  /// Called on a server thread for every answered request (event streams: when their head is sent). Must not block.
  std::function<void(const Request&, int status, base::Duration took)> on_answered = {};
};

/// start() and stop() from one thread that is not the server's own. Destroying a running server stops it without grace.
class Server {
 public:
  /// `clock` and `random` outlive the server.
  Server(ServerOptions options, Router router, const base::Clock& clock, base::Random& random,
         std::shared_ptr<spdlog::logger> log);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds, listens and starts the threads. Errors: invalid for an option out of range or a bad address; conflict where
  /// the port or the Unix socket is in use; denied where the port needs a privilege; unavailable for the rest. May be
  /// tried again.
  [[nodiscard]] base::Status start();

  /// Serves every route from here on; before it, 503 but for the routes `before_open`. Any thread.
  void open();
  /// Every route is served. Any thread.
  [[nodiscard]] bool is_open() const noexcept;

  /// The bound port; 0 before start().
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Whether every server thread has done something since the last call: one that hangs in a handler has not. True
  /// where it does not run. One thread at a time.
  [[nodiscard]] bool has_moved();
  /// Open connections now. Any thread.
  [[nodiscard]] std::size_t connections() const noexcept;

  /// Refuses new connections, closes idle ones and event streams, lets requests in flight be answered for at most
  /// `grace`, then cuts the rest. Returns when all threads have ended; responders still held are then without effect.
  void stop(base::Duration grace);

 private:
  class Running;
  std::shared_ptr<const ServerOptions> options_;
  std::shared_ptr<const Router> router_;
  std::shared_ptr<std::atomic<bool>> is_open_;
  const base::Clock& clock_;
  base::Random& random_;
  std::shared_ptr<spdlog::logger> log_;
  std::unique_ptr<Running> running_;
};

}  // namespace trv::http
