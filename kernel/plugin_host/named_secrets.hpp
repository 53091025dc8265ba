#pragma once
// Which secrets a configuration names. Pure; any thread.

#include <string>
#include <vector>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

/// A text in a configuration that its schema marks `"secret": true`: the name of a secret, never the secret.
struct NamedSecret {
  std::string pointer;  ///< JSON Pointer to it
  std::string name;
};
[[nodiscard]] std::vector<NamedSecret> named_secrets(const json::Value& schema, const json::Value& configuration);

/// Whether every `"secret"` of a schema is one that named_secrets looks at: anywhere else a secret itself would be
/// taken for a plain value, and shown. Error: invalid, "#/properties/k/items: …".
[[nodiscard]] base::Status check_secret_marks(const json::Value& schema);

}  // namespace trv::plugin_host
