#include "kernel/trust/policy.hpp"

#include <fmt/format.h>

#include "sdk/base/contract.hpp"
#include "sdk/base/version.hpp"

namespace trv::trust {
namespace {

using base::ErrorCode;

std::string_view word_of(Require require) noexcept {
  switch (require) {
    case Require::none: return "none";
    case Require::signed_: return "signed";
    case Require::certified: return "certified";
  }
  return {};
}

bool is_expired(const Finding& finding, base::Timestamp now) {
  return finding.expires && now >= *finding.expires;
}

std::string file_of(const Policy& policy) {
  return policy.trust_file.empty() ? "the trust file (plugins.trust names none)" : policy.trust_file;
}

base::Error refused(const Applicant& applicant, std::string_view why) {
  return {ErrorCode::denied, fmt::format("plugin {} {} {}; plugins.require is \"{}\"", applicant.plugin,
                                         applicant.version, why, word_of(applicant.policy.require))};
}

std::string add_line(const Applicant& applicant, const note::VerifierKey& key, std::string_view role) {
  return fmt::format("where you trust it, add the line `{} {}` to {}", key.format(), role, file_of(applicant.policy));
}

/// Why the publisher's signature alone does not do. Contract: it does not.
base::Error why_publisher_does_not_count(const Applicant& applicant) {
  if (!applicant.signers.publisher) {
    return refused(applicant,
                   "has no publisher's signature: `trav plugin sign FILE --key KEY` makes one, with a key that "
                   "the trust file names as publisher");
  }
  return refused(applicant, fmt::format("is signed by {}, which {} does not name as publisher: {}",
                                        applicant.signers.publisher->name(), file_of(applicant.policy),
                                        add_line(applicant, *applicant.signers.publisher, "publisher")));
}

bool is_certified_level(Level level) {
  return level == Level::core || level == Level::certified || level == Level::private_;
}

/// Why the certifier's signature does not do. Contract: it does not.
base::Error why_certifier_does_not_count(const Applicant& applicant, base::Timestamp now) {
  if (!applicant.signers.certificate) {
    return refused(applicant,
                   "has no certifier's signature: `trav plugin countersign FILE --key KEY --level certified "
                   "--report REPORT --expires TIME` makes one, with a key that the trust file names for the level");
  }
  const Certificate& certificate = *applicant.signers.certificate;
  const std::string_view level = to_string(certificate.finding.level);
  const bool is_enough = applicant.policy.require == Require::signed_ || is_certified_level(certificate.finding.level);
  if (!is_enough) return refused(applicant, fmt::format("has level {}: core, certified or private is needed", level));
  const Root* root = applicant.roots.find(certificate.key);
  if (root == nullptr || !root->may_give(certificate.finding.level)) {
    return refused(applicant,
                   fmt::format("has level {} from {}, which {} does not let give it: {}", level, certificate.key.name(),
                               file_of(applicant.policy),
                               root == nullptr ? add_line(applicant, certificate.key, level)
                                               : fmt::format("where you trust it, add `{}` to its line", level)));
  }
  if (is_expired(certificate.finding, now)) {
    return refused(applicant, fmt::format("has a certifier's signature that expired at {}: have it countersigned again",
                                          expiry_text(certificate.finding.expires)));
  }
  return refused(applicant, fmt::format("has level {}: core, certified or private is needed", level));
}

/// Whether a key of the signatures may speak for versions that are replaced while they are tried out.
bool has_word_for_development(const Applicant& applicant, Standing standing) {
  const auto may = [&](const note::VerifierKey& key) {
    const Root* root = applicant.roots.find(key);
    return root != nullptr && root->may_give(Level::dev);
  };
  if (standing.publisher_trusted && may(*applicant.signers.publisher)) return true;
  return standing.certifier_trusted && applicant.signers.certificate->finding.level == Level::dev;
}

}  // namespace

std::optional<Require> Policy::require_of(std::string_view word) noexcept {
  for (const Require require : {Require::none, Require::signed_, Require::certified}) {
    if (word_of(require) == word) return require;
  }
  return std::nullopt;
}

base::Result<Roots> Policy::roots() const {
  if (trust_file.empty()) return Roots();
  auto roots = Roots::load(trust_file);
  if (!roots) return base::fail(std::move(roots).error().in("plugins.trust"));
  return roots;
}

Standing standing_of(const Applicant& applicant, base::Timestamp now) {
  Standing standing;
  if (!applicant.signers.publisher) return standing;
  const Root* publisher = applicant.roots.find(*applicant.signers.publisher);
  standing.publisher_trusted = publisher != nullptr && publisher->publishes;
  if (!applicant.signers.certificate) return standing;
  const Certificate& certificate = *applicant.signers.certificate;
  const Root* certifier = applicant.roots.find(certificate.key);
  standing.certifier_trusted =
      certifier != nullptr && certifier->may_give(certificate.finding.level) && !is_expired(certificate.finding, now);
  return standing;
}

base::Status admit(const Applicant& applicant, base::Timestamp now) {
  TRV_EXPECTS(!applicant.signers.certificate || applicant.signers.publisher);
  const Require require = applicant.policy.require;
  if (require == Require::none) return {};
  const Standing standing = standing_of(applicant, now);
  const Level level =
      standing.certifier_trusted ? applicant.signers.certificate->finding.level : Level::dev;  // dev: nothing is said
  const bool is_certified = is_certified_level(level);
  if (require == Require::certified) {
    if (!is_certified) return base::fail(why_certifier_does_not_count(applicant, now));
    if (base::is_development(applicant.version)) {
      return base::fail(
          refused(applicant, "is a -dev version, which can be replaced by other content: install a release"));
    }
    return {};
  }
  if (base::is_development(applicant.version)) {
    if (has_word_for_development(applicant, standing)) return {};
    return base::fail(
        refused(applicant, fmt::format("is a -dev version, which can be replaced by other content, and none "
                                       "of its signatures is by a key that {} names for dev",
                                       file_of(applicant.policy))));
  }
  if (standing.publisher_trusted || is_certified || (standing.certifier_trusted && level == Level::community))
    return {};
  if (applicant.signers.certificate && applicant.roots.find(applicant.signers.certificate->key) != nullptr) {
    return base::fail(why_certifier_does_not_count(applicant, now));
  }
  return base::fail(why_publisher_does_not_count(applicant));
}

}  // namespace trv::trust
