#include "sdk/base/nearest.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::base {
namespace {

constexpr std::size_t word_bytes_max = 64;  // keeps the table of the distance small

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= word_bytes_max;
}

// Optimal string alignment distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  TRV_EXPECTS(is_word(a) && is_word(b));
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  TRV_ENSURES(cost[a.size()][b.size()] <= std::max(a.size(), b.size()));
  return cost[a.size()][b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (!is_word(word)) return {};
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (!is_word(candidate)) continue;
    const bool completes = word.size() >= 2 && candidate.starts_with(word);
    const std::size_t steps = completes ? 1 : edit_distance(word, candidate);
    const auto difference = [&](std::string_view other) {
      return other.size() > word.size() ? other.size() - word.size() : word.size() - other.size();
    };
    if (steps < least || (steps == least && !best.empty() && difference(candidate) < difference(best))) {
      least = steps;
      best = candidate;
    }
  }
  return best;
}

}  // namespace trv::base
