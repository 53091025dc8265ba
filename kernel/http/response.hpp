#pragma once
// What a handler answers, and the problem documents of RFC 9457.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::http {

/// A value. The server adds Date, Content-Length, Connection and X-Request-Id; a response that names one of these or
/// Transfer-Encoding itself, or whose header holds a control character, is replaced by a 500 problem and logged.
struct Response {
  int status = 200;  ///< 200 to 599
  std::vector<std::pair<std::string, std::string>> headers;
  std::string content_type;  ///< empty for none
  std::string body;          ///< not sent for HEAD, 204 and 304
  /// The body is a JSON object with at least one member; the server puts "instance" (the request id) into it.
  bool add_instance = false;

  /// Adds a header. Returns *this.
  Response with(std::string name, std::string value) &&;
};

/// No body: 204 and the like.
[[nodiscard]] Response empty(int status);
/// text/plain; charset=utf-8
[[nodiscard]] Response text(int status, std::string body);
/// application/json, from JSON text that is ready.
[[nodiscard]] Response json_text(int status, std::string body);
/// application/json
[[nodiscard]] Response json(int status, const json::Value& value);

/// application/problem+json with type, code, status, title, detail; `instance` is added when it is sent. `type` is
/// `urn:travertine:problem:<code>`; an empty `detail` is left out.
[[nodiscard]] Response problem(int status, std::string_view code, std::string_view detail);

/// The status that means an error code on the wire; docs/protocols/http.md has the table.
[[nodiscard]] int status_of(base::ErrorCode code) noexcept;

/// The problem of an error: the code's name, its message as detail, `line` and `column` where it has them.
/// `internal` and `corrupt` do not show their message; the code that answers with them logs it (Responder::fail does).
/// 401 carries WWW-Authenticate: Bearer; 429 and 503 carry Retry-After: `retry_after_s`.
[[nodiscard]] Response problem_of(const base::Error& error, int retry_after_s = 1);
/// The same with the members of the object `more` behind its own (RFC 9457 §3.2).
[[nodiscard]] Response problem_with(const base::Error& error, const json::Value& more);

/// "Not Found" for 404; "Unknown" for a status without a registered phrase.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace trv::http
