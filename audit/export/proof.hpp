#pragma once
// C2SP tlog-proof: one text file that proves one entry offline. https://c2sp.org/tlog-proof
//
// Pure; any thread. What is parsed may come from an enemy, and parsing proves nothing: see audit/verify.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::exporting {

inline constexpr std::string_view proof_suffix = ".tlog-proof";
inline constexpr std::size_t proof_bytes_max = 1'100'000;

struct Proof {
  std::uint64_t index = 0;           ///< of the entry, from 0
  std::optional<base::Bytes> extra;  ///< not authenticated; trust nothing in it
  std::vector<base::Digest> hashes;  ///< the inclusion proof, the leaf's sibling first
  std::string checkpoint;            ///< the signed note, verbatim

  friend bool operator==(const Proof&, const Proof&) = default;
};

[[nodiscard]] std::string format_proof(const Proof& proof);
/// Error: invalid with the line; too_large beyond proof_bytes_max and for more than 63 hashes.
[[nodiscard]] base::Result<Proof> parse_proof(std::string_view text);

}  // namespace trv::exporting
