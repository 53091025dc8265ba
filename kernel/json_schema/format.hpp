#pragma once
// `format` as an assertion. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string_view>

namespace trv::json_schema {

enum class Format : std::uint8_t {
  date_time,
  date,
  time,
  duration,
  email,
  hostname,
  ipv4,
  ipv6,
  uri,
  uri_reference,
  uuid,
  json_pointer,
  relative_json_pointer,
  regex,
};

/// nullopt for names that stay annotations.
[[nodiscard]] std::optional<Format> format_of_name(std::string_view name) noexcept;
/// What such a text is, with an example: "a date such as 2026-01-31".
[[nodiscard]] std::string_view description(Format format) noexcept;
[[nodiscard]] bool has_format(std::string_view text, Format format);

}  // namespace trv::json_schema
