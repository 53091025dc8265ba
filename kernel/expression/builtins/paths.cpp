// Reading, changing and deleting at paths. All loops instead of recursion: paths come from programs.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernel/expression/builtins/builtin.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::expression {
namespace {

constexpr std::size_t path_length_max = 10'000;
constexpr double array_index_max = 536'870'911;

json::Value fail(Allowance& allowance, std::string_view message) {
  allowance.raise(json::Value(message));
  return {};
}

bool failed(const Allowance& allowance) {
  return allowance.stopped() != Allowance::Stop::none;
}

bool is_slice(const json::Value& key) {
  return key.is_object();
}

constexpr std::string_view slice_message = "Start and end indices of an array slice must be numbers";

struct Range {
  std::size_t from;
  std::size_t to;
};

// Bounds as jq counts them: negative from the end, fractions widened to whole elements.
bool resolve_slice(std::size_t size, const json::Value& from, const json::Value& to, Range& range,
                   Allowance& allowance) {
  if ((!from.is_null() && !from.is_number()) || (!to.is_null() && !to.is_number())) {
    fail(allowance, slice_message);
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

bool has_bounds(const json::Value& key) {
  return key.find("start") != nullptr && key.find("end") != nullptr;
}

const json::Value& slice_bound(const json::Value& key, std::string_view name) {
  static const json::Value none;
  const json::Value* bound = key.find(name);
  return bound == nullptr ? none : *bound;
}

// The position an index means; false where it is out of bounds. `index` may be beyond the end.
bool resolve_index(std::size_t size, const json::Value& key, double& index) {
  index = std::trunc(key.as_double());
  if (index < 0) index += static_cast<double>(size);
  return index >= 0;
}

json::Value find_all(const json::Value& array, const json::Value& part, Allowance& allowance) {
  json::Value positions = json::Value::array();
  if (part.size() == 0) return positions;
  for (std::size_t i = 0; i + part.size() <= array.size(); ++i) {
    bool same = true;
    for (std::size_t j = 0; same && j < part.size(); ++j) {
      same = apply(Operator::equal, array.at(i + j), part.at(j), allowance).is_truthy();
      if (failed(allowance) || !allowance.charge(1)) return {};
    }
    if (same) positions.push_back(json::Value(i));
  }
  return positions;
}

json::Value set_slice(json::Value array, const json::Value& key, const json::Value& value, Allowance& allowance) {
  if (array.is_null()) array = json::Value::array();
  if (!value.is_array()) return fail(allowance, "A slice of an array can only be assigned another array");
  Range range{};
  if (!resolve_slice(array.size(), slice_bound(key, "start"), slice_bound(key, "end"), range, allowance)) return {};
  const std::size_t size = array.size() - (range.to - range.from) + value.size();
  if (!allowance.charge(size / 8) || !allowance.room(size * sizeof(json::Value))) return {};
  json::Value result = json::Value::make_array(size);
  for (std::size_t i = 0; i < range.from; ++i) result.push_back(array.at(i));
  for (const json::Value& item : value.items()) result.push_back(item);
  for (std::size_t i = range.to; i < array.size(); ++i) result.push_back(array.at(i));
  TRV_ENSURES(result.size() == size);
  return result;
}

json::Value set_child(json::Value container, const json::Value& key, json::Value value, Allowance& allowance) {
  if (key.is_string() && (container.is_object() || container.is_null())) {
    if (container.is_null()) container = json::Value::object();
    container.set(key, std::move(value));
    return container;
  }
  if (key.is_number() && (container.is_array() || container.is_null())) {
    if (container.is_null()) container = json::Value::array();
    if (std::isnan(key.as_double())) return fail(allowance, "Cannot set array element at NaN index");
    double index = 0;
    if (!resolve_index(container.size(), key, index)) return fail(allowance, "Out of bounds negative array index");
    if (index > array_index_max) return fail(allowance, "Array index too large");
    const auto at = static_cast<std::size_t>(index);
    if (at >= container.size()) {
      if (!allowance.room((at + 1) * sizeof(json::Value)) || !allowance.charge((at - container.size()) / 16)) return {};
      // Growing by one keeps doubling; growing by more takes what is asked.
      while (container.size() < at && at - container.size() < 2) container.push_back(json::Value());
      if (container.size() < at) container.resize(at);
      container.push_back(std::move(value));
      return container;
    }
    container.set_at(at, std::move(value));
    return container;
  }
  if (is_slice(key) && (container.is_array() || container.is_null())) {
    if (!has_bounds(key)) return fail(allowance, slice_message);
    return set_slice(std::move(container), key, value, allowance);
  }
  if (is_slice(key) && container.is_string()) return fail(allowance, "Cannot update string slices");
  return fail(allowance,
              fmt::format("Cannot update field at {} index of {}", to_string(key.kind()), to_string(container.kind())));
}

bool check_path(const json::Value& path, std::string_view not_array, Allowance& allowance) {
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
json::Value take_child(json::Value& container, const json::Value& key, Allowance& allowance) {
  if (container.is_object() && key.is_string()) return container.take(key);
  double index = 0;
  if (container.is_array() && key.is_number() && resolve_index(container.size(), key, index) &&
      index < static_cast<double>(container.size())) {
    return container.take_at(static_cast<std::size_t>(index));
  }
  return get_child(container, key, allowance);
}

// Takes the chain of containers along path[0, length) apart; what is at its end is the result.
bool descend(json::Value root, const json::Value& path, std::size_t length, std::vector<json::Value>& chain,
             json::Value& end, Allowance& allowance) {
  TRV_EXPECTS(length <= path.size() && chain.empty());
  end = std::move(root);
  for (std::size_t i = 0; i < length; ++i) {
    json::Value child = take_child(end, path.at(i), allowance);
    if (failed(allowance)) return false;
    chain.push_back(std::move(end));
    end = std::move(child);
  }
  TRV_ENSURES(chain.size() == length);
  return true;
}

json::Value ascend(json::Value end, const json::Value& path, std::vector<json::Value>& chain, Allowance& allowance) {
  TRV_EXPECTS(chain.size() <= path.size());
  while (!chain.empty() && !failed(allowance)) {
    json::Value container = std::move(chain.back());
    chain.pop_back();
    end = set_child(std::move(container), path.at(chain.size()), std::move(end), allowance);
  }
  return end;
}

json::Value delete_from_array(const json::Value& array, std::span<const json::Value> keys, Allowance& allowance) {
  std::vector<bool> dead(array.size(), false);
  for (const json::Value& key : keys) {
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
  json::Value kept = json::Value::array();
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (!dead[i]) kept.push_back(array.at(i));
  }
  return kept;
}

json::Value delete_children(json::Value container, std::span<const json::Value> keys, Allowance& allowance) {
  if (container.is_null()) return container;
  if (container.is_array()) return delete_from_array(container, keys, allowance);
  if (!container.is_object()) return fail(allowance, fmt::format("Cannot delete fields from {}", describe(container)));
  for (const json::Value& key : keys) {
    if (!key.is_string()) {
      return fail(allowance, fmt::format("Cannot delete field at {} index of object", to_string(key.kind())));
    }
    if (!allowance.charge(1 + container.size() / 8)) return {};
    container.erase(key.as_string());
  }
  return container;
}

// Whether a null is there only because a child is not.
bool is_absent(const json::Value& container, const json::Value& key) {
  if (container.is_null()) return true;
  if (container.is_object()) return container.find(key) == nullptr;
  double index = 0;
  return container.is_array() && key.is_number() &&
         (!resolve_index(container.size(), key, index) || !(index < static_cast<double>(container.size())));
}

bool same_parent(const json::Value& a, const json::Value& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i + 1 < a.size(); ++i) {
    if (json::Value::compare(a.at(i), b.at(i)) != 0) return false;
  }
  return true;
}

}  // namespace

json::Value make_slice_key(const json::Value& from, const json::Value& to) {
  return {{"start", from}, {"end", to}};
}

json::Value get_slice(const json::Value& container, const json::Value& from, const json::Value& to,
                      Allowance& allowance) {
  if (container.is_null()) return {};
  Range range{};
  if (container.is_array()) {
    if (!resolve_slice(container.size(), from, to, range, allowance)) return {};
    const std::size_t size = range.to - range.from;
    if (!allowance.charge(size / 8) || !allowance.room(size * sizeof(json::Value))) return {};
    json::Value part = json::Value::make_array(size);
    for (const json::Value& item : container.items().subspan(range.from, size)) part.push_back(item);
    return part;
  }
  if (container.is_string()) {
    const std::string_view text = container.as_string();
    if (!allowance.charge(text.size() / 32)) return {};
    if (!resolve_slice(base::count_code_points(text), from, to, range, allowance)) return {};
    const std::size_t first = base::code_point_offset(text, range.from);
    const std::size_t size = base::code_point_offset(text.substr(first), range.to - range.from);
    return json::Value(text.substr(first, size));
  }
  return fail(allowance, fmt::format("Cannot index {} with object", to_string(container.kind())));
}

json::Value get_child(const json::Value& container, const json::Value& key, Allowance& allowance) {
  if (key.is_string() && (container.is_object() || container.is_null())) {
    const json::Value* found = container.find(key);
    return found == nullptr ? json::Value() : *found;
  }
  if (key.is_number() && (container.is_array() || container.is_null())) {
    double index = 0;
    const bool inside = container.is_array() && !std::isnan(key.as_double()) &&
                        resolve_index(container.size(), key, index) && index < static_cast<double>(container.size());
    return inside ? container.at(static_cast<std::size_t>(index)) : json::Value();
  }
  if (is_slice(key) && container.is_null()) return {};
  if (is_slice(key) && (container.is_array() || container.is_string())) {
    if (!has_bounds(key)) return fail(allowance, slice_message);
    return get_slice(container, slice_bound(key, "start"), slice_bound(key, "end"), allowance);
  }
  if (key.is_array() && container.is_array()) return find_all(container, key, allowance);
  return fail(allowance, fmt::format("Cannot index {} with {}", to_string(container.kind()), describe(key)));
}

json::Value get_path(const json::Value& root, const json::Value& path, Allowance& allowance) {
  if (!check_path(path, "Path must be specified as an array", allowance)) return {};
  json::Value value = root;
  for (const json::Value& key : path.items()) {
    value = get_child(value, key, allowance);
    if (failed(allowance)) return {};
  }
  return value;
}

json::Value take_path(json::Value& root, const json::Value& path, Allowance& allowance) {
  if (path.size() == 0) return std::move(root);
  if (!check_path(path, "Path must be specified as an array", allowance)) return {};
  std::vector<json::Value> chain;
  json::Value end;
  if (!descend(std::move(root), path, path.size(), chain, end, allowance)) return {};
  // The chain goes back together with null at its end, as far as there was something.
  root = json::Value();
  while (!chain.empty() && !failed(allowance)) {
    json::Value container = std::move(chain.back());
    chain.pop_back();
    const json::Value& key = path.at(chain.size());
    const bool is_last = chain.size() + 1 == path.size();
    const bool kept = is_absent(container, key) || (is_last && (is_slice(key) || key.is_array()));
    root = kept ? std::move(container) : set_child(std::move(container), key, std::move(root), allowance);
  }
  return end;
}

json::Value set_path(json::Value root, const json::Value& path, json::Value value, Allowance& allowance) {
  if (!check_path(path, "Path must be specified as an array", allowance)) return {};
  if (path.size() == 0) return value;
  std::vector<json::Value> chain;
  json::Value end;
  if (!descend(std::move(root), path, path.size() - 1, chain, end, allowance)) return {};
  const json::Value& last = path.at(path.size() - 1);
  const bool plain = (end.is_object() && last.is_string()) || (end.is_array() && last.is_number());
  if (!plain) {
    (void)get_child(end, last, allowance);  // its message is the one that jq gives
    if (failed(allowance)) return {};
  }
  end = set_child(std::move(end), last, std::move(value), allowance);
  return ascend(std::move(end), path, chain, allowance);
}

json::Value delete_paths(json::Value root, const json::Value& paths, Allowance& allowance) {
  if (!paths.is_array()) return fail(allowance, "Paths must be specified as an array");
  std::vector<json::Value> sorted;
  for (const json::Value& path : paths.items()) {
    if (!check_path(path, "Path must be specified as an array", allowance)) return {};
    sorted.push_back(path);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&allowance](const json::Value& a, const json::Value& b) {
    int order = 0;
    return !failed(allowance) && compare_values(a, b, allowance, order) && order < 0;
  });
  if (failed(allowance)) return {};
  // From the last, so that earlier positions keep their meaning; siblings go together.
  while (!sorted.empty()) {
    const json::Value path = std::move(sorted.back());
    sorted.pop_back();
    if (path.size() == 0) return {};
    std::vector<json::Value> keys{path.at(path.size() - 1)};
    while (!sorted.empty() && same_parent(sorted.back(), path)) {
      keys.push_back(sorted.back().at(path.size() - 1));
      sorted.pop_back();
    }
    const json::Value parent_path = get_slice(path, json::Value(0), json::Value(path.size() - 1), allowance);
    const json::Value parent = get_path(root, parent_path, allowance);
    if (failed(allowance)) return {};
    if (parent.is_null()) continue;
    json::Value changed = delete_children(parent, keys, allowance);
    if (failed(allowance)) return {};
    root = set_path(std::move(root), parent_path, std::move(changed), allowance);
    if (failed(allowance)) return {};
  }
  return root;
}

}  // namespace trv::expression
