#include "kernel/plugin_host/manifest_schemas.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernel/json/parse.hpp"
#include "kernel/plugin_host/named_secrets.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"

namespace trv::plugin_host {
namespace {

/// All regular expressions of one manifest.
constexpr std::size_t pattern_bytes_max = 4 * 1024 * 1024;
constexpr std::size_t problems_max = 10;

/// One schema after the other, within one limit.
class Reader {
 public:
  base::Result<std::optional<json_schema::Schema>> read(const std::string& text, std::string_view member) {
    // `true` takes every value.
    if (text.empty() || text == "true") return std::nullopt;
    auto value = json::parse(text, {.bytes_max = package::manifest_bytes_max, .depth_max = 512});
    if (!value) return base::fail(std::move(value).error().in(member));
    json_schema::CompileOptions options;
    options.pattern_bytes_max = pattern_bytes_left_;
    auto compiled = json_schema::compile(*value, options);
    if (!compiled) return base::fail(compiled.error().to_error().in(member));
    TRV_ASSERT(compiled->pattern_bytes() <= pattern_bytes_left_);
    pattern_bytes_left_ -= compiled->pattern_bytes();
    return *std::move(compiled);
  }

 private:
  std::size_t pattern_bytes_left_ = pattern_bytes_max;
};

/// `refused` is called with the error of each schema that does not compile, and says whether to go on without it.
template <typename Refused>
base::Result<ManifestSchemas> compile_all(const package::Manifest& manifest, Refused refused) {
  Reader reader;
  ManifestSchemas schemas;
  const auto read = [&](const std::string& text, const std::string& member,
                        std::optional<json_schema::Schema>& out) -> base::Status {
    auto schema = reader.read(text, member);
    if (!schema) return refused(std::move(schema).error());
    out = *std::move(schema);
    return {};
  };
  TRV_TRY(read(manifest.configuration, "configuration", schemas.configuration));
  schemas.operations.resize(manifest.operations.size());
  for (std::size_t i = 0; i < manifest.operations.size(); ++i) {
    const package::Operation& operation = manifest.operations[i];
    TRV_TRY(read(operation.input, fmt::format("operations[{}].input", i), schemas.operations[i].input));
    TRV_TRY(read(operation.output, fmt::format("operations[{}].output", i), schemas.operations[i].output));
  }
  return schemas;
}

bool may_be_object(const json::Value& type) {
  if (type.is_string()) return type.as_string() == "object";
  return std::ranges::any_of(type.items(), may_be_object);
}

/// Not of every schema that no object matches can it be said; of those that are written by mistake it can.
bool takes_no_object(const json::Value& schema) {
  if (schema.is_bool()) return !schema.as_bool();
  const json::Value* type = schema.find("type");
  if (type != nullptr && !may_be_object(*type)) return true;
  const json::Value* constant = schema.find("const");
  if (constant != nullptr && !constant->is_object()) return true;
  const json::Value* values = schema.find("enum");
  if (values != nullptr && std::ranges::none_of(values->items(), &json::Value::is_object)) return true;
  const json::Value* all = schema.find("allOf");
  return all != nullptr && std::ranges::any_of(all->items(), takes_no_object);
}

/// What a compiled schema does not say. The host's rules on configurations; on what has compiled.
base::Status check_configuration(const std::string& text) {
  if (text.empty()) return {};
  TRV_TRY_ASSIGN(const json::Value schema,
                 json::parse(text, {.bytes_max = package::manifest_bytes_max, .depth_max = 512}));
  if (takes_no_object(schema)) {
    return base::fail(base::ErrorCode::invalid,
                      "configuration: #: no object matches this schema, and a configuration is an object");
  }
  if (auto marks = check_secret_marks(schema); !marks) return base::fail(std::move(marks).error().in("configuration"));
  return {};
}

/// A schema says much about an event that may or may not be so: what it says of its data is for the events that come.
/// What it says of the object around an event, and that an event is an object, holds for all.
bool refuses_every_event(const json_schema::Problem& problem) {
  if (problem.instance_path.empty()) return true;
  if (problem.instance_path != "/event") return false;
  return std::ranges::any_of(std::array<std::string_view, 4>{"/type", "/enum", "/const", "/additionalProperties"},
                             [&](std::string_view keyword) { return problem.schema_path.ends_with(keyword); });
}

base::Status check_subscriptions(const package::Manifest& manifest, const ManifestSchemas& schemas) {
  for (std::size_t i = 0; i < manifest.subscriptions.size(); ++i) {
    const package::Subscription& subscription = manifest.subscriptions[i];
    const auto operation = std::ranges::find(manifest.operations, subscription.operation, &package::Operation::name);
    TRV_ASSERT(operation != manifest.operations.end());
    const auto& input = schemas.operations[static_cast<std::size_t>(operation - manifest.operations.begin())].input;
    if (!input) continue;
    const json::Value given = {{"event",
                                {{"specversion", "1.0"},
                                 {"id", "1"},
                                 {"source", "/example"},
                                 {"type", subscription.events.front()},
                                 {"time", "2026-01-01T00:00:00Z"},
                                 {"data", json::Value::object()}}}};
    TRV_TRY_ASSIGN(const auto problems, input->validate(given, {.problems_max = problems_max}));
    const auto refused = std::ranges::find_if(problems, refuses_every_event);
    if (refused == problems.end()) continue;
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("subscriptions[{}]: operation \"{}\" is called with {{\"event\": …}}, which its "
                                  "input's schema refuses: {}",
                                  i, subscription.operation, json_schema::to_text({&*refused, 1})));
  }
  return {};
}

}  // namespace

base::Result<ManifestSchemas> compile_schemas(const package::Manifest& manifest) {
  TRV_TRY_ASSIGN(ManifestSchemas schemas,
                 compile_all(manifest, [](base::Error error) -> base::Status { return base::fail(std::move(error)); }));
  TRV_TRY(check_configuration(manifest.configuration));
  TRV_TRY(check_subscriptions(manifest, schemas));
  return schemas;
}

ManifestSchemas schemas_that_compile(const package::Manifest& manifest) {
  auto schemas = compile_all(manifest, [](const base::Error&) -> base::Status { return {}; });
  TRV_ENSURES(schemas.has_value());
  return *std::move(schemas);
}

base::Status check_against(const std::optional<json_schema::Schema>& schema, std::string_view json,
                           std::string_view what, Quoting quoting) {
  if (!schema) return {};
  const auto value = json::parse(json, {.bytes_max = output_bytes_max, .depth_max = json_depth_max});
  if (!value) return base::fail(value.error().code(), fmt::format("{} is not JSON: {}", what, value.error().message()));
  const auto problems =
      schema->validate(*value, {.problems_max = problems_max, .shows_values = quoting == Quoting::values});
  if (!problems) {
    return base::fail(problems.error().code(),
                      fmt::format("{} cannot be held against its schema: {}", what, problems.error().message()));
  }
  if (problems->empty()) return {};
  return base::fail(base::ErrorCode::invalid, fmt::format("{} does not match the schema in the plugin's manifest:\n{}",
                                                          what, json_schema::to_text(*problems)));
}

}  // namespace trv::plugin_host
