// `call`: an operation of a plugin as a function of the catalog `default`, a function, http, openapi, mcp or a2a.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/version.hpp"

namespace trv::definition {
namespace {

constexpr std::string_view other_protocols[] = {"grpc", "asyncapi"};

bool is_part(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

TaskBody compile_call(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  PluginCall call;
  const Node* node = fields.require("call", Node::Kind::string);
  const Node* with = fields.get("with");
  if (node == nullptr) return call;
  const std::string& function = node->text;
  Problems& problems = fields.problems();
  if (function == "http") return compile_http(compiler, fields, scope);
  if (function == "openapi") return compile_openapi(compiler, fields, scope);
  if (function == "mcp") return compile_mcp(compiler, fields, scope);
  if (function == "a2a") return compile_a2a(compiler, fields, scope);
  if (std::find(std::begin(other_protocols), std::end(other_protocols), function) != std::end(other_protocols)) {
    problems.unsupported(node->position, fmt::format("'call: {}'", function));
    return call;
  }
  if (const std::optional<TaskIndex> body = compiler.function(*node, scope)) {
    if (!scope.connection.empty()) {
      problems.add(node->position, fmt::format("{} calls a function, whose tasks name their connections themselves; "
                                               "remove 'metadata.connection'",
                                               fields.what()));
    }
    return DoTask{.first = *body, .is_function = true, .arguments = compiler.optional_value(with, Site::body)};
  }
  const auto fetched_later = [&](std::string address, json::Value authentication) {
    compiler.fetch_later({.name = function,
                          .address = std::move(address),
                          .authentication = std::move(authentication),
                          .caller = {},
                          .position = node->position});
    return DoTask{.first = no_task, .is_function = true, .arguments = compiler.optional_value(with, Site::body)};
  };
  if (function.find("://") != std::string::npos) {
    const std::size_t before = problems.reported();
    const Endpoint address = compile_address(compiler, *node, fmt::format("'call' of {}", fields.what()), false);
    const std::optional<std::string> constant = address.constant();
    if (problems.reported() != before) return call;
    if (constant) return fetched_later(raw_address(*constant), {});
    problems.add(node->position, fmt::format("the address of the function that {} calls has a part in braces; write "
                                             "the whole address, which is fetched when the workflow is applied",
                                             fields.what()));
    return call;
  }
  const std::size_t at = function.find('@');
  const std::size_t colon = function.find(':');
  if (at == std::string::npos && colon == std::string::npos && function.find('.') == std::string::npos) {
    if (!compiler.has_names()) return call;
    std::vector<std::string_view> names = {"http", "openapi", "grpc", "asyncapi", "a2a", "mcp"};
    const std::vector<std::string_view> functions = compiler.function_names();
    names.insert(names.end(), functions.begin(), functions.end());
    problems.unknown(node->position, fmt::format("'use.functions' has no function '{}'", function), function, names,
                     "; an operation of a plugin is written <plugin>.<operation>:<version>@default");
    return call;
  }
  const auto refuse = [&] {
    problems.add(node->position,
                 fmt::format("'{}' does not name a function; write <plugin>.<operation>:<version>@default, for "
                             "example tracker.create-issue:1.0.0@default",
                             function));
    return call;
  };
  if (at == std::string::npos || colon == std::string::npos || colon > at) return refuse();
  const std::string_view name = std::string_view(function).substr(0, colon);
  call.version = function.substr(colon + 1, at - colon - 1);
  const std::string_view catalog = std::string_view(function).substr(at + 1);
  if (catalog != "default" && compiler.catalog(catalog) == nullptr) {
    if (!compiler.has_names()) return call;
    const std::string_view meant = problems.suggest(catalog, compiler.catalog_names());
    problems.add(node->position, fmt::format("'use.catalogs' has no catalog '{}'{}", catalog,
                                             meant.empty() ? "; operations of plugins are in the catalog 'default'"
                                                           : fmt::format("; did you mean '{}'?", meant)));
    return call;
  }
  if (catalog != "default") {
    const std::optional<Compiler::Catalog> from = compiler.endpoint_of(catalog);
    if (!from) return call;
    const auto named = catalog_function(function);
    TRV_ASSERT(named.has_value());
    base::Result<std::string> address = function_address(from->endpoint, *named);
    if (address) return fetched_later(*std::move(address), from->authentication);
    problems.add(node->position, address.error().message());
    return call;
  }
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return refuse();
  call.plugin = name.substr(0, dot);
  call.operation = name.substr(dot + 1);
  const bool has_version = base::Version::parse(call.version) || base::VersionLine::parse(call.version);
  if (!is_part(call.plugin) || !is_part(call.operation) || !has_version) return refuse();
  call.connection = scope.connection.empty() ? call.plugin : scope.connection;
  with = fields.get("with", Node::Kind::mapping);
  call.input = with == nullptr ? Template::constant(json::Value::object()) : compiler.value(*with, Site::body);
  return call;
}

}  // namespace trv::definition
