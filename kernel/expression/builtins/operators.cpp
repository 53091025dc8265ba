// Arithmetic, comparison and text of values, with jq's messages.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernel/expression/builtins/builtin.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::expression {
namespace {

constexpr std::size_t shown_bytes_max = 29;
constexpr std::size_t string_bytes_max = 0x3fff'ffff;
constexpr int merge_depth_max = 10'000;

json::Value cannot(const json::Value& left, const json::Value& right, std::string_view what, Allowance& allowance) {
  allowance.raise(json::Value(fmt::format("{} and {} cannot be {}", describe(left), describe(right), what)));
  return {};
}

json::Value add(json::Value left, const json::Value& right, Allowance& allowance) {
  if (left.is_null()) return right;
  if (right.is_null()) return left;
  if (left.is_int() && right.is_int()) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(left.as_int(), right.as_int(), &sum)) return json::Value(sum);
  }
  if (left.is_number() && right.is_number()) return json::Value(left.as_double() + right.as_double());
  if (left.is_string() && right.is_string()) {
    const std::size_t size = left.as_string().size() + right.as_string().size();
    if (!allowance.charge(right.as_string().size() / 64) || !allowance.room(size)) return {};
    left.append(right.as_string());
    return left;
  }
  if (left.is_array() && right.is_array()) {
    if (!allowance.charge(right.size() / 8) || !allowance.room((left.size() + right.size()) * sizeof(json::Value)))
      return {};
    const json::Value items = right;
    for (const json::Value& item : items.items()) left.push_back(item);
    return left;
  }
  if (left.is_object() && right.is_object()) {
    if (!allowance.charge(right.size() * 2) || !allowance.room((left.size() + right.size()) * sizeof(json::Entry)))
      return {};
    const json::Value entries = right;
    for (const json::Entry& entry : entries.entries()) left.set(entry.key, entry.value);
    return left;
  }
  return cannot(left, right, "added", allowance);
}

json::Value subtract(const json::Value& left, const json::Value& right, Allowance& allowance) {
  if (left.is_int() && right.is_int()) {
    std::int64_t difference = 0;
    if (!__builtin_sub_overflow(left.as_int(), right.as_int(), &difference)) return json::Value(difference);
  }
  if (left.is_number() && right.is_number()) return json::Value(left.as_double() - right.as_double());
  if (left.is_array() && right.is_array()) {
    json::Value rest = json::Value::array();
    for (const json::Value& item : left.items()) {
      bool found = false;
      for (const json::Value& other : right.items()) {
        json::Effort effort{.steps = allowance.fuel()};
        found = json::equal_within(item, other, effort);
        if (effort.too_deep) {
          allowance.raise(json::Value("Equality check too deep"));
          return {};
        }
        if (!allowance.charge(allowance.fuel() - effort.steps) || effort.out_of_steps) {
          allowance.stop(Allowance::Stop::fuel);
          return {};
        }
        if (found) break;
      }
      if (!found) rest.push_back(item);
    }
    return rest;
  }
  return cannot(left, right, "subtracted", allowance);
}

// Iterative: objects nest as deep as an attacker likes.
json::Value merge(json::Value left, const json::Value& right, Allowance& allowance) {
  struct Level {
    json::Value into;
    const json::Value* from;
    std::size_t next;
  };
  std::vector<Level> levels;
  levels.push_back({std::move(left), &right, 0});
  while (true) {
    Level& level = levels.back();
    if (!allowance.charge(2)) return {};
    if (level.next == level.from->size()) {
      json::Value done = std::move(level.into);
      levels.pop_back();
      if (levels.empty()) return done;
      Level& outer = levels.back();
      outer.into.set(outer.from->entries()[outer.next - 1].key, std::move(done));
      continue;
    }
    const json::Entry& entry = level.from->entries()[level.next++];
    const json::Value* present = level.into.find(entry.key);
    if (present == nullptr || !present->is_object() || !entry.value.is_object()) {
      if (allowance.meter().exceeded()) {
        allowance.stop(Allowance::Stop::memory);
        return {};
      }
      level.into.set(entry.key, entry.value);
      continue;
    }
    if (levels.size() > merge_depth_max) {
      allowance.raise(json::Value("Object merge too deep"));
      return {};
    }
    json::Value child = level.into.take(entry.key);
    levels.push_back({std::move(child), &entry.value, 0});
  }
}

json::Value repeat(const json::Value& text, double times, Allowance& allowance) {
  if (!(times >= 0)) return {};
  const std::string_view unit = text.as_string();
  if (unit.empty() || times < 1) return json::Value("");
  if (times * static_cast<double>(unit.size()) >= static_cast<double>(string_bytes_max) * 2) {
    allowance.raise(json::Value("Repeat string result too long"));
    return {};
  }
  const auto count = static_cast<std::size_t>(times);
  const std::size_t size = count * unit.size();
  if (!allowance.room(2 * size) || !allowance.charge(size / 64)) return {};
  std::string repeated;
  repeated.reserve(size);
  for (std::size_t i = 0; i < count; ++i) repeated += unit;
  return json::Value(repeated);
}

json::Value multiply(json::Value left, const json::Value& right, Allowance& allowance) {
  if (left.is_int() && right.is_int()) {
    std::int64_t product = 0;
    if (!__builtin_mul_overflow(left.as_int(), right.as_int(), &product)) return json::Value(product);
  }
  if (left.is_number() && right.is_number()) return json::Value(left.as_double() * right.as_double());
  if (left.is_string() && right.is_number()) return repeat(left, right.as_double(), allowance);
  if (left.is_number() && right.is_string()) return repeat(right, left.as_double(), allowance);
  if (left.is_object() && right.is_object()) {
    const json::Value from = right;
    return merge(std::move(left), from, allowance);
  }
  return cannot(left, right, "multiplied", allowance);
}

json::Value split(const json::Value& text, const json::Value& separator, Allowance& allowance) {
  std::string_view rest = text.as_string();
  const std::string_view between = separator.as_string();
  json::Value parts = json::Value::array();
  if (between.empty() && !allowance.charge(rest.size() / 2)) return {};
  while (!rest.empty()) {
    if (!allowance.room(64)) return {};
    std::size_t end = 0;
    if (between.empty()) {
      (void)base::next_code_point(rest, end);
      parts.push_back(json::Value(rest.substr(0, end)));
      rest.remove_prefix(end);
      continue;
    }
    end = find_text(rest, between, 0, allowance);
    if (allowance.stopped() != Allowance::Stop::none) return {};
    if (end == std::string_view::npos) {
      parts.push_back(json::Value(rest));
      return parts;
    }
    parts.push_back(json::Value(rest.substr(0, end)));
    rest.remove_prefix(end + between.size());
    if (rest.empty()) parts.push_back(json::Value(""));
  }
  return parts;
}

json::Value divide(const json::Value& left, const json::Value& right, Allowance& allowance) {
  if (left.is_number() && right.is_number()) {
    if (right.as_double() == 0) return cannot(left, right, "divided because the divisor is zero", allowance);
    if (left.is_int() && right.is_int() && right.as_int() != -1 && left.as_int() % right.as_int() == 0) {
      return json::Value(left.as_int() / right.as_int());
    }
    return json::Value(left.as_double() / right.as_double());
  }
  if (left.is_string() && right.is_string()) return split(left, right, allowance);
  return cannot(left, right, "divided", allowance);
}

std::int64_t clamp_to_int(const json::Value& number) {
  if (number.is_int()) return number.as_int();
  const double real = number.as_double();
  if (real >= 9223372036854775808.0) return std::numeric_limits<std::int64_t>::max();
  if (real < -9223372036854775808.0) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(real);
}

json::Value modulo(const json::Value& left, const json::Value& right, Allowance& allowance) {
  if (!left.is_number() || !right.is_number()) return cannot(left, right, "divided (remainder)", allowance);
  if (std::isnan(left.as_double()) || std::isnan(right.as_double())) {
    return json::Value(std::numeric_limits<double>::quiet_NaN());
  }
  const std::int64_t divisor = clamp_to_int(right);
  if (divisor == 0) return cannot(left, right, "divided (remainder) because the divisor is zero", allowance);
  if (divisor == -1 || divisor == std::numeric_limits<std::int64_t>::min()) {
    return divisor == -1 || left.as_double() == right.as_double() ? json::Value(0) : json::Value(clamp_to_int(left));
  }
  return json::Value(clamp_to_int(left) % (divisor < 0 ? -divisor : divisor));
}

bool is_nan(const json::Value& value) {
  return value.is_number() && !value.is_int() && std::isnan(value.as_double());
}

}  // namespace

std::string describe(const json::Value& value) {
  const std::string_view kind = to_string(value.kind());
  std::string shown;
  if (value.is_string()) {
    json::append_string(shown, value.as_string().substr(0, 4 * shown_bytes_max));
  } else if (!json::append(shown, value, {.bytes_max = 4 * shown_bytes_max})) {
    shown.append(1, ' ');
  }
  if (shown.size() > shown_bytes_max) {
    const std::string_view close = value.is_string() ? "\"" : value.is_array() ? "]" : value.is_object() ? "}" : "";
    shown.resize(base::utf8_prefix(shown, shown_bytes_max - 3 - close.size()).size());
    shown += "...";
    shown += close;
  }
  return fmt::format("{} ({})", kind, shown);
}

bool compare_values(const json::Value& a, const json::Value& b, Allowance& allowance, int& order) {
  json::Effort effort{.steps = allowance.fuel()};
  order = json::compare_within(a, b, effort);
  if (effort.too_deep) {
    allowance.raise(json::Value("Comparison too deep"));
    return false;
  }
  if (effort.out_of_steps) {
    allowance.stop(Allowance::Stop::fuel);
    return false;
  }
  return allowance.charge(allowance.fuel() - effort.steps);
}

json::Value apply(Operator op, json::Value left, const json::Value& right, Allowance& allowance) {
  switch (op) {
    case Operator::add: return add(std::move(left), right, allowance);
    case Operator::subtract: return subtract(left, right, allowance);
    case Operator::multiply: return multiply(std::move(left), right, allowance);
    case Operator::divide: return divide(left, right, allowance);
    case Operator::modulo: return modulo(left, right, allowance);
    case Operator::equal:
    case Operator::not_equal: {
      json::Effort effort{.steps = allowance.fuel()};
      const bool equal = json::equal_within(left, right, effort);
      if (effort.too_deep) {
        allowance.raise(json::Value("Equality check too deep"));
      } else if (effort.out_of_steps) {
        allowance.stop(Allowance::Stop::fuel);
      } else {
        allowance.charge(allowance.fuel() - effort.steps);
      }
      return json::Value(equal == (op == Operator::equal));
    }
    case Operator::less:
    case Operator::less_equal:
    case Operator::greater:
    case Operator::greater_equal: {
      int order = 0;
      if (!compare_values(left, right, allowance, order)) return {};
      // NaN counts as smaller than every number, itself included.
      if (is_nan(left) && right.is_number()) order = -1;
      if (op == Operator::less) return json::Value(order < 0);
      if (op == Operator::less_equal) return json::Value(order <= 0);
      if (op == Operator::greater) return json::Value(order > 0);
      return json::Value(order >= 0);
    }
    case Operator::assign:
    case Operator::update:
    case Operator::alternative: break;
  }
  TRV_ASSERT(false);
  return {};
}

json::Value negate(const json::Value& value, Allowance& allowance) {
  if (value.is_int() && value.as_int() != 0 && value.as_int() != std::numeric_limits<std::int64_t>::min()) {
    return json::Value(-value.as_int());
  }
  if (value.is_number()) return json::Value(-value.as_double());
  allowance.raise(json::Value(fmt::format("{} cannot be negated", describe(value))));
  return {};
}

json::Value to_json_text(const json::Value& value, Allowance& allowance) {
  std::string text;
  if (!json::append(text, value, {.bytes_max = allowance.meter().left() / 2})) {
    allowance.stop(Allowance::Stop::memory);
    return {};
  }
  if (!allowance.charge(text.size() / 4)) return {};
  return json::Value(text);
}

// Linear in the text but for short parts, whose length then is a factor: what it costs is charged by how far it came.
std::size_t find_text(std::string_view text, std::string_view part, std::size_t from, Allowance& allowance) {
  TRV_EXPECTS(!part.empty() && from <= text.size());
  const std::string_view rest = text.substr(from);
  const void* found = ::memmem(rest.data(), rest.size(), part.data(), part.size());
  const std::size_t at =
      found == nullptr ? rest.size() : static_cast<std::size_t>(static_cast<const char*>(found) - rest.data());
  constexpr std::size_t short_part_bytes_max = 256;
  const std::size_t factor = 1 + std::min(part.size(), short_part_bytes_max) / 64;
  if (!allowance.charge(1 + at / 16 * factor + part.size() / 16)) return std::string_view::npos;
  return found == nullptr ? std::string_view::npos : from + at;
}

json::Value to_text(const json::Value& value, Allowance& allowance) {
  return value.is_string() ? value : to_json_text(value, allowance);
}

}  // namespace trv::expression
