// `call: http`. The effect's input is {endpoint, headers, query, body}, without what is empty; its outcome is {status,
// headers, body} where the service answered, whatever it answered; body_base64 replaces body where the answer is not
// UTF-8.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::instance {

using json::Value;

namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

bool is_json_type(const Value* headers) {
  if (headers == nullptr || !headers->is_object()) return false;
  for (const json::Entry& header : headers->entries()) {
    if (base::lower(header.name()) != "content-type" || !header.value.is_string()) continue;
    const std::string type = base::lower(header.value.as_string());
    const std::string media = type.substr(0, type.find(';'));
    return media.starts_with("application/json") || media.ends_with("+json") || media.starts_with("text/json");
  }
  return false;
}

/// The body as the workflow sees it: JSON where it is declared as JSON or is JSON already, else text.
Value content_of(const Value& response) {
  const Value* body = response.find("body");
  if (body == nullptr) return {};
  if (!body->is_string() || !is_json_type(response.find("headers"))) return *body;
  if (body->as_string().empty()) return {};
  auto parsed = json::parse(body->as_string());
  return parsed ? *std::move(parsed) : *body;
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

  Value arguments = Value::make_object(4);
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

  shard::Effect effect;
  effect.kind = "http";
  effect.operation = upper(method->as_string());
  effect.connection = call.connection;
  request(index, input, std::move(effect), arguments);
}

Execution::Attempt<Value> Execution::result_of(const definition::HttpCall& call, const Value& response,
                                               std::string_view reference) const {
  const Value* status = response.find("status");
  if (status == nullptr || !status->is_int()) {
    return std::unexpected(Raised{make_error(StandardError::runtime, reference, "the HTTP response has no status")});
  }
  const std::int64_t code = status->as_int();
  const bool good = (code >= 200 && code < 300) || (call.redirect && code >= 300 && code < 400);
  if (!good) {
    return std::unexpected(Raised{make_error(StandardError::communication, reference,
                                             fmt::format("the service answered with status {}", code),
                                             static_cast<std::uint32_t>(std::clamp<std::int64_t>(code, 100, 599)))});
  }
  const Value* bytes = response.find("body_base64");
  if (bytes != nullptr && call.output != definition::HttpOutput::raw) {
    return std::unexpected(Raised{make_error(StandardError::validation, reference,
                                             "the answer is not UTF-8 text; with 'output: raw' it comes as base64")});
  }
  switch (call.output) {
    case definition::HttpOutput::content: return content_of(response);
    case definition::HttpOutput::raw: {
      if (bytes != nullptr) return *bytes;
      const Value* body = response.find("body");
      if (body == nullptr) return Value("");
      return Value(
          base::to_base64(base::as_bytes(body->is_string() ? std::string(body->as_string()) : json::serialize(*body))));
    }
    case definition::HttpOutput::response: break;
  }
  const auto part = [&](std::string_view name) {
    const Value* found = response.find(name);
    return found == nullptr ? Value::object() : *found;
  };
  return Value{{"request", part("request")},
               {"statusCode", *status},
               {"headers", part("headers")},
               {"content", content_of(response)}};
}

}  // namespace trv::instance
