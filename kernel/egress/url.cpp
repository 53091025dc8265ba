#include "kernel/egress/url.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/egress/request.hpp"
#include "sdk/base/frees.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;

// Empty where the URL has no such part.
std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK || text == nullptr) return {};
  const std::unique_ptr<char, base::Frees<curl_free>> owned(text);
  return {owned.get()};
}

base::Result<Url> parse(std::string_view what, std::string_view text, bool may_be_mail) {
  if (text.size() > url_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("{} has {} bytes, at most {} are allowed", what, text.size(), url_bytes_max));
  }
  const bool clean = std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && c != '\\';
  });
  if (!clean) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("{} holds a space, control character, backslash or a byte over 0x7e", what));
  }
  Url url;
  url.handle.reset(curl_url());
  if (url.handle == nullptr) return base::fail(ErrorCode::unavailable, "out of memory for a URL");
  const CURLUcode code =
      curl_url_set(url.handle.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_PATH_AS_IS | CURLU_DISALLOW_USER);
  if (code == CURLUE_USER_NOT_ALLOWED) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("{} names a user or password; credentials belong to a connection", what));
  }
  if (code != CURLUE_OK) {
    return base::fail(ErrorCode::invalid, fmt::format("{} is not an absolute URL: {}", what, curl_url_strerror(code)));
  }
  const std::string scheme = part(url.handle.get(), CURLUPART_SCHEME);
  url.is_mail = may_be_mail && (scheme == "smtp" || scheme == "smtps");
  if (scheme != "http" && scheme != "https" && !url.is_mail) {
    return base::fail(ErrorCode::invalid, fmt::format("{} has the scheme '{}'; http and https are allowed{}", what,
                                                      scheme, may_be_mail ? ", and smtp and smtps for mail" : ""));
  }
  url.host = part(url.handle.get(), CURLUPART_HOST);
  if (url.host.empty()) return base::fail(ErrorCode::invalid, fmt::format("{} has no host", what));
  url.origin = scheme + "://" + url.host + ':' + part(url.handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  return url;
}

}  // namespace

base::Result<Url> parse_absolute_url(std::string_view what, std::string_view text) {
  return parse(what, text, false);
}

base::Result<Url> parse_base_url(std::string_view text) {
  TRV_TRY_ASSIGN(Url url, parse("base_url", text, true));
  if (text.find_first_of("?#") != std::string_view::npos) {
    return base::fail(ErrorCode::invalid, "base_url must not have a query or fragment");
  }
  const std::string path = part(url.handle.get(), CURLUPART_PATH);
  if (url.is_mail && !path.empty() && path != "/") {
    return base::fail(ErrorCode::invalid, "base_url of a mail server must not have a path");
  }
  return url;
}

base::Result<std::string> path_of(const Url& url) {
  std::string path = part(url.handle.get(), CURLUPART_PATH);
  // One is always there.
  if (path.empty()) return base::fail(ErrorCode::unavailable, "out of memory for a URL");
  return path;
}

base::Result<std::string> path_below(std::string_view base_url, std::string_view address) {
  TRV_TRY_ASSIGN(const Url base, parse_base_url(base_url));
  TRV_TRY_ASSIGN(const Url url, parse_absolute_url("the URL", address));
  const auto denied = [&] {
    return base::fail(ErrorCode::denied,
                      fmt::format("its credentials go below its base URL '{}' only, and '{}' is not there", base_url,
                                  address.substr(0, 200)));
  };
  // Of the same origin, the texts differ in case and port at most.
  if (url.origin != base.origin) return denied();
  std::string prefix = part(base.handle.get(), CURLUPART_PATH);
  while (prefix.ends_with('/')) prefix.pop_back();
  std::string path = part(url.handle.get(), CURLUPART_PATH);
  const std::string query = part(url.handle.get(), CURLUPART_QUERY);
  if (!path.starts_with(prefix)) return denied();
  path.erase(0, prefix.size());
  if (path.empty()) path = "/";
  if (!path.starts_with('/')) return denied();
  return query.empty() ? path : path + '?' + query;
}

base::Result<Url> append_path(std::string_view base_url, std::string_view path) {
  TRV_TRY_ASSIGN(const Url base, parse_base_url(base_url));
  while (base_url.ends_with('/')) base_url.remove_suffix(1);
  TRV_TRY_ASSIGN(Url url, parse("the URL", fmt::format("{}{}", base_url, path), base.is_mail));
  if (url.origin != base.origin) {
    return base::fail(ErrorCode::invalid, fmt::format("path '{}' leaves the base URL's host", path.substr(0, 200)));
  }
  return url;
}

}  // namespace trv::egress
