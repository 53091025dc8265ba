#pragma once
// Whether a package may be installed here: what its signatures say, held against the operator's trust file and
// `plugins.require`. docs/guides/signed-packages.md.
//
// Pure but for Policy::roots(); any thread.

#include <optional>
#include <string>
#include <string_view>

#include "kernel/trust/roots.hpp"
#include "kernel/trust/signatures.hpp"

namespace trv::trust {

enum class Require {
  none,       ///< any package that the operator installs
  signed_,    ///< of a publisher that the trust file names, or with a certifier's word
  certified,  ///< with a certifier's word that it is core, certified or private
};

/// `plugins.require` and `plugins.trust`.
struct Policy {
  Require require = Require::none;
  std::string trust_file;  ///< empty: nobody is trusted

  /// nullopt unless the word is none, signed or certified.
  [[nodiscard]] static std::optional<Require> require_of(std::string_view word) noexcept;
  /// As the file is now. Errors: of Roots::load.
  [[nodiscard]] base::Result<Roots> roots() const;
};

/// Everything that the answer depends on besides the time.
struct Applicant {
  std::string plugin;
  std::string version;
  base::Digest content{};  ///< of the package without signatures
  Signers signers;
  Roots roots;
  Policy policy;
};

/// Which of the signatures count here.
struct Standing {
  bool publisher_trusted = false;
  bool certifier_trusted = false;  ///< for the level that it gives, and not expired
};
[[nodiscard]] Standing standing_of(const Applicant& applicant, base::Timestamp now);

/// Error: denied; says which signature is missing or does not count, and what to type.
[[nodiscard]] base::Status admit(const Applicant& applicant, base::Timestamp now);

}  // namespace trv::trust
