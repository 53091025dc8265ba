#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>

#include "kernel/expression/builtins/builtin.hpp"

namespace trv::expression {
namespace {

bool all_numbers(NativeCall& call, int arguments) {
  if (!call.input().is_number()) {
    call.fail(fmt::format("{} number required", describe(call.input())));
    return false;
  }
  for (int i = 0; i < arguments; ++i) {
    if (!call.argument(i).is_number()) {
      call.fail(fmt::format("{} number required", describe(call.argument(i))));
      return false;
    }
  }
  return true;
}

template <double (*function)(double)>
json::Value unary(NativeCall& call) {
  if (!all_numbers(call, 0)) return {};
  return json::Value(function(call.input().as_double()));
}

// Rounding leaves an exact integer as it is.
template <double (*function)(double)>
json::Value rounding(NativeCall& call) {
  return call.input().is_int() ? call.input() : unary<function>(call);
}

template <double (*function)(double, double)>
json::Value binary(NativeCall& call) {
  if (!call.argument(0).is_number() || !call.argument(1).is_number()) {
    const json::Value& wrong = call.argument(0).is_number() ? call.argument(1) : call.argument(0);
    return call.fail(fmt::format("{} number required", describe(wrong)));
  }
  return json::Value(function(call.argument(0).as_double(), call.argument(1).as_double()));
}

double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}
double to_significand(double x) {
  if (x == 0 || std::isinf(x) || std::isnan(x)) return x;
  int exponent = 0;
  return 2 * std::frexp(x, &exponent);
}
double scale_whole(double x, double exponent) {
  return std::ldexp(x, static_cast<int>(std::isnan(exponent) ? 0 : std::fmax(std::fmin(exponent, 1e5), -1e5)));
}

// libm's work grows with the order.
template <double (*function)(int, double)>
json::Value bessel(NativeCall& call) {
  for (int i = 0; i < 2; ++i) {
    if (!call.argument(i).is_number()) {
      return call.fail(fmt::format("{} number required", describe(call.argument(i))));
    }
  }
  constexpr double order_max = 2e9;
  constexpr double orders_per_fuel = 4;
  const double order = std::trunc(call.argument(0).as_double());
  if (!(std::fabs(order) <= order_max)) return json::Value(std::numeric_limits<double>::quiet_NaN());
  if (!call.charge(static_cast<std::uint64_t>(std::fabs(order) / orders_per_fuel))) return {};
  return json::Value(function(static_cast<int>(order), call.argument(1).as_double()));
}

json::Value is_infinite(NativeCall& call) {
  if (!call.input().is_number()) return json::Value(false);
  return json::Value(static_cast<bool>(std::isinf(call.input().as_double())));
}
json::Value is_nan(NativeCall& call) {
  if (!call.input().is_number()) return json::Value(false);
  return json::Value(static_cast<bool>(std::isnan(call.input().as_double())));
}
json::Value is_normal(NativeCall& call) {
  if (!call.input().is_number()) return json::Value(false);
  return json::Value(static_cast<bool>(std::isnormal(call.input().as_double())));
}
json::Value infinite(NativeCall&) {
  return json::Value(std::numeric_limits<double>::infinity());
}
json::Value nan(NativeCall&) {
  return json::Value(std::numeric_limits<double>::quiet_NaN());
}
json::Value fused_multiply_add(NativeCall& call) {
  for (int i = 0; i < 3; ++i) {
    if (!call.argument(i).is_number()) {
      return call.fail(fmt::format("{} number required", describe(call.argument(i))));
    }
  }
  return json::Value(
      std::fma(call.argument(0).as_double(), call.argument(1).as_double(), call.argument(2).as_double()));
}
json::Value split_exponent(NativeCall& call) {
  if (!all_numbers(call, 0)) return {};
  int exponent = 0;
  const double fraction = std::frexp(call.input().as_double(), &exponent);
  return json::Value::array({json::Value(fraction), json::Value(exponent)});
}
json::Value split_fraction(NativeCall& call) {
  if (!all_numbers(call, 0)) return {};
  double whole = 0;
  const double fraction = std::modf(call.input().as_double(), &whole);
  return json::Value::array({json::Value(fraction), json::Value(whole)});
}
json::Value signed_log_gamma(NativeCall& call) {
  if (!all_numbers(call, 0)) return {};
  int sign = 0;
  const double value = ::lgamma_r(call.input().as_double(), &sign);
  return json::Value::array({json::Value(value), json::Value(sign)});
}
template <bool answer>
json::Value constant(NativeCall&) {
  return json::Value(answer);
}

constexpr auto natives = std::to_array<Native>({
    {"floor", 0, rounding<std::floor>},
    {"ceil", 0, rounding<std::ceil>},
    {"round", 0, rounding<std::round>},
    {"trunc", 0, rounding<std::trunc>},
    {"rint", 0, rounding<std::rint>},
    {"nearbyint", 0, rounding<std::nearbyint>},
    {"sqrt", 0, unary<std::sqrt>},
    {"cbrt", 0, unary<std::cbrt>},
    {"fabs", 0, unary<std::fabs>},
    {"sin", 0, unary<std::sin>},
    {"cos", 0, unary<std::cos>},
    {"tan", 0, unary<std::tan>},
    {"asin", 0, unary<std::asin>},
    {"acos", 0, unary<std::acos>},
    {"atan", 0, unary<std::atan>},
    {"sinh", 0, unary<std::sinh>},
    {"cosh", 0, unary<std::cosh>},
    {"tanh", 0, unary<std::tanh>},
    {"asinh", 0, unary<std::asinh>},
    {"acosh", 0, unary<std::acosh>},
    {"atanh", 0, unary<std::atanh>},
    {"exp", 0, unary<std::exp>},
    {"exp2", 0, unary<std::exp2>},
    {"exp10", 0, unary<::exp10>},
    {"expm1", 0, unary<std::expm1>},
    {"log", 0, unary<std::log>},
    {"log2", 0, unary<std::log2>},
    {"log10", 0, unary<std::log10>},
    {"log1p", 0, unary<std::log1p>},
    {"logb", 0, unary<std::logb>},
    {"gamma", 0, unary<log_gamma>},
    {"lgamma", 0, unary<log_gamma>},
    {"tgamma", 0, unary<std::tgamma>},
    {"lgamma_r", 0, signed_log_gamma},
    {"significand", 0, unary<to_significand>},
    {"frexp", 0, split_exponent},
    {"modf", 0, split_fraction},
    {"j0", 0, unary<::j0>},
    {"j1", 0, unary<::j1>},
    {"y0", 0, unary<::y0>},
    {"y1", 0, unary<::y1>},
    {"erf", 0, unary<std::erf>},
    {"erfc", 0, unary<std::erfc>},
    {"pow", 2, binary<std::pow>},
    {"atan2", 2, binary<std::atan2>},
    {"fmod", 2, binary<std::fmod>},
    {"ldexp", 2, binary<scale_whole>},
    {"scalb", 2, binary<::scalb>},
    {"scalbln", 2, binary<scale_whole>},
    {"hypot", 2, binary<std::hypot>},
    {"remainder", 2, binary<std::remainder>},
    {"jn", 2, bessel<::jn>},
    {"yn", 2, bessel<::yn>},
    {"copysign", 2, binary<std::copysign>},
    {"drem", 2, binary<std::remainder>},
    {"fmin", 2, binary<std::fmin>},
    {"fmax", 2, binary<std::fmax>},
    {"fdim", 2, binary<std::fdim>},
    {"nextafter", 2, binary<std::nextafter>},
    {"nexttoward", 2, binary<std::nextafter>},
    {"fma", 3, fused_multiply_add},
    {"infinite", 0, infinite},
    {"nan", 0, nan},
    {"isinfinite", 0, is_infinite},
    {"isnan", 0, is_nan},
    {"isnormal", 0, is_normal},
    {"have_literal_numbers", 0, constant<true>},
    {"have_decnum", 0, constant<false>},
});

}  // namespace

std::span<const Native> math_natives() noexcept {
  return natives;
}

}  // namespace trv::expression
