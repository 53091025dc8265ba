#pragma once
// A client over TLS for tests of HTTP servers. Never waits longer than ten seconds. One thread.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/http/tls_identity.hpp"
#include "sdk/base/frees.hpp"

namespace trv::http {

/// How a client begins.
struct Hello {
  TlsIdentity shows = {};                     ///< nothing where its certificate is empty
  std::string trusts = {};                    ///< PEM; empty: every server
  int version = 0;                            ///< TLS1_2_VERSION and the like; 0: any
  std::string protocols = {};                 ///< of ALPN, as on the wire
  mutable std::function<void()> midway = {};  ///< called once, when the server has answered the first word
};

class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, const Hello& hello = {}) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::unique_ptr<SSL_CTX, base::Frees<SSL_CTX_free>> context(SSL_CTX_new(TLS_client_method()));
    if (hello.version != 0) {
      SSL_CTX_set_security_level(context.get(), 0);
      SSL_CTX_set_min_proto_version(context.get(), hello.version);
      SSL_CTX_set_max_proto_version(context.get(), hello.version);
    }
    if (!hello.trusts.empty()) {
      SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
      const std::unique_ptr<X509, base::Frees<X509_free>> authority(
          PEM_read_bio_X509(bio(hello.trusts).get(), nullptr, nullptr, nullptr));
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get());
    }
    if (!hello.shows.certificate.empty()) {
      const std::unique_ptr<X509, base::Frees<X509_free>> certificate(
          PEM_read_bio_X509(bio(hello.shows.certificate).get(), nullptr, nullptr, nullptr));
      const std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>> key(
          PEM_read_bio_PrivateKey(bio(hello.shows.key).get(), nullptr, nullptr, nullptr));
      SSL_CTX_use_certificate(context.get(), certificate.get());
      SSL_CTX_use_PrivateKey(context.get(), key.get());
    }
    if (!hello.protocols.empty()) {
      SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(hello.protocols.data()),
                              static_cast<unsigned>(hello.protocols.size()));
    }
    if (hello.midway) {
      SSL_CTX_set_app_data(context.get(), &hello.midway);
      SSL_CTX_set_info_callback(context.get(), [](const SSL* ssl, int, int) {
        if (SSL_get_state(ssl) != TLS_ST_CR_SRVR_HELLO) return;
        auto& midway = *static_cast<std::function<void()>*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
        if (midway) std::exchange(midway, nullptr)();
      });
    }
    ssl_.reset(SSL_new(context.get()));
    SSL_set_fd(ssl_.get(), socket_);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                 SSL_connect(ssl_.get()) == 1;
  }
  ~TlsClient() { ::close(socket_); }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// The handshake was good on this side.
  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] std::string version() const { return SSL_get_version(ssl_.get()); }
  [[nodiscard]] std::string cipher() const { return SSL_get_cipher_name(ssl_.get()); }
  [[nodiscard]] std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  /// The serial number of the certificate that the server has shown.
  [[nodiscard]] long serial() const {
    const std::unique_ptr<X509, base::Frees<X509_free>> shown(SSL_get1_peer_certificate(ssl_.get()));
    return shown ? ASN1_INTEGER_get(X509_get0_serialNumber(shown.get())) : 0;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const int sent = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Reads until `text` has arrived, or the end; returns everything up to and with it.
  std::string read_until(std::string_view text) {
    std::size_t at = 0;
    while ((at = received_.find(text)) == std::string::npos) {
      if (!receive()) return std::exchange(received_, {});
    }
    std::string result = received_.substr(0, at + text.size());
    received_.erase(0, result.size());
    return result;
  }
  std::string read_all() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }
  /// The server has said that nothing more comes: what came is whole.
  [[nodiscard]] bool ended_in_order() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

 private:
  using Bio = std::unique_ptr<BIO, base::Frees<BIO_free>>;
  static Bio bio(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }
  bool receive() {
    char bytes[16384];
    const int size = SSL_read(ssl_.get(), bytes, sizeof bytes);
    if (size <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  int socket_;
  std::unique_ptr<SSL, base::Frees<SSL_free>> ssl_;
  bool connected_ = false;
  std::string received_;
};

}  // namespace trv::http
