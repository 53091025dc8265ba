#pragma once
// What an author probably meant by text that is wrong, or that is legal and surely not what was meant.
// Pure; any thread.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::definition {

/// One mistake in an expression.
struct Advice {
  std::string message;  ///< goes on behind "in the expression '…': "
  std::size_t offset = 0;
  int length = 0;  ///< 0: of the word there
  std::string suggestion = {};
  std::string expected = {};
};

/// Why an expression does not compile, in the words of its author. `variables` are those that exist there, without $.
[[nodiscard]] Advice advise(std::string_view expression, const base::Error& error,
                            const std::vector<std::string_view>& variables);

/// A property that a runtime's variable does not have, as in `$workflow.nmae`.
[[nodiscard]] std::optional<Advice> unknown_member(std::string_view expression);

/// "; write …" for text that says a duration in another form ("5m", "10 seconds"), with the ISO 8601 text; nullopt
/// where that is not known.
struct DurationAdvice {
  std::string iso;      ///< PT5M
  std::string inlined;  ///< {minutes: 5}
};
[[nodiscard]] std::optional<DurationAdvice> duration_meant(std::string_view text);

/// Text that was probably meant as an expression (".order.id", "$context.x", "{{ $json.name }}"): the expression.
[[nodiscard]] std::optional<std::string> expression_meant(std::string_view text);

/// The value of an expression that uses neither its input nor a variable; nullopt where that cannot be seen.
[[nodiscard]] std::optional<json::Value> fixed_value(std::string_view expression);

/// A member of a header or a query by whose name a credential is sent.
[[nodiscard]] bool is_credential_name(std::string_view name);

/// The standard error that a type probably means; empty where it is one, or none is near. `is_standard_place`: whether
/// the type claims to be one.
struct ErrorTypeAdvice {
  bool is_wrong = false;
  std::string suggestion = {};
};
[[nodiscard]] ErrorTypeAdvice error_type_meant(std::string_view type);

}  // namespace trv::definition
