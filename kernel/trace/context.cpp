#include "kernel/trace/context.hpp"

#include <algorithm>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/hex_digit.hpp"

namespace trv::trace {
namespace {

constexpr std::size_t traceparent_size = 55;

bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'F';
}

/// False: the text is not lower-case hexadecimal, or is all zeros.
template <std::size_t size>
bool read_hex(std::string_view text, std::array<std::uint8_t, size>& to) noexcept {
  unsigned any = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const char first = text[2 * i];
    const char second = text[2 * i + 1];
    const int high = base::hex_value(first);
    const int low = base::hex_value(second);
    if (high < 0 || low < 0 || is_upper(first) || is_upper(second)) return false;
    to[i] = static_cast<std::uint8_t>(high * 16 + low);
    any |= to[i];
  }
  return any != 0;
}

/// Bytes of a digest; not all 0.
template <std::size_t size>
void take_bytes(const base::Digest& digest, std::size_t from, std::array<std::uint8_t, size>& to) {
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
  const base::Digest digest = base::sha256(base::as_bytes(name));
  take_bytes(digest, 0, out.trace);
  take_bytes(digest, out.trace.size(), out.span);
  return out;
}

Context Context::child(std::string_view name) const {
  Context out = *this;
  take_bytes(base::sha256({base::as_bytes(span_text()), base::as_bytes(name)}), 0, out.span);
  return out;
}

std::string Context::to_traceparent() const {
  std::string text = "00-00000000000000000000000000000000-0000000000000000-00";
  base::put_hex(text.data() + 3, trace.data(), trace.size());
  base::put_hex(text.data() + 36, span.data(), span.size());
  if (is_sampled) text.back() = '1';
  TRV_ENSURES(text.size() == traceparent_size);
  return text;
}

std::string Context::trace_text() const {
  return base::to_hex(trace);
}

std::string Context::span_text() const {
  return base::to_hex(span);
}

}  // namespace trv::trace
