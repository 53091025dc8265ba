#pragma once
// TLS of connections that a server accepted. OpenSSL.

#include <boost/system/error_code.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/http/tls_identity.hpp"
#include "sdk/base/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace trv::http {

/// What connections are accepted with. Copies share it; any thread.
class TlsContext {
 public:
  /// TLS 1.3 alone; a peer that shows no certificate of the authority is not let in. Error: internal where OpenSSL does
  /// not take the identity.
  [[nodiscard]] static base::Result<TlsContext> for_nodes(const TlsIdentity& identity);
  /// TLS 1.2 and 1.3, HTTP/1.1 by ALPN. With an authority, a peer may show a certificate of it, and is not let in with
  /// one of another. Error: invalid where OpenSSL does not take the identity, or the key is not the certificate's.
  [[nodiscard]] static base::Result<TlsContext> for_clients(const TlsIdentity& identity);

  [[nodiscard]] ssl_ctx_st* get() const noexcept { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}

  std::shared_ptr<ssl_ctx_st> context_;
};

/// TLS over a socket that does not block. The process ignores SIGPIPE. One thread at a time.
class TlsChannel {
 public:
  /// `socket` outlives the channel. Error: internal.
  [[nodiscard]] static base::Result<TlsChannel> accept(const TlsContext& context, int socket);

  /// As read(2) and write(2), with the handshake before the first byte. `error` is would_block where the socket has to
  /// be waited for (see wants_write), eof at the end, and another one for a failure, which is final.
  [[nodiscard]] std::size_t read(char* into, std::size_t size, boost::system::error_code& error);
  [[nodiscard]] std::size_t write(std::string_view bytes, boost::system::error_code& error);
  /// After would_block: whether to wait until the socket can be written, not read.
  [[nodiscard]] bool wants_write() const noexcept;
  /// Bytes of the peer are here already: a wait for the socket would not see them.
  [[nodiscard]] bool has_pending() const noexcept;
  /// Says that nothing more is written, as the destructor does.
  void end_output() noexcept;
  /// What was written is not whole: the destructor does not say that it ends in order.
  void break_off() noexcept;

  /// The handshake is over, and each side that had to has proved itself.
  [[nodiscard]] bool is_established() const noexcept;
  /// Of the certificate that the peer has shown, see certificate_names; none where it has shown none.
  [[nodiscard]] std::vector<std::string> peer_names() const;
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
  bool begins_with_http();
  void note_refusal();

  std::unique_ptr<ssl_st, FreesSsl> ssl_;
  std::string refusal_;
  bool has_begun_ = false;  ///< the peer has sent something
  bool speaks_plain_http_ = false;
};

}  // namespace trv::http
