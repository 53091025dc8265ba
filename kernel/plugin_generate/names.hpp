#pragma once
// Names for programs out of names of JSON, which may be anything. Pure; any thread.

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace trv::plugin_generate {

/// The ASCII words of a text: "htmlURL-of issue" is html_url_of_issue. Empty where there is none; begins with '_' where
/// the first word begins with a digit.
[[nodiscard]] std::string snake_case(std::string_view text);
/// The same as HtmlUrlOfIssue.
[[nodiscard]] std::string pascal_case(std::string_view text);

/// ASCII letters, digits and '_', not beginning with a digit.
[[nodiscard]] bool is_identifier(std::string_view text) noexcept;

/// The bytes between the quotes of a C++ literal: ASCII alone, without a digit being taken for a part of an escape.
[[nodiscard]] std::string cpp_literal(std::string_view text);
/// Literals in ASCII, with their quotes.
[[nodiscard]] std::string python_literal(std::string_view text);
[[nodiscard]] std::string rust_literal(std::string_view text);
[[nodiscard]] std::string javascript_literal(std::string_view text);

/// One line of at most 200 characters that ends no comment and turns no line: without control characters, those that
/// change the direction of a text, and "*/".
[[nodiscard]] std::string comment_text(std::string_view text);

/// Gives each name once.
class UniqueNames {
 public:
  using IsReserved = std::function<bool(std::string_view)>;
  explicit UniqueNames(IsReserved is_reserved) : is_reserved_(std::move(is_reserved)) {}
  /// `wanted`, or that with '_' where it is reserved, or with a number where it was given before; `otherwise` where it
  /// is empty.
  [[nodiscard]] std::string take(std::string wanted, std::string_view otherwise);

 private:
  IsReserved is_reserved_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace trv::plugin_generate
