// `call: mcp` and `call: a2a`: operations of the plugins `mcp` and `a2a`, whose input is `with`. What these protocols
// are is the plugins' matter; here is what the language says of their arguments.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

constexpr std::string_view mcp_methods[] = {"tools/list",
                                            "tools/call",
                                            "prompts/list",
                                            "prompts/get",
                                            "resources/list",
                                            "resources/read",
                                            "resources/templates/list"};
constexpr std::string_view a2a_methods[] = {"message/send",
                                            "message/stream",
                                            "tasks/get",
                                            "tasks/list",
                                            "tasks/cancel",
                                            "tasks/resubscribe",
                                            "tasks/pushNotificationConfig/set",
                                            "tasks/pushNotificationConfig/get",
                                            "tasks/pushNotificationConfig/list",
                                            "tasks/pushNotificationConfig/delete",
                                            "agent/getAuthenticatedExtendedCard"};

void check_method(Fields& arguments, const std::vector<std::string_view>& known) {
  const Node* method = arguments.require("method", Node::Kind::string);
  if (method == nullptr || std::ranges::find(known, method->text) != known.end()) return;
  const std::string_view meant = arguments.problems().suggest(method->text, known);
  arguments.problems().add(
      method->position,
      fmt::format("'method' of {} must be one of {}, not '{}'{}", arguments.what(), fmt::join(known, ", "),
                  method->text, meant.empty() ? std::string() : fmt::format("; did you mean '{}'?", meant)),
      {.expected = fmt::format("{}", fmt::join(known, ", ")), .suggestion = std::string(meant)});
}

void check_mapping(Fields& of, std::string_view name, bool may_be_empty = true) {
  const Node* node = of.get(name);
  if (node == nullptr) return;
  if (!node->is_mapping() && !(node->is_string() && node->text.contains("${"))) {
    of.problems().add(node->position, fmt::format("'{}' of {} must be a mapping or an expression, not {}", name,
                                                  of.what(), describe(node->kind)));
  } else if (node->is_mapping() && node->entries.empty() && !may_be_empty) {
    of.problems().add(node->position,
                      fmt::format("'{}' of {} must not be empty; leave it out instead", name, of.what()));
  }
}

void check_texts(Fields& of, std::string_view name) {
  const Node* node = of.get(name, Node::Kind::mapping);
  if (node == nullptr) return;
  for (const Entry& entry : node->entries) {
    if (entry.value.is_string()) continue;
    of.problems().add(entry.value.position, fmt::format("'{}' in '{}' of {} must be a string, not {}", entry.key, name,
                                                        of.what(), describe(entry.value.kind)));
  }
}

/// What is found along `path`; null where it is nowhere.
Node* at_path(Node& node, const std::vector<std::string_view>& path) {
  Node* at = &node;
  for (const std::string_view name : path) {
    const auto entry = std::ranges::find(at->entries, name, &Entry::key);
    if (entry == at->entries.end()) return nullptr;
    at = &entry->value;
  }
  return at;
}

class ProtocolCall {
 public:
  ProtocolCall(Compiler& compiler, Fields& fields, const Node& with, PluginCall& call)
      : compiler_(compiler), fields_(fields), with_(with), call_(call) {}

  /// An address, whose {names} are put in before the plugin gets it.
  void address(Fields& of, const std::vector<std::string_view>& path, bool is_required) {
    const std::string_view name = path.back();
    const Node* node = is_required ? of.require(name) : of.get(name);
    if (node == nullptr) return;
    const std::string what = fmt::format("'{}' of {}", name, of.what());
    Problems& problems = compiler_.problems();
    const std::size_t before = problems.reported();
    const Node* uri = node;
    if (node->is_mapping()) {
      Fields parts(problems, *node, what);
      uri = parts.require("uri");
      if (const Node* authentication = parts.get("authentication")) {
        problems.add(authentication->position,
                     fmt::format("{} cannot have an 'authentication': a plugin gets no credentials of a workflow; keep "
                                 "them in a connection of the plugin '{}', and name it in 'metadata.connection'",
                                 what, call_.plugin));
      }
      parts.finish();
    }
    if (uri == nullptr) return;
    Endpoint endpoint = compile_address(compiler_, *uri, what, false);
    if (problems.reported() != before) return;
    Node* kept = at_path(with_, path);
    TRV_ASSERT(kept != nullptr);
    Node plain;
    plain.position = uri->position;
    if (endpoint.expression || std::ranges::any_of(endpoint.parts, &Endpoint::Part::name)) {
      call_.addresses.push_back({{path.begin(), path.end()}, std::move(endpoint)});
    } else {
      plain.kind = Node::Kind::string;
      plain.text = uri->text;
    }
    *kept = std::move(plain);
  }

  PluginCall take() {
    if (fields_.problems().reported() == reported_before_) call_.input = compiler_.value(with_, Site::body);
    return std::move(call_);
  }

 private:
  Compiler& compiler_;
  Fields& fields_;
  Node with_;
  PluginCall& call_;
  std::size_t reported_before_ = fields_.problems().reported();
};

PluginCall plugin_call(std::string_view plugin, const TaskScope& scope) {
  PluginCall call;
  call.plugin = plugin;
  call.operation = "call";
  call.connection = scope.connection.empty() ? call.plugin : scope.connection;
  return call;
}

}  // namespace

TaskBody compile_mcp(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  PluginCall call = plugin_call("mcp", scope);
  const Node* with = fields.require("with", Node::Kind::mapping);
  if (with == nullptr) return call;
  ProtocolCall protocol(compiler, fields, *with, call);
  Problems& problems = fields.problems();
  Fields arguments(problems, *with, fmt::format("'with' of {}", fields.what()));
  check_method(arguments, {std::begin(mcp_methods), std::end(mcp_methods)});
  check_mapping(arguments, "parameters");
  (void)arguments.get("protocolVersion", Node::Kind::string);
  call.timeout = compiler.duration(arguments.get("timeout"), Site::body);
  if (const Node* client = arguments.get("client", Node::Kind::mapping)) {
    Fields parts(problems, *client, fmt::format("'client' of {}", arguments.what()));
    (void)parts.require("name", Node::Kind::string);
    (void)parts.require("version", Node::Kind::string);
    (void)parts.get("description", Node::Kind::string);
    parts.finish();
  }
  if (const Node* transport = arguments.require("transport", Node::Kind::mapping)) {
    Fields parts(problems, *transport, fmt::format("'transport' of {}", arguments.what()));
    const Node* stdio = parts.get("stdio");
    const Node* http = stdio == nullptr ? parts.require("http", Node::Kind::mapping) : parts.get("http");
    if (stdio != nullptr) {
      problems.unsupported(
          parts.place_of("stdio"),
          fmt::format("'stdio' in {} (no program is started beside a workflow; name a server that is reached by HTTP: "
                      "'http: {{endpoint: …}}')",
                      parts.what()));
    }
    if (http != nullptr && stdio == nullptr) {
      Fields of(problems, *http, fmt::format("'transport.http' of {}", fields.what()));
      protocol.address(of, {"transport", "http", "endpoint"}, true);
      check_texts(of, "headers");
      of.finish();
    }
    check_texts(parts, "options");
    parts.finish();
  }
  arguments.finish();
  return protocol.take();
}

TaskBody compile_a2a(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  PluginCall call = plugin_call("a2a", scope);
  const Node* with = fields.require("with", Node::Kind::mapping);
  if (with == nullptr) return call;
  ProtocolCall protocol(compiler, fields, *with, call);
  Fields arguments(fields.problems(), *with, fmt::format("'with' of {}", fields.what()));
  check_method(arguments, {std::begin(a2a_methods), std::end(a2a_methods)});
  check_mapping(arguments, "parameters", false);
  if (const Node* card = arguments.get("agentCard", Node::Kind::mapping)) {
    Fields resource(fields.problems(), *card, fmt::format("'agentCard' of {}", fields.what()));
    (void)resource.get("name", Node::Kind::string);
    protocol.address(resource, {"agentCard", "endpoint"}, true);
    resource.finish();
  }
  protocol.address(arguments, {"server"}, false);
  arguments.finish();
  return protocol.take();
}

}  // namespace trv::definition
