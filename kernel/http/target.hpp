#pragma once
// The request target: what comes between method and version in a request line (RFC 9112 §3.2), split and decoded.
//
// Hostile input. Accepted are the origin form (`/v1/tenants?limit=5`), the absolute form (`http://host/v1`, whose
// authority is checked and then ignored) and the asterisk form. A target is refused, never repaired: nothing is
// normalised, so `..` cannot reach another route.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::http {

inline constexpr std::size_t segments_max = 32;
inline constexpr std::size_t query_parameters_max = 64;

/// One name with its value; borrowed from the object that returned it.
struct Field {
  std::string_view name;
  std::string_view value;
  friend bool operator==(const Field&, const Field&) = default;
};

/// Reusable: parse() keeps the memory of earlier targets. One thread at a time.
class Target {
 public:
  /// Error: invalid, for a bad authority, a bad percent triplet, text that is not UTF-8, a control character in the
  /// path, a NUL anywhere, a segment `.` or `..` (also encoded), a fragment, or more than segments_max segments or
  /// query_parameters_max parameters. After an error the target is empty.
  [[nodiscard]] base::Status parse(std::string_view raw);

  /// As received.
  [[nodiscard]] std::string_view raw() const noexcept { return raw_; }
  /// The path as received, without authority and query; empty for the asterisk form.
  [[nodiscard]] std::string_view path() const noexcept { return view(path_, raw_); }
  /// `*`, which only OPTIONS may use.
  [[nodiscard]] bool is_asterisk() const noexcept { return raw_ == "*"; }

  /// Decoded. `/a/b` has two segments; `/a/` has two, the second empty; `/` has one, empty.
  [[nodiscard]] std::size_t segment_count() const noexcept { return segments_.size(); }
  [[nodiscard]] std::string_view segment(std::size_t index) const noexcept;

  /// The first value of that name, decoded; `+` is a space. A name without `=` has an empty value.
  [[nodiscard]] std::optional<std::string_view> query(std::string_view name) const noexcept;
  /// Decoded, in the order of the query.
  [[nodiscard]] std::vector<std::string_view> query_names() const;

 private:
  struct Slice {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  static std::string_view view(Slice slice, const std::string& text) noexcept {
    return std::string_view(text).substr(slice.offset, slice.size);
  }
  base::Status parse_parts();
  base::Status parse_path(std::string_view path);
  base::Status parse_query(std::string_view query);
  base::Result<Slice> decode(std::string_view text, bool in_query);

  std::string raw_;
  std::string decoded_;
  Slice path_;
  std::vector<Slice> segments_;
  std::vector<std::pair<Slice, Slice>> query_;
};

/// True for `host` or `host:port` as a Host header or an absolute target names it (RFC 3986 §3.2.2, §3.2.3): a name, an
/// IPv4 address or an IPv6 address in brackets, not empty; the port is at most 65535 and may be empty. A comma, which
/// the grammar allows in a name, is refused: a proxy that joins two Host headers writes one.
[[nodiscard]] bool is_authority(std::string_view text) noexcept;

}  // namespace trv::http
