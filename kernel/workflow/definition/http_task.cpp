// `call: http`.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

bool has_scheme(std::string_view uri) {
  return uri.starts_with("https://") || uri.starts_with("http://");
}

/// URI templates of the specification: {name} only, looked up at the top level of the input.
void parse_template(Problems& problems, const Node& node, Endpoint& endpoint) {
  std::string_view text = node.text;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find('{'), text.size());
    if (open > 0) endpoint.parts.push_back({false, std::string(text.substr(0, open))});
    if (open == text.size()) return;
    const std::size_t close = text.find('}', open);
    const std::string_view name = close == std::string_view::npos ? "" : text.substr(open + 1, close - open - 1);
    const bool plain = !name.empty() && name.find_first_of("{}+#./;?&*:,|$") == std::string_view::npos;
    if (!plain) {
      problems.add(node.position,
                   fmt::format("'{}': a part in braces must be the name of a property of the input, as in "
                               "https://example.com/{{id}}",
                               node.text));
      return;
    }
    endpoint.parts.push_back({true, std::string(name)});
    text.remove_prefix(close + 1);
  }
}

Endpoint compile_endpoint(Compiler& compiler, Problems& problems, const Node& node) {
  Endpoint endpoint;
  if (!node.is_string()) {
    problems.add(node.position, fmt::format("an endpoint must be a URI or an expression, not {}", describe(node.kind)));
    return endpoint;
  }
  if (node.text.find("${") != std::string::npos) {
    endpoint.expression = compiler.value(node, Site::body);
    return endpoint;
  }
  if (!has_scheme(node.text) && !node.text.starts_with('/') && !node.text.starts_with('{')) {
    problems.add(node.position,
                 fmt::format("'{}' is not an endpoint; write an http or https URI, or a path that begins with "
                             "'/' for a task with metadata.connection",
                             node.text));
  }
  parse_template(problems, node, endpoint);
  return endpoint;
}

}  // namespace

TaskBody compile_http(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  HttpCall call;
  call.connection = scope.connection;
  const Node* with = fields.require("with");
  if (with == nullptr) return call;
  Problems& problems = fields.problems();
  Fields arguments(problems, *with, fmt::format("'with' of {}", fields.what()));
  if (const Node* method = arguments.require("method", Node::Kind::string)) {
    const std::size_t before = problems.reported();
    call.method = compiler.value(*method, Site::body);
    const bool word = !method->text.empty() && std::all_of(method->text.begin(), method->text.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    });
    const bool constant = call.method.is_constant() && problems.reported() == before;
    if (constant && (!word || method->text.size() > 16)) {
      problems.add(method->position, fmt::format("'{}' is not an HTTP method", method->text));
    }
  }
  if (const Node* endpoint = arguments.require("endpoint")) {
    if (endpoint->is_mapping()) {
      Fields parts(problems, *endpoint, fmt::format("'endpoint' of {}", fields.what()));
      parts.unsupported("authentication");
      if (const Node* uri = parts.require("uri")) call.endpoint = compile_endpoint(compiler, problems, *uri);
      parts.finish();
    } else {
      call.endpoint = compile_endpoint(compiler, problems, *endpoint);
    }
  }
  const auto mapping = [&](std::string_view name) {
    const Node* node = arguments.get(name);
    if (node == nullptr) return Template::constant(json::Value::object());
    if (!node->is_mapping() && !(node->is_string() && node->text.find("${") != std::string::npos)) {
      problems.add(node->position, fmt::format("'{}' of {} must be a mapping or an expression", name, fields.what()));
    }
    return compiler.value(*node, Site::body);
  };
  call.headers = mapping("headers");
  call.query = mapping("query");
  call.body = compiler.optional_value(arguments.get("body"), Site::body);
  if (const Node* output = arguments.get("output", Node::Kind::string)) {
    if (output->text == "response") {
      call.output = HttpOutput::response;
    } else if (output->text == "raw") {
      call.output = HttpOutput::raw;
    } else if (output->text != "content") {
      problems.add(output->position, fmt::format("'output' must be content, response or raw, not '{}'", output->text));
    }
  }
  if (const Node* redirect = arguments.get("redirect", Node::Kind::boolean)) call.redirect = redirect->boolean;
  arguments.finish();
  return call;
}

}  // namespace trv::definition
