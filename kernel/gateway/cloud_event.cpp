#include "kernel/gateway/cloud_event.hpp"

#include <fmt/format.h>

#include "kernel/expression/json.hpp"
#include "kernel/expression/value.hpp"

namespace trv::gateway {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using expression::Value;

Result<std::string> text_of(const Value& event, std::string_view name, bool required) {
  const Value* value = event.find(name);
  if (value == nullptr || value->is_null()) {
    if (required) return fail(ErrorCode::invalid, fmt::format("attribute '{}' is missing", name));
    return std::string();
  }
  if (!value->is_string()) return fail(ErrorCode::invalid, fmt::format("attribute '{}' must be a string", name));
  return std::string(value->as_string());
}

base::Status check_version(std::string_view version) {
  if (version == "1.0") return {};
  return fail(ErrorCode::invalid, fmt::format("specversion '{}' is not known; use 1.0", version.substr(0, 40)));
}

Result<std::optional<base::Timestamp>> time_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto time = base::Timestamp::from_rfc3339(text);
  if (!time)
    return fail(ErrorCode::invalid, fmt::format("attribute 'time' is no RFC 3339 time: '{}'", text.substr(0, 80)));
  return time;
}

Result<ingest::Received> structured(const Value& event, const base::Digest& body_sha256) {
  if (!event.is_object()) return fail(ErrorCode::invalid, "a CloudEvent must be a JSON object");
  TRV_TRY_ASSIGN(const std::string version, text_of(event, "specversion", true));
  TRV_TRY(check_version(version));
  ingest::Received received;
  TRV_TRY_ASSIGN(received.id, text_of(event, "id", true));
  TRV_TRY_ASSIGN(received.source, text_of(event, "source", true));
  TRV_TRY_ASSIGN(received.type, text_of(event, "type", true));
  TRV_TRY_ASSIGN(received.subject, text_of(event, "subject", false));
  TRV_TRY_ASSIGN(const std::string time, text_of(event, "time", false));
  TRV_TRY_ASSIGN(received.time, time_of(time));
  if (event.find("data_base64") != nullptr) {
    return fail(ErrorCode::invalid, "attribute 'data_base64' is not supported; send JSON in 'data'");
  }
  const Value* data = event.find("data");
  received.data = expression::to_json(data == nullptr ? Value() : *data);
  received.channel = "api";
  received.body_sha256 = body_sha256;
  return received;
}

Result<ingest::Received> binary(const http::Request& request, const base::Digest& body_sha256) {
  const auto header = [&request](std::string_view name, bool required) -> Result<std::string> {
    const auto value = request.header(name);
    if (!value && required) return fail(ErrorCode::invalid, fmt::format("header '{}' is missing", name));
    if (value && !http::is_utf8(*value)) return fail(ErrorCode::invalid, fmt::format("header '{}' is not UTF-8", name));
    return std::string(value.value_or(""));
  };
  TRV_TRY(check_version(*request.header("ce-specversion")));
  ingest::Received received;
  TRV_TRY_ASSIGN(received.id, header("ce-id", true));
  TRV_TRY_ASSIGN(received.source, header("ce-source", true));
  TRV_TRY_ASSIGN(received.type, header("ce-type", true));
  TRV_TRY_ASSIGN(received.subject, header("ce-subject", false));
  TRV_TRY_ASSIGN(const std::string time, header("ce-time", false));
  TRV_TRY_ASSIGN(received.time, time_of(time));
  if (request.body().empty()) {
    received.data = "null";
  } else {
    TRV_TRY_ASSIGN(const Value data, expression::parse_json(request.body()));
    received.data = expression::to_json(data);
  }
  received.channel = "api";
  received.body_sha256 = body_sha256;
  return received;
}

}  // namespace

Result<std::vector<ingest::Received>> read_cloud_events(const http::Request& request) {
  const base::Digest body_sha256 = base::sha256(base::as_bytes(request.body()));
  std::vector<ingest::Received> events;
  if (request.header("ce-specversion")) {
    TRV_TRY_ASSIGN(ingest::Received event, binary(request, body_sha256));
    events.push_back(std::move(event));
    return events;
  }
  const std::string_view type = request.header("Content-Type").value_or("");
  auto body = expression::parse_json(request.body());
  if (!body) return fail(std::move(body).error().in("request body"));
  if (!type.starts_with("application/cloudevents-batch")) {
    TRV_TRY_ASSIGN(ingest::Received event, structured(*body, body_sha256));
    events.push_back(std::move(event));
    return events;
  }
  if (!body->is_array()) return fail(ErrorCode::invalid, "a batch of CloudEvents must be a JSON array");
  if (body->size() > batch_events_max) {
    return fail(ErrorCode::too_large,
                fmt::format("a batch holds at most {} events, this one {}", batch_events_max, body->size()));
  }
  for (std::size_t i = 0; i < body->size(); ++i) {
    auto event = structured(body->at(i), body_sha256);
    if (!event) return fail(std::move(event).error().in(fmt::format("event {}", i + 1)));
    events.push_back(*std::move(event));
  }
  return events;
}

}  // namespace trv::gateway
