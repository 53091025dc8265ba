#pragma once
// Regular expressions of schemas: the ECMA-262 dialect, run by PCRE2 within a number of steps.
// Threads: a Pattern is immutable; a PatternMatcher belongs to one thread.

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "sdk/base/frees.hpp"

namespace trv::json_schema {

class Pattern {
 public:
  /// Error: a sentence that says what is wrong with the expression, and where.
  [[nodiscard]] static std::expected<Pattern, std::string> compile(std::string_view text);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// Memory that the compiled form takes.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  friend class PatternMatcher;
  Pattern() = default;

  std::string text_;
  std::unique_ptr<pcre2_code, base::Frees<pcre2_code_free>> code_;
};

enum class Match : std::uint8_t { no, yes, too_costly };

class PatternMatcher {
 public:
  PatternMatcher();

  /// Whether the expression matches anywhere in `text`. Takes what that costs off `steps`; too_costly where they do not
  /// suffice, or where PCRE2's memory does not.
  [[nodiscard]] Match matches(const Pattern& pattern, std::string_view text, std::uint64_t& steps);

 private:
  static int count_step(pcre2_callout_block* at, void* data) noexcept;

  std::uint64_t steps_left_ = 0;
  std::size_t position_ = 0;  ///< where the item before was tried
  std::unique_ptr<pcre2_match_data, base::Frees<pcre2_match_data_free>> data_;
  std::unique_ptr<pcre2_match_context, base::Frees<pcre2_match_context_free>> context_;
};

}  // namespace trv::json_schema
