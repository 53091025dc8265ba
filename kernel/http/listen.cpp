#include "kernel/http/listen.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

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

}  // namespace trv::http
