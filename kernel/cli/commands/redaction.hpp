#pragma once
// Leaves out of texts what may be a secret. It errs on that side: what only looks like one goes as well. Pure; any
// thread.

#include <cstddef>
#include <string>
#include <string_view>

#include "kernel/json/value.hpp"

namespace trv::cli {

/// Whether the text may hold a secret: a token of Travertine, an authorization, a PEM, a name such as "password" or
/// "token" with a value behind it, user and password in a URL, or 20 or more characters in a row as keys have them.
[[nodiscard]] bool may_hold_secret(std::string_view text);

struct Redacted {
  std::string text;
  std::size_t left_out = 0;  ///< lines
};
/// Without the lines that may hold one or have the name of one, whatever follows, and without the lines of a PEM.
[[nodiscard]] Redacted lines_without_secrets(std::string_view text);

struct RedactedValue {
  json::Value value;
  std::size_t left_out = 0;  ///< strings, in whose place is "[left out]"
};
[[nodiscard]] RedactedValue strings_without_secrets(const json::Value& value);

}  // namespace trv::cli
