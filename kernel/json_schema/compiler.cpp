#include "kernel/json_schema/compiler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json_schema/sentence.hpp"

namespace trv::json_schema {

std::string location_of(const Node& node) {
  std::vector<const Node*> way;
  for (const Node* at = &node; at != nullptr; at = at->parent) way.push_back(at);
  std::string location;
  for (auto at = way.rbegin(); at != way.rend(); ++at) location += (*at)->step;
  return location;
}

std::expected<std::shared_ptr<const CompiledSchema>, Refusal> Compiler::run(const json::Value& schema) {
  auto root = index_.add_root(schema);
  if (!root) return std::unexpected(std::move(root).error());
  compiled_->root = node_for((*root)->root, *root, nullptr, "#");
  // References come behind all schemas of the document, so that these have their own locations.
  for (;;) {
    if (auto done = compile_waiting(); !done) return std::unexpected(std::move(done).error());
    for (Resource* resource : index_.take_dynamic()) {
      for (const auto& [name, place] : resource->dynamic_anchors) {
        resource->dynamic_nodes[name] = node_for(place, resource, nullptr, fmt::format("{}#{}", resource->uri, name));
      }
    }
    if (!waiting_.empty()) continue;
    if (references_.empty()) break;
    for (const Reference& reference : std::exchange(references_, {})) {
      if (auto done = resolve(reference); !done) return std::unexpected(std::move(done).error());
    }
  }
  if (auto done = find_circle(); !done) return std::unexpected(std::move(done).error());
  return compiled_;
}

std::unexpected<Refusal> Compiler::refuse_at(const Node& node, std::string_view pointer, std::string sentence,
                                             base::ErrorCode code) const {
  const std::string location = location_of(node);
  const std::size_t hash = location.find('#');
  TRV_ASSERT(hash != std::string::npos);
  return std::unexpected(Refusal{.code = code,
                                 .pointer = location.substr(hash + 1).append(pointer),
                                 .document = location.substr(0, hash),
                                 .sentence = std::move(sentence)});
}

Node* Compiler::node_for(const json::Value* place, const Resource* resource, const Node* parent, std::string step) {
  TRV_EXPECTS(place != nullptr && resource != nullptr);
  const auto [there, added] = nodes_.emplace(place, nullptr);
  if (!added) return there->second;
  Node& node = compiled_->nodes.emplace_back();
  node.resource = resource;
  node.parent = parent;
  node.step = std::move(step);
  there->second = &node;
  waiting_.push_back({&node, place});
  return &node;
}

const Node* Compiler::child(const Node& parent, const Subschema& within) {
  const Resource* resource = index_.resource_of(within.place);
  TRV_ASSERT(resource != nullptr);
  return node_for(within.place, resource, &parent, within.step);
}

Compiler::Done Compiler::compile_waiting() {
  while (!waiting_.empty()) {
    const Job job = waiting_.back();
    waiting_.pop_back();
    if (auto done = compile_node(*job.node, *job.place); !done) return done;
  }
  return {};
}

Compiler::Done Compiler::compile_node(Node& node, const json::Value& schema) {
  if (schema.is_bool()) {
    node.truth = schema.as_bool() ? Truth::always : Truth::never;
    return {};
  }
  TRV_EXPECTS(schema.is_object());
  const Rules& rules = node.resource->rules;
  const bool ref_alone = ref_hides_others(rules.dialect) && schema.find("$ref") != nullptr;
  for (const json::Entry& entry : schema.entries()) {
    const KeywordRow* row = find_keyword(entry.name(), rules);
    if (row == nullptr) continue;
    if (ref_alone && row->keyword != Keyword::ref && row->keyword != Keyword::definitions) continue;
    if (auto done = compile_keyword(node, *row, entry.value); !done) return done;
  }
  if (!ref_alone) finish(node, schema);
  return {};
}

Compiler::Done Compiler::compile_keyword(Node& node, const KeywordRow& row, const json::Value& value) {
  switch (row.keyword) {
    case Keyword::ref: references_.push_back({&node, std::string(value.as_string()), false}); return {};
    case Keyword::dynamic_ref: references_.push_back({&node, std::string(value.as_string()), true}); return {};
    case Keyword::type: compile_type(node, value); return {};
    case Keyword::const_: node.constant = &value; return {};
    case Keyword::enum_: return compile_enum(node, value);
    case Keyword::maximum:
    case Keyword::minimum:
    case Keyword::exclusive_maximum:
    case Keyword::exclusive_minimum:
    case Keyword::multiple_of: compile_bound(node, row.keyword, value); return {};
    case Keyword::max_contains:
    case Keyword::max_items:
    case Keyword::max_length:
    case Keyword::max_properties:
    case Keyword::min_contains:
    case Keyword::min_items:
    case Keyword::min_length:
    case Keyword::min_properties: compile_count(node, row.keyword, value); return {};
    case Keyword::pattern:
    case Keyword::format: {
      if (!node.string) node.string = std::make_unique<StringRules>();
      if (row.keyword == Keyword::format) {
        const bool asserted =
            options_.formats == Formats::asserted || node.resource->rules.vocabularies.format_assertion;
        if (asserted) node.string->format = format_of_name(value.as_string());
        return {};
      }
      auto pattern = pattern_for(node, value.as_string(), "/pattern");
      if (!pattern) return std::unexpected(std::move(pattern).error());
      node.string->pattern = *pattern;
      return {};
    }
    case Keyword::additional_items:
    case Keyword::contains:
    case Keyword::items:
    case Keyword::prefix_items:
    case Keyword::unique_items:
    case Keyword::unevaluated_items: compile_array(node, row, value); return {};
    case Keyword::additional_properties:
    case Keyword::dependencies:
    case Keyword::dependent_required:
    case Keyword::dependent_schemas:
    case Keyword::pattern_properties:
    case Keyword::properties:
    case Keyword::property_names:
    case Keyword::required:
    case Keyword::unevaluated_properties: return compile_object(node, row, value);
    case Keyword::all_of:
    case Keyword::any_of:
    case Keyword::one_of:
    case Keyword::not_:
    case Keyword::if_:
    case Keyword::then_:
    case Keyword::else_: compile_combination(node, row, value); return {};
    case Keyword::definitions:
    case Keyword::annotation:
      for (const Subschema& within : subschemas(row, value)) child(node, within);
      return {};
    case Keyword::anchor:
    case Keyword::dynamic_anchor:
    case Keyword::id:
    case Keyword::nullable:
    case Keyword::schema:
    case Keyword::vocabulary: return {};
  }
  return {};
}

std::expected<const Pattern*, Refusal> Compiler::pattern_for(const Node& node, std::string_view text,
                                                             std::string_view pointer) {
  if (const auto known = patterns_.find(text); known != patterns_.end()) return known->second;
  auto compiled = Pattern::compile(text);
  if (!compiled) {
    return refuse_at(
        node, pointer,
        fmt::format("{} is not a regular expression (ECMA-262): {}", quoted(json::Value(text)), compiled.error()));
  }
  pattern_bytes_ += compiled->bytes();
  if (pattern_bytes_ > options_.pattern_bytes_max) {
    return refuse_at(
        node, pointer,
        fmt::format("the regular expressions take more than {} bytes together", options_.pattern_bytes_max),
        base::ErrorCode::too_large);
  }
  const Pattern& kept = compiled_->patterns.emplace_back(std::move(*compiled));
  patterns_.emplace(kept.text(), &kept);
  return &kept;
}

Compiler::Done Compiler::resolve(const Reference& reference) {
  const std::string_view keyword = reference.dynamic ? "/$dynamicRef" : "/$ref";
  // The node's resource is ours; only its index of anchors is looked at.
  auto* from = const_cast<Resource*>(reference.from->resource);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  auto target = index_.resolve_reference(*from, reference.text);
  if (!target) {
    Refusal& refusal = target.error();
    const std::string at =
        refusal.document.empty() ? "" : fmt::format(" (in {}#{})", refusal.document, refusal.pointer);
    return refuse_at(*reference.from, keyword, refusal.sentence + at, refusal.code);
  }
  const Node* node = nullptr;
  if (target->meta_schema) {
    Node& meta = compiled_->nodes.emplace_back();
    meta.resource = reference.from->resource;
    meta.step = reference.text.contains('#') ? reference.text : reference.text + "#";
    meta.meta_schema = target->meta_schema;
    node = &meta;
  } else {
    const auto parent = nodes_.find(target->anchor);
    const bool has_parent = parent != nodes_.end() && target->anchor != target->place;
    node = node_for(target->place, target->resource, has_parent ? parent->second : nullptr,
                    has_parent ? target->step : fmt::format("{}#{}", target->resource->uri, target->step));
  }
  if (!reference.dynamic) {
    reference.from->ref = node;
    return {};
  }
  if (!reference.from->combination) reference.from->combination = std::make_unique<Combination>();
  reference.from->combination->dynamic_ref = DynamicReference{.target = node, .anchor = target->dynamic_anchor};
  return {};
}

/// References that lead back to where they began, without a step into the value, would never end.
Compiler::Done Compiler::find_circle() const {
  enum class State : std::uint8_t { fresh, open, done };
  std::unordered_map<const Node*, State> states;
  states.reserve(compiled_->nodes.size());
  struct Visit {
    const Node* node;
    std::vector<const Node*> next;
  };
  const auto successors = [](const Node& node) {
    std::vector<const Node*> next;
    if (node.ref != nullptr) next.push_back(node.ref);
    if (node.object) {
      for (const Dependency& dependency : node.object->dependencies) {
        if (dependency.node != nullptr) next.push_back(dependency.node);
      }
    }
    if (!node.combination) return next;
    const Combination& combination = *node.combination;
    for (const auto* list : {&combination.all_of, &combination.any_of, &combination.one_of}) {
      next.insert(next.end(), list->begin(), list->end());
    }
    for (const Node* one : {combination.not_, combination.if_, combination.then_, combination.else_}) {
      if (one != nullptr) next.push_back(one);
    }
    if (combination.dynamic_ref && combination.dynamic_ref->anchor.empty()) {
      next.push_back(combination.dynamic_ref->target);
    }
    return next;
  };
  std::vector<Visit> way;
  for (const Node& start : compiled_->nodes) {
    if (states[&start] != State::fresh) continue;
    states[&start] = State::open;
    way.push_back({&start, successors(start)});
    while (!way.empty()) {
      if (way.back().next.empty()) {
        states[way.back().node] = State::done;
        way.pop_back();
        continue;
      }
      const Node* next = way.back().next.back();
      way.back().next.pop_back();
      State& state = states[next];
      if (state == State::open) {
        return refuse_at(*way.back().node, "",
                         fmt::format("the schema refers to itself without end: it leads back to {} and no property or "
                                     "item lies between",
                                     location_of(*next)));
      }
      if (state == State::done) continue;
      state = State::open;
      way.push_back({next, successors(*next)});
    }
  }
  return {};
}

base::Error Refusal::to_error() const {
  const std::string place = fmt::format("{}#{}", document, pointer);
  return base::Error(code, fmt::format("{}: {}", place, sentence));
}

std::expected<Schema, Refusal> compile(const json::Value& schema, const CompileOptions& options) {
  auto compiled = Compiler(options).run(schema);
  if (!compiled) return std::unexpected(std::move(compiled).error());
  return Schema(*std::move(compiled));
}

}  // namespace trv::json_schema
