#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kernel/effects/performers.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::effects {
namespace {

using base::ErrorCode;
using base::fail;
using json::Value;

std::string as_text(const Value& value) {
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

std::string with_query(std::string address, const Value* query) {
  if (query == nullptr || !query->is_object()) return address;
  char separator = address.find('?') == std::string::npos ? '?' : '&';
  for (const auto& parameter : query->entries()) {
    address += separator;
    address += base::percent_encoded(parameter.name());
    address += '=';
    address += base::percent_encoded(as_text(parameter.value));
    separator = '&';
  }
  return address;
}

/// `output`: what the task asks for.
base::Result<egress::Request> request_of(const shard::Effect& effect, base::Duration left, std::string& output) {
  TRV_TRY_ASSIGN(const Value input, json::parse(effect.input));
  const Value* endpoint = input.find("endpoint");
  if (endpoint == nullptr || !endpoint->is_string()) return fail(ErrorCode::invalid, "the HTTP call has no endpoint");
  egress::Request request;
  request.tenant = effect.tenant;
  request.connection = effect.connection;
  request.method = effect.operation;
  std::string address = with_query(std::string(endpoint->as_string()), input.find("query"));
  (effect.connection.empty() ? request.url : request.path) = std::move(address);
  if (const Value* headers = input.find("headers"); headers != nullptr && headers->is_object()) {
    for (const auto& header : headers->entries()) {
      request.headers.push_back({std::string(header.name()), as_text(header.value)});
    }
  }
  if (const Value* body = input.find("body"); body != nullptr && !body->is_null()) {
    request.body = as_text(*body);
    if (!body->is_string() && !egress::has_header(request.headers, "content-type")) {
      request.headers.push_back({"Content-Type", "application/json"});
    }
  }
  request.timeout_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
  const Value* wanted = input.find("output");
  output = wanted != nullptr && wanted->is_string() ? wanted->as_string() : "content";
  if (request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS") {
    request.idempotency_key = effect.key;
  }
  return request;
}

/// Seconds in Retry-After; a date there is not read.
base::Duration retry_after_of(const egress::Response& response) {
  for (const egress::Header& header : response.headers) {
    if (header.name != "retry-after") continue;
    std::uint32_t seconds = 0;
    const auto [end, error] = std::from_chars(header.value.data(), header.value.data() + header.value.size(), seconds);
    if (error == std::errc() && end == header.value.data() + header.value.size()) {
      return std::chrono::seconds(std::min(seconds, 86'400U));
    }
  }
  return base::Duration(0);
}

/// What is kept of a request until it is answered.
struct Sent {
  std::string method;
  std::string uri;
  std::string output;                   ///< what the task's output is to be: content, raw or response
  std::vector<egress::Header> headers;  ///< of response only
};

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
shard::Outcome answered(const Sent& sent, const egress::Response& response) {
  shard::Outcome outcome;
  outcome.ok = true;
  outcome.status = response.status;
  if (sent.output == "raw") {
    outcome.output = json::serialize(Value(base::to_base64(base::as_bytes(response.body))));
  } else if (!base::is_utf8(response.body) && response.status >= 400) {
    // The status is the task's error; JSON has no place for these bytes.
    outcome.output = "null";
  } else if (!base::is_utf8(response.body)) {
    outcome.ok = false;
    outcome.code = base::to_string(ErrorCode::invalid);
    outcome.message = fmt::format("the answer with status {} is not UTF-8 text; with 'output: raw' it comes as base64",
                                  response.status);
  } else if (sent.output == "response") {
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

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace

CancelTry perform_http_request(egress::Broker& broker, const shard::Effect& effect, base::Duration left, TryDone done) {
  std::string output;
  auto request = request_of(effect, left, output);
  if (!request) {
    TryResult result;
    result.outcome.code = base::to_string(request.error().code());
    result.outcome.message = request.error().message();
    done(std::move(result));
    return {};
  }
  Sent sent{request->method, request->connection.empty() ? request->url : request->path, std::move(output), {}};
  if (sent.output == "response") sent.headers = request->headers;
  const egress::RequestId id = broker.send(
      *std::move(request), [sent = std::move(sent), done = std::move(done)](base::Result<egress::Response> response) {
        TryResult result;
        if (!response) {
          result.outcome.code = base::to_string(response.error().code());
          result.outcome.message = response.error().message();
          const ErrorCode code = response.error().code();
          // Whether a request that died on the way took effect is not known: only what may be repeated is.
          result.retry = code == ErrorCode::exhausted ||
                         (is_idempotent(sent.method) && (code == ErrorCode::unavailable || code == ErrorCode::timeout));
          return done(std::move(result));
        }
        const std::uint32_t status = response->status;
        result.retry_after = retry_after_of(*response);
        result.retry =
            status == 429 || (is_idempotent(sent.method) && (status == 502 || status == 503 || status == 504));
        if (result.retry) {
          result.outcome.status = status;
          result.outcome.code = status == 429 ? "exhausted" : "unavailable";
          result.outcome.message = fmt::format("the service answered with status {}", status);
        } else {
          result.outcome = answered(sent, *response);
        }
        done(std::move(result));
      });
  return [&broker, id] { broker.cancel(id); };
}

}  // namespace trv::effects
