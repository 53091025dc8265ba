#include "audit/verify/report.hpp"

#include <fmt/format.h>

namespace trv::verify {

void Report::add(std::string file, std::string what) {
  if (problems.size() == problems_max) {
    ++problems_left_out;
    return;
  }
  problems.push_back({.file = std::move(file), .what = std::move(what)});
}

std::string Report::to_text() const {
  std::string text;
  if (holds()) {
    text += fmt::format("verified: {} entries of {}\n", size, origin);
  } else {
    text += fmt::format("NOT verified: {} problems\n", problems.size() + problems_left_out);
  }
  for (const Problem& problem : problems) {
    text += fmt::format("  {}: {}\n", problem.file, problem.what);
  }
  if (problems_left_out > 0) {
    text += fmt::format("  and {} more\n", problems_left_out);
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
  for (const std::string& file : unchecked) {
    text += fmt::format("not covered by the checkpoint, not checked: {}\n", file);
  }
  return text;
}

}  // namespace trv::verify
