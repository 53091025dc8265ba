#pragma once
// Who made a package and who examined it: its two signatures. docs/formats/package.md, "Signatures".
//
// Pure; any thread. What verify() answers is what the signatures say and who made them; whether these keys are to be
// believed is not in a package, but in Roots.

#include <optional>
#include <string>
#include <string_view>

#include "audit/note/key.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"
#include "sdk/package/package.hpp"

namespace trv::trust {

/// What a certifier says of a package.
enum class Level { core, certified, community, private_, dev };

[[nodiscard]] std::string_view to_string(Level level) noexcept;
[[nodiscard]] std::optional<Level> level_of(std::string_view word) noexcept;

/// What a certifier signs besides the package.
struct Finding {
  Level level = Level::dev;
  std::optional<base::Digest> report;      ///< SHA-256 of what this rests on
  std::optional<base::Timestamp> expires;  ///< whole seconds; nullopt: never
  friend bool operator==(const Finding&, const Finding&) = default;
};

struct Certificate {
  note::VerifierKey key;
  Finding finding;
};

struct Signers {
  std::optional<note::VerifierKey> publisher;
  std::optional<Certificate> certificate;  ///< only with a publisher
};

/// What the signatures of a package say. Errors, which name the file in the package: invalid (not such a statement, or
/// about another package), unauthenticated (a signature does not match).
[[nodiscard]] base::Result<Signers> verify(const package::Package& package);

/// The archive with the publisher's signature; what certifiers signed before is dropped where it does not fit any more.
/// Errors: of package::with_signatures.
[[nodiscard]] base::Result<base::Bytes> sign(base::BytesView archive, const note::SigningKey& key);

/// The archive with the certifier's signature in place of any other. Errors: those of package::with_signatures and
/// verify(); invalid where no publisher has signed.
[[nodiscard]] base::Result<base::Bytes> countersign(base::BytesView archive, const Finding& finding,
                                                    const note::SigningKey& key);

/// 2027-11-30T00:00:00Z, or "never".
[[nodiscard]] std::string expiry_text(const std::optional<base::Timestamp>& expires);

}  // namespace trv::trust
