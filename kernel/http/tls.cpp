#include "kernel/http/tls.hpp"

#include <boost/asio/error.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <utility>

#include "kernel/http/certificate_names.hpp"
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

/// Adds the certificates of a PEM text in their order. False: one of them, or the first, cannot be read.
bool for_each_certificate(const std::string& pem, const std::function<bool(X509*)>& add) {
  const Bio bio = reader(pem);
  std::size_t count = 0;
  while (const Certificate one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (!add(one.get())) return false;
    ++count;
  }
  const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (is_at_end) ERR_clear_error();
  return is_at_end && count > 0;
}

Context context_of(const TlsIdentity& identity, int verify) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_server_method()));
  const PrivateKey key(PEM_read_bio_PrivateKey(reader(identity.key).get(), nullptr, nullptr, nullptr));
  if (!context || !key) return nullptr;
  SSL_CTX* const made = context.get();
  SSL_CTX_set_mode(made,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  bool is_first = true;
  const bool is_shown = for_each_certificate(identity.certificate, [&](X509* one) {
    if (std::exchange(is_first, false)) return SSL_CTX_use_certificate(made, one) == 1;
    return SSL_CTX_add1_chain_cert(made, one) == 1;
  });
  if (!is_shown || SSL_CTX_use_PrivateKey(made, key.get()) != 1 || SSL_CTX_check_private_key(made) != 1) return nullptr;
  if (verify == SSL_VERIFY_NONE) return context;
  // Each connection proves itself anew.
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(made, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(made, 0);
  SSL_CTX_set_verify(made, verify, nullptr);
  const bool is_asked = for_each_certificate(identity.authority, [&](X509* one) {
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(made), one) == 1 && SSL_CTX_add_client_CA(made, one) == 1;
  });
  return is_asked ? std::move(context) : nullptr;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr std::array<unsigned char, 9> http_1_1 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  const int outcome = SSL_select_next_proto(&found, size, http_1_1.data(), http_1_1.size(), offered, offered_size);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

base::Result<TlsContext> TlsContext::for_nodes(const TlsIdentity& identity) {
  Context context = context_of(identity, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
    return base::fail(base::ErrorCode::internal, fmt::format("TLS cannot be set up: {}", last_error()));
  }
  return TlsContext(std::move(context));
}

base::Result<TlsContext> TlsContext::for_clients(const TlsIdentity& identity) {
  Context context = context_of(identity, identity.authority.empty() ? SSL_VERIFY_NONE : SSL_VERIFY_PEER);
  // Of TLS 1.2 what hides old traffic from a key that is lost later, and is not altered unseen.
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
    return base::fail(base::ErrorCode::invalid, last_error());
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  return TlsContext(std::move(context));
}

void TlsChannel::FreesSsl::operator()(ssl_st* ssl) const noexcept {
  if (SSL_is_init_finished(ssl) == 1) SSL_shutdown(ssl);  // a courtesy: the peer learns the end from the socket, too
  SSL_free(ssl);
}

base::Result<TlsChannel> TlsChannel::accept(const TlsContext& context, int socket) {
  TRV_EXPECTS(socket >= 0);
  TRV_EXPECTS(ignores_broken_pipes());
  ERR_clear_error();
  TlsChannel channel(SSL_new(context.get()));
  if (!channel.ssl_ || SSL_set_fd(channel.ssl_.get(), socket) != 1) {
    return base::fail(base::ErrorCode::internal, fmt::format("TLS cannot be set up: {}", last_error()));
  }
  SSL_set_accept_state(channel.ssl_.get());
  return channel;
}

std::size_t TlsChannel::read(char* into, std::size_t size, error_code& error) {
  TRV_EXPECTS(size > 0);
  if (!has_begun_ && begins_with_http()) {
    speaks_plain_http_ = true;
    refusal_ = "it speaks HTTP without TLS";
    error = boost::asio::error::connection_reset;
    return 0;
  }
  ERR_clear_error();
  const auto most = static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
  return moved(SSL_read(ssl_.get(), into, most), error);
}

// A record of TLS begins with its type, which is below 32; a request with its method.
bool TlsChannel::begins_with_http() {
  char first = 0;
  if (::recv(SSL_get_fd(ssl_.get()), &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1) return false;
  has_begun_ = true;
  return first >= 'A' && first <= 'Z';
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
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    refusal_ = "it shows no certificate";
  } else if (verified != X509_V_OK) {
    refusal_ = fmt::format("its certificate is refused: {}", X509_verify_cert_error_string(verified));
  } else if (code != 0 && reason != SSL_R_UNEXPECTED_EOF_WHILE_READING) {  // that one only looked
    const char* const text = ERR_reason_error_string(code);
    refusal_ = fmt::format("the TLS handshake failed: {}", text != nullptr ? text : "of an unknown reason");
  }
}

std::vector<std::string> TlsChannel::peer_names() const {
  const Certificate shown(SSL_get1_peer_certificate(ssl_.get()));
  return shown ? certificate_names(shown.get()) : std::vector<std::string>();
}

void TlsChannel::end_output() noexcept {
  if (is_established()) SSL_shutdown(ssl_.get());
}

void TlsChannel::break_off() noexcept {
  SSL_set_quiet_shutdown(ssl_.get(), 1);
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
