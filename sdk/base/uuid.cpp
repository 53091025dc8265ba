#include "sdk/base/uuid.hpp"

#include <algorithm>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::base {
namespace {

void put_time(std::array<std::uint8_t, 16>& bytes, std::int64_t ms) {
  TRV_EXPECTS(ms >= 0 && ms < std::int64_t{1} << 48);
  for (int i = 0; i < 6; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  bytes[6] = static_cast<std::uint8_t>(0x70 | (bytes[6] & 0x0f));
  bytes[8] = static_cast<std::uint8_t>(0x80 | (bytes[8] & 0x3f));
}

}  // namespace

std::string Uuid::to_string() const {
  const std::string hex = to_hex(bytes_);
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
    text += hex[i];
  }
  return text;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  std::string hex;
  hex.reserve(32);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash != (text[i] == '-')) return std::nullopt;
    if (!is_dash) hex += text[i];
  }
  const auto bytes = from_hex(hex);
  if (!bytes || bytes->size() != 16) return std::nullopt;
  Uuid uuid;
  std::ranges::copy(*bytes, uuid.bytes_.begin());
  return uuid;
}

Uuid Uuid::v7(Timestamp time, Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  put_time(bytes, time.ms());
  return Uuid(bytes);
}

Uuid UuidSource::next(Timestamp time) {
  std::array<std::uint8_t, 16> bytes{};
  random_.fill(bytes);
  // RFC 9562 §6.2 method 1: the 12 bits after the version are a counter within the millisecond.
  const std::int64_t ms = std::max(time.ms(), last_ms_);
  if (ms > last_ms_) {
    last_ms_ = ms;
    counter_ = bytes[6] & 0x07U;
  } else if (++counter_ > 0xfff) {
    ++last_ms_;
    counter_ = 0;
  }
  bytes[6] = static_cast<std::uint8_t>(counter_ >> 8);
  bytes[7] = static_cast<std::uint8_t>(counter_);
  put_time(bytes, last_ms_);
  return Uuid(bytes);
}

}  // namespace trv::base
