#pragma once
// What a tenant sets for its plugins: held against their manifests before it is recorded.

#include "kernel/gateway/routes.hpp"

namespace trv::gateway {

/// GET, PUT and DELETE of a plugin's configuration.
void add_plugin_configuration_routes(http::Router& router, const node::Node& node, const Packages& packages);

}  // namespace trv::gateway
