#pragma once
// What a schema is compiled to: a graph of nodes, one for each schema object. Immutable once compiled; any thread.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/json_schema/format.hpp"
#include "kernel/json_schema/keyword.hpp"
#include "kernel/json_schema/pattern.hpp"

namespace trv::json_schema {

struct Node;

/// A schema with a URI of its own: a document's root, or a schema with `$id` within.
struct Resource {
  std::string uri;
  const json::Value* root = nullptr;
  Rules rules;
  std::map<std::string, const json::Value*, std::less<>> anchors;
  std::map<std::string, const json::Value*, std::less<>> dynamic_anchors;
  std::map<std::string, const Node*, std::less<>> dynamic_nodes;  ///< the same, compiled
};

struct DynamicReference {
  const Node* target = nullptr;  ///< where no resource on the way here has the anchor
  std::string anchor;            ///< empty: always `target`
};

struct NumberRules {
  std::optional<json::Value> minimum;
  std::optional<json::Value> maximum;
  std::optional<json::Value> exclusive_minimum;
  std::optional<json::Value> exclusive_maximum;
  std::optional<json::Value> multiple_of;
};

struct StringRules {
  std::uint64_t length_min = 0;
  std::optional<std::uint64_t> length_max;
  const Pattern* pattern = nullptr;
  std::optional<Format> format;
};

struct ArrayRules {
  std::vector<const Node*> prefix;
  const Node* items = nullptr;
  std::string_view prefix_keyword = "prefixItems";
  std::string_view items_keyword = "items";
  const Node* contains = nullptr;
  std::uint64_t contains_min = 1;
  std::optional<std::uint64_t> contains_max;
  std::uint64_t size_min = 0;
  std::optional<std::uint64_t> size_max;
  bool unique = false;
};

struct Property {
  std::string_view name;
  const Node* node = nullptr;
};

struct Dependency {
  std::string_view keyword;
  std::string_view property;
  std::vector<std::string_view> required;
  const Node* node = nullptr;  ///< or null
};

struct ObjectRules {
  std::vector<Property> properties;  ///< by name
  std::vector<std::pair<const Pattern*, const Node*>> patterns;
  const Node* additional = nullptr;
  const Node* names = nullptr;
  std::vector<std::string_view> required;
  std::vector<Dependency> dependencies;
  std::uint64_t size_min = 0;
  std::optional<std::uint64_t> size_max;
};

struct EnumRule {
  const json::Value* values = nullptr;
  std::vector<const json::Value*> sorted;  ///< where there are many
};

/// Schemas that are held against the same value.
struct Combination {
  std::vector<const Node*> all_of;
  std::vector<const Node*> any_of;
  std::vector<const Node*> one_of;
  const Node* not_ = nullptr;
  const Node* if_ = nullptr;
  const Node* then_ = nullptr;
  const Node* else_ = nullptr;
  std::optional<DynamicReference> dynamic_ref;
};

enum class Truth : std::uint8_t { rules, always, never };

struct Node {
  const Resource* resource = nullptr;
  const Node* parent = nullptr;  ///< whose location `step` goes on from
  std::string step;              ///< without parent: "#", or with a document's URI and perhaps a pointer

  Truth truth = Truth::rules;
  TypeSet types = 0;  ///< 0: all
  const Node* ref = nullptr;
  std::optional<Dialect> meta_schema;  ///< the value is a schema of this dialect
  const json::Value* constant = nullptr;
  std::unique_ptr<EnumRule> enum_rule;
  std::unique_ptr<NumberRules> number;
  std::unique_ptr<StringRules> string;
  std::unique_ptr<ArrayRules> array;
  std::unique_ptr<ObjectRules> object;
  std::unique_ptr<Combination> combination;
  const Node* unevaluated_items = nullptr;
  const Node* unevaluated_properties = nullptr;
};

/// "#/properties/a", or with the document's URI before it.
[[nodiscard]] std::string location_of(const Node& node);

struct CompiledSchema {
  std::deque<json::Value> documents;  ///< whatever the nodes point into
  std::deque<Resource> resources;
  std::deque<Node> nodes;
  std::deque<Pattern> patterns;
  const Node* root = nullptr;
};

}  // namespace trv::json_schema
