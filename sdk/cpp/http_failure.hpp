#pragma once
// What an HTTP status means for a call: the Failure, whether a retry is safe, and how long to wait. C++20; any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sdk/cpp/values.hpp"

namespace trv::sdk {

inline constexpr std::uint64_t retry_after_ms_max = 24ULL * 60 * 60 * 1000;

/// A decimal number of at most 12 digits, nothing else.
[[nodiscard]] inline std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  if (text.empty() || text.size() > 12) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

/// Seconds since 1970 of an HTTP date in the preferred form of RFC 9110 §5.6.7, "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] inline std::optional<std::uint64_t> parse_http_date(std::string_view text) noexcept {
  static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(25) != " GMT" || text[3] != ',' || text[19] != ':' || text[22] != ':')
    return std::nullopt;
  const auto day = parse_decimal(text.substr(5, 2));
  const auto year = parse_decimal(text.substr(12, 4));
  const auto hour = parse_decimal(text.substr(17, 2));
  const auto minute = parse_decimal(text.substr(20, 2));
  const auto second = parse_decimal(text.substr(23, 2));
  std::uint64_t month = 0;
  while (month < months.size() && months[month] != text.substr(8, 3)) ++month;
  if (!day || !year || !hour || !minute || !second || month == months.size()) return std::nullopt;
  if (*year < 1970 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  // Days from civil date, with the year beginning in March.
  const std::uint64_t y = *year - (month < 2 ? 1 : 0);
  const std::uint64_t day_of_year = (153 * (month < 2 ? month + 10 : month - 2) + 2) / 5 + *day - 1;
  const std::uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719'468;
  return ((days * 24 + *hour) * 60 + *minute) * 60 + *second;
}

/// How long the service asks to wait, from Retry-After (seconds, or a date measured against the response's own Date),
/// at most one day; 0 where it does not say.
[[nodiscard]] inline std::uint64_t retry_after_ms(const Response& response) noexcept {
  const auto value = response.header("Retry-After");
  if (!value) return 0;
  std::optional<std::uint64_t> seconds = parse_decimal(*value);
  if (!seconds) {
    const auto until = parse_http_date(*value);
    const auto now = parse_http_date(response.header("Date").value_or(""));
    if (!until || !now) return 0;
    seconds = *until > *now ? *until - *now : 0;
  }
  return *seconds > retry_after_ms_max / 1000 ? retry_after_ms_max : *seconds * 1000;
}

[[nodiscard]] inline Code code_of_status(int status) noexcept {
  switch (status) {
    case 401: return Code::unauthenticated;
    case 402:
    case 403: return Code::denied;
    case 404:
    case 410: return Code::not_found;
    case 408: return Code::timeout;
    case 409:
    case 412: return Code::conflict;
    case 413: return Code::too_large;
    case 429: return Code::exhausted;
    default: return status >= 500 ? Code::unavailable : Code::invalid;
  }
}

/// The failure that a status outside 2xx means. 408, 429 and 5xx may be retried with the same idempotency key.
[[nodiscard]] inline Failure failure_of_status(const Response& response, std::string message) {
  Failure failure;
  failure.code = code_of_status(response.status);
  failure.message = std::move(message);
  failure.status = response.status;
  if (failure.code == Code::timeout || failure.code == Code::exhausted || failure.code == Code::unavailable) {
    failure.retry = Retry::safe;
    failure.retry_after_ms = retry_after_ms(response);
  }
  return failure;
}

}  // namespace trv::sdk
