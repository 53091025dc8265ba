// Equality and order of values. The recursion is bounded by Effort::depth_max, the work by Effort::steps.

#include <algorithm>
#include <cmath>

#include "kernel/json/value.hpp"

namespace trv::json {
namespace {

constexpr double two_to_63 = 9223372036854775808.0;

// Exact also where the integer has no double of its own.
int compare_mixed(std::int64_t integer, double real) noexcept {
  if (real >= two_to_63) return -1;
  if (real < -two_to_63) return 1;
  const auto whole = static_cast<std::int64_t>(real);
  if (integer != whole) return integer < whole ? -1 : 1;
  const double fraction = real - static_cast<double>(whole);
  return fraction > 0 ? -1 : fraction < 0 ? 1 : 0;
}

int compare_numbers(const Value& a, const Value& b) noexcept {
  if (a.is_int() && b.is_int()) return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int() ? 1 : 0;
  const bool a_nan = !a.is_int() && std::isnan(a.as_double());
  const bool b_nan = !b.is_int() && std::isnan(b.as_double());
  if (a_nan || b_nan) return a_nan ? (b_nan ? 0 : -1) : 1;
  if (a.is_int()) return compare_mixed(a.as_int(), b.as_double());
  if (b.is_int()) return -compare_mixed(b.as_int(), a.as_double());
  return a.as_double() < b.as_double() ? -1 : a.as_double() > b.as_double() ? 1 : 0;
}

int rank(const Value& value) noexcept {
  return value.is_bool() ? (value.as_bool() ? 2 : 1) : value.is_null() ? 0 : static_cast<int>(value.kind()) + 1;
}

bool enter(Effort& effort) noexcept {
  if (effort.out_of_steps || effort.too_deep) return false;
  if (effort.depth_max < 0) {
    effort.too_deep = true;
    return false;
  }
  if (effort.steps == 0) {
    effort.out_of_steps = true;
    return false;
  }
  --effort.steps;
  return true;
}

/// Work of which a step is not enough.
void take_steps(Effort& effort, std::size_t steps) noexcept {
  if (steps > effort.steps) effort.out_of_steps = true;
  effort.steps -= std::min<std::uint64_t>(steps, effort.steps);
}

}  // namespace

std::vector<const Entry*> sorted_entries(const Value& object) {
  std::vector<const Entry*> sorted;
  sorted.reserve(object.size());
  for (const Entry& entry : object.entries()) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) { return a->name() < b->name(); });
  return sorted;
}

bool equal_within(const Value& a, const Value& b, Effort& effort) {
  if (!enter(effort)) return false;
  if (a.is_number() && b.is_number()) {
    if (!a.is_int() && std::isnan(a.as_double())) return false;
    return compare_numbers(a, b) == 0;
  }
  if (a.kind() != b.kind()) return false;
  if (a.is_string()) {
    if (a.as_string().size() != b.as_string().size()) return false;
    take_steps(effort, a.as_string().size() / 64);
    return a.as_string() == b.as_string();
  }
  if (a.size() != b.size()) return false;
  if (a.is_array()) {
    --effort.depth_max;
    bool equal = true;
    for (std::size_t i = 0; equal && i < a.size(); ++i) equal = equal_within(a.at(i), b.at(i), effort);
    ++effort.depth_max;
    return equal;
  }
  if (a.is_object()) {
    --effort.depth_max;
    bool equal = true;
    for (const Entry& entry : a.entries()) {
      take_steps(effort, 2);
      const Value* other = b.find(entry.key);
      equal = other != nullptr && equal_within(entry.value, *other, effort);
      if (!equal) break;
    }
    ++effort.depth_max;
    return equal;
  }
  return a.is_null() || a.as_bool() == b.as_bool();
}

namespace {
int compare_objects(const Value& a, const Value& b, Effort& effort) {
  take_steps(effort, (a.size() + b.size()) * 8);
  if (effort.out_of_steps) return 0;
  const auto a_entries = sorted_entries(a);
  const auto b_entries = sorted_entries(b);
  const std::size_t common = std::min(a_entries.size(), b_entries.size());
  for (std::size_t i = 0; i < common; ++i) {
    const int order = a_entries[i]->name().compare(b_entries[i]->name());
    if (order != 0) return order < 0 ? -1 : 1;
  }
  if (a_entries.size() != b_entries.size()) return a_entries.size() < b_entries.size() ? -1 : 1;
  for (std::size_t i = 0; i < common; ++i) {
    const int order = compare_within(a_entries[i]->value, b_entries[i]->value, effort);
    if (order != 0) return order;
  }
  return 0;
}
}  // namespace

int compare_within(const Value& a, const Value& b, Effort& effort) {
  if (!enter(effort)) return 0;
  const int a_rank = rank(a);
  const int b_rank = rank(b);
  if (a_rank != b_rank) return a_rank < b_rank ? -1 : 1;
  if (a.is_number()) return compare_numbers(a, b);
  if (a.is_string()) {
    take_steps(effort, std::min(a.as_string().size(), b.as_string().size()) / 64);
    const int order = a.as_string().compare(b.as_string());
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  int order = 0;
  if (a.is_array()) {
    --effort.depth_max;
    const std::size_t common = std::min(a.size(), b.size());
    for (std::size_t i = 0; order == 0 && i < common; ++i) order = compare_within(a.at(i), b.at(i), effort);
    if (order == 0 && a.size() != b.size()) order = a.size() < b.size() ? -1 : 1;
    ++effort.depth_max;
  } else if (a.is_object()) {
    --effort.depth_max;
    order = compare_objects(a, b, effort);
    ++effort.depth_max;
  }
  return order;
}

bool operator==(const Value& a, const Value& b) {
  Effort effort;
  return equal_within(a, b, effort);
}

int Value::compare(const Value& a, const Value& b) {
  Effort effort;
  return compare_within(a, b, effort);
}

}  // namespace trv::json
