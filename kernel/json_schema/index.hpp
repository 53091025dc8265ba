#pragma once
// Finds the schemas, resources and anchors of the documents, and holds each keyword against its shape. One thread.

#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernel/json_schema/node.hpp"
#include "kernel/json_schema/schema.hpp"

namespace trv::json_schema {

/// Where a reference leads.
struct Target {
  const json::Value* place = nullptr;   ///< null: `meta_schema`
  Resource* resource = nullptr;         ///< that the place belongs to
  const json::Value* anchor = nullptr;  ///< the schema that `step` is relative to; a resource's root
  std::string step;                     ///< JSON Pointer from there
  std::string dynamic_anchor;           ///< the name, where the place was found by a dynamic anchor
  std::optional<Dialect> meta_schema;
};

class Index {
 public:
  Index(CompiledSchema& compiled, const CompileOptions& options);

  /// The schema that is compiled. Called once, first.
  [[nodiscard]] std::expected<Resource*, Refusal> add_root(const json::Value& schema);
  /// Where `reference` leads from a schema of `from`. Error: a Refusal without place.
  [[nodiscard]] std::expected<Target, Refusal> resolve_reference(Resource& from, std::string_view reference);

  /// The resource of a schema that was seen; null for other places.
  [[nodiscard]] Resource* resource_of(const json::Value* place) const;
  /// Resources with dynamic anchors since the last call.
  [[nodiscard]] std::vector<Resource*> take_dynamic() { return std::exchange(dynamic_, {}); }

 private:
  struct Step {
    std::size_t parent;
    std::string text;
  };
  struct Place {
    const json::Value* value;
    Resource* resource;
    std::size_t trail;
  };

  [[nodiscard]] std::expected<Rules, Refusal> rules_of(const json::Value& schema, const Rules& otherwise) const;
  [[nodiscard]] std::expected<Resource*, Refusal> add_document(const std::string& uri, const json::Value& content,
                                                               const Rules& otherwise);
  [[nodiscard]] std::expected<void, Refusal> walk(const json::Value& root, Resource& resource,
                                                  const std::string& document, const std::string& pointer);
  [[nodiscard]] std::expected<void, Refusal> identify(Place& place);
  [[nodiscard]] std::expected<void, Refusal> add_anchor(Resource& resource, std::string_view name,
                                                        const json::Value* place, bool dynamic);
  [[nodiscard]] std::expected<void, Refusal> follow_pointer(Target& target, std::string_view pointer);
  [[nodiscard]] const Document* find_document(std::string_view uri) const;
  [[nodiscard]] std::string pointer_of(std::size_t trail) const;

  CompiledSchema& compiled_;
  const CompileOptions& options_;
  std::unordered_map<std::string_view, const Document*> documents_;
  std::unordered_map<std::string, Resource*> resources_;
  std::unordered_map<const json::Value*, Resource*> places_;
  std::vector<Resource*> dynamic_;
  std::vector<Step> trail_;
  std::uint64_t entries_left_ = 1'000'000;
};

[[nodiscard]] inline std::unexpected<Refusal> refuse(std::string pointer, std::string sentence,
                                                     base::ErrorCode code = base::ErrorCode::invalid) {
  return std::unexpected(
      Refusal{.code = code, .pointer = std::move(pointer), .document = {}, .sentence = std::move(sentence)});
}

}  // namespace trv::json_schema
