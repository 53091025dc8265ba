#pragma once
// The values that a plugin author handles: failures, HTTP requests and responses. All own their bytes. C++20.

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
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

/// Borrowed.
struct HeaderView {
  std::string_view name = {};
  std::string_view value = {};
};

/// Headers of a request, written in place, `{{"Accept", "text/plain"}, {"X-Version", "1"}}`, up to eight; or a borrowed
/// vector of any size.
class RequestHeaders {
 public:
  RequestHeaders() = default;
  RequestHeaders(HeaderView first, HeaderView second = {}, HeaderView third = {}, HeaderView fourth = {},
                 HeaderView fifth = {}, HeaderView sixth = {}, HeaderView seventh = {}, HeaderView eighth = {}) noexcept
      : own_{first, second, third, fourth, fifth, sixth, seventh, eighth} {}
  template <std::same_as<std::vector<Header>> List>
  RequestHeaders(const List& list) noexcept : list_(list) {}

  template <typename F>
  void for_each(F&& visit) const {
    for (const HeaderView& header : own_)
      if (!header.name.empty()) visit(header);
    for (const Header& header : list_) visit(HeaderView{header.name, header.value});
  }

 private:
  std::array<HeaderView, 8> own_ = {};
  std::span<const Header> list_ = {};
};

/// An HTTP request through a connection of the tenant. The host adds base URL, credentials and, for methods other than
/// GET, HEAD and OPTIONS, the Idempotency-Key.
///
/// Everything is borrowed, so write it in place, as the argument of Call::http, which takes nothing else. (It must stay
/// trivially copyable: g++ 12 destroys members of an aggregate twice where it is made inside a co_await.)
struct Request {
  std::string_view method = "GET";
  std::string_view path = {};  ///< begins with '/', may have a query; appended to the base URL's path
  std::string_view body = {};
  RequestHeaders headers = {};
  std::string_view connection = {};  ///< empty = the connection that the call names
  std::uint64_t timeout_ms = 0;      ///< 0 = what is left of the call's time
};
static_assert(std::is_trivially_copyable_v<Request>);

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

/// A response, whatever its status, or the reason why none arrived.
class HttpResult {
 public:
  HttpResult(Response response) : value_(std::move(response)) {}
  HttpResult(Failure failure) : value_(std::move(failure)) {}

  [[nodiscard]] explicit operator bool() const noexcept { return std::holds_alternative<Response>(value_); }
  /// Only where a response arrived; throws std::bad_variant_access otherwise, which ends the call as internal.
  [[nodiscard]] const Response& operator*() const { return std::get<Response>(value_); }
  [[nodiscard]] const Response* operator->() const { return &std::get<Response>(value_); }
  /// Only where none arrived.
  [[nodiscard]] const Failure& failure() const { return std::get<Failure>(value_); }

 private:
  std::variant<Response, Failure> value_;
};

}  // namespace trv::sdk
