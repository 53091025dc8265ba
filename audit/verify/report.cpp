#include "audit/verify/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace trv::verify {

void Report::add(std::string file, std::string what) {
  add({.file = std::move(file), .what = std::move(what)});
}

void Report::add(Problem problem) {
  if (problems.size() == problems_max) {
    ++problems_left_out;
    return;
  }
  problems.push_back(std::move(problem));
}

std::string Report::to_text(std::string_view where_all_are) const {
  const std::string where = where_all_are.empty() ? "" : fmt::format("; {}", where_all_are);
  std::string text;
  const std::uint64_t found = problems.size() + problems_left_out;
  if (holds()) {
    text += fmt::format("verified: {} entries of {}\n", size, origin);
  } else {
    text += fmt::format("NOT verified: {} problem{}\n", found, found == 1 ? "" : "s");
  }
  for (std::size_t i = 0; i < std::min(problems.size(), shown_max); ++i) {
    text += fmt::format("  {}: {}\n", problems[i].file, problems[i].what);
  }
  if (found > shown_max) {
    text += fmt::format("  and {} more, which may follow from these{}\n", found - shown_max, where);
  }
  if (!signer.empty()) {
    text += fmt::format("key: {}\n", signer);
  }
  if (self_signed) {
    text +=
        "  This key came from the export itself. The check shows that the export agrees with itself, not who signed "
        "it.\n  Get the verifier key from the owner of the trail and give it as the trusted key.\n";
  }
  if (!root_hex.empty()) {
    text += fmt::format("root: {} at size {}\n", root_hex, size);
  }
  text += fmt::format("checked: {} entries, {} tiles, {} proofs\n", entries, tiles, proofs);
  for (std::size_t i = 0; i < std::min(unchecked.size(), shown_max); ++i) {
    text += fmt::format("not covered by the checkpoint, not checked: {}\n", unchecked[i]);
  }
  if (unchecked.size() > shown_max) {
    text += fmt::format("  and {}{} more such files{}\n", unchecked.size() == unchecked_max ? "at least " : "",
                        unchecked.size() - shown_max, where);
  }
  return text;
}

}  // namespace trv::verify
