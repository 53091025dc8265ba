#include "kernel/http/certificate_names.hpp"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/frees.hpp"

namespace trv::http {
namespace {

constexpr std::size_t names_max = 16;
constexpr std::size_t name_bytes_max = 255;

void add(std::vector<std::string>& names, std::string_view kind, std::string text) {
  const bool is_plain = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  const bool has_blanks = text.starts_with(' ') || text.ends_with(' ');
  if (text.empty() || !is_plain || has_blanks || kind.size() + text.size() > name_bytes_max) return;
  if (names.size() < names_max) names.push_back(std::string(kind) + text);
}

std::string text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

}  // namespace

std::vector<std::string> certificate_names(X509* certificate) {
  TRV_EXPECTS(certificate != nullptr);
  std::vector<std::string> names;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  TRV_ASSERT(X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1);
  add(names, "sha256:", base::to_hex(std::span(digest).first(size)));
  const std::unique_ptr<GENERAL_NAMES, base::Frees<GENERAL_NAMES_free>> others(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (const auto& [kind, prefix] :
       {std::pair(GEN_URI, "uri:"), std::pair(GEN_DNS, "dns:"), std::pair(GEN_EMAIL, "email:")}) {
    for (int i = 0; others != nullptr && i < sk_GENERAL_NAME_num(others.get()); ++i) {
      const GENERAL_NAME* const name = sk_GENERAL_NAME_value(others.get(), i);
      if (name->type != kind) continue;
      const std::string text = text_of(name->d.ia5);
      add(names, prefix, kind == GEN_DNS ? base::lower(text) : text);
    }
  }
  X509_NAME* const subject = X509_get_subject_name(certificate);
  if (const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0) {
    unsigned char* utf8 = nullptr;
    const int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (length > 0) add(names, "cn:", {reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length)});
    OPENSSL_free(utf8);
  }
  TRV_ENSURES(names.size() <= names_max);
  return names;
}

}  // namespace trv::http
