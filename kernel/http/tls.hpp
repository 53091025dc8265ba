#pragma once
// TLS of a connection that a server accepted, where both sides prove that one authority let them in. OpenSSL.

#include <boost/system/error_code.hpp>

#include <memory>
#include <string>
#include <string_view>

#include "kernel/http/tls_identity.hpp"
#include "sdk/base/result.hpp"

struct ssl_st;

namespace trv::http {

/// TLS 1.3 over a socket that does not block. The process ignores SIGPIPE. One thread at a time.
class TlsChannel {
 public:
  /// `socket` outlives the channel. Error: internal where OpenSSL does not take the identity.
  [[nodiscard]] static base::Result<TlsChannel> accept(const TlsIdentity& identity, int socket);

  /// As read(2) and write(2), with the handshake before the first byte. `error` is would_block where the socket has to
  /// be waited for (see wants_write), eof at the end, and another one for a failure, which is final.
  [[nodiscard]] std::size_t read(char* into, std::size_t size, boost::system::error_code& error);
  [[nodiscard]] std::size_t write(std::string_view bytes, boost::system::error_code& error);
  /// After would_block: whether to wait until the socket can be written, not read.
  [[nodiscard]] bool wants_write() const noexcept;
  /// Bytes of the peer are here already: a wait for the socket would not see them.
  [[nodiscard]] bool has_pending() const noexcept;

  /// Both sides have proved themselves.
  [[nodiscard]] bool is_established() const noexcept;
  /// Why the handshake failed, for people. Empty: it did not.
  [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
  /// The peer sent plain HTTP, and can be answered so.
  [[nodiscard]] bool speaks_plain_http() const noexcept { return speaks_plain_http_; }

 private:
  struct FreesSsl {
    void operator()(ssl_st* ssl) const noexcept;
  };
  explicit TlsChannel(ssl_st* ssl) : ssl_(ssl) {}
  std::size_t moved(int result, boost::system::error_code& error);
  void note_refusal();

  std::unique_ptr<ssl_st, FreesSsl> ssl_;
  std::string refusal_;
  bool speaks_plain_http_ = false;
};

}  // namespace trv::http
