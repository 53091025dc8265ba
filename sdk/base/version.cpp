#include "sdk/base/version.hpp"

#include <algorithm>
#include <charconv>

namespace trv::base {
namespace {

constexpr std::size_t version_bytes_max = 64;

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<std::uint32_t> number(std::string_view text) {
  if (!is_number(text) || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view take(std::string_view& text, char separator) {
  const std::size_t at = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

bool identifiers(std::string_view text, bool leading_zeros) {
  if (text.empty() || text.back() == '.') return false;
  while (!text.empty()) {
    const std::string_view part = take(text, '.');
    if (part.empty()) return false;
    for (const char c : part) {
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-')) return false;
    }
    if (!leading_zeros && is_number(part) && part.size() > 1 && part.front() == '0') return false;
  }
  return true;
}

std::strong_ordering compare_identifiers(std::string_view a, std::string_view b) {
  const bool a_number = is_number(a);
  const bool b_number = is_number(b);
  if (a_number != b_number) return a_number ? std::strong_ordering::less : std::strong_ordering::greater;
  if (a_number && a.size() != b.size()) return a.size() <=> b.size();
  return a <=> b;
}

}  // namespace

std::optional<Version> Version::parse(std::string_view text) {
  if (text.size() > version_bytes_max) return std::nullopt;
  if (const std::size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!identifiers(text.substr(plus + 1), true)) return std::nullopt;
    text = text.substr(0, plus);
  }
  Version version;
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!identifiers(text.substr(dash + 1), false)) return std::nullopt;
    version.prerelease = text.substr(dash + 1);
    text = text.substr(0, dash);
  }
  const auto major = number(take(text, '.'));
  const auto minor = number(take(text, '.'));
  const auto patch = number(text);
  if (!major || !minor || !patch) return std::nullopt;
  version.major = *major;
  version.minor = *minor;
  version.patch = *patch;
  return version;
}

std::optional<VersionLine> VersionLine::parse(std::string_view text) {
  const bool has_minor = text.find('.') != std::string_view::npos;
  const auto major = number(take(text, '.'));
  if (!major) return std::nullopt;
  VersionLine line{.major = *major};
  if (!has_minor) return line;
  line.minor = number(text);
  return line.minor ? std::optional(line) : std::nullopt;
}

bool is_development(std::string_view version) {
  const auto parsed = Version::parse(version);
  return parsed && (parsed->prerelease == "dev" || parsed->prerelease.starts_with("dev."));
}

std::strong_ordering operator<=>(const Version& a, const Version& b) {
  if (const auto order = a.major <=> b.major; order != 0) return order;
  if (const auto order = a.minor <=> b.minor; order != 0) return order;
  if (const auto order = a.patch <=> b.patch; order != 0) return order;
  if (a.prerelease.empty() || b.prerelease.empty()) return a.prerelease.empty() <=> b.prerelease.empty();
  std::string_view left = a.prerelease;
  std::string_view right = b.prerelease;
  while (!left.empty() && !right.empty()) {
    if (const auto order = compare_identifiers(take(left, '.'), take(right, '.')); order != 0) return order;
  }
  return left.size() <=> right.size();
}

}  // namespace trv::base
