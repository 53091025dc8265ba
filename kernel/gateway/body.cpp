#include "kernel/gateway/body.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernel/json/parse.hpp"

namespace trv::gateway {

using base::ErrorCode;
using base::fail;
using base::Result;
using json::Value;

Result<Body> Body::parse(std::string_view text, std::initializer_list<std::string_view> known) {
  auto value = json::parse(text, {.duplicate_keys = json::DuplicateKeys::refused});
  if (!value) return fail(std::move(value).error().in("request body"));
  if (!value->is_object()) return fail(ErrorCode::invalid, "the request body must be a JSON object");
  Body body("", *std::move(value));
  TRV_TRY(body.check(known));
  return body;
}

base::Status Body::check(std::initializer_list<std::string_view> known) const {
  for (const auto& entry : object_.entries()) {
    const std::string_view name = entry.key.as_string();
    if (std::ranges::find(known, name) == known.end()) {
      return fail(ErrorCode::invalid, fmt::format("'{}{}' is not known here; known: {}", path_, name.substr(0, 80),
                                                  fmt::join(known, ", ")));
    }
  }
  return {};
}

base::Error Body::wrong_kind(std::string_view name, const Value& value, std::string_view expected) const {
  return {ErrorCode::invalid,
          fmt::format("'{}{}' must be {}, not {}", path_, name, expected, json::to_string(value.kind()))};
}

Result<std::string> Body::text(std::string_view name) const {
  TRV_TRY_ASSIGN(auto value, optional_text(name));
  if (!value) return fail(ErrorCode::invalid, fmt::format("'{}{}' is missing; it must be a string", path_, name));
  return *std::move(value);
}

Result<std::optional<std::string>> Body::optional_text(std::string_view name) const {
  const Value* value = object_.find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return fail(wrong_kind(name, *value, "a string"));
  return std::string(value->as_string());
}

Result<std::optional<std::int64_t>> Body::optional_integer(std::string_view name) const {
  const Value* value = object_.find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int()) return fail(wrong_kind(name, *value, "an integer"));
  return value->as_int();
}

std::optional<json::Value> Body::optional_value(std::string_view name) const {
  const json::Value* value = object_.find(name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

Result<bool> Body::flag(std::string_view name) const {
  const Value* value = object_.find(name);
  if (value == nullptr) return false;
  if (!value->is_bool()) return fail(wrong_kind(name, *value, "true or false"));
  return value->as_bool();
}

Result<std::optional<Body>> Body::optional_object(std::string_view name,
                                                  std::initializer_list<std::string_view> known) const {
  const Value* value = object_.find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) return fail(wrong_kind(name, *value, "an object"));
  Body body(fmt::format("{}{}.", path_, name), *value);
  TRV_TRY(body.check(known));
  return body;
}

}  // namespace trv::gateway
