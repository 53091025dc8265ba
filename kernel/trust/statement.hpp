#pragma once
// A statement: a signed note whose text says what kind of statement it is, then lines `name value`, and last the key
// that signed it. docs/formats/package.md, "Signatures".
//
// Pure; any thread. That a statement opens says only that the key in it has signed every byte of it. Whether that key
// is to be believed is a question for Roots.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/note/key.hpp"
#include "sdk/base/result.hpp"

namespace trv::trust {

inline constexpr std::size_t statement_bytes_max = 1'000'000;

struct Line {
  std::string name;
  std::string value;
};

struct Statement {
  std::vector<Line> lines;  ///< without the kind and the key
  note::VerifierKey key;
};

/// `kind` is the first line, for example "travertine package publisher 1". Contract: no name or value has a line feed,
/// and no name a space. Error: too_large.
[[nodiscard]] base::Result<std::string> sign_statement(std::string_view kind, const std::vector<Line>& lines,
                                                       const note::SigningKey& key);

/// The lines come out as they were signed, in their order. Errors: invalid (no such statement, or of another kind),
/// unauthenticated (the signature does not match), too_large.
[[nodiscard]] base::Result<Statement> open_statement(std::string_view kind, std::string_view note);

/// The values of exactly these names, in this order. Error: invalid, names the line that is missing or unexpected.
[[nodiscard]] base::Result<std::vector<std::string>> values_of(const Statement& statement,
                                                               std::span<const std::string_view> names);

}  // namespace trv::trust
