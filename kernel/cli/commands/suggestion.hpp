#pragma once
// What somebody may have meant. Pure; any thread.

#include <string>
#include <string_view>
#include <vector>

namespace trv::cli {

/// The candidate that takes the fewest insertions, deletions, replacements and swaps of neighbours to reach from
/// `word`; empty where none is near. Of equals the first.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace trv::cli
