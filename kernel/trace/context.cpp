#include "kernel/trace/context.hpp"

#include <algorithm>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/hex_digit.hpp"

namespace trv::trace {
namespace {

constexpr std::size_t traceparent_size = 55;

/// False: the text is not lower-case hexadecimal, or is all zeros.
template <std::size_t size>
bool read_hex(std::string_view text, std::array<std::uint8_t, size>& to) noexcept {
  if (std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'F'; })) return false;
  bool is_zero = true;
  for (std::size_t i = 0; i < size; ++i) {
    const int high = base::hex_value(text[2 * i]);
    const int low = base::hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    to[i] = static_cast<std::uint8_t>(high * 16 + low);
    is_zero = is_zero && to[i] == 0;
  }
  return !is_zero;
}

/// The first bytes of the digest of a text; not all 0.
template <std::size_t size>
void name_bytes(std::string_view text, std::array<std::uint8_t, size>& to, std::size_t from) {
  const auto digest = base::sha256(base::as_bytes(text));
  for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<std::uint8_t>(digest[from + i]);
  if (std::ranges::all_of(to, [](std::uint8_t byte) { return byte == 0; })) to.back() = 1;
}

}  // namespace

std::optional<Context> Context::parse(std::string_view traceparent) noexcept {
  if (traceparent.size() != traceparent_size || !traceparent.starts_with("00-") || traceparent[35] != '-' ||
      traceparent[52] != '-') {
    return std::nullopt;
  }
  Context out;
  std::array<std::uint8_t, 1> flags{};
  if (!read_hex(traceparent.substr(3, 32), out.trace) || !read_hex(traceparent.substr(36, 16), out.span)) {
    return std::nullopt;
  }
  if (!read_hex(traceparent.substr(53, 2), flags) && traceparent.substr(53, 2) != "00") return std::nullopt;
  out.is_sampled = (flags[0] & 1U) != 0;
  return out;
}

Context Context::begin(std::string_view name, bool is_sampled) {
  Context out{.is_sampled = is_sampled};
  name_bytes(name, out.trace, 0);
  name_bytes(name, out.span, out.trace.size());
  return out;
}

Context Context::child(std::string_view name) const {
  Context out = *this;
  name_bytes(span_text() + std::string(name), out.span, 0);
  return out;
}

std::string Context::to_traceparent() const {
  return "00-" + trace_text() + "-" + span_text() + (is_sampled ? "-01" : "-00");
}

std::string Context::trace_text() const {
  return base::to_hex(trace);
}

std::string Context::span_text() const {
  return base::to_hex(span);
}

}  // namespace trv::trace
