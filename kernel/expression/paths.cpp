// Reading, changing and deleting at paths. All loops instead of recursion: paths come from programs.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernel/expression/builtin.hpp"
#include "kernel/expression/utf8.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {
namespace {

constexpr std::size_t path_length_max = 10'000;
constexpr double array_index_max = 536'870'911;

Value fail(Allowance& allowance, std::string_view message) {
  allowance.raise(Value(message));
  return {};
}

bool failed(const Allowance& allowance) {
  return allowance.stopped() != Allowance::Stop::none;
}

bool is_slice(const Value& key) {
  return key.is_object();
}

struct Range {
  std::size_t from;
  std::size_t to;
};

// Bounds as jq counts them: negative from the end, fractions widened to whole elements.
bool resolve_slice(std::size_t size, const Value& from, const Value& to, Range& range, Allowance& allowance) {
  if ((!from.is_null() && !from.is_number()) || (!to.is_null() && !to.is_number())) {
    fail(allowance, "Start and end indices of an array slice must be numbers");
    return false;
  }
  const auto length = static_cast<double>(size);
  double start = from.is_null() || std::isnan(from.as_double()) ? 0 : from.as_double();
  double end = to.is_null() || std::isnan(to.as_double()) ? length : to.as_double();
  if (start < 0) start += length;
  if (end < 0) end += length;
  start = std::clamp(start, 0.0, length);
  end = std::clamp(end, 0.0, length);
  range.from = static_cast<std::size_t>(std::floor(start));
  range.to = std::max(range.from, static_cast<std::size_t>(std::ceil(end)));
  TRV_ENSURES(range.from <= range.to && range.to <= size);
  return true;
}

const Value& slice_bound(const Value& key, std::string_view name) {
  static const Value none;
  const Value* bound = key.find(name);
  return bound == nullptr ? none : *bound;
}

// The position an index means; false where it is out of bounds. `index` may be beyond the end.
bool resolve_index(std::size_t size, const Value& key, double& index) {
  index = std::floor(key.as_double());
  if (index < 0) index += static_cast<double>(size);
  return index >= 0;
}

Value find_all(const Value& array, const Value& part, Allowance& allowance) {
  Value positions = Value::array();
  if (part.size() == 0) return Value();
  for (std::size_t i = 0; i + part.size() <= array.size(); ++i) {
    bool same = true;
    for (std::size_t j = 0; same && j < part.size(); ++j) {
      same = apply(Operator::equal, array.at(i + j), part.at(j), allowance).is_truthy();
      if (failed(allowance) || !allowance.charge(1)) return {};
    }
    if (same) positions.push_back(Value(i));
  }
  return positions;
}

Value set_slice(Value array, const Value& key, const Value& value, Allowance& allowance) {
  if (array.is_null()) array = Value::array();
  if (!value.is_array()) return fail(allowance, "A slice of an array can only be assigned another array");
  Range range{};
  if (!resolve_slice(array.size(), slice_bound(key, "start"), slice_bound(key, "end"), range, allowance)) return {};
  const std::size_t size = array.size() - (range.to - range.from) + value.size();
  if (!allowance.charge(size / 8) || !allowance.room(size * sizeof(Value))) return {};
  Value result = Value::make_array(size);
  for (std::size_t i = 0; i < range.from; ++i) result.push_back(array.at(i));
  for (const Value& item : value.items()) result.push_back(item);
  for (std::size_t i = range.to; i < array.size(); ++i) result.push_back(array.at(i));
  TRV_ENSURES(result.size() == size);
  return result;
}

Value set_child(Value container, const Value& key, Value value, Allowance& allowance) {
  if (key.is_string() && (container.is_object() || container.is_null())) {
    if (container.is_null()) container = Value::object();
    container.set(key, std::move(value));
    return container;
  }
  if (key.is_number() && (container.is_array() || container.is_null())) {
    if (container.is_null()) container = Value::array();
    if (std::isnan(key.as_double())) return fail(allowance, "Cannot set array element at NaN index");
    double index = 0;
    if (!resolve_index(container.size(), key, index)) return fail(allowance, "Out of bounds negative array index");
    if (index > array_index_max) return fail(allowance, "Array index too large");
    const auto at = static_cast<std::size_t>(index);
    if (at >= container.size()) {
      if (!allowance.room((at + 1) * sizeof(Value)) || !allowance.charge((at - container.size()) / 16)) return {};
      // Growing by one keeps doubling; growing by more takes what is asked.
      while (container.size() < at && at - container.size() < 2) container.push_back(Value());
      if (container.size() < at) container.resize(at);
      container.push_back(std::move(value));
      return container;
    }
    container.set_at(at, std::move(value));
    return container;
  }
  if (is_slice(key) && (container.is_array() || container.is_null())) {
    return set_slice(std::move(container), key, value, allowance);
  }
  if (is_slice(key) && container.is_string()) return fail(allowance, "Cannot update string slices");
  return fail(allowance,
              fmt::format("Cannot update field at {} index of {}", to_string(key.kind()), to_string(container.kind())));
}

bool check_path(const Value& path, std::string_view not_array, Allowance& allowance) {
  if (!path.is_array()) {
    fail(allowance, not_array);
    return false;
  }
  if (path.size() > path_length_max) {
    fail(allowance, "Path too deep");
    return false;
  }
  return allowance.charge(path.size());
}

// Moves a child out, so that it can change in place.
Value take_child(Value& container, const Value& key, Allowance& allowance) {
  if (container.is_object() && key.is_string()) return container.take(key);
  double index = 0;
  if (container.is_array() && key.is_number() && resolve_index(container.size(), key, index) &&
      index < static_cast<double>(container.size())) {
    return container.take_at(static_cast<std::size_t>(index));
  }
  return get_child(container, key, allowance);
}

// Takes the chain of containers along path[0, length) apart; what stands at its end is the result.
bool descend(Value root, const Value& path, std::size_t length, std::vector<Value>& chain, Value& end,
             Allowance& allowance) {
  TRV_EXPECTS(length <= path.size() && chain.empty());
  end = std::move(root);
  for (std::size_t i = 0; i < length; ++i) {
    Value child = take_child(end, path.at(i), allowance);
    if (failed(allowance)) return false;
    chain.push_back(std::move(end));
    end = std::move(child);
  }
  TRV_ENSURES(chain.size() == length);
  return true;
}

Value ascend(Value end, const Value& path, std::vector<Value>& chain, Allowance& allowance) {
  TRV_EXPECTS(chain.size() <= path.size());
  while (!chain.empty() && !failed(allowance)) {
    Value container = std::move(chain.back());
    chain.pop_back();
    end = set_child(std::move(container), path.at(chain.size()), std::move(end), allowance);
  }
  return end;
}

Value delete_from_array(const Value& array, std::span<const Value> keys, Allowance& allowance) {
  std::vector<bool> dead(array.size(), false);
  for (const Value& key : keys) {
    if (key.is_number()) {
      double index = 0;
      if (!std::isnan(key.as_double()) && resolve_index(array.size(), key, index) &&
          index < static_cast<double>(array.size())) {
        dead[static_cast<std::size_t>(index)] = true;
      }
    } else if (is_slice(key)) {
      Range range{};
      if (!resolve_slice(array.size(), slice_bound(key, "start"), slice_bound(key, "end"), range, allowance)) return {};
      std::fill(dead.begin() + static_cast<std::ptrdiff_t>(range.from),
                dead.begin() + static_cast<std::ptrdiff_t>(range.to), true);
    } else {
      return fail(allowance, fmt::format("Cannot delete field at {} index of array", to_string(key.kind())));
    }
  }
  if (!allowance.charge(array.size() / 2)) return {};
  Value kept = Value::array();
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (!dead[i]) kept.push_back(array.at(i));
  }
  return kept;
}

Value delete_children(Value container, std::span<const Value> keys, Allowance& allowance) {
  if (container.is_null()) return container;
  if (container.is_array()) return delete_from_array(container, keys, allowance);
  if (!container.is_object()) return fail(allowance, fmt::format("Cannot delete fields from {}", describe(container)));
  for (const Value& key : keys) {
    if (!key.is_string()) {
      return fail(allowance, fmt::format("Cannot delete field at {} index of object", to_string(key.kind())));
    }
    if (!allowance.charge(1 + container.size() / 8)) return {};
    container.erase(key.as_string());
  }
  return container;
}

bool same_parent(const Value& a, const Value& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i + 1 < a.size(); ++i) {
    if (Value::compare(a.at(i), b.at(i)) != 0) return false;
  }
  return true;
}

}  // namespace

Value make_slice_key(const Value& from, const Value& to) {
  return Value::object({{"start", from}, {"end", to}});
}

Value get_slice(const Value& container, const Value& from, const Value& to, Allowance& allowance) {
  if (container.is_null()) return {};
  Range range{};
  if (container.is_array()) {
    if (!resolve_slice(container.size(), from, to, range, allowance)) return {};
    const std::size_t size = range.to - range.from;
    if (!allowance.charge(size / 8) || !allowance.room(size * sizeof(Value))) return {};
    Value part = Value::make_array(size);
    for (const Value& item : container.items().subspan(range.from, size)) part.push_back(item);
    return part;
  }
  if (container.is_string()) {
    const std::string_view text = container.as_string();
    if (!allowance.charge(text.size() / 32)) return {};
    if (!resolve_slice(count_code_points(text), from, to, range, allowance)) return {};
    const std::size_t first = code_point_offset(text, range.from);
    const std::size_t size = code_point_offset(text.substr(first), range.to - range.from);
    return Value(text.substr(first, size));
  }
  return fail(allowance, fmt::format("Cannot index {} with object", to_string(container.kind())));
}

Value get_child(const Value& container, const Value& key, Allowance& allowance) {
  if (key.is_string() && (container.is_object() || container.is_null())) {
    const Value* found = container.find(key);
    return found == nullptr ? Value() : *found;
  }
  if (key.is_number() && (container.is_array() || container.is_null())) {
    double index = 0;
    const bool inside = container.is_array() && !std::isnan(key.as_double()) &&
                        resolve_index(container.size(), key, index) && index < static_cast<double>(container.size());
    return inside ? container.at(static_cast<std::size_t>(index)) : Value();
  }
  if (is_slice(key) && (container.is_array() || container.is_null() || container.is_string())) {
    return get_slice(container, slice_bound(key, "start"), slice_bound(key, "end"), allowance);
  }
  if (key.is_array() && container.is_array()) return find_all(container, key, allowance);
  if (key.is_null() && container.is_null()) return {};
  return fail(allowance, fmt::format("Cannot index {} with {}", to_string(container.kind()), describe(key)));
}

Value get_path(const Value& root, const Value& path, Allowance& allowance) {
  if (!check_path(path, "Path must be specified as an array", allowance)) return {};
  Value value = root;
  for (const Value& key : path.items()) {
    if (value.is_null()) return {};
    value = get_child(value, key, allowance);
    if (failed(allowance)) return {};
  }
  return value;
}

Value take_path(Value& root, const Value& path, Allowance& allowance) {
  if (path.size() == 0) return std::move(root);
  if (!check_path(path, "Path must be specified as an array", allowance)) return {};
  std::vector<Value> chain;
  Value end;
  if (!descend(std::move(root), path, path.size(), chain, end, allowance)) return {};
  // The chain goes back together with null at its end, which a slice cannot hold.
  const Value& last = path.at(path.size() - 1);
  Value container = std::move(chain.back());
  chain.pop_back();
  if (container.is_null() || is_slice(last) || last.is_array()) {
    root = std::move(container);
  } else {
    double index = 0;
    const bool absent = (container.is_object() && container.find(last) == nullptr) ||
                        (container.is_array() && (!resolve_index(container.size(), last, index) ||
                                                  !(index < static_cast<double>(container.size()))));
    root = absent ? std::move(container) : set_child(std::move(container), last, Value(), allowance);
  }
  root = ascend(std::move(root), path, chain, allowance);
  return end;
}

Value set_path(Value root, const Value& path, Value value, Allowance& allowance) {
  if (!check_path(path, "Path must be specified as an array", allowance)) return {};
  if (path.size() == 0) return value;
  std::vector<Value> chain;
  Value end;
  if (!descend(std::move(root), path, path.size() - 1, chain, end, allowance)) return {};
  const Value& last = path.at(path.size() - 1);
  const bool plain = (end.is_object() && last.is_string()) || (end.is_array() && last.is_number());
  if (!plain) {
    (void)get_child(end, last, allowance);  // its message is the one that jq gives
    if (failed(allowance)) return {};
  }
  end = set_child(std::move(end), last, std::move(value), allowance);
  return ascend(std::move(end), path, chain, allowance);
}

Value delete_paths(Value root, const Value& paths, Allowance& allowance) {
  if (!paths.is_array()) return fail(allowance, "Paths must be specified as an array");
  std::vector<Value> sorted;
  for (const Value& path : paths.items()) {
    if (!check_path(path, "Path must be specified as an array", allowance)) return {};
    sorted.push_back(path);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&allowance](const Value& a, const Value& b) {
    int order = 0;
    return !failed(allowance) && compare_values(a, b, allowance, order) && order < 0;
  });
  if (failed(allowance)) return {};
  // From the last, so that earlier positions keep their meaning; siblings go together.
  while (!sorted.empty()) {
    const Value path = std::move(sorted.back());
    sorted.pop_back();
    if (path.size() == 0) return {};
    std::vector<Value> keys{path.at(path.size() - 1)};
    while (!sorted.empty() && same_parent(sorted.back(), path)) {
      keys.push_back(sorted.back().at(path.size() - 1));
      sorted.pop_back();
    }
    const Value parent_path = get_slice(path, Value(0), Value(path.size() - 1), allowance);
    const Value parent = get_path(root, parent_path, allowance);
    if (failed(allowance)) return {};
    if (parent.is_null()) continue;
    Value changed = delete_children(parent, keys, allowance);
    if (failed(allowance)) return {};
    root = set_path(std::move(root), parent_path, std::move(changed), allowance);
    if (failed(allowance)) return {};
  }
  return root;
}

}  // namespace trv::expression
