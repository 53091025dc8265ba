#include "kernel/json_schema/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kernel/json_schema/sentence.hpp"
#include "kernel/json_schema/uri.hpp"

namespace trv::json_schema {
namespace {

constexpr std::size_t no_parent = ~std::size_t{0};
constexpr std::string_view vocabulary_base = "https://json-schema.org/draft/2020-12/vocab/";

std::string_view without_empty_fragment(std::string_view uri) {
  return uri.ends_with('#') ? uri.substr(0, uri.size() - 1) : uri;
}

Refusal too_many(std::size_t schemas_max) {
  return {base::ErrorCode::too_large, "", "", fmt::format("there are more than {} schemas", schemas_max)};
}

/// What a meta-schema says of the parts of the language that it uses.
std::expected<Vocabularies, Refusal> read_vocabularies(const json::Value& declared, std::string_view meta_schema) {
  Vocabularies vocabularies{.applicator = false, .unevaluated = false, .validation = false, .format_assertion = false};
  for (const json::Entry& entry : declared.entries()) {
    std::string_view name = entry.name();
    const bool known = name.starts_with(vocabulary_base);
    if (known) name.remove_prefix(vocabulary_base.size());
    if (known && name == "applicator") {
      vocabularies.applicator = true;
    } else if (known && name == "unevaluated") {
      vocabularies.unevaluated = true;
    } else if (known && name == "validation") {
      vocabularies.validation = true;
    } else if (known && name == "format-assertion") {
      vocabularies.format_assertion = true;
    } else if (!(known &&
                 (name == "core" || name == "meta-data" || name == "format-annotation" || name == "content")) &&
               entry.value.is_truthy()) {
      return refuse("/$schema", fmt::format("the meta-schema {} requires the vocabulary {}, which is not known here",
                                            quoted(json::Value(meta_schema)), quoted(entry.key)));
    }
  }
  return vocabularies;
}

}  // namespace

Index::Index(CompiledSchema& compiled, const CompileOptions& options) : compiled_(compiled), options_(options) {
  for (const Document& document : options.documents) {
    documents_.emplace(without_empty_fragment(document.uri), &document);
  }
}

const Document* Index::find_document(std::string_view uri) const {
  const auto found = documents_.find(without_empty_fragment(uri));
  return found == documents_.end() ? nullptr : found->second;
}

Resource* Index::resource_of(const json::Value* place) const {
  const auto found = places_.find(place);
  return found == places_.end() ? nullptr : found->second;
}

std::string Index::pointer_of(std::size_t trail) const {
  std::vector<std::string_view> steps;
  for (std::size_t at = trail; at != no_parent; at = trail_[at].parent) steps.push_back(trail_[at].text);
  std::string pointer;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) pointer += *step;
  return pointer;
}

std::expected<Rules, Refusal> Index::rules_of(const json::Value& schema, const Rules& otherwise) const {
  const json::Value* named = schema.find("$schema");
  if (named == nullptr) return otherwise;
  if (!named->is_string()) return refuse("/$schema", fmt::format("{} is not a text", quoted(*named)));
  const std::string_view uri = named->as_string();
  const Document* document = find_document(uri);
  if (const auto dialect = dialect_of(uri); dialect && document == nullptr) {
    return Rules{.dialect = *dialect, .vocabularies = {}};
  }
  if (document == nullptr) {
    return refuse("/$schema", fmt::format("{} is not a dialect that is known here; expected is "
                                          "https://json-schema.org/draft/2020-12/schema, "
                                          "http://json-schema.org/draft-07/schema# or "
                                          "http://json-schema.org/draft-04/schema#",
                                          quoted(*named)));
  }
  const json::Value* meta = document->content.find("$schema");
  const auto dialect = dialect_of(uri);
  const auto written_in = dialect                                ? dialect
                          : meta != nullptr && meta->is_string() ? dialect_of(meta->as_string())
                                                                 : std::nullopt;
  if (!written_in) {
    return refuse("/$schema", fmt::format("the meta-schema {} is in a dialect that is not known here", quoted(*named)));
  }
  Rules rules{.dialect = *written_in, .vocabularies = {}};
  const json::Value* declared = document->content.find("$vocabulary");
  if (declared != nullptr && declared->is_object() && rules.dialect == Dialect::draft_2020_12) {
    auto vocabularies = read_vocabularies(*declared, uri);
    if (!vocabularies) return std::unexpected(std::move(vocabularies).error());
    rules.vocabularies = *vocabularies;
  }
  return rules;
}

std::expected<Resource*, Refusal> Index::add_root(const json::Value& schema) {
  TRV_EXPECTS(compiled_.documents.empty());
  std::string base(options_.base_uri.empty() ? nameless_base : split_reference(options_.base_uri).uri);
  if (!is_uri(base)) return refuse("", fmt::format("{} is not a URI to begin with", quoted(json::Value(base))));
  return add_document(base, schema, {.dialect = options_.dialect, .vocabularies = {}});
}

std::expected<Resource*, Refusal> Index::add_document(const std::string& uri, const json::Value& content,
                                                      const Rules& otherwise) {
  const bool first = compiled_.documents.empty();
  const json::Value& root = compiled_.documents.emplace_back(content);
  const auto in_document = [&](Refusal refusal) {
    if (!first) refusal.document = uri;
    return std::unexpected(std::move(refusal));
  };
  auto rules = rules_of(root, otherwise);
  if (!rules) return in_document(std::move(rules).error());
  Resource& resource = compiled_.resources.emplace_back();
  resource.uri = uri;
  resource.root = &root;
  resource.rules = *rules;
  resources_.emplace(uri, &resource);
  if (root.is_object() || root.is_bool()) {
    if (auto walked = walk(root, resource, first ? "" : uri, ""); !walked) return std::unexpected(walked.error());
  } else if (first) {
    return refuse("", fmt::format("{} is not a schema; a schema is an object, true or false", quoted(root)));
  }
  return &resource;
}

std::expected<void, Refusal> Index::walk(const json::Value& root, Resource& resource, const std::string& document,
                                         const std::string& pointer) {
  trail_.clear();
  trail_.push_back({no_parent, pointer});
  std::vector<Place> waiting{{&root, &resource, 0}};
  const auto refuse_at = [&](const Place& place, Refusal refusal) {
    refusal.pointer.insert(0, pointer_of(place.trail));
    refusal.document = document;
    return std::unexpected(std::move(refusal));
  };
  while (!waiting.empty()) {
    Place place = waiting.back();
    waiting.pop_back();
    if (places_.contains(place.value)) continue;
    if (places_.size() + waiting.size() >= options_.schemas_max) {
      return refuse_at(place, too_many(options_.schemas_max));
    }
    if (auto identified = identify(place); !identified) return refuse_at(place, identified.error());
    places_.emplace(place.value, place.resource);
    if (!place.value->is_object()) continue;
    const Rules& rules = place.resource->rules;
    for (const json::Entry& entry : place.value->entries()) {
      const std::uint64_t cost = 1 + entry.value.size();
      if (cost > entries_left_) {
        return refuse_at(place, {base::ErrorCode::too_large, "", "", "the schema has too many entries"});
      }
      entries_left_ -= cost;
      const KeywordRow* row = find_keyword(entry.name(), rules);
      if (row == nullptr) continue;
      if (entry.value.size() > options_.schemas_max && row->shape >= Shape::schema) {
        return refuse_at(place, too_many(options_.schemas_max));
      }
      if (auto wrong = check_shape(*row, entry.value, rules.dialect)) {
        return refuse_at(place, {base::ErrorCode::invalid, std::move(wrong->pointer), "", std::move(wrong->sentence)});
      }
      for (Subschema& within : subschemas(*row, entry.value)) {
        trail_.push_back({place.trail, std::move(within.step)});
        waiting.push_back({within.place, place.resource, trail_.size() - 1});
      }
    }
  }
  return {};
}

/// Reads `$id` and anchors; a schema with an id is a resource of its own.
std::expected<void, Refusal> Index::identify(Place& place) {
  const json::Value& schema = *place.value;
  if (!schema.is_object()) return {};
  const bool at_root = place.resource->root == place.value;
  const std::string_view id_name = place.resource->rules.dialect == Dialect::draft_4 ? "id" : "$id";
  const json::Value* id = place.resource->rules.dialect == Dialect::openapi_3_0 ? nullptr : schema.find(id_name);
  if (ref_hides_others(place.resource->rules.dialect) && schema.find("$ref") != nullptr) id = nullptr;
  if (id != nullptr && id->is_string()) {
    const std::string where = fmt::format("/{}", id_name);
    const SplitReference split = split_reference(id->as_string());
    if (!split.uri.empty()) {
      auto uri = resolve(place.resource->uri, split.uri);
      if (!uri) return refuse(where, fmt::format("{} is not a URI reference", quoted(*id)));
      Resource* resource = place.resource;
      if (!at_root) {
        auto rules = rules_of(schema, place.resource->rules);
        if (!rules) return std::unexpected(std::move(rules).error());
        resource = &compiled_.resources.emplace_back();
        resource->root = place.value;
        resource->rules = *rules;
      }
      resource->uri = *uri;
      const auto [there, added] = resources_.emplace(*uri, resource);
      if (!added && there->second != resource) {
        return refuse(where, fmt::format("{} is the id of another schema, too", quoted(*id)));
      }
      place.resource = resource;
    }
    // Before 2019-09 a fragment was an anchor.
    if (!split.fragment.empty() && place.resource->rules.dialect != Dialect::draft_2020_12) {
      if (auto added = add_anchor(*place.resource, split.fragment, place.value, false); !added) return added;
    }
  }
  if (place.resource->rules.dialect != Dialect::draft_2020_12) return {};
  for (const bool dynamic : {false, true}) {
    const json::Value* name = schema.find(dynamic ? "$dynamicAnchor" : "$anchor");
    if (name == nullptr || !name->is_string()) continue;
    if (auto added = add_anchor(*place.resource, name->as_string(), place.value, dynamic); !added) return added;
  }
  return {};
}

std::expected<void, Refusal> Index::add_anchor(Resource& resource, std::string_view name, const json::Value* place,
                                               bool dynamic) {
  const auto [there, added] = resource.anchors.emplace(name, place);
  if (!added && there->second != place) {
    return refuse(dynamic ? "/$dynamicAnchor" : "/$anchor",
                  fmt::format("{} is the anchor of another schema, too", quoted(json::Value(name))));
  }
  if (!dynamic) return {};
  if (resource.dynamic_anchors.empty()) dynamic_.push_back(&resource);
  resource.dynamic_anchors.emplace(name, place);
  return {};
}

std::expected<Target, Refusal> Index::resolve_reference(Resource& from, std::string_view reference) {
  const json::Value shown(reference);
  const SplitReference split = split_reference(reference);
  Resource* resource = &from;
  if (!split.uri.empty()) {
    const auto uri = resolve(from.uri, split.uri);
    if (!uri) return refuse("", fmt::format("{} is not a URI reference", quoted(shown)));
    const auto known = resources_.find(*uri);
    if (known != resources_.end()) {
      resource = known->second;
    } else if (const Document* document = find_document(*uri)) {
      auto added = add_document(*uri, document->content, from.rules);
      if (!added) return std::unexpected(std::move(added).error());
      resource = *added;
    } else if (const auto dialect = dialect_of(*uri); dialect && split.fragment.empty()) {
      Target meta;
      meta.meta_schema = dialect;
      return meta;
    } else {
      return refuse("", fmt::format("{} is not among the documents at hand, and nothing is fetched from a network; put "
                                    "that schema into this one, below \"$defs\", and refer to it as \"#/$defs/name\"",
                                    quoted(shown)));
    }
  }
  const auto fragment = percent_decode(split.fragment);
  if (!fragment) return refuse("", fmt::format("{} has a broken percent-encoding", quoted(shown)));
  Target target;
  target.resource = resource;
  target.place = target.anchor = resource->root;
  if (fragment->starts_with('/')) {
    if (auto followed = follow_pointer(target, *fragment); !followed) {
      followed.error().sentence.insert(0, fmt::format("{} leads nowhere: ", quoted(shown)));
      return std::unexpected(std::move(followed).error());
    }
  } else if (!fragment->empty()) {
    const auto found = resource->anchors.find(*fragment);
    if (found == resource->anchors.end()) {
      std::vector<std::string_view> names;
      for (const auto& [name, place] : resource->anchors) names.push_back(name);
      return refuse("", fmt::format("{} leads nowhere: there is no anchor {}{}", quoted(shown),
                                    quoted(json::Value(*fragment)), meant(*fragment, names)));
    }
    target.place = found->second;
    if (resource->dynamic_anchors.contains(*fragment)) target.dynamic_anchor = *fragment;
  }
  if (!target.place->is_object() && !(target.place->is_bool() && has_boolean_schemas(target.resource->rules.dialect))) {
    return refuse("", fmt::format("{} leads to {}, which is not a schema", quoted(shown), quoted(*target.place)));
  }
  if (!places_.contains(target.place)) {
    // A place that no keyword makes a schema, as below an OpenAPI document's components.
    const bool in_first = target.anchor == &compiled_.documents.front();
    auto walked = walk(*target.place, *target.resource, in_first ? "" : target.resource->uri, target.step);
    if (!walked) return std::unexpected(std::move(walked).error());
    target.resource = places_.at(target.place);
  }
  return target;
}

std::expected<void, Refusal> Index::follow_pointer(Target& target, std::string_view pointer) {
  const auto tokens = pointer_tokens(pointer);
  if (!tokens) return refuse("", fmt::format("{} is not a JSON Pointer", quoted(json::Value(pointer))));
  const json::Value* at = target.place;
  for (const std::string& token : *tokens) {
    const json::Value* next = nullptr;
    if (at->is_object()) {
      next = at->find(token);
    } else if (at->is_array()) {
      std::size_t index = 0;
      const auto read = std::from_chars(token.data(), token.data() + token.size(), index);
      if (read.ec == std::errc() && read.ptr == token.data() + token.size() && index < at->size())
        next = &at->at(index);
    }
    if (next == nullptr) {
      std::vector<std::string_view> names;
      constexpr std::size_t names_max = 200;
      if (at->is_object()) {
        for (const json::Entry& entry : at->entries().first(std::min(at->size(), names_max))) {
          names.push_back(entry.name());
        }
      }
      return refuse(
          "", fmt::format("there is no {} in \"#{}\"{}", quoted(json::Value(token)), target.step, meant(token, names)));
    }
    at = next;
    target.step += '/';
    target.step += escape_token(token);
    if (Resource* resource = resource_of(at); resource != nullptr && resource != target.resource) {
      target.resource = resource;
      if (resource->root == at) {
        target.anchor = at;
        target.step.clear();
      }
    }
  }
  target.place = at;
  return {};
}

}  // namespace trv::json_schema
