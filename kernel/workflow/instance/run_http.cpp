// `call: http` and `call: openapi`. The effect's input is {endpoint, headers, query, body, authentication, output}, or
// {document, documentAuthentication, operationId, parameters, authentication, output}; without what is empty and
// without an `output` of `content`. Where `${ $secrets.name }` belongs, a redaction is in its place and `secrets` says
// what goes there when the request is sent: [{"at": ["headers", "x-key"], "parts": ["Key ", {"name", "path"}]}]. Its
// outcome is what the task's `output` asks for, with the status that the service answered.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using definition::HttpOutput;
using json::Value;

namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

}  // namespace

Attempt<std::string> Execution::address_of(const definition::Endpoint& endpoint, const Value& input) {
  const std::string_view reference = evaluation_.reference();
  const auto fails = [&](std::string_view detail) {
    return std::unexpected(Raised{make_error(StandardError::expression, reference, detail)});
  };
  if (endpoint.expression) {
    Attempt<Value> value = evaluation_.evaluate(*endpoint.expression, input);
    if (!value) return std::unexpected(std::move(value).error());
    if (value->is_string()) return std::string(value->as_string());
    return fails(
        fmt::format("the endpoint must be a string, and its expression gave {}", json::to_string(value->kind())));
  }
  std::string address;
  for (const definition::Endpoint::Part& part : endpoint.parts) {
    if (!part.name) {
      address += part.text;
      continue;
    }
    // The specification makes nothing of what the input lacks.
    const Value* value = input.find(std::string_view(part.text));
    if (value == nullptr || value->is_null()) continue;
    if (value->is_array() || value->is_object()) {
      return fails(fmt::format("'{}' of the endpoint must be text, a number or a boolean, not {}", part.text,
                               json::to_string(value->kind())));
    }
    // Escaped, so that data never changes the address's structure.
    address += base::percent_encoded(value->is_string() ? std::string(value->as_string()) : json::serialize(*value));
  }
  return address;
}

Attempt<Value> Execution::authentication_of(const definition::CallAuthentication& authentication, const Value& input) {
  Value out = {{"scheme", authentication.scheme}};
  if (!authentication.connection.empty()) return out.with("use", Value(authentication.connection));
  Attempt<Value> policy = evaluation_.evaluate(authentication.parameters, input);
  if (!policy) return policy;
  TRV_ASSERT(policy->is_object());
  for (const json::Entry& property : policy->entries()) {
    static constexpr std::string_view texts[] = {"username", "password", "token", "authority", "grant"};
    if (!property.value.is_string() && std::ranges::find(texts, property.name()) != std::end(texts)) {
      return std::unexpected(Raised{
          make_error(StandardError::expression, evaluation_.reference(),
                     fmt::format("'{}' of the authentication '{}' must be text, and its expression gave {}",
                                 property.name(), authentication.scheme, json::to_string(property.value.kind())))});
    }
    out.set(property.key, property.value);
  }
  return out;
}

void Execution::run(TaskIndex index, const definition::HttpCall& call, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  Value arguments = Value::make_object(5);
  bool failed = false;
  const auto fails = [&](Value error) {
    raise(index, std::move(error), now_ns, 0);
    failed = true;
  };
  const auto is = [&](std::string_view what, const Value& value, json::Kind kind) {
    if (value.kind() == kind) return true;
    fails(make_error(StandardError::expression, definition_.task(index).reference,
                     fmt::format("'{}' must be {}, and its expression gave {}", what,
                                 kind == json::Kind::string ? "text" : "an object", json::to_string(value.kind()))));
    return false;
  };
  const auto add_address = [&](std::string_view name, const definition::Endpoint& endpoint) {
    Attempt<std::string> address = address_of(endpoint, input);
    if (!address) return fails(std::move(address).error().error);
    arguments.set(name, Value(*address));
  };
  Value secrets = Value::array();
  const auto add_secrets = [&](std::string_view name, const definition::Template& part) {
    if (failed || !part.has_secrets()) return;
    Attempt<Value> found = evaluation_.secrets_of(part, Value::array({Value(name)}), input, std::move(secrets));
    if (!found) return fails(std::move(found).error().error);
    secrets = *std::move(found);
  };
  const auto add = [&](std::string_view name, const definition::Template& part) {
    add_secrets(name, part);
    if (failed) return;
    Attempt<Value> value = evaluation_.evaluate(part, input);
    if (!value) return fails(std::move(value).error().error);
    if (name == "operationId" && !is(name, *value, json::Kind::string)) return;
    const bool is_mapping = name == "headers" || name == "query" || name == "parameters";
    if (is_mapping && value->is_null()) return;
    if (is_mapping && !is(name, *value, json::Kind::object)) return;
    const bool is_empty = value->is_object() && value->size() == 0;
    if (!is_empty || name == "body") arguments.set(name, *std::move(value));
  };

  shard::Effect effect;
  effect.kind = "http";
  effect.connection = call.connection;
  if (call.operation) {
    effect.operation = "OPENAPI";
    add_address("document", call.operation->document);
    add("operationId", call.operation->id);
    add("parameters", call.operation->parameters);
  } else {
    Attempt<Value> method = evaluation_.evaluate(call.method, input);
    if (!method) return fails(std::move(method).error().error);
    if (!is("method", *method, json::Kind::string)) return;
    effect.operation = upper(method->as_string());
    add_address("endpoint", call.endpoint);
    add("headers", call.headers);
    add("query", call.query);
    if (call.body) add("body", *call.body);
  }
  const auto add_authentication = [&](std::string_view name,
                                      const std::optional<definition::CallAuthentication>& given) {
    if (given) add_secrets(name, given->parameters);
    if (!given || failed) return;
    Attempt<Value> authentication = authentication_of(*given, input);
    if (!authentication) return fails(std::move(authentication).error().error);
    arguments.set(name, *std::move(authentication));
  };
  if (call.operation) add_authentication("documentAuthentication", call.operation->document_authentication);
  add_authentication("authentication", call.authentication);
  if (failed) return;
  if (secrets.size() > 0) arguments.set("secrets", std::move(secrets));
  if (call.output != HttpOutput::content) {
    arguments.set("output", Value(call.output == HttpOutput::raw ? "raw" : "response"));
  }
  request(index, input, std::move(effect), arguments);
}

std::optional<Value> Execution::refusal_of(const definition::HttpCall& call, std::uint32_t status,
                                           std::string_view reference) {
  const bool good = (status >= 200 && status < 300) || (call.redirect && status >= 300 && status < 400);
  if (good) return std::nullopt;
  return make_error(StandardError::communication, reference, fmt::format("the service answered with status {}", status),
                    std::clamp(status, 100U, 599U));
}

}  // namespace trv::instance
