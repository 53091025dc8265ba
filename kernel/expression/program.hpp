#pragma once
// jq 1.8 expressions: compile once, evaluate many times within a budget.
//
// The language is jq's without I/O, modules, environment and clock: what is left out is a compile error that names it.
// `now` is the caller's time, so an evaluation depends on its arguments alone. Integers of 64 bits are exact.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/expression/machine/budget.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::expression {

struct Code;

/// Immutable, cheap to copy; any thread, also several at once.
class Program {
 public:
  explicit Program(std::shared_ptr<const Code> code) noexcept : code_(std::move(code)) {}
  [[nodiscard]] const Code& code() const noexcept { return *code_; }

 private:
  std::shared_ptr<const Code> code_;
};

/// The longest program text, in bytes.
inline constexpr std::size_t program_bytes_max = 256 * 1024;

/// `variables` are the names, without $, that every evaluation will bind.
/// Errors: too_large for text over its limits; invalid for everything else, with line and column.
[[nodiscard]] base::Result<Program> compile(std::string_view text, std::span<const std::string> variables = {});

/// All outputs. Contract: environment.variables has one value for each name given to compile.
/// Errors: invalid with jq's message for an error that the program raised or ran into; too_large naming the budget that
/// was used up.
[[nodiscard]] base::Result<std::vector<json::Value>> evaluate_all(const Program& program, const json::Value& input,
                                                                  const Environment& environment = {},
                                                                  const Budget& budget = {});
/// The first output, or nothing for a program without one; stops there.
[[nodiscard]] base::Result<std::optional<json::Value>> evaluate_first(const Program& program, const json::Value& input,
                                                                      const Environment& environment = {},
                                                                      const Budget& budget = {});

}  // namespace trv::expression
