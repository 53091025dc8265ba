// Arrays and objects.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json_schema/evaluation.hpp"

namespace trv::json_schema {
namespace {

constexpr std::size_t candidates_max = 200;

/// Names that a schema and those beside it know.
void add_known_names(const Node& node, std::vector<std::string_view>& names, int& visits_left) {
  if (visits_left == 0 || names.size() >= candidates_max) return;
  --visits_left;
  if (node.object) {
    for (const Property& property : node.object->properties) {
      if (names.size() < candidates_max) names.push_back(property.name);
    }
  }
  if (node.ref != nullptr) add_known_names(*node.ref, names, visits_left);
  if (!node.combination) return;
  for (const auto* list : {&node.combination->all_of, &node.combination->any_of, &node.combination->one_of}) {
    for (const Node* one : *list) {
      if (visits_left > 0) add_known_names(*one, names, visits_left);
    }
  }
}

}  // namespace

std::string Evaluation::unknown_property(const Node& node, const json::Value& name) {
  std::vector<std::string_view> names;
  const std::string near = suggestion(name.as_string(), [&] {
    int visits_left = 100;
    add_known_names(node, names, visits_left);
    return names;
  });
  return fmt::format("the property {} is not known here{}", quoted(name),
                     near.empty() && !names.empty() ? "; known are " + name_list(names, "and") : near);
}

bool Evaluation::array_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  const ArrayRules& rules = *node.array;
  const std::size_t size = instance.size();
  bool valid = true;
  if (size < rules.size_min) {
    valid = fail(node, "minItems", path, [&] {
      return fmt::format("there {} {}, at least {} are needed", size == 1 ? "is" : "are",
                         counted(size, "item", "items"), rules.size_min);
    });
  } else if (rules.size_max && size > *rules.size_max) {
    valid = fail(node, "maxItems", path, [&] {
      return fmt::format("there {} {}, at most {} {} allowed", size == 1 ? "is" : "are", counted(size, "item", "items"),
                         *rules.size_max, *rules.size_max == 1 ? "is" : "are");
    });
  }
  for (std::size_t i = 0; i < size && (valid || goes_on()); ++i) {
    const Node* item = i < rules.prefix.size() ? rules.prefix[i] : rules.items;
    if (item == nullptr) break;
    const Path below{.parent = &path, .key = nullptr, .index = i};
    if (item->truth == Truth::never && i >= rules.prefix.size()) {
      valid = fail(node, rules.items_keyword, below, [&] {
        return fmt::format("item {} is one too many: at most {} {} allowed", i + 1, rules.prefix.size(),
                           rules.prefix.size() == 1 ? "is" : "are");
      });
      break;
    }
    valid = holds(*item, instance.at(i), below, nullptr) && valid;
    if (evaluated != nullptr && rules.items == nullptr) evaluated->mark(i);
  }
  if (evaluated != nullptr && rules.items != nullptr) evaluated->mark_all();
  if (rules.contains != nullptr && (valid || goes_on())) {
    valid = contains_holds(node, instance, path, evaluated) && valid;
  }
  if (rules.unique && size > 1 && (valid || goes_on())) valid = items_are_unique(node, instance, path) && valid;
  return valid;
}

bool Evaluation::contains_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  const ArrayRules& rules = *node.array;
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < instance.size(); ++i) {
    if (!would_hold(*rules.contains, instance.at(i), {.parent = &path, .key = nullptr, .index = i}, nullptr)) {
      if (stop_ != Stop::none) return false;
      continue;
    }
    ++found;
    // Draft 2020-12 counts what was found as evaluated.
    if (evaluated != nullptr) evaluated->mark(i);
    if (evaluated == nullptr && !rules.contains_max && found >= rules.contains_min) return true;
  }
  if (found < rules.contains_min) {
    return fail(node, rules.contains_min > 1 ? "minContains" : "contains", path, [&] {
      return fmt::format("{} of {} as {} describes, at least {} {} needed", found == 0 ? "none" : std::to_string(found),
                         counted(instance.size(), "item is", "items are"), location_of(*rules.contains),
                         rules.contains_min, rules.contains_min == 1 ? "is" : "are");
    });
  }
  if (rules.contains_max && found > *rules.contains_max) {
    return fail(node, "maxContains", path, [&] {
      return fmt::format("{} of {} as {} describes, at most {} {} allowed", found,
                         counted(instance.size(), "item is", "items are"), location_of(*rules.contains),
                         *rules.contains_max, *rules.contains_max == 1 ? "is" : "are");
    });
  }
  return true;
}

bool Evaluation::items_are_unique(const Node& node, const json::Value& instance, const Path& path) {
  if (!spend(node, instance.size())) return false;
  std::vector<const json::Value*> sorted;
  sorted.reserve(instance.size());
  for (const json::Value& item : instance.items()) sorted.push_back(&item);
  json::Effort effort{.steps = steps_, .depth_max = 1'000};
  std::ranges::sort(
      sorted, [&](const json::Value* a, const json::Value* b) { return json::compare_within(*a, *b, effort) < 0; });
  const auto twice = std::ranges::adjacent_find(
      sorted, [&](const json::Value* a, const json::Value* b) { return json::compare_within(*a, *b, effort) == 0; });
  steps_ = effort.steps;
  if (effort.out_of_steps) return halt(node, Stop::steps);
  if (effort.too_deep) return halt(node, Stop::depth);
  if (twice == sorted.end()) return true;
  return fail(node, "uniqueItems", path, [&] {
    const auto* first = instance.items().data();
    const auto [one, other] = std::minmax(*twice, *std::next(twice));
    return fmt::format("items {} and {} are the same, {}; each may be there once", one - first, other - first,
                       shown(*one));
  });
}

bool Evaluation::object_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  const ObjectRules& rules = *node.object;
  const std::size_t size = instance.size();
  bool valid = true;
  if (size < rules.size_min) {
    valid = fail(node, "minProperties", path, [&] {
      return fmt::format("there {} {}, at least {} are needed", size == 1 ? "is" : "are",
                         counted(size, "property", "properties"), rules.size_min);
    });
  } else if (rules.size_max && size > *rules.size_max) {
    valid = fail(node, "maxProperties", path, [&] {
      return fmt::format("there {} {}, at most {} {} allowed", size == 1 ? "is" : "are",
                         counted(size, "property", "properties"), *rules.size_max, *rules.size_max == 1 ? "is" : "are");
    });
  }
  if (!rules.required.empty() && (valid || goes_on())) valid = names_are_there(node, instance, path) && valid;
  const bool looks_within =
      !rules.properties.empty() || !rules.patterns.empty() || rules.additional != nullptr || rules.names != nullptr;
  for (std::size_t i = 0; looks_within && i < size && (valid || goes_on()); ++i) {
    valid = entry_holds(node, instance.entries()[i], i, path, evaluated) && valid;
  }
  if (!rules.dependencies.empty() && (valid || goes_on())) {
    valid = dependencies_hold(node, instance, path, evaluated) && valid;
  }
  return valid;
}

bool Evaluation::entry_holds(const Node& node, const json::Entry& entry, std::size_t index, const Path& path,
                             Evaluated* evaluated) {
  const ObjectRules& rules = *node.object;
  const std::string_view name = entry.name();
  const Path below{.parent = &path, .key = &entry.key, .index = 0};
  if (!spend(node, 1)) return false;
  bool valid = true;
  bool known = false;
  if (rules.names != nullptr) valid = holds(*rules.names, entry.key, below, nullptr);
  const auto property = std::ranges::lower_bound(rules.properties, name, {}, &Property::name);
  if (property != rules.properties.end() && property->name == name) {
    known = true;
    if (property->node->truth == Truth::never) {
      valid = fail(*property->node, "", below,
                   [&] { return fmt::format("the property {} is not allowed here", quoted(entry.key)); });
    } else if (valid || goes_on()) {
      valid = holds(*property->node, entry.value, below, nullptr) && valid;
    }
  }
  for (const auto& [pattern, schema] : rules.patterns) {
    if (!valid && !goes_on()) return false;
    const Match match = matcher_.matches(*pattern, name, steps_);
    if (match == Match::too_costly) return halt(node, Stop::pattern);
    if (match == Match::no) continue;
    known = true;
    valid = holds(*schema, entry.value, below, nullptr) && valid;
  }
  if (!known && rules.additional != nullptr && (valid || goes_on())) {
    known = true;
    if (rules.additional->truth == Truth::never) {
      return fail(node, "additionalProperties", below, [&] { return unknown_property(node, entry.key); });
    }
    valid = holds(*rules.additional, entry.value, below, nullptr) && valid;
  }
  if (known && evaluated != nullptr) evaluated->mark(index);
  return valid;
}

bool Evaluation::names_are_there(const Node& node, const json::Value& instance, const Path& path) {
  const ObjectRules& rules = *node.object;
  if (!spend(node, rules.required.size())) return false;
  bool valid = true;
  for (const std::string_view name : rules.required) {
    if (instance.find(name) != nullptr) continue;
    valid = fail(node, "required", path, [&] {
      std::string near = suggestion(name, [&] {
        // A name that the schema knows was meant as it is.
        std::vector<std::string_view> others;
        for (const json::Entry& entry : instance.entries().first(std::min(instance.size(), candidates_max))) {
          const auto known = std::ranges::lower_bound(rules.properties, entry.name(), {}, &Property::name);
          if (known == rules.properties.end() || known->name != entry.name()) others.push_back(entry.name());
        }
        return others;
      });
      if (!near.empty()) near = fmt::format("; was it meant by {}", near.substr(near.find('"')));
      return fmt::format("the property {} is missing{}", quoted(json::Value(name)), near);
    });
    if (!goes_on()) return false;
  }
  return valid;
}

bool Evaluation::dependencies_hold(const Node& node, const json::Value& instance, const Path& path,
                                   Evaluated* evaluated) {
  bool valid = true;
  for (const Dependency& dependency : node.object->dependencies) {
    if (!valid && !goes_on()) return false;
    if (!spend(node, 1 + dependency.required.size())) return false;
    if (instance.find(dependency.property) == nullptr) continue;
    if (dependency.node != nullptr) {
      valid = holds(*dependency.node, instance, path, evaluated) && valid;
      continue;
    }
    for (const std::string_view name : dependency.required) {
      if (instance.find(name) != nullptr) continue;
      valid = fail(node, dependency.keyword, path, [&] {
        return fmt::format("the property {} is missing, which {} needs beside it", quoted(json::Value(name)),
                           quoted(json::Value(dependency.property)));
      });
    }
  }
  return valid;
}

bool Evaluation::unevaluated_hold(const Node& node, const json::Value& instance, const Path& path,
                                  Evaluated& evaluated) {
  bool valid = true;
  const Node* rest = instance.is_array()    ? node.unevaluated_items
                     : instance.is_object() ? node.unevaluated_properties
                                            : nullptr;
  if (rest == nullptr) return true;
  for (std::size_t i = 0; i < instance.size() && (valid || goes_on()); ++i) {
    if (evaluated.has(i)) continue;
    if (!spend(node, 1)) return false;
    if (instance.is_array()) {
      const Path below{.parent = &path, .key = nullptr, .index = i};
      valid = rest->truth == Truth::never
                  ? fail(node, "unevaluatedItems", below,
                         [&] { return fmt::format("item {} is one too many: no rule knows it", i + 1); })
                  : holds(*rest, instance.at(i), below, nullptr) && valid;
      continue;
    }
    const json::Entry& entry = instance.entries()[i];
    const Path below{.parent = &path, .key = &entry.key, .index = 0};
    if (rest->truth != Truth::never) {
      valid = holds(*rest, entry.value, below, nullptr) && valid;
      continue;
    }
    valid = fail(node, "unevaluatedProperties", below, [&] { return unknown_property(node, entry.key); });
  }
  evaluated.mark_all();
  return valid;
}

}  // namespace trv::json_schema
