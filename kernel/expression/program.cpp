#include "kernel/expression/program.hpp"

#include <fmt/format.h>

#include <new>

#include "kernel/expression/compiler.hpp"
#include "kernel/expression/json.hpp"
#include "kernel/expression/lexer.hpp"
#include "kernel/expression/machine.hpp"
#include "kernel/expression/parser.hpp"
#include "kernel/expression/utf8.hpp"

namespace trv::expression {
namespace {

base::Error stop_error(Allowance& allowance, const Budget& budget) {
  using base::ErrorCode;
  switch (allowance.stopped()) {
    case Allowance::Stop::fuel:
      return {ErrorCode::too_large, fmt::format("the expression used up its fuel of {}", budget.fuel)};
    case Allowance::Stop::memory:
      return {ErrorCode::too_large,
              fmt::format("the expression used up its memory of {} bytes", budget.memory_bytes_max)};
    case Allowance::Stop::depth:
      return {ErrorCode::too_large, fmt::format("the expression's calls nest deeper than {}", budget.depth_max)};
    case Allowance::Stop::raised:
    case Allowance::Stop::none: break;
  }
  const Value error = allowance.take_error();
  if (error.is_string()) return {ErrorCode::invalid, std::string(error.as_string())};
  constexpr std::size_t shown_bytes_max = 10'000;
  std::string text;
  if (!append_json(text, error, {.bytes_max = shown_bytes_max})) text = to_valid_utf8(text.substr(0, shown_bytes_max));
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
  if (!is_utf8(text)) return base::fail(base::ErrorCode::invalid, "the expression is not valid UTF-8");
  TRV_TRY_ASSIGN(const SyntaxTree tree, parse(text));
  TRV_TRY_ASSIGN(Code code, Compiler(text).compile(tree, variables));
  return Program(std::make_shared<const Code>(std::move(code)));
}

base::Result<std::vector<Value>> evaluate_all(const Program& program, const Value& input,
                                              const Environment& environment, const Budget& budget) {
  try {
    Machine machine(program.code(), input, environment, budget);
    std::vector<Value> outputs;
    while (auto output = machine.next()) {
      outputs.push_back(std::move(*output));
      if (!machine.allowance().room(outputs.capacity() * sizeof(Value))) break;
    }
    if (machine.allowance().stopped() == Allowance::Stop::none) return outputs;
    return base::fail(stop_error(machine.allowance(), budget));
  } catch (const std::bad_alloc&) {
    return base::fail(out_of_memory());
  }
}

base::Result<std::optional<Value>> evaluate_first(const Program& program, const Value& input,
                                                  const Environment& environment, const Budget& budget) {
  try {
    Machine machine(program.code(), input, environment, budget);
    std::optional<Value> output = machine.next();
    if (output || machine.allowance().stopped() == Allowance::Stop::none) return output;
    return base::fail(stop_error(machine.allowance(), budget));
  } catch (const std::bad_alloc&) {
    return base::fail(out_of_memory());
  }
}

}  // namespace trv::expression
