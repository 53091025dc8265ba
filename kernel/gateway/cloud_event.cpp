#include "kernel/gateway/cloud_event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/text_check.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using json::Value;

constexpr std::string_view structured_type = "application/cloudevents";
constexpr std::string_view batch_type = "application/cloudevents-batch";
constexpr std::string_view header_prefix = "ce-";
constexpr std::size_t extensions_max = 64;
constexpr std::size_t extension_name_bytes_max = 20;
constexpr std::size_t extension_characters_max = 1024;
/// Of the JSON format; `data` is not one, but is beside them, so nothing may be called so.
constexpr std::array<std::string_view, 10> known_names = {
    "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"};

bool is_known(std::string_view name) {
  return std::ranges::find(known_names, name) != known_names.end();
}

base::Status check_version(std::string_view version) {
  if (version == "1.0") return {};
  return fail(ErrorCode::invalid,
              fmt::format("specversion '{}' is not known; use 1.0", base::utf8_prefix(version, 40)));
}

Result<std::optional<base::Timestamp>> time_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto time = base::Timestamp::from_rfc3339(text);
  if (time) return time;
  return fail(ErrorCode::invalid,
              fmt::format("attribute 'time' is not an RFC 3339 time: '{}'", base::utf8_prefix(text, 80)));
}

base::Status check_extension_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!name.empty() && name.size() <= extension_name_bytes_max && std::ranges::all_of(name, allowed)) return {};
  return fail(ErrorCode::invalid, fmt::format("attribute '{}' must be named with 1 to {} of a-z and 0-9",
                                              base::utf8_prefix(name, 80), extension_name_bytes_max));
}

/// Error: invalid for what is not a Boolean, Integer or String of the specification's type system (§2.2).
base::Status check_extension_value(std::string_view name, const Value& value) {
  if (value.is_string()) {
    return base::check_text(fmt::format("attribute '{}'", name), value.as_string(),
                            {.characters_min = 0, .characters_max = extension_characters_max});
  }
  const bool integer = value.is_int() && value.as_int() >= INT32_MIN && value.as_int() <= INT32_MAX;
  if (value.is_bool() || integer) return {};
  return fail(ErrorCode::invalid,
              fmt::format("attribute '{}' must be true, false, an integer of 32 bits or a string", name));
}

base::Status add_extension(Value& extensions, std::string_view name, Value value) {
  TRV_TRY(check_extension_name(name));
  TRV_TRY(check_extension_value(name, value));
  if (extensions.size() == extensions_max) {
    return fail(ErrorCode::invalid, fmt::format("an event has at most {} extension attributes", extensions_max));
  }
  extensions.set(name, std::move(value));
  return {};
}

/// Those of no name that the specification knows. A null is an attribute that is not there.
base::Status take_extensions(ingest::Received& received, const Value& attributes) {
  Value extensions = Value::object();
  for (const auto& entry : attributes.entries()) {
    if (!is_known(entry.name()) && !entry.value.is_null()) {
      TRV_TRY(add_extension(extensions, entry.name(), entry.value));
    }
  }
  if (extensions.size() > 0) received.extensions = json::serialize(extensions);
  return {};
}

/// What both modes have; `attribute(name, required)` gives the text of one.
template <typename Attribute>
Result<ingest::Received> received_of(const Attribute& attribute, const base::Digest& body_sha256) {
  TRV_TRY_ASSIGN(const std::string version, attribute("specversion", true));
  TRV_TRY(check_version(version));
  ingest::Received received;
  TRV_TRY_ASSIGN(received.id, attribute("id", true));
  TRV_TRY_ASSIGN(received.source, attribute("source", true));
  TRV_TRY_ASSIGN(received.type, attribute("type", true));
  TRV_TRY_ASSIGN(received.subject, attribute("subject", false));
  TRV_TRY_ASSIGN(const std::string time, attribute("time", false));
  TRV_TRY_ASSIGN(received.time, time_of(time));
  TRV_TRY_ASSIGN(received.dataschema, attribute("dataschema", false));
  received.channel = "api";
  received.body_sha256 = body_sha256;
  return received;
}

// JSON format, version 1.0.2. A null is an attribute that is not there.

Result<std::string> text_of(const Value& event, std::string_view name, bool required) {
  const Value* value = event.find(name);
  if (value == nullptr || value->is_null()) {
    if (required) return fail(ErrorCode::invalid, fmt::format("attribute '{}' is missing", name));
    return std::string();
  }
  if (!value->is_string()) return fail(ErrorCode::invalid, fmt::format("attribute '{}' must be a string", name));
  // Empty data is data; any other attribute that has nothing to say is left out (CloudEvents 1.0.2 §3).
  if (value->as_string().empty() && name != "data_base64") {
    return fail(ErrorCode::invalid, fmt::format("attribute '{}' is empty; leave it out", name));
  }
  return std::string(value->as_string());
}

base::Status read_members(ingest::Received& received, const Value& event) {
  const Value* data = event.find("data");
  TRV_TRY_ASSIGN(received.data_base64, text_of(event, "data_base64", false));
  if (data != nullptr && !received.data_base64.empty()) {
    return fail(ErrorCode::invalid, "the event has both 'data' and 'data_base64'; it can have one");
  }
  if (!received.data_base64.empty() && !base::from_base64(received.data_base64)) {
    return fail(ErrorCode::invalid, "attribute 'data_base64' is not base64 text (RFC 4648 section 4, with padding)");
  }
  if (data != nullptr) received.data = json::serialize(*data);
  return {};
}

Result<ingest::Received> structured(const Value& event, const base::Digest& body_sha256) {
  if (!event.is_object()) return fail(ErrorCode::invalid, "a CloudEvent must be a JSON object");
  const auto attribute = [&event](std::string_view name, bool required) { return text_of(event, name, required); };
  TRV_TRY_ASSIGN(ingest::Received received, received_of(attribute, body_sha256));
  TRV_TRY_ASSIGN(received.datacontenttype, attribute("datacontenttype", false));
  TRV_TRY(read_members(received, event));
  TRV_TRY(take_extensions(received, event));
  TRV_TRY(ingest::check_attributes(received));
  return received;
}

// HTTP protocol binding, version 1.0.2, §3.1: attributes in headers, data in the body.

/// §3.1.3.2: a quoted string is unquoted, then percent-decoded once.
Result<std::string> decoded(std::string_view name, std::string_view value) {
  const std::string plain = base::unquoted(value);
  std::string text;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] != '%') {
      text += plain[i];
      continue;
    }
    const auto byte = base::escaped_byte(std::string_view(plain).substr(i));
    if (!byte) {
      return fail(ErrorCode::invalid, fmt::format("header '{}' has a '%' that two hexadecimal digits do not follow; "
                                                  "write a percent sign as %25",
                                                  name));
    }
    text += *byte;
    i += 2;
  }
  if (!base::is_utf8(text)) return fail(ErrorCode::invalid, fmt::format("header '{}' is not UTF-8", name));
  return text;
}

/// The attributes by name, decoded.
Result<Value> attributes_of(const http::Request& request) {
  Value attributes = Value::object();
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const http::Field field = request.header_at(i);
    if (field.name.size() <= header_prefix.size() ||
        !base::equal_ignoring_case(field.name.substr(0, header_prefix.size()), header_prefix)) {
      continue;
    }
    const std::string name = base::lower(field.name.substr(header_prefix.size()));
    if (attributes.find(name) != nullptr) {
      return fail(ErrorCode::invalid, fmt::format("header 'ce-{}' occurs twice", name));
    }
    TRV_TRY_ASSIGN(std::string value, decoded("ce-" + name, field.value));
    attributes.set(name, Value(value));
  }
  return attributes;
}

bool is_text(const MediaType& type) {
  return type.essence.starts_with("text/") || type.essence.ends_with("+xml") || type.essence == "application/xml" ||
         type.essence == "application/x-www-form-urlencoded" || type.essence.ends_with("yaml");
}

Result<ingest::Received> binary(const http::Request& request, const base::Digest& body_sha256) {
  TRV_TRY_ASSIGN(const Value attributes, attributes_of(request));
  const auto header = [&attributes](std::string_view name, bool required) -> Result<std::string> {
    const Value* value = attributes.find(name);
    if (value != nullptr) return std::string(value->as_string());
    if (required) return fail(ErrorCode::invalid, fmt::format("header 'ce-{}' is missing", name));
    return std::string();
  };
  TRV_TRY_ASSIGN(ingest::Received received, received_of(header, body_sha256));
  TRV_TRY(read_data(received, request));
  for (const std::string_view name : {"datacontenttype", "data", "data_base64"}) {
    if (attributes.find(name) == nullptr) continue;
    return fail(ErrorCode::invalid,
                fmt::format("header 'ce-{}' is not for this mode: the body is the data, Content-Type its type", name));
  }
  TRV_TRY(take_extensions(received, attributes));
  TRV_TRY(ingest::check_attributes(received));
  return received;
}

Result<std::vector<ingest::Received>> batch(const Value& body, const base::Digest& body_sha256) {
  if (!body.is_array()) return fail(ErrorCode::invalid, "a batch of CloudEvents must be a JSON array");
  if (body.size() > batch_events_max) {
    return fail(ErrorCode::too_large,
                fmt::format("a batch holds at most {} events, this one {}", batch_events_max, body.size()));
  }
  std::vector<ingest::Received> events;
  for (std::size_t i = 0; i < body.size(); ++i) {
    auto event = structured(body.at(i), body_sha256);
    if (!event) return fail(std::move(event).error().in(fmt::format("event {}", i + 1)));
    events.push_back(*std::move(event));
  }
  return events;
}

/// The Content-Type decides, then the headers: one attribute that every event has is enough, so that another one that
/// is missing is named.
bool is_binary(const http::Request& request) {
  const auto type = media_type_of(request);
  if (type && type->essence.starts_with(structured_type)) return false;
  constexpr std::array<std::string_view, 4> required = {"ce-specversion", "ce-id", "ce-source", "ce-type"};
  return std::ranges::any_of(required, [&](std::string_view name) { return request.header(name).has_value(); });
}

}  // namespace

bool is_cloud_event(const http::Request& request) {
  const auto type = media_type_of(request);
  return (type && type->essence.starts_with(structured_type)) || is_binary(request);
}

base::Status read_data(ingest::Received& received, const http::Request& request) {
  const auto type = media_type_of(request);
  if (type) received.datacontenttype = *request.header("Content-Type");
  if (request.body().empty()) return {};
  if (!type || type->is_json()) {
    auto data = json::parse(request.body(), {.bytes_max = request.body().size()});
    if (!data) return fail(std::move(data).error().in("request body"));
    received.data = json::serialize(*data);
  } else if (is_text(*type) && type->is_utf8() && base::is_utf8(request.body())) {
    received.data = json::serialize(Value(request.body()));
  } else {
    received.data_base64 = base::to_base64(base::as_bytes(request.body()));
  }
  return {};
}

std::optional<http::Response> refuse_cloud_event_media(const http::Request& request) {
  if (is_binary(request)) return refuse_encoding(request);
  return refuse_media(request,
                      {"application/cloudevents+json", "application/cloudevents-batch+json", "application/json"});
}

base::Status check_own_type(std::string_view type) {
  for (const std::string_view kernels : {"trv.", "io.serverlessworkflow."}) {
    if (!type.starts_with(kernels)) continue;
    return fail(ErrorCode::invalid,
                fmt::format("type '{}' begins with '{}', as events of the platform itself do; give the event a type of "
                            "your own, for example com.example.order.created",
                            base::utf8_prefix(type, 80), kernels));
  }
  return {};
}

namespace {

Result<std::vector<ingest::Received>> read_all(const http::Request& request) {
  const base::Digest body_sha256 = base::sha256(base::as_bytes(request.body()));
  std::vector<ingest::Received> events;
  if (is_binary(request)) {
    TRV_TRY_ASSIGN(ingest::Received event, binary(request, body_sha256));
    events.push_back(std::move(event));
    return events;
  }
  const auto type = media_type_of(request);
  auto body = json::parse(request.body(), {.bytes_max = request.body().size()});
  if (!body) return fail(std::move(body).error().in("request body"));
  if (type && type->essence.starts_with(batch_type)) return batch(*body, body_sha256);
  TRV_TRY_ASSIGN(ingest::Received event, structured(*body, body_sha256));
  events.push_back(std::move(event));
  return events;
}

}  // namespace

Result<std::vector<ingest::Received>> read_cloud_events(const http::Request& request) {
  TRV_TRY_ASSIGN(std::vector<ingest::Received> events, read_all(request));
  for (std::size_t i = 0; i < events.size(); ++i) {
    base::Status own = check_own_type(events[i].type);
    if (own) continue;
    if (events.size() == 1) return fail(std::move(own).error());
    return fail(std::move(own).error().in(fmt::format("event {}", i + 1)));
  }
  return events;
}

Result<ingest::Received> read_cloud_event(const Value& event, const base::Digest& body_sha256) {
  return structured(event, body_sha256);
}

}  // namespace trv::gateway
