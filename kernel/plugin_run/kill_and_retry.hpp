#pragma once
// Whether a call whose process was killed in its middle can be made again, as the kernel does: with the same
// idempotency key and the next attempt. One thread.

#include <set>
#include <string>
#include <vector>

#include "kernel/plugin_run/isolated_plays.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_run {

/// Kills of one example, each when it asks for another thing.
inline constexpr std::size_t kills_max = 4;

class KillAndRetry {
 public:
  /// Both outlive this.
  KillAndRetry(const package::Manifest& manifest, IsolatedPlays& isolated) : manifest_(manifest), isolated_(isolated) {}

  /// Makes the call without a kill; then, with its process killed when it asks the host for the first thing, the second
  /// and so on, and made again each time. Errors: as IsolatedPlays::start.
  [[nodiscard]] base::Status hold(const conformance::suite::Play& play);

  /// Sentences; empty: all is well.
  [[nodiscard]] std::vector<std::string> take_findings() { return std::move(findings_); }
  /// What was not killed, and why.
  [[nodiscard]] std::vector<std::string> take_remarks() const;

 private:
  [[nodiscard]] base::Result<IsolatedPlay> make_whole(const conformance::suite::Play& play);

  const package::Manifest& manifest_;
  IsolatedPlays& isolated_;
  std::vector<std::string> findings_;
  std::set<std::string> not_idempotent_;    ///< operations
  std::set<std::string> never_the_same_;    ///< operations
  std::set<std::string> asks_for_nothing_;  ///< operations
};

/// What the second try of a call does that it must not, held against the same call without a kill; sentences.
[[nodiscard]] std::vector<std::string> differences_of_retry(const conformance::suite::Played& whole,
                                                            const conformance::suite::Played& again);

}  // namespace trv::plugin_run
