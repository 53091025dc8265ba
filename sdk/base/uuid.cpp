#include "sdk/base/uuid.hpp"

#include <algorithm>

#include "sdk/base/contract.hpp"
#include "sdk/base/hex_digit.hpp"

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
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text(36, '-');
  char* to = text.data();
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++to;
    *to++ = digits[bytes_[i] >> 4];
    *to++ = digits[bytes_[i] & 15];
  }
  return text;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes_.size(); ++i) {
    if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-') return std::nullopt;
    const int high = hex_value(text[at]);
    const int low = hex_value(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes_[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
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
