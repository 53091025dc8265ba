#pragma once
// URI references and JSON Pointers as `$id` and `$ref` use them. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trv::json_schema {

/// What relative references of a schema without URI are relative to.
inline constexpr std::string_view nameless_base = "schema:///";

/// Longer ones are not resolved.
inline constexpr std::size_t uri_bytes_max = 4'096;

struct SplitReference {
  std::string_view uri;       ///< before the '#'
  std::string_view fragment;  ///< behind it, still percent-encoded
};
[[nodiscard]] SplitReference split_reference(std::string_view reference) noexcept;

/// `reference` without fragment, resolved against the absolute `base` (RFC 3986 §5.2); nullopt where it is not a URI
/// reference.
[[nodiscard]] std::optional<std::string> resolve(std::string_view base, std::string_view reference);
[[nodiscard]] bool is_uri(std::string_view text);
[[nodiscard]] bool is_uri_reference(std::string_view text);

/// Without percent-encoding; nullopt where that is broken.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// "a/b" as "a~1b" (RFC 6901).
[[nodiscard]] std::string escape_token(std::string_view token);
/// The tokens of a JSON Pointer, unescaped; nullopt where it is none.
[[nodiscard]] std::optional<std::vector<std::string>> pointer_tokens(std::string_view pointer);

}  // namespace trv::json_schema
