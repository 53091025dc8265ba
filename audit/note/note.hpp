#pragma once
// C2SP signed-note: a text with signature lines below it. https://c2sp.org/signed-note
//
// Pure; any thread. What is opened may come from an enemy; its text counts only once a key that the caller trusts has
// been verified.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note/key.hpp"

namespace trv::note {

inline constexpr std::size_t note_bytes_max = 1'000'000;
inline constexpr std::size_t signatures_max = 100;

/// The note of a text with one signature. Error: invalid unless the text ends with a line feed, is valid UTF-8 and has
/// no control character; too_large beyond note_bytes_max.
[[nodiscard]] Result<std::string> sign(std::string_view text, const SigningKey& key);

struct Opened {
  std::string text;                   ///< what was signed, with its last line feed
  std::vector<std::string> verified;  ///< names of the keys that signed, each once, in the order of their lines
};

/// Verifies a note. Signatures of keys that are not among `verifiers` are ignored, which lets keys rotate and witnesses
/// cosign. Error: unauthenticated where no signature of a known key is there, or any of one does not verify; invalid
/// where it is not a note, or two different verifiers share a name and id; too_large beyond the limits above.
[[nodiscard]] Result<Opened> open(std::string_view note, std::span<const VerifierKey> verifiers);

}  // namespace trv::note
