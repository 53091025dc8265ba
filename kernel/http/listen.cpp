#include "kernel/http/listen.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trv::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::ErrorCode;
using boost::system::error_code;

base::Status take(StreamAcceptor& acceptor, int socket) {
  sockaddr_storage address{};
  socklen_t address_size = sizeof address;
  int listens = 0;
  socklen_t size = sizeof listens;
  const bool is_given = ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &address_size) == 0 &&
                        (address.ss_family == AF_INET || address.ss_family == AF_INET6) &&
                        ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 1;
  error_code error;
  const auto of_tcp = address.ss_family == AF_INET ? tcp::v4() : tcp::v6();
  if (is_given) acceptor.assign(asio::generic::stream_protocol(of_tcp), socket, error);
  if (is_given && !error) return {};
  return base::fail(ErrorCode::invalid, fmt::format("file {} is not a TCP socket that listens", socket));
}

}  // namespace

base::Status listen(StreamAcceptor& acceptor, const ServerOptions& options) {
  if (options.listening_socket >= 0) return take(acceptor, options.listening_socket);
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.address, error);
  if (error) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("address \"{}\" is not an IPv4 or IPv6 address", options.address));
  }
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(StreamAcceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(StreamAcceptor::max_listen_connections, error);
  if (!error) return {};
  const std::string place = fmt::format("address {}:{}", options.address, options.port);
  if (error == asio::error::address_in_use) {
    return base::fail(ErrorCode::conflict,
                      place + " is in use by another program; stop that program or choose another port");
  }
  if (error == asio::error::access_denied) {
    return base::fail(ErrorCode::denied, place + " needs a privilege that this process lacks; use a port above 1023");
  }
  if (error == boost::system::errc::address_not_available) {
    return base::fail(ErrorCode::invalid, place + " is not an address of this machine");
  }
  return base::fail(ErrorCode::unavailable, fmt::format("{} cannot be listened on: {}", place, error.message()));
}

base::Status listen_on_socket(StreamAcceptor& acceptor, const ServerOptions& options) {
  using asio::local::stream_protocol;
  constexpr mode_t owner_and_group = 0660;
  const std::string& path = options.socket_path;
  if (path.empty() || path.front() != '/' || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("'{}' cannot be a Unix socket: write an absolute path of at most {} bytes", path,
                                  sizeof(sockaddr_un::sun_path) - 1));
  }
  const stream_protocol::endpoint endpoint(path);
  error_code error;
  acceptor.open(stream_protocol(), error);
  // Before it has a name: nobody else connects in between.
  if (!error && ::fchmod(acceptor.native_handle(), owner_and_group) != 0)
    error.assign(errno, boost::system::system_category());
  if (!error) acceptor.bind(endpoint, error);
  if (error == asio::error::address_in_use) {
    struct stat about{};
    const bool is_socket = ::lstat(path.c_str(), &about) == 0 && S_ISSOCK(about.st_mode);
    if (!is_socket) {
      return base::fail(ErrorCode::conflict,
                        fmt::format("{} exists and is not a socket; remove it or choose another path", path));
    }
    asio::io_context io;
    stream_protocol::socket caller(io);
    error_code refused;
    caller.connect(endpoint, refused);
    if (refused != asio::error::connection_refused) {
      return base::fail(ErrorCode::conflict,
                        fmt::format("a process listens on {}; stop it or choose another path", path));
    }
    ::unlink(path.c_str());  // of a process that was killed
    error = {};
    acceptor.bind(endpoint, error);
  }
  // The mask of the process may have taken the group away.
  if (!error && ::chmod(path.c_str(), owner_and_group) != 0) error.assign(errno, boost::system::system_category());
  if (!error) acceptor.listen(StreamAcceptor::max_listen_connections, error);
  if (!error) return {};
  const bool is_denied = error == asio::error::access_denied;
  return base::fail(is_denied ? ErrorCode::denied : ErrorCode::unavailable,
                    fmt::format("{} cannot be listened on: {}", path, error.message()));
}

}  // namespace trv::http
