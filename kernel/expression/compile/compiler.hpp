#pragma once
// Syntax tree to code. Names are resolved here: an unknown variable or function is an error with its place.

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/expression/builtins/builtin.hpp"
#include "kernel/expression/machine/code.hpp"
#include "kernel/expression/syntax/syntax.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/result.hpp"

namespace trv::expression {

class Compiler {
 public:
  explicit Compiler(std::string_view text) noexcept : text_(text) {}
  [[nodiscard]] base::Result<Code> compile(const SyntaxTree& tree, std::span<const std::string> variables);

 private:
  // How many outputs an expression gives at most, without leaving a fork behind.
  enum class Outputs : std::uint8_t { one, at_most_one, many };
  struct Binding {
    enum class Kind : std::uint8_t { function, parameter, variable, global, label } kind;
    std::string_view name;
    int arity;
    int level;  // of the function whose frame holds it
    int index;  // slot, parameter, function or global
    const Binding* outer;
  };
  // The function being compiled; restores the one outside at its end.
  struct FunctionScope {
    FunctionScope(Compiler& compiler, int function);
    ~FunctionScope();
    FunctionScope(const FunctionScope&) = delete;
    FunctionScope& operator=(const FunctionScope&) = delete;
    Compiler& compiler;
    int function_before;
    int level_before;
    const Binding* scope_before;
  };
  struct Operand {
    OperandMode mode;
    int index;
  };
  using Names = std::vector<std::string_view>;

  // Emission
  int emit(Opcode opcode, int a = 0, int b = 0, int extra = 0, int flag = 0);
  int here() const;
  void target(int jump) {
    TRV_EXPECTS(jump >= 0 && jump < here());
    instructions()[static_cast<std::size_t>(jump)].a = here();
  }
  std::vector<Instruction>& instructions() const;
  int new_slot();
  int new_slots(int count);
  int add_constant(json::Value value);
  int add_function();
  void load_constant(json::Value value) { emit(Opcode::constant, add_constant(std::move(value))); }
  void emit_operand(Operand operand) { emit(Opcode::operand, operand.index, 0, 0, static_cast<int>(operand.mode)); }
  void fail(const Node& node, std::string message);

  // Scope
  const Binding* bind(Binding::Kind kind, std::string_view name, int arity, int index);
  const Binding* find(Binding::Kind kind, std::string_view name) const;
  const Binding* find_function(std::string_view name, int arity) const;

  // Expressions
  Outputs outputs(const Node& node) const;
  Outputs call_outputs(const Node& node) const;
  Outputs all_outputs(const std::vector<Node*>& nodes) const;
  Outputs pattern_outputs(const Pattern& pattern) const;
  bool leaves_no_fork(const Node& node) const { return outputs(node) != Outputs::many; }
  std::optional<Operand> operand(const Node& node) const;
  std::optional<json::Value> fold(const Node& node) const;
  Operand evaluate_operand(const Node& node, int input_slot);
  void expression(const Node& node);
  void apart(const Node& node);  // its values are not part of a path
  void variable(const Node& node);
  void string(const Node& node);
  void index(const Node& node);
  void slice(const Node& node);
  void array(const Node& node);
  void collect(const Node& body);
  void object(const Node& node);
  void comma(const Node& node);
  void binary(const Node& node);
  void logic(const Node& node);
  void alternative(const Node& node);
  void condition(const Node& node);
  void attempt(const Node& node);
  void label(const Node& node);
  void define(const Node& node);

  // Patterns and folds
  void bind_node(const Node& node);
  void reduce(const Node& node);
  void foreach (const Node& node);
  void destructure(const std::vector<Pattern*>& patterns, const Node& owner);
  void pattern_names(const Pattern& pattern, Names& names) const;
  void match_pattern(const Pattern& pattern);
  void store_variable(std::string_view name);

  // Assignments
  void assign(const Node& node);
  void update(const Node& path, const Node& change);
  void arithmetic_update(Operator op, const Node& path, const Node& right);
  void set_all(const Node& path, const Node& right);
  void path_of(const Node& path);
  std::optional<json::Value> constant_path(const Node& path) const;

  // Calls
  void call(const Node& node);
  void call_binding(const Node& node, const Binding& binding);
  void arguments(const Node& node);
  void call_native(const Node& node, const Native& native);
  bool call_prelude(const Node& node);
  bool special_form(const Node& node);
  void form_select(const Node& condition);
  void form_first(const Node& generator);
  void form_last(const Node& generator);
  void form_is_empty(const Node& generator);
  void form_limit(const Node& count, const Node& generator);
  void form_skip(const Node& count, const Node& generator);
  void form_range(const Node& node);
  int compile_function(std::string_view name, const std::vector<std::string>& parameters, const Node& body);

  std::string_view text_;
  Code code_;
  std::optional<base::Error> error_;
  std::deque<Binding> bindings_;
  std::deque<SyntaxTree> prelude_trees_;
  std::map<std::pair<std::string_view, int>, int> prelude_functions_;
  const Binding* scope_ = nullptr;
  const Binding* root_scope_ = nullptr;
  int function_ = 0;
  int level_ = 0;
  bool in_prelude_ = false;
  int path_depth_ = 0;  // path expressions of this function around what is being compiled
};

}  // namespace trv::expression
