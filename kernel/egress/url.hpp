#pragma once
// URLs as libcurl reads them: what is checked here is what is connected to. Values; any thread.

#include <curl/curl.h>

#include <memory>
#include <string>
#include <string_view>

#include "sdk/base/frees.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

using UrlHandle = std::unique_ptr<CURLU, base::Frees<curl_url_cleanup>>;

struct Url {
  UrlHandle handle;
  std::string host;      ///< without port; IPv6 in brackets
  std::string origin;    ///< scheme://host:port
  bool is_mail = false;  ///< smtp or smtps
};

/// An absolute http or https URL without user. `what` names it in the message. Errors: invalid, too_large.
[[nodiscard]] base::Result<Url> parse_absolute_url(std::string_view what, std::string_view text);

/// A base URL: the above without query and fragment; or smtp://host or smtps://host, with or without a port. Errors:
/// invalid, too_large.
[[nodiscard]] base::Result<Url> parse_base_url(std::string_view text);

/// The base URL's path, then `path`, which has passed check_path. Fails where the result leaves the base URL's origin.
/// Errors: invalid, too_large.
[[nodiscard]] base::Result<Url> append_path(std::string_view base_url, std::string_view path);

/// Its path, as it is sent, without the query.
[[nodiscard]] base::Result<std::string> path_of(const Url& url);

/// What append_path needs to make `address` of the base URL. Errors: invalid or too_large for the address; denied where
/// it is not below the base URL.
[[nodiscard]] base::Result<std::string> path_below(std::string_view base_url, std::string_view address);

}  // namespace trv::egress
