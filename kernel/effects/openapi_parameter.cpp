#include "kernel/effects/openapi_parameter.hpp"

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::effects {
namespace {

using json::Value;

std::string text_of(const Value* value) {
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::string encoded(const Value& value) {
  return base::percent_encoded(plain_text(value));
}
std::string as_it_is(const Value& value) {
  return plain_text(value);
}

std::unexpected<base::Error> refuse(const OpenApiParameter& parameter, std::string_view why) {
  return base::fail(base::ErrorCode::invalid, fmt::format("has the parameter '{}' {}", parameter.name, why));
}

bool is_collection(const Value& value) {
  return value.is_array() || value.is_object();
}

/// Elements, or names and values in turn, with a separator between; `exploded`: name=value.
template <typename Write>
std::string joined(const Value& value, std::string_view separator, bool exploded, Write write) {
  std::string out;
  const auto add = [&](const std::string& text) {
    if (!out.empty()) out += separator;
    out += text;
  };
  if (value.is_array()) {
    for (const Value& item : value.items()) add(write(item));
    return out;
  }
  for (const json::Entry& entry : value.entries()) {
    const std::string name = write(entry.key);
    add(name + (exploded ? "=" : std::string(separator)) + write(entry.value));
  }
  return out;
}

}  // namespace

std::string plain_text(const Value& value) {
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

OpenApiParameter read_parameter(const Value& described, bool is_swagger) {
  OpenApiParameter out;
  out.name = text_of(described.find("name"));
  out.in = text_of(described.find("in"));
  const Value* required = described.find("required");
  out.required = out.in == "path" || (required != nullptr && required->is_truthy());
  if (is_swagger) {
    const std::string format = text_of(described.find("collectionFormat"));
    out.is_file = text_of(described.find("type")) == "file";
    out.explode = format == "multi";
    out.style = format == "ssv"     ? "spaceDelimited"
                : format == "pipes" ? "pipeDelimited"
                : format == "tsv"   ? "tabDelimited"
                                    : "form";
    out.default_ = described.find("default");
    return out;
  }
  const bool is_query = out.in == "query" || out.in == "cookie";
  out.style = text_of(described.find("style"));
  if (out.style.empty()) out.style = is_query ? "form" : "simple";
  const Value* explode = described.find("explode");
  out.explode = explode == nullptr ? out.style == "form" : explode->is_truthy();
  out.is_json = described.find("content") != nullptr;
  const Value* schema = described.find("schema");
  out.default_ = schema == nullptr ? nullptr : schema->find("default");
  return out;
}

base::Result<std::string> query_text(const OpenApiParameter& parameter, const Value& value) {
  const std::string name = base::percent_encoded(parameter.name);
  if (parameter.is_json) return name + '=' + base::percent_encoded(json::serialize(value));
  if (!is_collection(value)) return name + '=' + encoded(value);
  if (parameter.style == "deepObject" && value.is_object()) {
    std::string out;
    for (const json::Entry& entry : value.entries()) {
      if (!out.empty()) out += '&';
      out += fmt::format("{}%5B{}%5D={}", name, base::percent_encoded(entry.name()), encoded(entry.value));
    }
    return out;
  }
  if (parameter.explode && value.is_object()) return joined(value, "&", true, encoded);
  if (parameter.explode) {
    std::string out;
    for (const Value& item : value.items()) out += (out.empty() ? "" : "&") + name + '=' + encoded(item);
    return out;
  }
  const std::string_view separator = parameter.style == "form"             ? ","
                                     : parameter.style == "spaceDelimited" ? "%20"
                                     : parameter.style == "pipeDelimited"  ? "%7C"
                                     : parameter.style == "tabDelimited"   ? "%09"
                                                                           : "";
  if (separator.empty())
    return refuse(parameter, fmt::format("of the style '{}', which is not supported", parameter.style));
  return name + '=' + joined(value, separator, false, encoded);
}

base::Result<std::string> path_text(const OpenApiParameter& parameter, const Value& value) {
  if (parameter.style == "label" || parameter.style == "matrix") {
    return refuse(parameter, fmt::format("of the style '{}', which is not supported", parameter.style));
  }
  if (parameter.is_json) return base::percent_encoded(json::serialize(value));
  std::string text = is_collection(value) ? joined(value, ",", parameter.explode, encoded) : encoded(value);
  if (text.empty()) return refuse(parameter, "in its path, and its value is empty");
  return text;
}

base::Result<std::string> header_text(const OpenApiParameter& parameter, const Value& value) {
  if (parameter.is_json) return json::serialize(value);
  return is_collection(value) ? joined(value, ",", parameter.explode, as_it_is) : as_it_is(value);
}

}  // namespace trv::effects
