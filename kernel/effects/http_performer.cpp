#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kernel/effects/performers.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/bytes.hpp"
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

base::Result<egress::Request> request_of(const shard::Effect& effect, base::Duration left) {
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
};

std::string output_of(const Sent& sent, const egress::Response& response) {
  json::Value headers = Value::object();
  for (const egress::Header& header : response.headers) headers.set(std::string_view(header.name), Value(header.value));
  // JSON has no place for other bytes.
  const bool is_text = base::is_utf8(response.body);
  Value output = {{"request", {{"method", sent.method}, {"uri", sent.uri}}},
                  {"status", response.status},
                  {"headers", std::move(headers)}};
  if (is_text) {
    output.set("body", Value(response.body));
  } else {
    output.set("body_base64", Value(base::to_base64(base::as_bytes(response.body))));
  }
  return json::serialize(output);
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace

CancelTry perform_http_request(egress::Broker& broker, const shard::Effect& effect, base::Duration left, TryDone done) {
  auto request = request_of(effect, left);
  if (!request) {
    TryResult result;
    result.outcome.code = base::to_string(request.error().code());
    result.outcome.message = request.error().message();
    done(std::move(result));
    return {};
  }
  Sent sent{request->method, request->connection.empty() ? request->url : request->path};
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
        result.outcome.ok = !result.retry;
        result.outcome.status = status;
        result.outcome.output = output_of(sent, *response);
        if (result.retry) {
          result.outcome.code = status == 429 ? "exhausted" : "unavailable";
          result.outcome.message = fmt::format("the service answered with status {}", status);
        }
        done(std::move(result));
      });
  return [&broker, id] { broker.cancel(id); };
}

}  // namespace trv::effects
