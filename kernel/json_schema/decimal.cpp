#include "kernel/json_schema/decimal.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace trv::json_schema {
namespace {

__extension__ using Wide = unsigned __int128;

/// digits × 10^exponent; digits do not end with a 0 unless they are 0.
struct Decimal {
  std::uint64_t digits = 0;
  int exponent = 0;
};

Decimal normalised(Decimal decimal) {
  if (decimal.digits == 0) return {};
  for (; decimal.digits % 10 == 0; ++decimal.exponent) decimal.digits /= 10;
  return decimal;
}

/// Without sign, which divisibility does not see.
Decimal to_decimal(const json::Value& number) {
  if (number.is_int()) {
    const auto bits = static_cast<std::uint64_t>(number.as_int());
    return normalised({number.as_int() < 0 ? 0 - bits : bits, 0});
  }
  // Shortest text, as d.ddde±x: at most 17 digits.
  std::array<char, 40> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), std::fabs(number.as_double()),
                                     std::chars_format::scientific);
  Decimal decimal;
  bool behind_point = false;
  const char* at = text.data();
  for (; at != written.ptr && *at != 'e'; ++at) {
    if (*at == '.') {
      behind_point = true;
      continue;
    }
    decimal.digits = decimal.digits * 10 + static_cast<std::uint64_t>(*at - '0');
    if (behind_point) --decimal.exponent;
  }
  if (at != written.ptr) {
    int exponent = 0;
    ++at;
    if (at != written.ptr && *at == '+') ++at;
    std::from_chars(at, written.ptr, exponent);
    decimal.exponent += exponent;
  }
  return normalised(decimal);
}

std::uint64_t power_of_ten_modulo(int exponent, std::uint64_t modulus) {
  Wide result = 1 % modulus;
  Wide base = 10 % modulus;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result = result * base % modulus;
    base = base * base % modulus;
  }
  return static_cast<std::uint64_t>(result);
}

}  // namespace

bool is_whole(const json::Value& number) {
  TRV_EXPECTS(number.is_number());
  if (number.is_int()) return true;
  const double real = number.as_double();
  return std::isfinite(real) && std::trunc(real) == real;
}

bool is_multiple(const json::Value& number, const json::Value& divisor) {
  TRV_EXPECTS(number.is_number() && divisor.is_number());
  if (!std::isfinite(number.as_double())) return false;
  const Decimal a = to_decimal(number);
  const Decimal b = to_decimal(divisor);
  TRV_ASSERT(b.digits != 0);
  if (a.digits == 0) return true;
  const int shift = a.exponent - b.exponent;
  if (shift >= 0) {
    return static_cast<Wide>(a.digits % b.digits) * power_of_ten_modulo(shift, b.digits) % b.digits == 0;
  }
  // The digits would have to hold the divisor's many zeros as well, and they end with none.
  constexpr int digits_max = 20;
  if (-shift >= digits_max) return false;
  Wide scaled = b.digits;
  for (int i = shift; i < 0; ++i) scaled *= 10;
  return a.digits % scaled == 0;
}

}  // namespace trv::json_schema
