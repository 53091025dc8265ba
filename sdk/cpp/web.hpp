#pragma once
// HTTP that a plugin serves to the clients of its tenant (trv.serve/1), as the plugin author sees it. C++20.
//
//   class Notes : public trv::sdk::Plugin {
//    public:
//     static trv::sdk::Operations<Notes> operations() { return {}; }
//
//     trv::sdk::Task serve(trv::sdk::Call& call) {
//       const trv::sdk::WebRequest& request = call.request();
//       if (request.path != "/notes") co_return trv::sdk::text_response(404, "there are notes alone");
//       auto notes = call.kv().list("note/");
//       co_await notes;
//       if (!notes) co_return notes.failure();
//       co_return trv::sdk::json_response(200, made_of(*notes));
//     }
//   };
//
// GET and HEAD must change nothing. The host adds what protects browsers, and refuses cookies and the like.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sdk/abi/ext/serve.h"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

/// A request of a client that the host knows and lets in.
struct WebRequest {
  std::string principal = {};  ///< who asks, as in events: "token:<id>"
  std::string principal_name = {};
  std::string role = {};    ///< "owner" or "viewer"
  std::string method = {};  ///< in capitals
  std::string path = {};    ///< below the prefix, percent-encoded; begins with '/'
  std::string query = {};   ///< as it came, without '?'
  std::vector<Header> headers = {};
  std::string body = {};

  /// The first header of that name, without regard to case; borrowed from the request.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
    for (const Header& header : headers)
      if (same_header_name(header.name, name)) return header.value;
    return std::nullopt;
  }
  /// The first parameter of that name in the query, decoded; '+' is a space.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
};

/// The bytes that the %xy of `text` mean; what is not an escape stays as it is.
[[nodiscard]] inline std::string decoded(std::string_view text, bool plus_is_space = false) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char small = static_cast<char>(c | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
  };
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && digit(text[at + 1]) >= 0 && digit(text[at + 2]) >= 0) {
      plain += static_cast<char>(digit(text[at + 1]) * 16 + digit(text[at + 2]));
      at += 2;
    } else {
      plain += plus_is_space && text[at] == '+' ? ' ' : text[at];
    }
  }
  return plain;
}

inline std::optional<std::string> WebRequest::parameter(std::string_view name) const {
  for (std::string_view left = query; !left.empty();) {
    const std::size_t end = left.find('&');
    const std::string_view one = left.substr(0, end);
    left = end == std::string_view::npos ? std::string_view() : left.substr(end + 1);
    const std::size_t equals = one.find('=');
    if (decoded(one.substr(0, equals), true) != name) continue;
    return equals == std::string_view::npos ? std::string() : decoded(one.substr(equals + 1), true);
  }
  return std::nullopt;
}

[[nodiscard]] inline Response text_response(int status, std::string text) {
  return {.status = status, .headers = {{"content-type", "text/plain; charset=utf-8"}}, .body = std::move(text)};
}
/// `value` is JSON text, or a value of a library whose serialize(value) gives it.
template <typename V>
[[nodiscard]] Response json_response(int status, const V& value) {
  std::string text;
  if constexpr (std::is_convertible_v<const V&, std::string_view>) {
    text = std::string(std::string_view(value));
  } else {
    text = serialize(value);
  }
  return {.status = status, .headers = {{"content-type", "application/json"}}, .body = std::move(text)};
}

}  // namespace trv::sdk
