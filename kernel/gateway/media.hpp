#pragma once
// What a request's body is, by its headers: the Content-Type read, and what is refused.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/http/request.hpp"
#include "kernel/http/response.hpp"

namespace trv::gateway {

/// A Content-Type as far as it decides anything here, in lower case.
struct MediaType {
  std::string essence;  ///< "application/json"; empty where it is none
  std::string charset;  ///< empty: not said

  /// application/json or a type that ends in +json.
  [[nodiscard]] bool is_json() const noexcept;
  /// UTF-8, said or not.
  [[nodiscard]] bool is_utf8() const noexcept { return charset.empty() || charset == "utf-8" || charset == "utf8"; }
};

[[nodiscard]] MediaType parse_media_type(std::string_view text);

/// The request's; nullopt where it names none.
[[nodiscard]] std::optional<MediaType> media_type_of(const http::Request& request);

/// The 415 for a body that is encoded, which nothing here decodes; nullopt where it is not.
[[nodiscard]] std::optional<http::Response> refuse_encoding(const http::Request& request);

/// The 415 for a body that is encoded, of no type in `taken` ("application/json" means the +json types too), or of
/// another charset than UTF-8. A body without a Content-Type passes, and so does a request without a body.
[[nodiscard]] std::optional<http::Response> refuse_media(const http::Request& request,
                                                         std::initializer_list<std::string_view> taken);

/// A 415 with this detail.
[[nodiscard]] http::Response unsupported_media(std::string_view detail);

}  // namespace trv::gateway
