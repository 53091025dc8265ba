#include "kernel/workflow/instance/input_gate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json_schema/schema.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

/// Of all inputs together: some seconds.
constexpr std::uint64_t steps_max = 200'000'000;
constexpr std::size_t problems_max = 5;

}  // namespace

std::string InputGate::problems_of(const json::Value& input) {
  const bool has_schema = definition_.schemas != nullptr && definition_.schemas->input.has_value();
  if (!has_schema || spent_ >= steps_max) return {};
  json_schema::ValidateLimits limits;
  limits.problems_max = problems_max;
  limits.steps_max = std::min(limits.steps_max, steps_max - spent_);
  TRV_ASSERT(limits.steps_max > 0);
  limits.steps_spent = &spent_;
  const auto problems = definition_.schemas->input->validate(input, limits);
  if (problems && problems->empty()) return {};
  if (problems) return "the input does not match its schema: " + json_schema::to_text(*problems);
  if (spent_ >= steps_max) return {};
  return fmt::format("the input cannot be held against its schema: {}", problems.error().message());
}

}  // namespace trv::instance
