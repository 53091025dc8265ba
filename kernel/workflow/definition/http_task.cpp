// `call: http` and `call: openapi`.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/definition/advice.hpp"
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

/// Methods that the registry of IANA has and the broker sends.
constexpr std::string_view methods[] = {
    "GET",    "HEAD",   "POST",   "PUT",        "PATCH",  "DELETE",     "OPTIONS",        "QUERY",  "ACL",
    "BIND",   "COPY",   "LOCK",   "MKCOL",      "MOVE",   "MKCALENDAR", "PROPFIND",       "REPORT", "PROPPATCH",
    "SEARCH", "UNLOCK", "PURGE",  "MKACTIVITY", "MERGE",  "CHECKOUT",   "CHECKIN",        "LABEL",  "LINK",
    "UNLINK", "REBIND", "UNBIND", "UNCHECKOUT", "UPDATE", "ORDERPATCH", "VERSION-CONTROL"};
constexpr std::string_view usual_methods = "GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS";

void check_method(Problems& problems, const Node& node, const std::string& of) {
  std::string method = node.text;
  std::ranges::transform(method, method.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (std::ranges::find(methods, method) != std::end(methods)) return;
  const std::string_view meant = problems.suggest(method, {std::begin(methods), std::begin(methods) + 8});
  problems.add(node.position, fmt::format("'{}' of {} is not an HTTP method{}", node.text, of,
                                          meant.empty() ? fmt::format("; write one of {}", usual_methods)
                                                        : fmt::format("; did you mean '{}'?", meant)));
}

/// `output` and `redirect`, which both kinds of call have.
void compile_result(Fields& arguments, HttpCall& call) {
  Problems& problems = arguments.problems();
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
}

Template compile_mapping(Compiler& compiler, Fields& arguments, std::string_view name, const std::string& of) {
  const Node* node = arguments.get(name);
  if (node == nullptr) return Template::constant(json::Value::object());
  if (!node->is_mapping() && !compiler.may_be_expression(*node)) {
    compiler.problems().add(node->position, fmt::format("'{}' of {} must be a mapping or an expression, not {}", name,
                                                        of, describe(node->kind)));
  }
  return name == "headers" ? compiler.sent_value(*node, Site::body) : compiler.value(*node, Site::body);
}

/// Credentials in the text are in every event that has the call. Addresses are also in the logs of services.
void warn_of_credentials(Problems& problems, const Node& with, const std::string& of) {
  constexpr std::string_view cure =
      "where everybody who may read workflows and events sees it; keep it in a connection and name that in "
      "'metadata.connection'";
  for (const std::string_view section : {"headers", "query"}) {
    const Node* members = with.find(section);
    if (members == nullptr) continue;
    for (const Entry& entry : members->entries) {
      const Node& value = entry.value;
      if (!value.is_string() || value.text.empty() || !is_credential_name(entry.key)) continue;
      if (value.text.contains("$secrets") || (value.text.starts_with("${") && !value.text.contains('"'))) continue;
      problems.warn(value.position, fmt::format("'{}' in '{}' of {} is a credential in the workflow's text, {}",
                                                entry.key, section, of, cure));
    }
  }
  const Node* endpoint = with.find("endpoint");
  if (endpoint != nullptr && endpoint->is_mapping()) endpoint = endpoint->find("uri");
  if (endpoint == nullptr || !endpoint->is_string()) return;
  const std::string_view address = endpoint->text;
  const std::size_t scheme = address.find("://");
  const std::size_t host_end = scheme == std::string_view::npos ? 0 : address.find_first_of("/?#", scheme + 3);
  const bool has_user = scheme != std::string_view::npos && !address.contains("${") &&
                        address.substr(scheme + 3, host_end - scheme - 3).contains('@');
  bool has_credential = has_user;
  std::string_view query = address.substr(std::min(address.find('?'), address.size()));
  while (!query.empty()) {
    query.remove_prefix(1);
    const std::string_view pair = query.substr(0, query.find('&'));
    const std::size_t equals = pair.find('=');
    has_credential =
        has_credential || (equals != std::string_view::npos && equals + 1 < pair.size() && pair[equals + 1] != '{' &&
                           pair[equals + 1] != '$' && is_credential_name(pair.substr(0, equals)));
    query.remove_prefix(pair.size());
  }
  if (!has_credential) return;
  problems.warn(endpoint->position, fmt::format("the address of {} has a credential in it, {}", of, cure));
}

}  // namespace

Endpoint compile_address(Compiler& compiler, const Node& node, const std::string& what, bool allows_path) {
  Problems& problems = compiler.problems();
  Endpoint endpoint;
  if (!node.is_string()) {
    problems.add(node.position, fmt::format("{} must be a URI or an expression, not {}", what, describe(node.kind)));
    return endpoint;
  }
  if (node.text.find("${") != std::string::npos) {
    endpoint.expression = compiler.value(node, Site::body);
    return endpoint;
  }
  const bool is_path = allows_path && node.text.starts_with('/');
  if (!has_scheme(node.text) && !is_path && !node.text.starts_with('{')) {
    problems.add(node.position,
                 fmt::format("{}: '{}' is not an endpoint; write an http or https URI{}", what, node.text,
                             allows_path ? ", or a path that begins with '/' for a task with metadata.connection"
                                         : ", for example https://example.com/openapi.json"));
  }
  parse_template(problems, node, endpoint);
  return endpoint;
}

Resource compile_resource(Compiler& compiler, const Node& node, const std::string& what) {
  Problems& problems = compiler.problems();
  Resource out;
  Fields resource(problems, node, what);
  (void)resource.get("name", Node::Kind::string);
  const std::string endpoint_what = fmt::format("'endpoint' of {}", what);
  if (const Node* endpoint = resource.require("endpoint")) {
    if (endpoint->is_mapping()) {
      Fields parts(problems, *endpoint, endpoint_what);
      out.authentication = compile_authentication(compiler, parts.get("authentication"), endpoint_what);
      if (const Node* uri = parts.require("uri")) out.address = compile_address(compiler, *uri, endpoint_what, false);
      parts.finish();
    } else {
      out.address = compile_address(compiler, *endpoint, endpoint_what, false);
    }
  }
  resource.finish();
  return out;
}

namespace {

void refuse_two_credentials(Problems& problems, const Node* authentication, const HttpCall& call,
                            const std::string& what) {
  if (authentication == nullptr || call.connection.empty()) return;
  problems.add(authentication->position,
               fmt::format("{} has a connection, which brings its own credentials; remove 'authentication' or "
                           "'metadata.connection'",
                           what));
}

}  // namespace

TaskBody compile_http(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  HttpCall call;
  call.connection = scope.connection;
  Problems& problems = fields.problems();
  bool misplaced = false;
  for (const std::string_view name : {"method", "endpoint", "headers", "query", "body", "redirect"}) {
    misplaced = fields.belongs(name, "in 'with'") != nullptr || misplaced;
  }
  const Node* with = misplaced ? fields.get("with") : fields.require("with");
  if (with == nullptr) return call;
  Fields arguments(problems, *with, fmt::format("'with' of {}", fields.what()));
  if (const Node* method = arguments.require("method", Node::Kind::string)) {
    const std::size_t before = problems.reported();
    call.method = compiler.value(*method, Site::body);
    if (call.method.is_constant() && problems.reported() == before) check_method(problems, *method, fields.what());
  }
  const std::string what = fmt::format("'endpoint' of {}", fields.what());
  if (const Node* endpoint = arguments.require("endpoint")) {
    if (endpoint->is_mapping()) {
      Fields parts(problems, *endpoint, what);
      if (const Node* uri = parts.require("uri")) call.endpoint = compile_address(compiler, *uri, what, true);
      const Node* authentication = parts.get("authentication");
      call.authentication = compile_authentication(compiler, authentication, fields.what());
      refuse_two_credentials(problems, authentication, call, fields.what());
      parts.finish();
    } else {
      call.endpoint = compile_address(compiler, *endpoint, what, true);
    }
  }
  call.headers = compile_mapping(compiler, arguments, "headers", fields.what());
  call.query = compile_mapping(compiler, arguments, "query", fields.what());
  if (const Node* body = arguments.get("body")) call.body = compiler.sent_value(*body, Site::body);
  warn_of_credentials(problems, *with, fields.what());
  compile_result(arguments, call);
  arguments.finish();
  return call;
}

TaskBody compile_openapi(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  HttpCall call;
  OpenApiOperation& operation = call.operation.emplace();
  const Node* with = fields.require("with");
  if (with == nullptr) return call;
  Problems& problems = fields.problems();
  call.connection = scope.connection;
  Fields arguments(problems, *with, fmt::format("'with' of {}", fields.what()));
  if (const Node* document = arguments.require("document")) {
    Resource resource = compile_resource(compiler, *document, fmt::format("'document' of {}", fields.what()));
    operation.document = std::move(resource.address);
    operation.document_authentication = std::move(resource.authentication);
  }
  if (const Node* id = arguments.require("operationId", Node::Kind::string)) {
    operation.id = compiler.value(*id, Site::body);
    if (id->text.empty()) {
      problems.add(id->position, fmt::format("'operationId' of {} must not be empty", fields.what()));
    }
  }
  operation.parameters = compile_mapping(compiler, arguments, "parameters", fields.what());
  const Node* authentication = arguments.get("authentication");
  call.authentication = compile_authentication(compiler, authentication, fields.what());
  refuse_two_credentials(problems, authentication, call, fields.what());
  compile_result(arguments, call);
  arguments.finish();
  return call;
}

}  // namespace trv::definition
