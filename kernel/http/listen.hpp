#pragma once
// The sockets that a server listens on.

#include "kernel/http/loop.hpp"
#include "kernel/http/server.hpp"

namespace trv::http {

/// Takes the socket of the options, or binds to their address and port, and listens. Errors: invalid (a bad address, or
/// a socket that is none or does not listen), conflict (the port is in use), denied (the port needs a privilege),
/// unavailable.
[[nodiscard]] base::Status listen(StreamAcceptor& acceptor, const ServerOptions& options);

/// The same for the Unix socket of the options. Errors: invalid (a path that is none), conflict (a process listens on
/// it, or another file is there), denied, unavailable.
[[nodiscard]] base::Status listen_on_socket(StreamAcceptor& acceptor, const ServerOptions& options);

}  // namespace trv::http
