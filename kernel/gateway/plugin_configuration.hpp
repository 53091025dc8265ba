#pragma once
// What a tenant sets for its plugins: held against their manifests before it is recorded.

#include <optional>
#include <string>
#include <vector>

#include "kernel/gateway/routes.hpp"
#include "kernel/json/value.hpp"

namespace trv::gateway {

/// The JSON Pointers of the texts in a configuration that its schema marks `"secret": true`, each with the text: the
/// name of a secret.
struct NamedSecret {
  std::string pointer;
  std::string name;
};
[[nodiscard]] std::vector<NamedSecret> named_secrets(const json::Value& schema, const json::Value& configuration);

/// GET, PUT and DELETE of a plugin's configuration.
void add_plugin_configuration_routes(http::Router& router, const node::Node& node, const Packages& packages);

}  // namespace trv::gateway
