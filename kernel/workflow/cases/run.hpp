#pragma once
// Runs cases: each once, and, where asked, again with the process killed behind each of its records.

#include <cstddef>
#include <string>
#include <vector>

#include "kernel/workflow/cases/judge.hpp"

namespace trv::cases {

struct Verdict {
  std::vector<Difference> differences;  ///< empty: the case holds
  json::Value found;                    ///< as Played::found
  std::size_t records = 0;
  std::size_t restarts = 0;
};

enum class Restarts { none, behind_each_record };

/// Error: of the disk, or a defect of ours.
[[nodiscard]] base::Result<Verdict> run(const Case& one, Restarts restarts);

}  // namespace trv::cases
