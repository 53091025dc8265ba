// Data is held against the schemas of its workflow and task.

#include <fmt/format.h>

#include "kernel/json_schema/schema.hpp"
#include "kernel/workflow/instance/error.hpp"
#include "kernel/workflow/instance/evaluation.hpp"

namespace trv::instance {
using json::Value;

namespace {

/// A step of a validation is about half as long as one of an expression.
constexpr std::uint64_t steps_per_fuel = 2;
constexpr std::size_t problems_max = 10;

}  // namespace

std::optional<Value> Evaluation::mismatch(const std::shared_ptr<const definition::Schemas>& schemas,
                                          std::optional<json_schema::Schema> definition::Schemas::* which,
                                          std::string_view what, const Value& value) {
  if (schemas == nullptr || !((*schemas).*which)) return std::nullopt;
  std::uint64_t spent = 0;
  json_schema::ValidateLimits limits;
  limits.problems_max = problems_max;
  limits.steps_max = std::min(limits.steps_max, budget_.fuel.left() * steps_per_fuel);
  limits.steps_spent = &spent;
  const auto problems = ((*schemas).*which)->validate(value, limits);
  budget_.fuel.spend(spent / steps_per_fuel);
  watch_fuel();
  if (problems && problems->empty()) return std::nullopt;
  const std::string detail =
      problems ? fmt::format("{} does not match its schema:\n{}", what, json_schema::to_text(*problems))
               : fmt::format("{} cannot be held against its schema: {}", what, problems.error().message());
  return make_error(StandardError::validation, reference(), detail);
}

}  // namespace trv::instance
