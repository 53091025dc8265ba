#pragma once
// Errors of a workflow: RFC 7807 objects {type, status, instance, title, detail}. Any thread.

#include <string_view>

#include "kernel/json/value.hpp"
#include "kernel/shard/effect.hpp"
#include "kernel/workflow/definition/definition.hpp"

namespace trv::instance {

/// The types that the specification defines.
enum class StandardError {
  configuration,
  validation,
  expression,
  authentication,
  authorization,
  timeout,
  communication,
  runtime
};

/// `status` 0: the one that the specification gives to the type. A long detail is cut.
[[nodiscard]] json::Value make_error(StandardError kind, std::string_view instance, std::string_view detail,
                                     std::uint32_t status = 0);

/// What a failed effect is to the workflow.
[[nodiscard]] json::Value error_of(const shard::Outcome& outcome, std::string_view instance);

/// Whether a catch is meant for the error. Standard types are the same under every host and path that the
/// specification, its test kit and its examples have used for them.
[[nodiscard]] bool matches(const definition::ErrorFilter& filter, const json::Value& error);

}  // namespace trv::instance
