#pragma once
// Compiled expressions of a definition and value templates around them. Immutable; any thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/expression/program.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::definition {

using TaskIndex = std::uint32_t;
inline constexpr TaskIndex no_task = 0xFFFF'FFFF;

/// What a `$name` means. `local` is a variable that a `for` or a `catch` declares.
enum class Variable : std::uint8_t { context, input, output, task, workflow, runtime, authorization, local };

struct VariableReference {
  Variable variable = Variable::local;
  TaskIndex owner = no_task;  ///< local: the task that declares it
  std::uint8_t slot = 0;      ///< local: 0 = for's item or catch's error, 1 = for's index
};

/// Gives the values of the variables that an expression names, and no others.
class VariableSource {
 public:
  virtual ~VariableSource() = default;
  [[nodiscard]] virtual json::Value variable(const VariableReference& reference) = 0;
};

/// Where an expression is written, for who reads of its failure.
struct ExpressionPlace {
  std::string text;        ///< trimmed, its first 200 bytes
  std::string field;       ///< JSON pointer of the value that it is in, for example /do/0/greet/set/name
  int line = 0;            ///< of that value, from 1
  std::size_t offset = 0;  ///< of that value in the definition's text, in bytes
};

/// One jq program with the variables that it names.
class Expression {
 public:
  /// `place`: null for one that the kernel has written.
  Expression(expression::Program program, std::vector<VariableReference> variables, bool identity,
             std::shared_ptr<const ExpressionPlace> place = nullptr)
      : program_(std::move(program)), variables_(std::move(variables)), identity_(identity), place_(std::move(place)) {}

  /// The first output; null where there is none. Error: invalid or too_large from the evaluator, with the place.
  [[nodiscard]] base::Result<json::Value> evaluate(const json::Value& input, VariableSource& source,
                                                   base::Timestamp now) const;
  [[nodiscard]] bool names(Variable variable) const noexcept;
  [[nodiscard]] const std::vector<VariableReference>& variables() const noexcept { return variables_; }

 private:
  expression::Program program_;
  std::vector<VariableReference> variables_;
  bool identity_;  ///< the program is `.`
  std::shared_ptr<const ExpressionPlace> place_;
};

/// `${ $secrets.name.property }`: what is put in when the request is sent, and in no event.
struct SecretReference {
  std::string name;
  std::vector<std::string> path;  ///< of properties; the secret is a JSON object then
};

/// A value with expressions in it. What holds none is one constant.
class Template {
 public:
  [[nodiscard]] static Template constant(json::Value value);
  [[nodiscard]] static Template from(Expression expression);
  /// A text that may be meant as an expression: the text where its evaluation fails.
  [[nodiscard]] static Template loose(Expression expression, std::string_view text);
  /// Text parts and expressions in turn: results that are strings are written as they are, others as JSON.
  /// Its value is a redaction; secrets() says what belongs in its place.
  [[nodiscard]] static Template secret(SecretReference reference);
  [[nodiscard]] static Template concatenation(std::vector<Template> parts);
  [[nodiscard]] static Template array(std::vector<Template> items);
  [[nodiscard]] static Template object(std::vector<std::pair<std::string, Template>> entries);

  [[nodiscard]] base::Result<json::Value> evaluate(const json::Value& input, VariableSource& source,
                                                   base::Timestamp now) const;
  [[nodiscard]] bool names(Variable variable) const noexcept;
  [[nodiscard]] bool has_secrets() const noexcept;
  /// Of the value that evaluate() gives, every text with secrets: appends {"at": names and indices that lead to it from
  /// `at`, "parts": texts, and {"name", "path"} for each secret}. Error: of an expression beside a secret.
  [[nodiscard]] base::Status secrets(const json::Value& at, const json::Value& input, VariableSource& source,
                                     base::Timestamp now, json::Value& out) const;
  [[nodiscard]] bool is_constant() const noexcept { return kind_ == Kind::constant; }
  /// Contract: is_constant().
  [[nodiscard]] const json::Value& constant_value() const;

 private:
  enum class Kind : std::uint8_t { constant, expression, secret, concatenation, array, object };

  Kind kind_ = Kind::constant;
  bool is_loose_ = false;  ///< `constant_` is what it is where its evaluation fails
  json::Value constant_;
  std::optional<Expression> expression_;
  std::shared_ptr<const SecretReference> secret_;
  std::vector<std::string> keys_;
  std::vector<Template> parts_;
};

/// What one evaluation within a workflow may spend.
inline constexpr expression::Budget expression_budget{
    .fuel = 1'000'000, .depth_max = 1'000, .memory_bytes_max = 16 * 1024 * 1024};

}  // namespace trv::definition
