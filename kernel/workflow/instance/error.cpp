#include "kernel/workflow/instance/error.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::instance {

using json::Value;

namespace {

struct Standard {
  std::string_view name;
  std::uint32_t status;
  std::string_view title;
};

constexpr std::array<Standard, 8> standards = {{{"configuration", 400, "Configuration Error"},
                                                {"validation", 400, "Validation Error"},
                                                {"expression", 400, "Expression Error"},
                                                {"authentication", 401, "Authentication Error"},
                                                {"authorization", 403, "Authorization Error"},
                                                {"timeout", 408, "Timeout Error"},
                                                {"communication", 500, "Communication Error"},
                                                {"runtime", 500, "Runtime Error"}}};

/// A message of an expression or a plugin may be of any length.
constexpr std::size_t detail_bytes_max = 2'000;

constexpr std::string_view base_uri = "https://serverlessworkflow.io/spec/1.0.0/errors/";
constexpr std::array<std::string_view, 4> base_uris = {base_uri, "https://serverlessworkflow.io/dsl/errors/types/",
                                                       "https://open-workflow-specification.org/spec/1.0.0/errors/",
                                                       "https://open-workflow-specification.org/dsl/errors/types/"};

/// The standard name behind a type, or the type itself.
std::string_view canonical(std::string_view type) {
  for (const std::string_view prefix : base_uris) {
    if (!type.starts_with(prefix)) continue;
    const std::string_view name = type.substr(prefix.size());
    for (const Standard& standard : standards) {
      if (standard.name == name) return standard.name;
    }
  }
  return type;
}

bool text_equals(const Value& error, std::string_view key, const std::optional<std::string>& wanted) {
  if (!wanted) return true;
  const Value* found = error.find(key);
  return found != nullptr && found->is_string() && found->as_string() == *wanted;
}

}  // namespace

Value make_error(StandardError kind, std::string_view instance, std::string_view detail, std::uint32_t status) {
  TRV_EXPECTS(static_cast<std::size_t>(kind) < standards.size());
  const Standard& standard = standards[static_cast<std::size_t>(kind)];
  Value error = Value::make_object(5);
  error.set("type", Value(std::string(base_uri) + std::string(standard.name)));
  error.set("status", Value(status == 0 ? standard.status : status));
  error.set("instance", Value(instance));
  error.set("title", Value(standard.title));
  if (!detail.empty()) error.set("detail", Value(base::utf8_prefix(detail, detail_bytes_max)));
  return error;
}

Value error_of(const shard::Outcome& outcome, std::string_view instance) {
  TRV_EXPECTS(!outcome.ok);
  StandardError kind = StandardError::runtime;
  // A service that answered well did its part: what went wrong after that is not an error of communication, and doing
  // it again would not help.
  std::uint32_t status = outcome.status >= 200 && outcome.status < 300 ? 0 : outcome.status;
  if (outcome.code == "unauthenticated") {
    kind = StandardError::authentication;
  } else if (outcome.code == "denied") {
    kind = StandardError::authorization;
  } else if (outcome.code == "timeout") {
    kind = StandardError::timeout;
    status = 0;
  } else if (outcome.code == "unavailable" || outcome.code == "exhausted" || status != 0) {
    kind = StandardError::communication;
    if (status == 0 && outcome.code == "exhausted") status = 429;
    if (status == 0 && outcome.code == "unavailable") status = 503;
  } else if (outcome.code == "invalid" || outcome.code == "too_large") {
    kind = StandardError::validation;
  }
  return make_error(kind, instance, outcome.message, status);
}

bool matches(const definition::ErrorFilter& filter, const Value& error) {
  if (filter.type) {
    const Value* type = error.find("type");
    if (type == nullptr || !type->is_string() || canonical(type->as_string()) != canonical(*filter.type)) return false;
  }
  if (filter.status) {
    const Value* status = error.find("status");
    if (status == nullptr || !(*status == Value(*filter.status))) return false;
  }
  return text_equals(error, "instance", filter.instance) && text_equals(error, "title", filter.title) &&
         text_equals(error, "detail", filter.detail);
}

}  // namespace trv::instance
