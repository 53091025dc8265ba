#include "sdk/base/nearest.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "sdk/base/contract.hpp"

namespace trv::base {
namespace {

using Row = std::array<std::size_t, word_bytes_max + 1>;

}  // namespace

// Optimal string alignment distance; three rows of its table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  TRV_EXPECTS(a.size() <= word_bytes_max && b.size() <= word_bytes_max);
  std::array<Row, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    Row& row = rows[i % 3];
    const Row& above = rows[(i - 1) % 3];
    const Row& above_that = rows[(i + 1) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], above_that[j - 2] + 1);
      }
    }
  }
  return rows[a.size() % 3][b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.empty() || word.size() > word_bytes_max) return {};
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > word_bytes_max) continue;
    const bool completes = word.size() >= 2 && candidate.starts_with(word);
    const std::size_t steps = completes ? 1 : edit_distance(word, candidate);
    if (steps < least) {
      least = steps;
      best = candidate;
    }
  }
  return best;
}

}  // namespace trv::base
