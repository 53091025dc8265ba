#include "sdk/package/pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sdk/package/manifest.hpp"
#include "sdk/package/package.hpp"

namespace trv::package {
namespace {

using base::ErrorCode;

// What a browser needs for a page, and runs or shows under its policy.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> types = {{
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".webmanifest", "application/manifest+json"},
}};
constexpr std::array<std::string_view, 4> taken_folders = {"docs/", "lib/", "program/", "signatures/"};

}  // namespace

std::string_view type_of_page(std::string_view path) noexcept {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  const auto* found = std::ranges::find(types, name.substr(dot), &std::pair<std::string_view, std::string_view>::first);
  return found == types.end() ? std::string_view() : found->second;
}

base::Status check_pages_folder(std::string_view folder) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  const bool is_folder =
      folder.size() > 1 && folder.ends_with('/') && std::ranges::all_of(folder.substr(0, folder.size() - 1), is_plain);
  if (!is_folder) {
    return base::fail(ErrorCode::invalid,
                      "must be the name of a folder in small letters with '/' behind it, such as "
                      "\"pages/\"");
  }
  if (std::ranges::find(taken_folders, folder) == taken_folders.end()) return {};
  return base::fail(ErrorCode::invalid, fmt::format("must be a folder of its own, not {}", folder));
}

base::Status check_pages(const Manifest& manifest, const std::vector<File>& files) {
  if (manifest.pages.empty()) return {};
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (const File& file : files) {
    if (!file.path.starts_with(manifest.pages)) continue;
    if (type_of_page(file.path).empty()) {
      std::string known;
      for (const auto& [ending, type] : types) known += fmt::format("{}{}", known.empty() ? "" : ", ", ending);
      return base::fail(ErrorCode::invalid,
                        fmt::format("package: file \"{}\": is not a page; one ends in {}", file.path, known));
    }
    if (file.bytes.size() > page_bytes_max) {
      return base::fail(ErrorCode::too_large, fmt::format("package: file \"{}\": has {} bytes, a page at most {}",
                                                          file.path, file.bytes.size(), page_bytes_max));
    }
    bytes += file.bytes.size();
    if (++count > pages_max || bytes > pages_bytes_max) {
      return base::fail(ErrorCode::too_large, fmt::format("package: folder \"{}\": has more than {} pages or {} bytes",
                                                          manifest.pages, pages_max, pages_bytes_max));
    }
  }
  if (count > 0) return {};
  return base::fail(ErrorCode::invalid,
                    fmt::format("manifest: pages: the package has no file below \"{}\"", manifest.pages));
}

}  // namespace trv::package
