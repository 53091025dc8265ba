#pragma once
// The pages that a plugin brings: static files for browsers, in a folder that its manifest names.
// docs/formats/package.md has the rules. Pure functions; any thread.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::package {

struct File;
struct Manifest;

inline constexpr std::size_t pages_max = 200;
inline constexpr std::size_t page_bytes_max = 4'000'000;
inline constexpr std::size_t pages_bytes_max = 16'000'000;  ///< of all together

/// The media type of a page, by how its name ends; empty for one that is not served.
[[nodiscard]] std::string_view type_of_page(std::string_view path) noexcept;

/// Whether the manifest names a folder that may be that of pages: one part and '/', and none that has a meaning of its
/// own. Error: invalid, without the member's name.
[[nodiscard]] base::Status check_pages_folder(std::string_view folder);

/// Whether the files of a package keep the rules of pages. Errors: invalid, too_large; name the file.
[[nodiscard]] base::Status check_pages(const Manifest& manifest, const std::vector<File>& files);

}  // namespace trv::package
