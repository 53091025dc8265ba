// `schema` of input, output and export: compiled with the definition, so that a bad one is refused when it is applied.

#include "kernel/json_schema/schema.hpp"

#include <fmt/format.h>

#include <charconv>

#include "kernel/json_schema/uri.hpp"
#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

/// The dialect of `json` and `json:<version>`; others are not JSON Schema.
std::optional<json_schema::Dialect> dialect_of_format(std::string_view format) {
  using json_schema::Dialect;
  if (format == "json" || format == "json:2020-12") return Dialect::draft_2020_12;
  if (format == "json:draft-07") return Dialect::draft_7;
  if (format == "json:draft-04") return Dialect::draft_4;
  return std::nullopt;
}

/// Where a JSON Pointer leads within the text; as far as it can be followed.
Position position_of(const Node& root, std::string_view pointer) {
  const Node* at = &root;
  Position position = root.position;
  const auto tokens = json_schema::pointer_tokens(pointer);
  if (!tokens) return position;
  for (const std::string& token : *tokens) {
    const Node* next = at->find(token);
    if (at->is_sequence()) {
      std::size_t index = 0;
      const auto read = std::from_chars(token.data(), token.data() + token.size(), index);
      if (read.ec == std::errc() && index < at->items.size()) next = &at->items[index];
    }
    if (next == nullptr) break;
    at = next;
    position = at->position;
  }
  return position;
}

}  // namespace

std::optional<json_schema::Schema> Compiler::schema(Fields& section) {
  const Node* node = section.get("schema");
  if (node == nullptr) return std::nullopt;
  const std::string what = fmt::format("'schema' in {}", section.what());
  Fields fields(problems_, *node, what);
  const Node* format = fields.get("format", Node::Kind::string);
  const Node* resource = fields.get("resource");
  const Node* document = resource == nullptr ? fields.require("document") : fields.get("document");
  fields.finish();
  if (resource != nullptr) {
    problems_.add(resource->position,
                  fmt::format("{}: 'resource' names a document elsewhere, and nothing is fetched; put the schema here, "
                              "below 'document'",
                              what));
    return std::nullopt;
  }
  const auto dialect = dialect_of_format(format == nullptr ? "json" : format->text);
  if (!dialect) {
    problems_.add(format->position, fmt::format("{}: the format '{}' is not known; expected is json, json:2020-12, "
                                                "json:draft-07 or json:draft-04",
                                                what, format->text));
    return std::nullopt;
  }
  if (document == nullptr) return std::nullopt;
  json_schema::CompileOptions options;
  options.dialect = *dialect;
  options.pattern_bytes_max = schema_pattern_bytes_left_;
  auto compiled = json_schema::compile(constant(*document), options);
  if (!compiled) {
    const json_schema::Refusal& refusal = compiled.error();
    problems_.add(position_of(*document, refusal.pointer),
                  fmt::format("{}, at #{}: {}", what, refusal.pointer, refusal.sentence));
    return std::nullopt;
  }
  TRV_ASSERT(compiled->pattern_bytes() <= schema_pattern_bytes_left_);
  schema_pattern_bytes_left_ -= compiled->pattern_bytes();
  return *std::move(compiled);
}

}  // namespace trv::definition
