#include "kernel/expression/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "kernel/expression/compile/compiler.hpp"
#include "kernel/expression/machine/machine.hpp"
#include "kernel/expression/shared_fuel.hpp"
#include "kernel/expression/syntax/lexer.hpp"
#include "kernel/expression/syntax/parser.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::expression {
namespace {

/// The budget of one evaluation, taken from what evaluations share where they do; paid when it goes.
class Grant {
 public:
  explicit Grant(const Budget& budget) : budget_(budget), shared_(SharedFuel::current()) {
    if (shared_ != nullptr) budget_.fuel = std::min(budget_.fuel, shared_->left());
    by_shared_ = budget_.fuel < budget.fuel;
  }
  /// The evaluation has ended.
  void settle(Allowance& allowance) {
    if (allowance.stopped() == Allowance::Stop::none) (void)allowance.charge(allowance.meter().take_work());
    if (shared_ == nullptr) return;
    shared_->spend(budget_.fuel - allowance.fuel());
    if (by_shared_ && allowance.stopped() == Allowance::Stop::fuel) shared_->use_up();
  }
  /// The evaluation ended without an allowance to tell.
  void forfeit() {
    if (shared_ != nullptr) shared_->spend(budget_.fuel);
  }
  [[nodiscard]] const Budget& budget() const noexcept { return budget_; }
  /// The whole of the shared fuel where that, and not its own budget, ended the evaluation.
  [[nodiscard]] std::optional<std::uint64_t> shared_limit() const {
    return by_shared_ ? std::optional(shared_->given()) : std::nullopt;
  }

 private:
  Budget budget_;
  SharedFuel* shared_;
  bool by_shared_ = false;
};

// jq's message, and what it leaves out: which function, and the values that it got, shortened.
std::string with_culprit(std::string message, const Allowance::Culprit& culprit) {
  std::string_view function = culprit.function;
  if (function == "_strindices") function = "indices";
  if (function.starts_with('_')) function.remove_prefix(1);
  if (!function.empty() && !message.starts_with(function)) message = fmt::format("{}: {}", function, message);
  std::string_view before = "; ";
  for (std::size_t i = 0; i < culprit.values.size(); ++i) {
    const std::string shown = describe(culprit.values[i]);
    if (message.find(shown) != std::string::npos) continue;
    const std::string_view what = i > 0 ? "an argument" : function.empty() ? "the value" : "the input";
    message += fmt::format("{}{} was {}", before, what, shown);
    before = ", ";
  }
  return message;
}

base::Error stop_error(Allowance& allowance, const Grant& grant) {
  using base::ErrorCode;
  const Budget& budget = grant.budget();
  switch (allowance.stopped()) {
    case Allowance::Stop::fuel:
      if (const auto limit = grant.shared_limit()) {
        return {ErrorCode::too_large, fmt::format("the expressions used up their fuel of {} together", *limit)};
      }
      return {ErrorCode::too_large, fmt::format("the expression used up its fuel of {}", budget.fuel)};
    case Allowance::Stop::memory:
      return {ErrorCode::too_large,
              fmt::format("the expression used up its memory of {} bytes", budget.memory_bytes_max)};
    case Allowance::Stop::depth:
      return {ErrorCode::too_large, fmt::format("the expression's calls nest deeper than {}", budget.depth_max)};
    case Allowance::Stop::raised:
    case Allowance::Stop::none: break;
  }
  const json::Value error = allowance.take_error();
  if (error.is_string()) {
    return {ErrorCode::invalid, with_culprit(std::string(error.as_string()), allowance.culprit())};
  }
  constexpr std::size_t shown_bytes_max = 10'000;
  std::string text;
  if (!json::append(text, error, {.bytes_max = shown_bytes_max}))
    text = base::to_valid_utf8(text.substr(0, shown_bytes_max));
  return {ErrorCode::invalid, text + " (not a string)"};
}

base::Error out_of_memory() {
  return {base::ErrorCode::too_large, "the expression needs more memory than the process can get"};
}

}  // namespace

base::Result<Program> compile(std::string_view text, std::span<const std::string> variables) {
  if (text.size() > program_bytes_max) {
    return base::fail(base::ErrorCode::too_large, fmt::format("an expression of {} bytes is over the limit of {} bytes",
                                                              text.size(), program_bytes_max));
  }
  if (!base::is_utf8(text)) return base::fail(base::ErrorCode::invalid, "the expression is not valid UTF-8");
  TRV_TRY_ASSIGN(const SyntaxTree tree, parse(text));
  TRV_TRY_ASSIGN(Code code, Compiler(text).compile(tree, variables));
  return Program(std::make_shared<const Code>(std::move(code)));
}

base::Result<std::vector<json::Value>> evaluate_all(const Program& program, const json::Value& input,
                                                    const Environment& environment, const Budget& budget) {
  Grant grant(budget);
  try {
    Machine machine(program.code(), input, environment, grant.budget());
    std::vector<json::Value> outputs;
    while (auto output = machine.next()) {
      outputs.push_back(std::move(*output));
      if (!machine.allowance().room(outputs.capacity() * sizeof(json::Value))) break;
    }
    grant.settle(machine.allowance());
    if (machine.allowance().stopped() == Allowance::Stop::none) return outputs;
    return base::fail(stop_error(machine.allowance(), grant));
  } catch (const std::bad_alloc&) {
    grant.forfeit();
    return base::fail(out_of_memory());
  }
}

base::Result<std::optional<json::Value>> evaluate_first(const Program& program, const json::Value& input,
                                                        const Environment& environment, const Budget& budget) {
  Grant grant(budget);
  try {
    Machine machine(program.code(), input, environment, grant.budget());
    std::optional<json::Value> output = machine.next();
    grant.settle(machine.allowance());
    if (machine.allowance().stopped() == Allowance::Stop::none) return output;
    return base::fail(stop_error(machine.allowance(), grant));
  } catch (const std::bad_alloc&) {
    grant.forfeit();
    return base::fail(out_of_memory());
  }
}

}  // namespace trv::expression
