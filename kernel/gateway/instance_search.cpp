#include "kernel/gateway/instance_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using base::ErrorCode;
using base::fail;

/// Of what a message repeats.
constexpr std::size_t shown_bytes_max = 80;

base::Result<std::optional<instance::Status>> status_in(std::optional<std::string_view> text) {
  using instance::Status;
  if (!text) return std::nullopt;
  for (const Status status : {Status::running, Status::completed, Status::faulted, Status::cancelled, Status::suspended,
                              Status::compensating}) {
    if (*text == instance::to_string(status)) return status;
  }
  return fail(
      ErrorCode::invalid,
      fmt::format("status '{}' is not known; use running, suspended, compensating, completed, faulted, cancelled, or "
                  "active for those that have not ended",
                  base::utf8_prefix(*text, shown_bytes_max)));
}

/// Whether a document can have this as its namespace or name.
bool is_name(std::string_view text) {
  const auto character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, character);
}

/// NAMESPACE/NAME, both as a document can have them.
base::Result<std::string> workflow_in(std::optional<std::string_view> text) {
  if (!text) return std::string();
  const std::size_t slash = text->find('/');
  const bool pair =
      slash != std::string_view::npos && is_name(text->substr(0, slash)) && is_name(text->substr(slash + 1));
  if (pair) return std::string(*text);
  return fail(ErrorCode::invalid, fmt::format("workflow '{}' is not a NAMESPACE/NAME, for example demo/hello",
                                              base::utf8_prefix(*text, shown_bytes_max)));
}

/// How long ago "90s", "15m", "2h" or "7d" is; nullopt for another text.
std::optional<base::Duration> age_in(std::string_view text) {
  constexpr std::size_t digits_max = 9;
  if (text.size() < 2 || text.size() > digits_max + 1) return std::nullopt;
  std::uint32_t count = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto [at, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || at != end) return std::nullopt;
  const std::string_view units = "smhd";
  constexpr std::array<std::int64_t, 4> seconds_of = {1, 60, 3'600, 86'400};
  const std::size_t unit = units.find(*end);
  if (unit == std::string_view::npos) return std::nullopt;
  constexpr std::int64_t seconds_max = std::int64_t{100} * 365 * 86'400;
  return std::chrono::seconds(std::min(count * seconds_of[unit], seconds_max));
}

base::Result<std::optional<base::Timestamp>> time_in(const node::Node& node, std::string_view name,
                                                     std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  if (const auto time = base::Timestamp::from_rfc3339(*text)) return *time;
  if (const auto age = age_in(*text)) return base::Timestamp(std::max<std::int64_t>(node.now().ns() - age->count(), 0));
  return fail(ErrorCode::invalid,
              fmt::format("{} '{}' is not a time; write one such as 2026-01-31T12:00:00Z, or how long ago it is: 90s, "
                          "15m, 2h or 7d",
                          name, base::utf8_prefix(*text, shown_bytes_max)));
}

}  // namespace

base::Status check_key(std::string_view name, std::string_view key) {
  const bool has_control = std::ranges::any_of(key, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!key.empty() && key.size() <= instance::name_bytes_max && base::is_utf8(key) && !has_control) return {};
  return fail(ErrorCode::invalid,
              fmt::format("{} has {} bytes{}; it must be 1 to {} bytes of UTF-8 without control characters", name,
                          key.size(), has_control ? " and a control character" : "", instance::name_bytes_max));
}

base::Result<instance::Search> search_of(const node::Node& node, const ParameterOf& parameter) {
  instance::Search search;
  search.has_not_ended = parameter("status") == "active";
  if (!search.has_not_ended) {
    TRV_TRY_ASSIGN(search.status, status_in(parameter("status")));
  }
  if (const auto flag = parameter("not_compensated")) {
    if (*flag != "true" && *flag != "false") {
      return fail(ErrorCode::invalid, fmt::format("not_compensated must be true or false, not '{}'",
                                                  base::utf8_prefix(*flag, shown_bytes_max)));
    }
    search.not_compensated = *flag == "true";
  }
  TRV_TRY_ASSIGN(search.workflow, workflow_in(parameter("workflow")));
  TRV_TRY_ASSIGN(search.since, time_in(node, "since", parameter("since")));
  TRV_TRY_ASSIGN(search.until, time_in(node, "until", parameter("until")));
  if (const auto key = parameter("key")) {
    TRV_TRY(check_key("key", *key));
    search.key = *key;
  }
  if (const auto correlation = parameter("correlation")) {
    TRV_TRY(check_key("correlation", *correlation));
    if (correlation->find('=') == std::string_view::npos) {
      return fail(ErrorCode::invalid, fmt::format("correlation '{}' is not NAME=VALUE, for example order=17",
                                                  base::utf8_prefix(*correlation, shown_bytes_max)));
    }
    search.correlation = *correlation;
  }
  if (const auto error = parameter("error")) {
    TRV_TRY(check_key("error", *error));
    if (search.has_not_ended || (search.status && *search.status != instance::Status::faulted)) {
      return fail(ErrorCode::invalid,
                  fmt::format("error is of faulted instances only; leave status '{}' out", *parameter("status")));
    }
    search.error = *error;
  }
  return search;
}

}  // namespace trv::gateway
