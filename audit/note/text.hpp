#pragma once
// The text rules of C2SP signed-note. Pure; any thread; the text may come from an enemy.

#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::note {

/// Valid UTF-8 without control characters below U+0020 other than line feed.
/// Error: invalid, with the line and column of the offending byte.
[[nodiscard]] base::Status check_text(std::string_view text);

/// A key name: not empty, valid UTF-8, at most 255 bytes, no Unicode space, no control character, no '+'.
/// Error: invalid; the message quotes nothing of a name that is not text.
[[nodiscard]] base::Status check_name(std::string_view name);

}  // namespace trv::note
