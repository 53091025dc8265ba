#pragma once
// Which secrets a configuration names. Pure; any thread.

#include <string>
#include <vector>

#include "kernel/json/value.hpp"

namespace trv::plugin_host {

/// A text in a configuration that its schema marks `"secret": true`: the name of a secret, never the secret.
struct NamedSecret {
  std::string pointer;  ///< JSON Pointer to it
  std::string name;
};
[[nodiscard]] std::vector<NamedSecret> named_secrets(const json::Value& schema, const json::Value& configuration);

}  // namespace trv::plugin_host
