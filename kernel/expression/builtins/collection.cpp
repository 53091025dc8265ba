#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kernel/expression/builtins/builtin.hpp"

namespace trv::expression {
namespace {

constexpr int contains_depth_max = 10'000;
constexpr double flatten_depth_max = 1e9;

bool stopped(NativeCall& call) {
  return call.allowance().stopped() != Allowance::Stop::none;
}

json::Value raise_null(NativeCall& call) {
  call.allowance().raise(call.input());
  return {};
}
json::Value raise_argument(NativeCall& call) {
  call.allowance().raise(call.argument(0));
  return {};
}

template <bool sorted>
json::Value keys(NativeCall& call) {
  const json::Value& value = call.input();
  if (!value.is_array() && !value.is_object()) return call.fail(fmt::format("{} has no keys", describe(value)));
  // Names are sorted by their text.
  const std::size_t cost = sorted && value.is_object() ? value.size() * 8 : value.size() / 4;
  if (!call.charge(cost) || !call.room(value.size() * sizeof(json::Value))) return {};
  json::Value result = json::Value::make_array(value.size());
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) result.push_back(json::Value(i));
  } else if (sorted) {
    for (const json::Entry* entry : json::sorted_entries(value)) result.push_back(entry->key);
  } else {
    for (const json::Entry& entry : value.entries()) result.push_back(entry.key);
  }
  return result;
}

json::Value has(NativeCall& call) {
  const json::Value& value = call.input();
  const json::Value& key = call.argument(0);
  if (value.is_null()) return json::Value(false);
  if (value.is_object() && key.is_string()) return json::Value(value.find(key) != nullptr);
  if (value.is_array() && key.is_number()) {
    const double index = std::trunc(key.as_double());
    return json::Value(index >= 0 && index < static_cast<double>(value.size()));
  }
  return call.fail(fmt::format("Cannot check whether {} has a {} key", to_string(value.kind()), to_string(key.kind())));
}

bool contains_within(const json::Value& whole, const json::Value& part, int depth, NativeCall& call) {
  if (stopped(call) || !call.charge(1)) return false;
  if (depth > contains_depth_max) {
    call.fail("Containment check too deep");
    return false;
  }
  if (whole.is_object() && part.is_object()) {
    for (const json::Entry& entry : part.entries()) {
      const json::Value* present = whole.find(entry.key);
      if (present == nullptr || !contains_within(*present, entry.value, depth + 1, call)) return false;
    }
    return true;
  }
  if (whole.is_array() && part.is_array()) {
    for (const json::Value& wanted : part.items()) {
      bool found = false;
      for (const json::Value& item : whole.items()) {
        found = contains_within(item, wanted, depth + 1, call);
        if (found || stopped(call)) break;
      }
      if (!found) return false;
    }
    return true;
  }
  if (whole.is_string() && part.is_string()) {
    if (part.as_string().empty()) return true;
    return find_text(whole.as_string(), part.as_string(), 0, call.allowance()) != std::string_view::npos;
  }
  return apply(Operator::equal, whole, part, call.allowance()).is_truthy();
}

json::Value contains(NativeCall& call) {
  const json::Value& whole = call.input();
  const json::Value& part = call.argument(0);
  if (whole.kind() != part.kind() || (whole.is_bool() && whole.as_bool() != part.as_bool())) {
    return call.fail(fmt::format("{} and {} cannot have their containment checked", describe(whole), describe(part)));
  }
  return json::Value(contains_within(whole, part, 0, call));
}

json::Value add_all(NativeCall& call) {
  const json::Value& value = call.input();
  json::Value sum;
  if (value.is_array()) {
    for (const json::Value& item : value.items()) {
      sum = apply(Operator::add, std::move(sum), item, call.allowance());
      if (stopped(call) || !call.charge(1)) return {};
    }
    return sum;
  }
  if (value.is_object()) {
    for (const json::Entry& entry : value.entries()) {
      sum = apply(Operator::add, std::move(sum), entry.value, call.allowance());
      if (stopped(call) || !call.charge(1)) return {};
    }
    return sum;
  }
  return call.fail(fmt::format("Cannot iterate over {}", describe(value)));
}

json::Value flatten_to(const json::Value& value, double depth, NativeCall& call) {
  if (!value.is_array() && !value.is_object()) {
    return call.fail(fmt::format("Cannot iterate over {}", describe(value)));
  }
  struct Level {
    const json::Value* value;
    std::size_t next;
  };
  json::Value flat = json::Value::array();
  std::vector<Level> levels{{&value, 0}};
  while (!levels.empty()) {
    Level& level = levels.back();
    if (!call.charge(1) || !call.room(levels.capacity() * sizeof(Level) + sizeof(json::Value))) return {};
    if (level.next == level.value->size()) {
      levels.pop_back();
      continue;
    }
    const std::size_t at = level.next++;
    const json::Value& item = level.value->is_array() ? level.value->at(at) : level.value->entries()[at].value;
    if (item.is_array() && static_cast<double>(levels.size()) <= depth) {
      levels.push_back({&item, 0});
    } else {
      flat.push_back(item);
    }
  }
  return flat;
}

json::Value flatten(NativeCall& call) {
  return flatten_to(call.input(), flatten_depth_max, call);
}
json::Value flatten_depth(NativeCall& call) {
  const json::Value& depth = call.argument(0);
  // Null and booleans are less than any number, NaN is less than itself; strings and what follows them are greater.
  if (depth.is_null() || depth.is_bool() || (depth.is_number() && !(depth.as_double() >= 0))) {
    return call.fail("flatten depth must not be negative");
  }
  if (depth.is_number()) {
    const double levels = depth.as_double();
    // Counted down by one, a fraction never becomes zero.
    return flatten_to(call.input(), levels == std::trunc(levels) ? levels : flatten_depth_max, call);
  }
  const auto nested = [&](const json::Value& item) { return item.is_array(); };
  const json::Value& whole = call.input();
  if ((whole.is_array() && std::ranges::any_of(whole.items(), nested)) ||
      (whole.is_object() && std::ranges::any_of(whole.entries(), nested, &json::Entry::value))) {
    return apply(Operator::subtract, depth, json::Value(1), call.allowance());
  }
  return flatten_to(whole, 0, call);
}

// As jq's length has it; 1 for a boolean, which has none.
double length_of(const json::Value& value) {
  if (value.is_null()) return 0;
  if (value.is_bool()) return 1;
  if (value.is_number()) return std::fabs(value.as_double());
  return static_cast<double>(value.is_string() ? value.as_string().size() : value.size());
}

json::Value reverse(NativeCall& call) {
  const json::Value& value = call.input();
  if (!value.is_array()) {
    // Read from its last index, what has no length has no element either.
    const double length = length_of(value);
    if (length == 0) return json::Value::array();
    if (value.is_bool()) return call.fail(fmt::format("{} has no length", describe(value)));
    return get_child(value, json::Value(length - 1), call.allowance());
  }
  if (!call.charge(value.size() / 8) || !call.room(value.size() * sizeof(json::Value))) return {};
  json::Value result = json::Value::make_array(value.size());
  for (std::size_t i = value.size(); i-- > 0;) result.push_back(value.at(i));
  return result;
}

// Positions of the array's elements in the order of their keys.
bool sort_positions(NativeCall& call, const json::Value& by, std::vector<std::size_t>& positions) {
  if (!call.room(by.size() * 3 * sizeof(std::size_t)) || !call.charge(by.size())) return false;
  positions.resize(by.size());
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = i;
  std::stable_sort(positions.begin(), positions.end(), [&](std::size_t a, std::size_t b) {
    int order = 0;
    return !stopped(call) && compare_values(by.at(a), by.at(b), call.allowance(), order) && order < 0;
  });
  return !stopped(call);
}

bool is_keyed_array(NativeCall& call, std::string_view what) {
  if (!call.input().is_array()) {
    call.fail(fmt::format("{} cannot be {}, as it is not an array", describe(call.input()), what));
    return false;
  }
  return true;
}

json::Value pick(const json::Value& array, const std::vector<std::size_t>& positions, NativeCall& call) {
  if (!call.room(positions.size() * sizeof(json::Value))) return {};
  json::Value result = json::Value::make_array(positions.size());
  for (const std::size_t at : positions) result.push_back(array.at(at));
  return result;
}

json::Value sort_keyed(NativeCall& call, const json::Value& by) {
  std::vector<std::size_t> positions;
  if (!is_keyed_array(call, "sorted") || !sort_positions(call, by, positions)) return {};
  return pick(call.input(), positions, call);
}
json::Value sort(NativeCall& call) {
  return sort_keyed(call, call.input());
}
json::Value sort_by(NativeCall& call) {
  return sort_keyed(call, call.argument(0));
}

// Calls `take(position, same)` in key order; same says that the key equals the one before.
template <typename Take>
bool for_each_group(NativeCall& call, const json::Value& by, Take take) {
  std::vector<std::size_t> positions;
  if (!sort_positions(call, by, positions)) return false;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const bool same =
        i > 0 && apply(Operator::equal, by.at(positions[i - 1]), by.at(positions[i]), call.allowance()).is_truthy();
    if (stopped(call)) return false;
    take(positions[i], same);
    if (!call.room(2 * sizeof(json::Value))) return false;
  }
  return true;
}

json::Value group_by(NativeCall& call) {
  if (!is_keyed_array(call, "grouped")) return {};
  std::vector<json::Value> groups;
  for_each_group(call, call.argument(0), [&](std::size_t at, bool same) {
    if (!same) groups.push_back(json::Value::array());
    groups.back().push_back(call.input().at(at));
  });
  return json::Value::array(std::move(groups));
}

json::Value unique_keyed(NativeCall& call, const json::Value& by) {
  if (!is_keyed_array(call, "sorted")) return {};
  json::Value result = json::Value::array();
  for_each_group(call, by, [&](std::size_t at, bool same) {
    if (!same) result.push_back(call.input().at(at));
  });
  return result;
}
json::Value unique(NativeCall& call) {
  return unique_keyed(call, call.input());
}
json::Value unique_by(NativeCall& call) {
  return unique_keyed(call, call.argument(0));
}

// NaN is less than every number, itself included.
bool is_nan(const json::Value& value) {
  return value.is_number() && std::isnan(value.as_double());
}

// Also as the first key of several.
bool is_nan_before_number(const json::Value& value, const json::Value& other) {
  if (is_nan(value)) return other.is_number();
  return value.is_array() && other.is_array() && value.size() == other.size() && value.size() > 0 &&
         is_nan(value.at(0)) && other.at(0).is_number();
}

// The first of the least, or the last of the greatest.
template <bool greatest>
json::Value extreme(NativeCall& call, const json::Value& by) {
  if (!call.input().is_array()) {
    return call.fail(fmt::format("{} and {} cannot be iterated over", describe(call.input()), describe(by)));
  }
  if (by.size() == 0) return {};
  std::size_t best = 0;
  for (std::size_t i = 1; i < by.size(); ++i) {
    int order = 0;
    if (!compare_values(by.at(i), by.at(best), call.allowance(), order)) return {};
    if (is_nan_before_number(by.at(i), by.at(best))) order = -1;
    if (greatest ? order >= 0 : order < 0) best = i;
  }
  return call.input().at(best);
}
template <bool greatest>
json::Value extreme_self(NativeCall& call) {
  return extreme<greatest>(call, call.input());
}
template <bool greatest>
json::Value extreme_by(NativeCall& call) {
  return extreme<greatest>(call, call.argument(0));
}

json::Value to_entries(NativeCall& call) {
  const json::Value& object = call.input();
  if (!object.is_object() && !object.is_array()) return call.fail(fmt::format("{} has no keys", describe(object)));
  if (!call.charge(object.size()) || !call.room(object.size() * 6 * sizeof(json::Value))) return {};
  json::Value result = json::Value::make_array(object.size());
  const auto add = [&result](const json::Value& key, const json::Value& value) {
    json::Value pair = json::Value::make_object(2);
    pair.set("key", key);
    pair.set("value", value);
    result.push_back(std::move(pair));
  };
  if (object.is_array()) {
    for (std::size_t i = 0; i < object.size(); ++i) add(json::Value(i), object.at(i));
  } else {
    for (const json::Entry& entry : object.entries()) add(entry.key, entry.value);
  }
  return result;
}

// Adds what an entry says to the object; false with an error where its key is not a string.
bool add_entry(NativeCall& call, const json::Value& entry, json::Value& object) {
  constexpr std::array<std::string_view, 4> key_names = {"key", "Key", "name", "Name"};
  if (!entry.is_object() && !entry.is_null()) {
    call.fail(fmt::format("Cannot index {} with string (\"key\")", to_string(entry.kind())));
    return false;
  }
  if (!call.charge(1) || !call.room(sizeof(json::Entry))) return false;
  const json::Value* key = nullptr;
  for (const std::string_view name : key_names) {
    key = entry.find(name);
    if (key != nullptr && key->is_truthy()) break;
  }
  if (key == nullptr || !key->is_string()) {
    call.fail(fmt::format("Cannot use {} as object key", describe(key == nullptr ? json::Value() : *key)));
    return false;
  }
  const json::Value* value = entry.find("value");
  if (value == nullptr) value = entry.find("Value");
  object.set(*key, value == nullptr ? json::Value() : *value);
  return true;
}

json::Value from_entries(NativeCall& call) {
  const json::Value& entries = call.input();
  json::Value object = json::Value::object();
  if (entries.is_array()) {
    for (const json::Value& entry : entries.items()) {
      if (!add_entry(call, entry, object)) return {};
    }
  } else if (entries.is_object()) {
    for (const json::Entry& entry : entries.entries()) {
      if (!add_entry(call, entry.value, object)) return {};
    }
  } else {
    return call.fail(fmt::format("Cannot iterate over {}", describe(entries)));
  }
  return object;
}

// Rows that are null count as empty.
json::Value transpose(NativeCall& call) {
  const json::Value& input = call.input();
  std::vector<const json::Value*> rows;
  if (!call.room(input.size() * sizeof(const json::Value*))) return {};
  if (input.is_array()) {
    for (const json::Value& row : input.items()) rows.push_back(&row);
  } else if (input.is_object()) {
    for (const json::Entry& entry : input.entries()) rows.push_back(&entry.value);
  } else {
    return call.fail(fmt::format("Cannot iterate over {}", describe(input)));
  }
  double width_max = 0;
  const json::Value* other = nullptr;
  for (const json::Value* row : rows) {
    if (row->is_bool()) return call.fail(fmt::format("{} has no length", describe(*row)));
    if (other == nullptr && !row->is_array() && !row->is_null()) other = row;
    width_max = std::fmax(width_max, length_of(*row));
  }
  if (width_max == 0) return json::Value::array();
  if (other != nullptr) return get_child(*other, json::Value(0), call.allowance());
  const auto width = static_cast<std::size_t>(width_max);
  if (!call.charge(width * rows.size() / 4) || !call.room(width * (rows.size() + 2) * sizeof(json::Value))) return {};
  json::Value columns = json::Value::make_array(width);
  for (std::size_t i = 0; i < width; ++i) {
    json::Value column = json::Value::make_array(rows.size());
    for (const json::Value* row : rows) column.push_back(i < row->size() ? row->at(i) : json::Value());
    columns.push_back(std::move(column));
  }
  return columns;
}

json::Value set_path_native(NativeCall& call) {
  return set_path(call.input(), call.argument(0), call.argument(1), call.allowance());
}
json::Value delete_paths_native(NativeCall& call) {
  return delete_paths(call.input(), call.argument(0), call.allowance());
}

json::Value binary_search(NativeCall& call) {
  const json::Value& array = call.input();
  if (!array.is_array()) return call.fail(fmt::format("{} cannot be searched from", describe(array)));
  std::size_t low = 0;
  std::size_t high = array.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    int order = 0;
    if (!compare_values(array.at(middle), call.argument(0), call.allowance(), order)) return {};
    if (is_nan_before_number(call.argument(0), array.at(middle))) order = 1;
    if (order == 0) return json::Value(middle);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return json::Value(-1 - static_cast<std::int64_t>(low));
}

constexpr auto natives = std::to_array<Native>({
    {"error", 0, raise_null},
    {"error", 1, raise_argument},
    {"keys", 0, keys<true>},
    {"keys_unsorted", 0, keys<false>},
    {"has", 1, has},
    {"contains", 1, contains},
    {"add", 0, add_all},
    {"flatten", 0, flatten},
    {"flatten", 1, flatten_depth},
    {"reverse", 0, reverse},
    {"sort", 0, sort},
    {"_sort_by", 1, sort_by},
    {"_group_by", 1, group_by},
    {"unique", 0, unique},
    {"_unique_by", 1, unique_by},
    {"min", 0, extreme_self<false>},
    {"max", 0, extreme_self<true>},
    {"_min_by", 1, extreme_by<false>},
    {"_max_by", 1, extreme_by<true>},
    {"to_entries", 0, to_entries},
    {"from_entries", 0, from_entries},
    {"transpose", 0, transpose},
    {"setpath", 2, set_path_native},
    {"delpaths", 1, delete_paths_native},
    {"bsearch", 1, binary_search},
});

}  // namespace

std::span<const Native> collection_natives() noexcept {
  return natives;
}

const Native* find_native(std::string_view name, int arity) noexcept {
  for (const auto list : {collection_natives(), string_natives(), math_natives(), time_natives(), regex_natives()}) {
    for (const Native& native : list) {
      if (native.arity == arity && native.name == name) return &native;
    }
  }
  return nullptr;
}

}  // namespace trv::expression
