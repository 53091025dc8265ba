#include "kernel/json_schema/format.hpp"

#include <algorithm>
#include <array>

#include "kernel/json_schema/pattern.hpp"
#include "kernel/json_schema/uri.hpp"
#include "sdk/base/hex_digit.hpp"

namespace trv::json_schema {
namespace {

struct Row {
  std::string_view name;
  Format format;
  std::string_view description;
};
// In the order of Format.
constexpr auto rows = std::to_array<Row>({
    {"date-time", Format::date_time, "a time with date and zone such as 2026-01-31T12:00:00Z"},
    {"date", Format::date, "a date such as 2026-01-31"},
    {"time", Format::time, "a time with zone such as 12:00:00Z"},
    {"duration", Format::duration, "a duration such as P1DT12H"},
    {"email", Format::email, "an email address such as anna@example.com"},
    {"hostname", Format::hostname, "a host name such as www.example.com"},
    {"ipv4", Format::ipv4, "an IPv4 address such as 192.0.2.1"},
    {"ipv6", Format::ipv6, "an IPv6 address such as 2001:db8::1"},
    {"uri", Format::uri, "a URI such as https://example.com/a"},
    {"uri-reference", Format::uri_reference, "a URI or a relative reference such as /a?b"},
    {"uuid", Format::uuid, "a UUID such as 00112233-4455-6677-8899-aabbccddeeff"},
    {"json-pointer", Format::json_pointer, "a JSON Pointer such as /a/0"},
    {"relative-json-pointer", Format::relative_json_pointer, "a relative JSON Pointer such as 1/a"},
    {"regex", Format::regex, "a regular expression"},
});

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Reads a text from the front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : rest_(text) {}

  bool take(char wanted) noexcept {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_any(std::string_view wanted) noexcept {
    return !rest_.empty() && wanted.contains(rest_.front()) && take(rest_.front());
  }
  /// Exactly so many digits, or -1.
  int number(std::size_t digits) noexcept {
    if (rest_.size() < digits) return -1;
    int value = 0;
    for (const char c : rest_.substr(0, digits)) {
      if (!is_digit(c)) return -1;
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return value;
  }
  /// As many digits as there are.
  std::size_t digits() noexcept {
    const auto* end = std::ranges::find_if_not(rest_, is_digit);
    const auto count = static_cast<std::size_t>(end - rest_.begin());
    rest_.remove_prefix(count);
    return count;
  }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool take_date(Scanner& scanner) {
  const int year = scanner.number(4);
  if (year < 0 || !scanner.take('-')) return false;
  const int month = scanner.number(2);
  if (month < 1 || month > 12 || !scanner.take('-')) return false;
  const int day = scanner.number(2);
  constexpr std::array<int, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day >= 1 && day <= days[static_cast<std::size_t>(month) - 1] + (month == 2 && leap ? 1 : 0);
}

bool take_time(Scanner& scanner) {
  const int hour = scanner.number(2);
  if (hour < 0 || hour > 23 || !scanner.take(':')) return false;
  const int minute = scanner.number(2);
  if (minute < 0 || minute > 59 || !scanner.take(':')) return false;
  const int second = scanner.number(2);
  if (second < 0 || second > 60) return false;
  if (scanner.take('.') && scanner.digits() == 0) return false;
  int offset_minutes = 0;
  if (!scanner.take_any("Zz")) {
    const bool minus = scanner.take('-');
    if (!minus && !scanner.take('+')) return false;
    const int zone_hour = scanner.number(2);
    if (zone_hour < 0 || zone_hour > 23 || !scanner.take(':')) return false;
    const int zone_minute = scanner.number(2);
    if (zone_minute < 0 || zone_minute > 59) return false;
    offset_minutes = (zone_hour * 60 + zone_minute) * (minus ? -1 : 1);
  }
  // Leap seconds end a day in UTC.
  constexpr int day_minutes = 24 * 60;
  return second < 60 || (hour * 60 + minute - offset_minutes + 2 * day_minutes) % day_minutes == day_minutes - 1;
}

bool is_date_time(std::string_view text) {
  Scanner scanner(text);
  return take_date(scanner) && scanner.take_any("Tt") && take_time(scanner) && scanner.at_end();
}

/// ISO 8601 as RFC 3339 appendix A has it: units in order and without gaps, weeks alone.
bool is_duration(std::string_view text) {
  Scanner scanner(text);
  if (!scanner.take('P')) return false;
  const auto units = [&](std::string_view order) {
    std::size_t next = 0;
    bool any = false;
    while (!scanner.at_end()) {
      Scanner ahead = scanner;
      if (ahead.digits() == 0) break;
      const std::size_t before = next;
      while (next < order.size() && !ahead.take(order[next])) ++next;
      if (next == order.size() || (any && next != before)) return -1;
      ++next;
      any = true;
      scanner = ahead;
    }
    return any ? 1 : 0;
  };
  Scanner weeks = scanner;
  if (weeks.digits() > 0 && weeks.take('W')) return weeks.at_end();
  const int days = units("YMD");
  if (days < 0) return false;
  if (scanner.at_end()) return days > 0;
  return scanner.take('T') && units("HMS") > 0 && scanner.at_end();
}

bool is_hostname(std::string_view text) {
  constexpr std::size_t bytes_max = 253;
  constexpr std::size_t label_max = 63;
  if (text.empty() || text.size() > bytes_max) return false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view label = text.substr(begin, end - begin);
    if (label.empty() || label.size() > label_max || label.front() == '-' || label.back() == '-') return false;
    if (!std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; })) return false;
    // Reserved for encoded names, which are checked no further.
    if (label.size() > 3 && label.substr(2).starts_with("--") && !label.starts_with("xn--") &&
        !label.starts_with("XN--"))
      return false;
    begin = end + 1;
  }
  return true;
}

bool is_ipv4(std::string_view text) {
  int parts = 0;
  for (std::size_t begin = 0; begin <= text.size(); ++parts) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    if (part.empty() || part.size() > 3 || !std::ranges::all_of(part, is_digit)) return false;
    if (part.size() > 1 && part.front() == '0') return false;
    if (part.size() == 3 && part > "255") return false;
    begin = end + 1;
  }
  return parts == 4;
}

bool is_ipv6(std::string_view text) {
  constexpr int groups_max = 8;
  int groups = 0;
  bool gap = false;
  std::size_t at = 0;
  if (text.starts_with("::")) {
    gap = true;
    at = 2;
  }
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(':', at), text.size());
    const std::string_view group = text.substr(at, end - at);
    if (group.contains('.')) {
      if (end != text.size() || !is_ipv4(group)) return false;
      groups += 2;
      break;
    }
    if (group.empty() || group.size() > 4) return false;
    if (!std::ranges::all_of(group, [](char c) { return base::hex_value(c) >= 0; })) return false;
    ++groups;
    at = end;
    if (at == text.size()) break;
    ++at;
    if (at == text.size()) return false;
    if (text[at] == ':') {
      if (gap) return false;
      gap = true;
      ++at;
    }
  }
  return gap ? groups < groups_max : groups == groups_max;
}

bool is_email(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) return false;
  const std::string_view local = text.substr(0, at);
  std::string_view domain = text.substr(at + 1);
  if (domain.starts_with('[') && domain.ends_with(']')) {
    domain = domain.substr(1, domain.size() - 2);
    return domain.starts_with("IPv6:") ? is_ipv6(domain.substr(5)) : is_ipv4(domain);
  }
  if (!is_hostname(domain)) return false;
  if (local.size() > 2 && local.front() == '"' && local.back() == '"') return true;
  constexpr std::string_view specials = "!#$%&'*+-/=?^_`{|}~.";
  return local.front() != '.' && local.back() != '.' && !local.contains("..") &&
         std::ranges::all_of(local, [&](char c) { return is_alphanumeric(c) || specials.contains(c); });
}

bool is_uuid(std::string_view text) {
  constexpr std::size_t length = 36;
  if (text.size() != length) return false;
  for (std::size_t i = 0; i < length; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : base::hex_value(text[i]) < 0) return false;
  }
  return true;
}

bool is_relative_pointer(std::string_view text) {
  const auto* end = std::ranges::find_if_not(text, is_digit);
  const auto digits = static_cast<std::size_t>(end - text.begin());
  if (digits == 0 || (digits > 1 && text.front() == '0')) return false;
  const std::string_view rest = text.substr(digits);
  return rest == "#" || pointer_tokens(rest).has_value();
}

}  // namespace

std::optional<Format> format_of_name(std::string_view name) noexcept {
  const auto* found = std::ranges::find(rows, name, &Row::name);
  if (found == rows.end()) return std::nullopt;
  return found->format;
}

std::string_view description(Format format) noexcept {
  return std::ranges::find(rows, format, &Row::format)->description;
}

bool has_format(std::string_view text, Format format) {
  switch (format) {
    case Format::date_time: return is_date_time(text);
    case Format::date: {
      Scanner scanner(text);
      return take_date(scanner) && scanner.at_end();
    }
    case Format::time: {
      Scanner scanner(text);
      return take_time(scanner) && scanner.at_end();
    }
    case Format::duration: return is_duration(text);
    case Format::email: return is_email(text);
    case Format::hostname: return is_hostname(text);
    case Format::ipv4: return is_ipv4(text);
    case Format::ipv6: return is_ipv6(text);
    case Format::uri: return is_uri(text);
    case Format::uri_reference: return is_uri_reference(text);
    case Format::uuid: return is_uuid(text);
    case Format::json_pointer: return pointer_tokens(text).has_value();
    case Format::relative_json_pointer: return is_relative_pointer(text);
    case Format::regex: return Pattern::compile(text).has_value();
  }
  return true;
}

}  // namespace trv::json_schema
