#pragma once
// The word that was probably meant. Pure; any thread.

#include <span>
#include <string_view>

namespace trv::base {

/// The candidate that `word` begins (with 2 bytes or more), or that takes the fewest insertions, deletions,
/// replacements and swaps of neighbours to reach from it, at most a third of its bytes and at least one; of equals the
/// one nearest in length, and the first of those. Empty where none is so near, and for words and candidates that are
/// empty or longer than 64 bytes.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace trv::base
