#include "kernel/http/tls.hpp"

#include <boost/asio/error.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>

#include <array>
#include <limits>

#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"

namespace trv::http {
namespace {

using boost::system::error_code;

using Context = std::unique_ptr<SSL_CTX, base::Frees<SSL_CTX_free>>;
using Bio = std::unique_ptr<BIO, base::Frees<BIO_free>>;
using Certificate = std::unique_ptr<X509, base::Frees<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string last_error() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return text.data();
}

bool ignores_broken_pipes() {
  struct sigaction action{};
  return ::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

Context context_of(const TlsIdentity& identity) {
  Context context(SSL_CTX_new(TLS_server_method()));
  const Certificate certificate(PEM_read_bio_X509(reader(identity.certificate).get(), nullptr, nullptr, nullptr));
  const Certificate authority(PEM_read_bio_X509(reader(identity.authority).get(), nullptr, nullptr, nullptr));
  const PrivateKey key(PEM_read_bio_PrivateKey(reader(identity.key).get(), nullptr, nullptr, nullptr));
  if (!context || !certificate || !authority || !key) return nullptr;
  SSL_CTX* const made = context.get();
  SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION);
  SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Each connection proves itself anew.
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(made, 0);
  SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const bool is_set = SSL_CTX_use_certificate(made, certificate.get()) == 1 &&
                      SSL_CTX_use_PrivateKey(made, key.get()) == 1 && SSL_CTX_check_private_key(made) == 1 &&
                      X509_STORE_add_cert(SSL_CTX_get_cert_store(made), authority.get()) == 1;
  return is_set ? std::move(context) : nullptr;
}

}  // namespace

void TlsChannel::FreesSsl::operator()(ssl_st* ssl) const noexcept {
  if (SSL_is_init_finished(ssl) == 1) SSL_shutdown(ssl);  // a courtesy: the peer learns the end from the socket, too
  SSL_free(ssl);
}

base::Result<TlsChannel> TlsChannel::accept(const TlsIdentity& identity, int socket) {
  TRV_EXPECTS(socket >= 0);
  TRV_EXPECTS(ignores_broken_pipes());
  ERR_clear_error();
  const Context context = context_of(identity);
  TlsChannel channel(context ? SSL_new(context.get()) : nullptr);
  if (!channel.ssl_ || SSL_set_fd(channel.ssl_.get(), socket) != 1) {
    return base::fail(base::ErrorCode::internal, fmt::format("TLS cannot be set up: {}", last_error()));
  }
  SSL_set_accept_state(channel.ssl_.get());
  return channel;
}

std::size_t TlsChannel::read(char* into, std::size_t size, error_code& error) {
  TRV_EXPECTS(size > 0);
  ERR_clear_error();
  const auto most = static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
  return moved(SSL_read(ssl_.get(), into, most), error);
}

std::size_t TlsChannel::write(std::string_view bytes, error_code& error) {
  TRV_EXPECTS(!bytes.empty());
  ERR_clear_error();
  const auto most = static_cast<int>(std::min<std::size_t>(bytes.size(), std::numeric_limits<int>::max()));
  return moved(SSL_write(ssl_.get(), bytes.data(), most), error);
}

std::size_t TlsChannel::moved(int result, error_code& error) {
  if (result > 0) {
    error = {};
    return static_cast<std::size_t>(result);
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: error = boost::asio::error::would_block; break;
    case SSL_ERROR_ZERO_RETURN: error = boost::asio::error::eof; break;
    default:
      if (!is_established()) note_refusal();
      error = boost::asio::error::connection_reset;
  }
  return 0;
}

void TlsChannel::note_refusal() {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  const long verified = SSL_get_verify_result(ssl_.get());
  if (reason == SSL_R_HTTP_REQUEST) {
    speaks_plain_http_ = true;
    refusal_ = "it speaks HTTP without TLS";
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    refusal_ = "it shows no certificate";
  } else if (verified != X509_V_OK) {
    refusal_ = fmt::format("its certificate is refused: {}", X509_verify_cert_error_string(verified));
  } else if (code != 0 && reason != SSL_R_UNEXPECTED_EOF_WHILE_READING) {  // that one only looked
    const char* const text = ERR_reason_error_string(code);
    refusal_ = fmt::format("the TLS handshake failed: {}", text != nullptr ? text : "of an unknown reason");
  }
}

bool TlsChannel::wants_write() const noexcept {
  return SSL_want_write(ssl_.get());
}

bool TlsChannel::has_pending() const noexcept {
  return SSL_has_pending(ssl_.get()) == 1;
}

bool TlsChannel::is_established() const noexcept {
  return SSL_is_init_finished(ssl_.get()) == 1;
}

}  // namespace trv::http
