#pragma once
// Reading JSON bodies strictly: every member is known, of its type, and its name is in the error.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::gateway {

/// A request body that must be a JSON object.
class Body {
 public:
  /// Errors: invalid with line and column where it is not JSON or a key occurs twice; invalid where it is not an object
  /// or has a member that is not in `known`.
  [[nodiscard]] static base::Result<Body> parse(std::string_view text, std::initializer_list<std::string_view> known);

  /// Error: invalid where it is missing or no string.
  [[nodiscard]] base::Result<std::string> text(std::string_view name) const;
  /// nullopt where it is missing. A null is not a string.
  [[nodiscard]] base::Result<std::optional<std::string>> optional_text(std::string_view name) const;
  [[nodiscard]] base::Result<std::optional<std::int64_t>> optional_integer(std::string_view name) const;
  /// Of any kind; nullopt where it is missing.
  [[nodiscard]] std::optional<json::Value> optional_value(std::string_view name) const;
  /// False where it is missing.
  [[nodiscard]] base::Result<bool> flag(std::string_view name) const;
  /// A member that is an object of its own; nullopt where it is missing.
  [[nodiscard]] base::Result<std::optional<Body>> optional_object(std::string_view name,
                                                                  std::initializer_list<std::string_view> known) const;

 private:
  Body(std::string path, json::Value object) : path_(std::move(path)), object_(std::move(object)) {}
  [[nodiscard]] base::Status check(std::initializer_list<std::string_view> known) const;
  [[nodiscard]] base::Error wrong_kind(std::string_view name, const json::Value& value,
                                       std::string_view expected) const;

  std::string path_;
  json::Value object_;
};

}  // namespace trv::gateway
