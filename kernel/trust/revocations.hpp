#pragma once
// What must not run any more: a signed list. docs/formats/revocations.md is its definition.
//
// A value; any thread. That a list opens says only that its key has signed it; whether that key may revoke is a
// question for Roots.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note/key.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::trust {

inline constexpr std::size_t revocations_bytes_max = 400'000;

struct RevokedContent {
  base::Digest content{};
  std::string reason;
};

struct RevokedSigner {
  note::VerifierKey key;
  std::string reason;
};

struct Revocations {
  std::uint64_t counter = 1;
  std::vector<RevokedContent> contents = {};
  std::vector<RevokedSigner> signers = {};

  /// Why a package is revoked; nullopt: it is not. The keys are in their published form; empty: nobody signed.
  [[nodiscard]] std::optional<std::string> reason_for(const base::Digest& content, std::string_view publisher_key,
                                                      std::string_view certifier_key) const;
};

struct SignedRevocations {
  Revocations list;
  note::VerifierKey key;
};

/// Errors: invalid (a reason that cannot be in a list; something twice; counter 0), too_large.
[[nodiscard]] base::Result<std::string> sign_revocations(const Revocations& list, const note::SigningKey& key);
/// Errors: invalid, unauthenticated (the signature does not match), too_large.
[[nodiscard]] base::Result<SignedRevocations> open_revocations(std::string_view note);

}  // namespace trv::trust
