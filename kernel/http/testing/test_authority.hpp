#pragma once
// An authority of certificates for tests.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <ctime>
#include <functional>
#include <memory>
#include <string>

#include "kernel/http/tls_identity.hpp"
#include "sdk/base/frees.hpp"

namespace trv::http {

/// What a certificate of a test says.
struct Subject {
  std::string name = "localhost";                      ///< the common name
  std::string also = "DNS:localhost,IP:127.0.0.1";     ///< subjectAltName, as OpenSSL reads it; empty: none
  std::chrono::seconds from = -std::chrono::hours(1);  ///< from now
  std::chrono::seconds to = std::chrono::hours(24 * 90);
};

class TestAuthority {
 public:
  explicit TestAuthority(std::string name = "test authority") : name_(std::move(name)), key_(make_key()) {
    Certificate made = begin({.name = name_, .also = ""}, key_.get());
    add(made.get(), NID_basic_constraints, "critical,CA:TRUE");
    add(made.get(), NID_key_usage, "critical,keyCertSign");
    sign(made.get());
    certificate_ = pem([&](BIO* to) { return PEM_write_bio_X509(to, made.get()); });
  }

  [[nodiscard]] const std::string& certificate() const noexcept { return certificate_; }
  /// A certificate with a key of its own.
  [[nodiscard]] TlsIdentity issue(const Subject& subject = {}) const {
    const Key key = make_key();
    Certificate made = begin(subject, key.get());
    add(made.get(), NID_basic_constraints, "critical,CA:FALSE");
    if (!subject.also.empty()) add(made.get(), NID_subject_alt_name, subject.also);
    sign(made.get());
    return {.certificate = pem([&](BIO* to) { return PEM_write_bio_X509(to, made.get()); }),
            .key = pem([&](BIO* to) {
              return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
            }),
            .authority = {}};
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;
  using Certificate = std::unique_ptr<X509, base::Frees<X509_free>>;
  using Bio = std::unique_ptr<BIO, base::Frees<BIO_free>>;

  static Key make_key() { return Key(EVP_EC_gen("P-256")); }
  static void add(X509* certificate, int kind, const std::string& value) {
    const std::unique_ptr<X509_EXTENSION, base::Frees<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
    EXPECT_TRUE(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1) << value;
  }
  static void name_it(X509_NAME* into, const std::string& text) {
    X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()), -1, 0);
  }
  [[nodiscard]] Certificate begin(const Subject& subject, EVP_PKEY* key) const {
    Certificate made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
    name_it(X509_get_subject_name(made.get()), subject.name);
    name_it(X509_get_issuer_name(made.get()), name_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), static_cast<long>(subject.from.count()));
    X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(subject.to.count()));
    X509_set_pubkey(made.get(), key);
    return made;
  }
  void sign(X509* certificate) const { EXPECT_GT(X509_sign(certificate, key_.get(), EVP_sha256()), 0); }
  static std::string pem(const std::function<int(BIO*)>& write) {
    const Bio memory(BIO_new(BIO_s_mem()));
    EXPECT_EQ(write(memory.get()), 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }

  std::string name_;
  Key key_;
  mutable long serial_ = 0;
  std::string certificate_;
};

}  // namespace trv::http
