#pragma once
// What a verification found. Values; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trv::verify {

/// One thing that is wrong.
struct Problem {
  std::string file;  ///< relative to the folder
  std::string what;  ///< with the index of the entry or hash, and what differs

  friend bool operator==(const Problem&, const Problem&) = default;
};

struct Report {
  std::string origin;
  std::string signer;         ///< the verifier key that was used, in its published form
  bool self_signed = false;   ///< the key came from the folder itself: proves consistency, not who signed
  std::uint64_t size = 0;     ///< that the signed checkpoint names
  std::string root_hex;       ///< that the signed checkpoint names
  std::uint64_t entries = 0;  ///< read and hashed
  std::uint64_t tiles = 0;    ///< compared, each hash
  std::uint64_t proofs = 0;   ///< found and checked
  /// What may be the cause of others comes before them: key, checkpoint, entries and tiles, root, proofs.
  std::vector<Problem> problems;
  std::uint64_t problems_left_out = 0;  ///< beyond the first problems_max
  std::vector<std::string> unchecked;   ///< files that the checkpoint says nothing about; the first unchecked_max

  static constexpr std::size_t problems_max = 100'000;
  static constexpr std::size_t unchecked_max = 100;
  /// Of problems, and of files that were not checked, in to_text.
  static constexpr std::size_t shown_max = 10;

  [[nodiscard]] bool holds() const noexcept { return problems.empty(); }
  void add(std::string file, std::string what);
  void add(Problem problem);
  /// The report for people: a few lines, the verdict first, each ending with a line feed. `where_all_are` ends the
  /// line that counts what was left out.
  [[nodiscard]] std::string to_text(std::string_view where_all_are = {}) const;
};

}  // namespace trv::verify
