#include "kernel/config/certificate.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "events/keys/key_file.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/frees.hpp"

namespace trv::config {
namespace {

using base::ErrorCode;
using base::fail;
using Bio = std::unique_ptr<BIO, base::Frees<BIO_free>>;
using Certificate = std::unique_ptr<X509, base::Frees<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;

constexpr std::size_t certificates_bytes_max = std::size_t{1} << 20;

constexpr std::string_view certificate_key = "http.certificate_file";
constexpr std::string_view key_key = "http.key_file";
constexpr std::string_view authority_key = "http.client_authority_file";

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

base::Result<std::string> text_of(std::string_view key, const std::string& file) {
  const auto bytes = base::read_file(file, certificates_bytes_max);
  if (!bytes) return fail(ErrorCode::invalid, fmt::format("{}: {}", key, bytes.error().message()));
  return std::string(base::as_text(*bytes));
}

base::Result<std::vector<Certificate>> certificates_of(std::string_view key, const std::string& file,
                                                       const std::string& pem) {
  ERR_clear_error();
  std::vector<Certificate> all;
  const Bio bio = reader(pem);
  for (;;) {
    Certificate one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    all.push_back(std::move(one));
  }
  const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (is_at_end && !all.empty()) return all;
  return fail(ErrorCode::invalid,
              all.empty()
                  ? fmt::format("{}: {} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)", key, file)
                  : fmt::format("{}: certificate {} in {} cannot be read", key, all.size() + 1, file));
}

base::Timestamp time_of(const ASN1_TIME* time) {
  tm parts{};
  TRV_ASSERT(ASN1_TIME_to_tm(time, &parts) == 1);
  // What outlasts the range of a timestamp does not end.
  constexpr std::int64_t seconds_max = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  return base::Timestamp(std::clamp<std::int64_t>(::timegm(&parts), 0, seconds_max) * 1'000'000'000);
}

}  // namespace

base::Result<ServedIdentity> served_identity(const Config& config) {
  TRV_EXPECTS(config.serves_tls());
  http::TlsIdentity identity;
  TRV_TRY_ASSIGN(identity.certificate, text_of(certificate_key, config.http_certificate_file));
  TRV_TRY_ASSIGN(const auto shown,
                 certificates_of(certificate_key, config.http_certificate_file, identity.certificate));
  const auto key_text = keys::read_private_file(config.http_key_file);
  if (!key_text) return fail(ErrorCode::invalid, fmt::format("{}: {}", key_key, key_text.error().message()));
  identity.key = base::as_text(*key_text);
  const PrivateKey key(PEM_read_bio_PrivateKey(reader(identity.key).get(), nullptr, nullptr, const_cast<char*>("")));
  ERR_clear_error();
  if (!key) {
    return fail(ErrorCode::invalid, fmt::format("{}: {} has no private key in PEM form without a passphrase", key_key,
                                                config.http_key_file));
  }
  if (X509_check_private_key(shown.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::invalid,
                fmt::format("{}: the key in {} does not belong to the first certificate in {}; its own certificate "
                            "comes first, and then those between it and its authority",
                            key_key, config.http_key_file, config.http_certificate_file));
  }
  if (!config.http_client_authority_file.empty()) {
    TRV_TRY_ASSIGN(identity.authority, text_of(authority_key, config.http_client_authority_file));
    TRV_TRY(certificates_of(authority_key, config.http_client_authority_file, identity.authority));
  }
  auto context = http::TlsContext::for_clients(identity);
  if (!context) {
    return fail(ErrorCode::invalid, fmt::format("{}: {} cannot be used: {}", certificate_key,
                                                config.http_certificate_file, context.error().message()));
  }
  ServedIdentity served{.context = *std::move(context),
                        .valid_from = time_of(X509_get0_notBefore(shown.front().get())),
                        .valid_until = time_of(X509_get0_notAfter(shown.front().get()))};
  for (const Certificate& one : shown) {
    served.valid_from = std::max(served.valid_from, time_of(X509_get0_notBefore(one.get())));
    served.valid_until = std::min(served.valid_until, time_of(X509_get0_notAfter(one.get())));
  }
  return served;
}

base::Status check_validity(const Config& config, const ServedIdentity& identity, base::Timestamp now) {
  const auto refused = [&](std::string_view how, base::Timestamp when) {
    return fail(ErrorCode::invalid,
                fmt::format("{}: the certificate in {} {} {}; it is {} now", certificate_key,
                            config.http_certificate_file, how, when.to_rfc3339(), now.to_rfc3339()));
  };
  if (now >= identity.valid_until) return refused("expired at", identity.valid_until);
  if (now < identity.valid_from) return refused("is not valid before", identity.valid_from);
  return {};
}

}  // namespace trv::config
