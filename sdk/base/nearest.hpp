#pragma once
// The word that somebody meant. Any thread.

#include <cstddef>
#include <span>
#include <string_view>

namespace trv::base {

/// The longest word that is compared, in bytes.
inline constexpr std::size_t word_bytes_max = 80;

/// Letters added, removed or replaced, or two neighbours swapped. Contract: both have at most word_bytes_max bytes.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate with the smallest edit distance to `word`, or one
/// that `word` begins; empty where even that is too far away, about a third of the word. Longer words and
/// candidates than word_bytes_max are left out.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace trv::base
