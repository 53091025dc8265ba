#include "kernel/node/certificates.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"

namespace trv::node {
namespace {

constexpr base::Duration good_around = std::chrono::hours(24);  ///< before and after the time of issue
constexpr base::Duration good_for_use = std::chrono::hours(12);
constexpr int serial_bits = 127;

using Key = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, base::Frees<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, base::Frees<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, base::Frees<BN_free>>;
using Octets = std::unique_ptr<ASN1_OCTET_STRING, base::Frees<ASN1_OCTET_STRING_free>>;
using Bio = std::unique_ptr<BIO, base::Frees<BIO_free>>;

void extend(X509* certificate, int kind, const std::string& value) {
  const Extension extension(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
  TRV_ASSERT(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void name(X509_NAME* into, const std::string& text) {
  const base::BytesView bytes = base::as_bytes(text);
  TRV_ASSERT(
      X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_ASC, bytes.data(), static_cast<int>(bytes.size()), -1, 0) == 1);
}

/// Without times and extensions.
Certificate certificate_of(EVP_PKEY* key, const std::string& subject, const std::string& issuer) {
  Certificate made(X509_new());
  TRV_ASSERT(made != nullptr && X509_set_version(made.get(), X509_VERSION_3) == 1);
  name(X509_get_subject_name(made.get()), subject);
  name(X509_get_issuer_name(made.get()), issuer);
  TRV_ASSERT(X509_set_pubkey(made.get(), key) == 1);
  return made;
}

/// The same bytes on every node: nothing in it is random or of the time.
Certificate authority_of(EVP_PKEY* key, const std::string& issuer) {
  Certificate made = certificate_of(key, issuer, issuer);
  TRV_ASSERT(ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1) == 1);
  TRV_ASSERT(ASN1_TIME_set_string(X509_getm_notBefore(made.get()), "20000101000000Z") == 1);
  TRV_ASSERT(ASN1_TIME_set_string(X509_getm_notAfter(made.get()), "99991231235959Z") == 1);
  extend(made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(made.get(), NID_key_usage, "critical,keyCertSign");
  TRV_ASSERT(X509_sign(made.get(), key, nullptr) > 0);
  return made;
}

Certificate leaf_of(EVP_PKEY* key, const std::string& node, const std::string& host, const std::string& issuer,
                    base::Timestamp now) {
  Certificate made = certificate_of(key, node, issuer);
  const Number serial(BN_new());
  TRV_ASSERT(serial != nullptr && BN_rand(serial.get(), serial_bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1);
  TRV_ASSERT(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(made.get())) != nullptr);
  const auto seconds = [](base::Timestamp time) { return static_cast<std::time_t>(time.ms() / 1000); };
  TRV_ASSERT(ASN1_TIME_set(X509_getm_notBefore(made.get()), seconds(now + -good_around)) != nullptr);
  TRV_ASSERT(ASN1_TIME_set(X509_getm_notAfter(made.get()), seconds(now + good_around)) != nullptr);
  extend(made.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(made.get(), NID_key_usage, "critical,digitalSignature");
  extend(made.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  const Octets address(a2i_IPADDRESS(host.c_str()));
  extend(made.get(), NID_subject_alt_name, fmt::format("{}:{}", address ? "IP" : "DNS", host));
  return made;
}

template <typename Write>
std::string pem_of(Write write) {
  const Bio memory(BIO_new(BIO_s_mem()));
  TRV_ASSERT(memory != nullptr && write(memory.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  TRV_ENSURES(size > 0);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Certificates::Certificates(const base::Digest& authority_key, const std::string& cluster, std::string node,
                           std::string host, const base::Clock& clock)
    : authority_key_(authority_key),
      authority_name_("Travertine cluster " + cluster),
      node_(std::move(node)),
      host_(std::move(host)),
      clock_(clock) {
  TRV_EXPECTS(!node_.empty() && !host_.empty());
}

Certificates::~Certificates() {
  OPENSSL_cleanse(authority_key_.data(), authority_key_.size());
}

http::TlsIdentity Certificates::identity() const {
  const base::Timestamp now = clock_.now();
  const std::scoped_lock lock(mutex_);
  const base::Duration age = now - issued_at_;
  if (!issued_ || age > good_for_use || age < -good_for_use) {
    issued_ = issue(now);
    issued_at_ = now;
  }
  return *issued_;
}

http::TlsIdentity Certificates::issue(base::Timestamp now) const {
  const Key authority_key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, authority_key_.data(), authority_key_.size()));
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  TRV_ASSERT(authority_key != nullptr && key != nullptr);
  const Certificate authority = authority_of(authority_key.get(), authority_name_);
  const Certificate leaf = leaf_of(key.get(), node_, host_, authority_name_, now);
  TRV_ASSERT(X509_sign(leaf.get(), authority_key.get(), nullptr) > 0);
  return {.certificate = pem_of([&](BIO* into) { return PEM_write_bio_X509(into, leaf.get()); }),
          .key = pem_of([&](BIO* into) {
            return PEM_write_bio_PrivateKey(into, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          }),
          .authority = pem_of([&](BIO* into) { return PEM_write_bio_X509(into, authority.get()); })};
}

}  // namespace trv::node
