#pragma once
// The values that a plugin author handles: failures, HTTP requests and responses. All own their bytes. C++20.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sdk/abi/types.h"

namespace trv::sdk {

/// What went wrong; each asks for a different reaction. The numbers are those of trv_error_code.
enum class Code : std::int32_t {
  invalid = TRV_ERROR_INVALID,                  ///< the input or configuration is wrong
  unauthenticated = TRV_ERROR_UNAUTHENTICATED,  ///< the service did not accept the credentials
  denied = TRV_ERROR_DENIED,                    ///< a grant or the service forbids it
  not_found = TRV_ERROR_NOT_FOUND,              ///< no such operation, connection or remote thing
  conflict = TRV_ERROR_CONFLICT,                ///< contradicts the state of the service
  too_large = TRV_ERROR_TOO_LARGE,              ///< over a limit of size
  exhausted = TRV_ERROR_EXHAUSTED,              ///< rate or quota used up; see retry_after_ms
  unavailable = TRV_ERROR_UNAVAILABLE,          ///< the service or the network failed
  timeout = TRV_ERROR_TIMEOUT,                  ///< the deadline passed
  cancelled = TRV_ERROR_CANCELLED,              ///< the host asked to stop
  internal = TRV_ERROR_INTERNAL,                ///< a defect of the plugin
};

/// Whether the host may make the same call again with the same idempotency key.
enum class Retry : std::int32_t { never = TRV_RETRY_NEVER, safe = TRV_RETRY_SAFE };

/// Why a call or a request did not succeed.
struct Failure {
  Code code = Code::internal;
  std::string message = {};  ///< for a person: what was wrong, where, what to do
  Retry retry = Retry::never;
  std::uint64_t retry_after_ms = 0;  ///< how long to wait before a retry; 0 = the host decides
  int status = 0;                    ///< HTTP status of the service, 0 where there is none
  std::string detail = {};           ///< JSON object for programs; may be empty
};

struct Header {
  std::string name;
  std::string value;
};

/// An HTTP request through a connection of the tenant. It owns its texts. The host adds base URL, credentials and, for
/// methods other than GET, HEAD and OPTIONS, the Idempotency-Key. Made by get, post, put, patch or request:
///
///   auto sent = call.http(post("/things").header("Accept", "text/plain").body(text));
class Request {
 public:
  explicit Request(std::string method, std::string path) : method_(std::move(method)), path_(std::move(path)) {}

  /// Adds a header. Authorization, Cookie, Host, Content-Length and Transfer-Encoding are the host's: refused.
  Request& header(std::string name, std::string value) & {
    headers_.push_back({std::move(name), std::move(value)});
    return *this;
  }
  /// At most 1,000,000 bytes.
  Request& body(std::string bytes) & {
    body_ = std::move(bytes);
    return *this;
  }
  /// The body and the header `Content-Type: application/json`. `value` is JSON text, or a value of a library whose
  /// serialize(value) gives it, such as Boost.JSON.
  template <typename V>
  Request& json(const V& value) & {
    if constexpr (std::is_convertible_v<const V&, std::string_view>) {
      body_ = std::string(std::string_view(value));
    } else {
      body_ = serialize(value);
    }
    return header("Content-Type", "application/json");
  }
  /// Instead of the connection that the call names.
  Request& connection(std::string name) & {
    connection_ = std::move(name);
    return *this;
  }
  /// Instead of what is left of the call's time.
  Request& timeout_ms(std::uint64_t timeout) & noexcept {
    timeout_ms_ = timeout;
    return *this;
  }

  /// The same on a request that is written in place.
  Request header(std::string name, std::string value) && {
    return std::move(header(std::move(name), std::move(value)));
  }
  Request body(std::string bytes) && { return std::move(body(std::move(bytes))); }
  template <typename V>
  Request json(const V& value) && {
    return std::move(json(value));
  }
  Request connection(std::string name) && { return std::move(connection(std::move(name))); }
  Request timeout_ms(std::uint64_t timeout) && { return std::move(timeout_ms(timeout)); }

  [[nodiscard]] const std::string& method() const noexcept { return method_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const std::vector<Header>& headers() const noexcept { return headers_; }
  [[nodiscard]] const std::string& body() const noexcept { return body_; }
  [[nodiscard]] const std::string& connection() const noexcept { return connection_; }
  [[nodiscard]] std::uint64_t timeout_ms() const noexcept { return timeout_ms_; }

 private:
  std::string method_;
  std::string path_;
  std::vector<Header> headers_;
  std::string body_;
  std::string connection_;
  std::uint64_t timeout_ms_ = 0;
};

/// A request of that method. `path` begins with '/', may have a query, and is appended to the base URL's path.
[[nodiscard]] inline Request request(std::string method, std::string path) {
  return Request(std::move(method), std::move(path));
}
[[nodiscard]] inline Request get(std::string path) {
  return request("GET", std::move(path));
}
[[nodiscard]] inline Request post(std::string path) {
  return request("POST", std::move(path));
}
[[nodiscard]] inline Request put(std::string path) {
  return request("PUT", std::move(path));
}
[[nodiscard]] inline Request patch(std::string path) {
  return request("PATCH", std::move(path));
}

[[nodiscard]] inline bool same_header_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

struct Response {
  int status = 0;
  std::vector<Header> headers = {};
  std::string body = {};

  [[nodiscard]] bool ok() const noexcept { return status >= 200 && status <= 299; }
  /// The first header of that name, without regard to case; borrowed from the response.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
    for (const Header& header : headers)
      if (same_header_name(header.name, name)) return header.value;
    return std::nullopt;
  }
};

/// What a plugin's store of the tenant answers: to get one entry or none, to put the entry without its value, to erase
/// none, to list those of the page.
struct Stored {
  struct Entry {
    std::string key;
    std::string value;  ///< JSON
    std::uint64_t revision = 0;
  };
  std::vector<Entry> entries = {};
  bool has_more = false;  ///< list: behind the last entry

  [[nodiscard]] bool empty() const noexcept { return entries.empty(); }
  /// Of the first entry; empty where there is none.
  [[nodiscard]] std::string_view value() const noexcept {
    return entries.empty() ? std::string_view() : std::string_view(entries.front().value);
  }
  /// Of the first entry; 0 where there is none, so that it can be expected of a put.
  [[nodiscard]] std::uint64_t revision() const noexcept { return entries.empty() ? 0 : entries.front().revision; }
};

/// What is answered about blobs (trv.blob/1): to store and read one entry, to list those of the page, else none.
struct KeptBlobs {
  struct Entry {
    std::string digest;  ///< SHA-256 in 64 hexadecimal digits
    std::uint64_t byte_count = 0;
    std::string media_type;
    std::string name;
  };
  std::vector<Entry> entries = {};
  std::string bytes = {};  ///< read: the part
  bool has_more = false;   ///< behind the part, or the last entry

  /// Of the first entry; empty where there is none.
  [[nodiscard]] std::string_view digest() const noexcept {
    return entries.empty() ? std::string_view() : std::string_view(entries.front().digest);
  }
  /// Of the first entry, whole; 0 where there is none.
  [[nodiscard]] std::uint64_t byte_count() const noexcept { return entries.empty() ? 0 : entries.front().byte_count; }
};

/// The bytes of a signature.
struct Signature {
  std::string bytes;
};

/// An event that was recorded.
struct Emitted {
  std::string id;
};

/// Of an answer that comes in parts.
struct Part {
  std::string bytes = {};

  /// Without bytes: the answer is whole.
  [[nodiscard]] bool is_last() const noexcept { return bytes.empty(); }
};

/// A part of an answer is on its way to the client.
struct Written {};

/// An answer in parts is whole, or why it is not; see Parts.
struct Ended {
  std::uint64_t stream_id = 0;
  std::optional<Failure> failure = std::nullopt;
};

/// What arrives for a plugin that waits.
using Arrival = std::variant<Response, Stored, KeptBlobs, Signature, Emitted, Part, Written, Failure>;

}  // namespace trv::sdk
