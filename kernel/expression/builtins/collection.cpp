#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kernel/expression/builtins/builtin.hpp"

namespace trv::expression {
namespace {

constexpr int contains_depth_max = 10'000;

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
  if (value.is_object() && key.is_string()) return json::Value(value.find(key) != nullptr);
  if (value.is_array() && key.is_number()) {
    const double index = std::floor(key.as_double());
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
  if (whole.kind() != part.kind()) {
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
  return flatten_to(call.input(), 1e9, call);
}
json::Value flatten_depth(NativeCall& call) {
  const json::Value& depth = call.argument(0);
  if (!depth.is_number()) return call.fail("flatten depth must not be negative");
  if (depth.as_double() < 0) return call.fail("flatten depth must not be negative");
  return flatten_to(call.input(), depth.as_double(), call);
}

json::Value reverse(NativeCall& call) {
  const json::Value& value = call.input();
  if (value.is_null()) return json::Value::array();
  if (value.is_string()) {
    if (value.as_string().empty()) return json::Value("");
    json::Value points = apply(Operator::divide, value, json::Value(""), call.allowance());
    if (stopped(call)) return {};
    std::string text;
    for (std::size_t i = points.size(); i-- > 0;) text += points.at(i).as_string();
    return json::Value(text);
  }
  if (!value.is_array()) return call.fail(fmt::format("Cannot reverse {}", describe(value)));
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
    int order = 1;
    if (i > 0 && !compare_values(by.at(positions[i - 1]), by.at(positions[i]), call.allowance(), order)) return false;
    take(positions[i], order == 0);
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
  if (!object.is_object()) return call.fail(fmt::format("{} has no keys", describe(object)));
  if (!call.charge(object.size()) || !call.room(object.size() * 6 * sizeof(json::Value))) return {};
  json::Value result = json::Value::make_array(object.size());
  for (const json::Entry& entry : object.entries()) {
    json::Value pair = json::Value::make_object(2);
    pair.set("key", entry.key);
    pair.set("value", entry.value);
    result.push_back(std::move(pair));
  }
  return result;
}

const json::Value* find_any(const json::Value& entry, std::span<const std::string_view> names, bool skip_empty) {
  const json::Value* last = nullptr;
  for (const std::string_view name : names) {
    const json::Value* found = entry.find(name);
    if (found == nullptr) continue;
    last = found;
    if (!skip_empty || found->is_truthy()) return found;
    if (found->is_bool()) return found;
  }
  return last;
}

json::Value from_entries(NativeCall& call) {
  constexpr std::array<std::string_view, 6> key_names = {"key", "k", "name", "Name", "Key", "K"};
  constexpr std::array<std::string_view, 4> value_names = {"value", "v", "Value", "V"};
  if (!call.input().is_array()) return call.fail(fmt::format("Cannot iterate over {}", describe(call.input())));
  json::Value object = json::Value::object();
  for (const json::Value& entry : call.input().items()) {
    if (!entry.is_object()) return call.fail(fmt::format("Cannot index {} with \"key\"", to_string(entry.kind())));
    if (!call.charge(1) || !call.room(sizeof(json::Entry))) return {};
    const json::Value* found_key = find_any(entry, key_names, true);
    const json::Value* found_value = find_any(entry, value_names, false);
    const json::Value key = found_key == nullptr ? json::Value() : *found_key;
    if (key.is_array() || key.is_object()) {
      return call.fail(fmt::format("Cannot use {} as object key", describe(key)));
    }
    object.set(key.is_string() ? key : to_text(key, call.allowance()),
               found_value == nullptr ? json::Value() : *found_value);
  }
  return object;
}

json::Value transpose(NativeCall& call) {
  const json::Value& rows = call.input();
  if (!rows.is_array()) return call.fail(fmt::format("Cannot iterate over {}", describe(rows)));
  std::size_t width = 0;
  for (const json::Value& row : rows.items()) {
    if (!row.is_array()) return call.fail(fmt::format("Cannot index {} with number", to_string(row.kind())));
    width = std::max(width, row.size());
  }
  if (!call.charge(width * rows.size() / 4) || !call.room(width * (rows.size() + 2) * sizeof(json::Value))) return {};
  json::Value columns = json::Value::make_array(width);
  for (std::size_t i = 0; i < width; ++i) {
    json::Value column = json::Value::make_array(rows.size());
    for (const json::Value& row : rows.items()) column.push_back(i < row.size() ? row.at(i) : json::Value());
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
    if (order == 0) return json::Value(middle);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return json::Value(-1 - static_cast<std::int64_t>(low));
}

json::Value to_array(NativeCall& call) {
  return call.input().is_array() ? call.input() : json::Value::array({call.input()});
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
    {"toarray", 0, to_array},
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
