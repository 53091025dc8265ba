#include "installer/release/document.hpp"

#include <fmt/format.h>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::release {

base::Result<json::Value> parse_document(std::string_view text, std::string_view what) {
  const json::ParseLimits limits{
      .bytes_max = 10'000'000, .depth_max = 8, .duplicate_keys = json::DuplicateKeys::refused};
  auto value = json::parse(text, limits);
  if (!value) return base::fail(base::ErrorCode::invalid, fmt::format("{}: {}", what, value.error().message()));
  return value;
}

base::Result<json::Value> parse_canonical(std::string_view text, std::string_view what) {
  TRV_TRY_ASSIGN(json::Value value, parse_document(text, what));
  if (json::serialize(value) + "\n" != text) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("{}: has other blanks or escapes than it was written with", what));
  }
  return value;
}

std::string text_at(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::optional<std::int64_t> number_at(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  return value != nullptr && value->is_int() ? std::optional(value->as_int()) : std::nullopt;
}

const json::Value* array_at(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  return value != nullptr && value->is_array() ? value : nullptr;
}

}  // namespace trv::release
