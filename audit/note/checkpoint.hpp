#pragma once
// C2SP tlog-checkpoint: the head of a log's tree as the text of a signed note. https://c2sp.org/tlog-checkpoint

#include <cstdint>
#include <optional>

#include "audit/note/note.hpp"
#include "sdk/base/digest.hpp"

namespace trv::note {

/// A value; any thread.
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  base::Digest root{};

  /// Origin, decimal size and base64 root, each a line. origin obeys check_name.
  [[nodiscard]] std::string format() const;
  /// Reads the text of an opened note. Extension lines behind the root are allowed by the specification, never written
  /// by us, and ignored. Error: invalid.
  [[nodiscard]] static Result<Checkpoint> parse(std::string_view text);

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

/// The note of a checkpoint. Error: invalid unless the key's name is the origin.
[[nodiscard]] Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& key);

/// Opens a note and reads its checkpoint. Error: as open() and parse(); unauthenticated also where trusted keys signed,
/// but none that is named like the origin.
[[nodiscard]] Result<Checkpoint> open_checkpoint(std::string_view note, std::span<const VerifierKey> verifiers);

/// Decimal digits without sign or leading zeroes; nullopt for anything else and beyond 2^64.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text);
/// Padded base64 of exactly 32 bytes.
[[nodiscard]] std::optional<base::Digest> parse_hash(std::string_view text);

}  // namespace trv::note
