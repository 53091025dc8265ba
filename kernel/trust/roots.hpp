#pragma once
// Whose word counts at this installation: the operator's trust file. docs/formats/trust.md is its definition.
//
// A value; any thread.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/trust/signatures.hpp"

namespace trv::trust {

inline constexpr std::size_t trust_file_bytes_max = 1'000'000;

/// A key of the trust file and what it may do.
struct Root {
  note::VerifierKey key;
  bool publishes = false;
  bool revokes = false;
  std::vector<Level> gives = {};

  [[nodiscard]] bool may_give(Level level) const noexcept;
};

class Roots {
 public:
  /// Nobody is trusted.
  Roots() = default;
  /// Error: invalid, with the line.
  [[nodiscard]] static base::Result<Roots> parse(std::string_view text);
  /// Errors, which name the file: not_found, too_large, unavailable, invalid.
  [[nodiscard]] static base::Result<Roots> load(const std::filesystem::path& file);

  /// nullptr where the key is not in the file; borrowed.
  [[nodiscard]] const Root* find(const note::VerifierKey& key) const noexcept;
  [[nodiscard]] const std::vector<Root>& all() const noexcept { return roots_; }

 private:
  std::vector<Root> roots_;
};

}  // namespace trv::trust
