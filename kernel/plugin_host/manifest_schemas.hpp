#pragma once
// The JSON Schemas of a manifest, compiled: what calls and the configuration are held against. Immutable; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json_schema/schema.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_host {

/// What is absent takes everything.
struct OperationSchemas {
  std::optional<json_schema::Schema> input;
  std::optional<json_schema::Schema> output;
};

struct ManifestSchemas {
  std::optional<json_schema::Schema> configuration;
  std::vector<OperationSchemas> operations;  ///< in the order of the manifest's
};

/// Errors: invalid, too_large; they name the member and the place in the schema: "operations[1].input: #/minimum: …".
/// invalid also for a configuration that no object matches or that marks as secret what is not looked at,
/// and for an operation that subscribes to events and takes none.
[[nodiscard]] base::Result<ManifestSchemas> compile_schemas(const package::Manifest& manifest);

/// As compile_schemas, and what does not compile takes everything: a package that is installed stays usable where a
/// later host is stricter.
[[nodiscard]] ManifestSchemas schemas_that_compile(const package::Manifest& manifest);

enum class Quoting : std::uint8_t { values, none };

/// Whether a JSON text matches. Error: invalid (not JSON, or what is wrong with it: up to ten problems), too_large.
/// `what` begins the message; without quoting it holds nothing of the text.
[[nodiscard]] base::Status check_against(const std::optional<json_schema::Schema>& schema, std::string_view json,
                                         std::string_view what, Quoting quoting = Quoting::values);

}  // namespace trv::plugin_host
