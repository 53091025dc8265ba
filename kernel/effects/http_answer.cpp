#include "kernel/effects/http_answer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::effects {
namespace {

using base::ErrorCode;
using json::Value;

Value object_of(const std::vector<egress::Header>& headers) {
  Value object = Value::object();
  for (const egress::Header& header : headers) object.set(std::string_view(header.name), Value(header.value));
  return object;
}

bool is_declared_json(const egress::Response& response) {
  const auto type = std::ranges::find(response.headers, "content-type", &egress::Header::name);
  if (type == response.headers.end()) return false;
  const std::string media = base::lower(type->value.substr(0, type->value.find(';')));
  return media.starts_with("application/json") || media.ends_with("+json") || media.starts_with("text/json");
}

/// JSON where it is declared as JSON and is JSON, else text.
Value content_of(const egress::Response& response) {
  if (!is_declared_json(response)) return Value(response.body);
  if (response.body.empty()) return {};
  auto parsed = json::parse(response.body);
  return parsed ? *std::move(parsed) : Value(response.body);
}

/// Headers and the body's form are kept only where the task asks for them.
shard::Outcome answered(const SentRequest& sent, std::string_view output, const egress::Response& response) {
  shard::Outcome outcome;
  outcome.ok = true;
  outcome.status = response.status;
  if (output == "raw") {
    outcome.output = json::serialize(Value(base::to_base64(base::as_bytes(response.body))));
  } else if (!base::is_utf8(response.body) && response.status >= 400) {
    // The status is the task's error; JSON has no place for these bytes.
    outcome.output = "null";
  } else if (!base::is_utf8(response.body)) {
    outcome.ok = false;
    outcome.code = base::to_string(ErrorCode::invalid);
    outcome.message = fmt::format("the answer with status {} is not UTF-8 text; with 'output: raw' it comes as base64",
                                  response.status);
  } else if (output == "response") {
    outcome.output = json::serialize(
        {{"request", {{"method", sent.method}, {"uri", sent.uri}, {"headers", object_of(sent.headers)}}},
         {"statusCode", response.status},
         {"headers", object_of(response.headers)},
         {"content", content_of(response)}});
  } else {
    outcome.output = json::serialize(content_of(response));
  }
  return outcome;
}

}  // namespace

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

TryResult result_of(const SentRequest& sent, std::string_view output, const egress::Response& response) {
  return {.outcome = answered(sent, output, response)};
}

TryResult result_of(const base::Error& error) {
  TryResult result;
  result.outcome.code = base::to_string(error.code());
  result.outcome.message = error.message();
  return result;
}

}  // namespace trv::effects
