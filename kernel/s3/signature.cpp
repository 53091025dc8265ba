#include "kernel/s3/signature.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::s3 {
namespace {

using base::as_bytes;

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::size_t date_digits = 8;

/// Without the white space at both ends, and with one space for each run of it within.
std::string folded(std::string_view value) {
  std::string text;
  for (const char c : base::trimmed(value)) {
    const bool is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!is_space) {
      text += c;
    } else if (!text.ends_with(' ')) {
      text += ' ';
    }
  }
  return text;
}

/// By name, in order; values of one name have a comma between them.
std::map<std::string, std::string> canonical_headers(const Fields& headers) {
  std::map<std::string, std::string> all;
  for (const auto& [name, value] : headers) {
    const auto [place, is_new] = all.try_emplace(base::lower(name), folded(value));
    if (!is_new) place->second += "," + folded(value);
  }
  return all;
}

std::string names_of(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

std::string scope_text(const Scope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", amz_date(scope.time).substr(0, date_digits), scope.region, scope.service);
}

base::Digest derived(const base::Digest& key, std::string_view text) {
  return base::hmac_sha256(key, as_bytes(text));
}

}  // namespace

std::string amz_date(base::Timestamp time) {
  std::string text;
  for (const char c : time.to_rfc3339().substr(0, std::string_view("2015-08-30T12:36:00").size())) {
    if (c != '-' && c != ':') text += c;
  }
  return text + "Z";
}

std::string escaped_path(std::string_view path) {
  std::string text;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    text += base::percent_encoded(path.substr(begin, end - begin));
    if (end < path.size()) text += '/';
    begin = end + 1;
  }
  return text;
}

std::string escaped_query(const Fields& query) {
  Fields escaped;
  for (const auto& [name, value] : query) {
    escaped.emplace_back(base::percent_encoded(name), base::percent_encoded(value));
  }
  std::ranges::sort(escaped);
  std::string text;
  for (const auto& [name, value] : escaped) text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, value);
  return text;
}

std::string canonical_request(const SignedRequest& request) {
  const auto headers = canonical_headers(request.headers);
  std::string text =
      fmt::format("{}\n{}\n{}\n", request.method, escaped_path(request.path), escaped_query(request.query));
  for (const auto& [name, value] : headers) text += fmt::format("{}:{}\n", name, value);
  return text + fmt::format("\n{}\n{}", names_of(headers), request.payload_sha256);
}

std::string string_to_sign(const SignedRequest& request, const Scope& scope) {
  return fmt::format("{}\n{}\n{}\n{}", algorithm, amz_date(scope.time), scope_text(scope),
                     base::to_hex(base::sha256(as_bytes(canonical_request(request)))));
}

std::string authorization(const SignedRequest& request, const Scope& scope, const Credentials& credentials) {
  const base::Digest of_date =
      base::hmac_sha256(as_bytes("AWS4" + credentials.secret), as_bytes(amz_date(scope.time).substr(0, date_digits)));
  const base::Digest key = derived(derived(derived(of_date, scope.region), scope.service), "aws4_request");
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", algorithm, credentials.key_id,
                     scope_text(scope), names_of(canonical_headers(request.headers)),
                     base::to_hex(derived(key, string_to_sign(request, scope))));
}

}  // namespace trv::s3
