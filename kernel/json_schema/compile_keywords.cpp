// What single keywords become.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json_schema/compiler.hpp"
#include "kernel/json_schema/sentence.hpp"

namespace trv::json_schema {
namespace {

/// Counts beyond what any value can have are all the same.
std::uint64_t to_count(const json::Value& value) {
  constexpr double count_max = 9e18;
  return value.is_int()                   ? static_cast<std::uint64_t>(value.as_int())
         : value.as_double() >= count_max ? static_cast<std::uint64_t>(count_max)
                                          : static_cast<std::uint64_t>(value.as_double());
}

template <typename T>
T& made(std::unique_ptr<T>& rules) {
  if (!rules) rules = std::make_unique<T>();
  return *rules;
}

}  // namespace

void Compiler::compile_type(Node& node, const json::Value& value) {
  const auto add = [&](const json::Value& name) { node.types |= type_of_name(name.as_string()).value_or(0); };
  if (value.is_string()) {
    add(value);
  } else {
    for (const json::Value& name : value.items()) add(name);
  }
  TRV_ENSURES(node.types != 0);
}

Compiler::Done Compiler::compile_enum(Node& node, const json::Value& value) {
  EnumRule& rule = made(node.enum_rule);
  rule.values = &value;
  constexpr std::size_t row_max = 16;
  if (value.size() <= row_max) return {};
  for (const json::Value& one : value.items()) rule.sorted.push_back(&one);
  json::Effort effort{.steps = 2'000'000, .depth_max = 1'000};
  std::ranges::sort(rule.sorted, [&](const json::Value* a, const json::Value* b) {
    return json::compare_within(*a, *b, effort) < 0;
  });
  if (effort.out_of_steps || effort.too_deep) {
    return refuse_at(node, "/enum", "the values are too many or too deep to be compared", base::ErrorCode::too_large);
  }
  return {};
}

void Compiler::compile_bound(Node& node, Keyword keyword, const json::Value& value) {
  // Draft 4 has booleans beside `maximum` and `minimum`; finish() joins them.
  if (!value.is_number()) return;
  NumberRules& rules = made(node.number);
  switch (keyword) {
    case Keyword::maximum: rules.maximum = value; break;
    case Keyword::minimum: rules.minimum = value; break;
    case Keyword::exclusive_maximum: rules.exclusive_maximum = value; break;
    case Keyword::exclusive_minimum: rules.exclusive_minimum = value; break;
    default: rules.multiple_of = value; break;
  }
}

void Compiler::compile_count(Node& node, Keyword keyword, const json::Value& value) {
  const std::uint64_t count = to_count(value);
  switch (keyword) {
    case Keyword::max_contains: made(node.array).contains_max = count; break;
    case Keyword::min_contains: made(node.array).contains_min = count; break;
    case Keyword::max_items: made(node.array).size_max = count; break;
    case Keyword::min_items: made(node.array).size_min = count; break;
    case Keyword::max_length: made(node.string).length_max = count; break;
    case Keyword::min_length: made(node.string).length_min = count; break;
    case Keyword::max_properties: made(node.object).size_max = count; break;
    default: made(node.object).size_min = count; break;
  }
}

void Compiler::compile_array(Node& node, const KeywordRow& row, const json::Value& value) {
  if (row.keyword == Keyword::unique_items) {
    made(node.array).unique = value.as_bool();
    return;
  }
  const std::vector<Subschema> within = subschemas(row, value);
  if (row.keyword == Keyword::unevaluated_items) {
    node.unevaluated_items = child(node, within.front());
    return;
  }
  ArrayRules& rules = made(node.array);
  if (row.keyword == Keyword::prefix_items || (row.keyword == Keyword::items && value.is_array())) {
    rules.prefix_keyword = row.name;
    for (const Subschema& item : within) rules.prefix.push_back(child(node, item));
  } else if (row.keyword == Keyword::contains) {
    rules.contains = child(node, within.front());
  } else if (row.keyword == Keyword::items) {
    rules.items = child(node, within.front());
    rules.items_keyword = row.name;
  } else if (const Node* additional = child(node, within.front()); rules.items == nullptr) {
    // Meant where `items` is an array; finish() drops it elsewhere.
    rules.items_keyword = row.name;
    rules.items = additional;
  }
}

Compiler::Done Compiler::compile_object(Node& node, const KeywordRow& row, const json::Value& value) {
  if (row.keyword == Keyword::unevaluated_properties) {
    node.unevaluated_properties = child(node, subschemas(row, value).front());
    return {};
  }
  ObjectRules& rules = made(node.object);
  switch (row.keyword) {
    case Keyword::required:
      for (const json::Value& name : value.items()) rules.required.push_back(name.as_string());
      return {};
    case Keyword::additional_properties: rules.additional = child(node, subschemas(row, value).front()); return {};
    case Keyword::property_names: rules.names = child(node, subschemas(row, value).front()); return {};
    case Keyword::properties: {
      const auto within = subschemas(row, value);
      for (std::size_t i = 0; i < within.size(); ++i) {
        rules.properties.push_back({.name = value.entries()[i].name(), .node = child(node, within[i])});
      }
      std::ranges::sort(rules.properties, {}, &Property::name);
      return {};
    }
    case Keyword::pattern_properties: {
      const auto within = subschemas(row, value);
      for (std::size_t i = 0; i < within.size(); ++i) {
        auto pattern = pattern_for(node, value.entries()[i].name(), within[i].step);
        if (!pattern) return std::unexpected(std::move(pattern).error());
        rules.patterns.emplace_back(*pattern, child(node, within[i]));
      }
      return {};
    }
    default: break;
  }
  // The schemas in the order of those entries that are not arrays of names.
  const auto within = row.keyword == Keyword::dependent_required ? std::vector<Subschema>() : subschemas(row, value);
  auto next = within.begin();
  for (const json::Entry& entry : value.entries()) {
    Dependency& dependency = rules.dependencies.emplace_back();
    dependency.keyword = row.name;
    dependency.property = entry.name();
    if (entry.value.is_array()) {
      for (const json::Value& name : entry.value.items()) dependency.required.push_back(name.as_string());
    } else {
      TRV_ASSERT(next != within.end());
      dependency.node = child(node, *next++);
    }
  }
  return {};
}

void Compiler::compile_combination(Node& node, const KeywordRow& row, const json::Value& value) {
  Combination& combination = made(node.combination);
  const std::vector<Subschema> within = subschemas(row, value);
  const auto all = [&](std::vector<const Node*>& list) {
    for (const Subschema& one : within) list.push_back(child(node, one));
  };
  switch (row.keyword) {
    case Keyword::all_of: all(combination.all_of); break;
    case Keyword::any_of: all(combination.any_of); break;
    case Keyword::one_of: all(combination.one_of); break;
    case Keyword::not_: combination.not_ = child(node, within.front()); break;
    case Keyword::if_: combination.if_ = child(node, within.front()); break;
    case Keyword::then_: combination.then_ = child(node, within.front()); break;
    default: combination.else_ = child(node, within.front()); break;
  }
}

/// What several keywords of one schema mean together.
void Compiler::finish(Node& node, const json::Value& schema) {
  const Dialect dialect = node.resource->rules.dialect;
  if (dialect == Dialect::draft_4 || dialect == Dialect::openapi_3_0) {
    const auto is_set = [&](std::string_view name) {
      const json::Value* value = schema.find(name);
      return value != nullptr && value->is_bool() && value->as_bool();
    };
    if (node.number && is_set("exclusiveMaximum")) node.number->exclusive_maximum.swap(node.number->maximum);
    if (node.number && is_set("exclusiveMinimum")) node.number->exclusive_minimum.swap(node.number->minimum);
    if (dialect == Dialect::openapi_3_0 && node.types != 0 && is_set("nullable")) node.types |= type_null;
  }
  if (node.array && node.array->items_keyword == "additionalItems") {
    const json::Value* items = schema.find("items");
    if (items == nullptr || !items->is_array()) {
      node.array->items = nullptr;
      node.array->items_keyword = "items";
    }
  }
}

}  // namespace trv::json_schema
