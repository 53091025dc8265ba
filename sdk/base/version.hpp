#pragma once
// Semantic versions (semver.org 2.0.0) of definitions and packages. Any thread.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trv::base {

struct Version {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint32_t patch = 0;
  std::string prerelease;  ///< without '-'; empty = a release

  /// nullopt unless the text is a version of at most 64 bytes. Build metadata is accepted and not kept.
  [[nodiscard]] static std::optional<Version> parse(std::string_view text);
  /// Precedence by semver.org §11.
  friend std::strong_ordering operator<=>(const Version& a, const Version& b);
  friend bool operator==(const Version& a, const Version& b) { return (a <=> b) == 0; }
};

/// Whether it is a version in the making ("1.2.0-dev", "1.2.0-dev.3"), whose content may change.
[[nodiscard]] bool is_development(std::string_view version);

/// A major version, or a minor version of it: "1" or "1.2".
struct VersionLine {
  std::uint32_t major = 0;
  std::optional<std::uint32_t> minor = std::nullopt;

  [[nodiscard]] static std::optional<VersionLine> parse(std::string_view text);
  [[nodiscard]] bool contains(const Version& version) const noexcept {
    return version.major == major && (!minor || version.minor == *minor);
  }
};

}  // namespace trv::base
