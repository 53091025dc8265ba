// `call: http`. The effect's input is {endpoint, headers, query, body, output}, without what is empty and without an
// `output` of `content`; its outcome is what the task's `output` asks for, with the status that the service answered.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/bytes.hpp"

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

void Execution::run(TaskIndex index, const definition::HttpCall& call, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  const std::string_view reference = definition_.task(index).reference;
  const auto expression_fails = [&](std::string_view detail) {
    raise(index, make_error(StandardError::expression, reference, detail), now_ns, 0);
  };
  const Attempt<Value> method = evaluate(call.method, input);
  if (!method) return raise(index, method.error().error, now_ns, 0);
  if (!method->is_string()) return expression_fails("the HTTP method must be a string");

  std::string endpoint;
  if (call.endpoint.expression) {
    const Attempt<Value> value = evaluate(*call.endpoint.expression, input);
    if (!value) return raise(index, value.error().error, now_ns, 0);
    if (!value->is_string()) return expression_fails("the endpoint must be a string");
    endpoint = value->as_string();
  }
  for (const definition::Endpoint::Part& part : call.endpoint.parts) {
    if (!part.name) {
      endpoint += part.text;
      continue;
    }
    const Value* value = input.find(std::string_view(part.text));
    if (value == nullptr || value->is_null()) continue;
    if (value->is_array() || value->is_object()) {
      return expression_fails(fmt::format("'{}' of the endpoint must be text, a number or a boolean, not {}", part.text,
                                          json::to_string(value->kind())));
    }
    // Escaped, so that data never changes the address's structure.
    endpoint += base::percent_encoded(value->is_string() ? std::string(value->as_string()) : json::serialize(*value));
  }

  Value arguments = Value::make_object(5);
  arguments.set("endpoint", Value(endpoint));
  const auto add = [&](std::string_view name, const definition::Template& part) {
    Attempt<Value> value = evaluate(part, input);
    if (!value) {
      raise(index, std::move(value).error().error, now_ns, 0);
      return false;
    }
    const bool is_empty = value->is_object() && value->size() == 0;
    if (!is_empty || name == "body") arguments.set(name, *std::move(value));
    return true;
  };
  if (!add("headers", call.headers) || !add("query", call.query)) return;
  if (call.body && !add("body", *call.body)) return;
  if (call.output != HttpOutput::content) {
    arguments.set("output", Value(call.output == HttpOutput::raw ? "raw" : "response"));
  }

  shard::Effect effect;
  effect.kind = "http";
  effect.operation = upper(method->as_string());
  effect.connection = call.connection;
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
