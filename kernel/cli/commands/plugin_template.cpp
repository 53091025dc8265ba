#include "kernel/cli/commands/plugin_template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <system_error>
#include <utility>
#include <vector>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/session.hpp"
#include "sdk/base/identity.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;
using std::filesystem::path;

constexpr std::size_t file_bytes_max = 1'000'000;

using Replacements = std::vector<std::pair<std::string, std::string>>;

std::string with_underscores(std::string_view id) {
  std::string out(id);
  std::ranges::replace(out, '-', '_');
  return out;
}

std::string camel_case(std::string_view id) {
  std::string out;
  bool upper = true;
  for (const char c : id) {
    if (c != '-') out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = c == '-';
  }
  return out;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

// Replaces whole words only: an id may be part of a longer word.
std::string replaced(std::string text, const Replacements& replacements) {
  for (const auto& [old_word, new_word] : replacements) {
    std::size_t at = 0;
    while ((at = text.find(old_word, at)) != std::string::npos) {
      const std::size_t end = at + old_word.size();
      const bool whole = (at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]));
      if (whole) text.replace(at, old_word.size(), new_word);
      at += whole ? new_word.size() : old_word.size();
    }
  }
  return text;
}

/// What a template of a language is called; `sdk` is empty where the author's compiler finds the SDK elsewhere.
struct Language {
  std::string_view name;
  std::string_view template_folder;
  std::string_view sdk_folder;
  std::string_view sdk_file;    // is there where the SDK is
  std::string_view sdk_beside;  // the folder of the plugin that the SDK is copied into; empty: the plugin's own
};
constexpr std::array languages = {
    Language{"c++", "template", "", "", ""},
    Language{"python", "template_python", "python/travertine_plugin", "__init__.py", "program"},
    Language{"typescript", "template_typescript", "typescript/travertine_plugin", "index.mjs", "program"},
    Language{"rust", "template_rust", "rust/travertine-plugin", "Cargo.toml", ""}};

/// The first place that has `folder`: an installation's share/travertine, or sdk/ of the source tree.
base::Result<path> find_shared(const World& world, std::string_view folder, std::string_view has) {
  std::vector<path> places;
  if (!world.executable.empty()) {
    places.push_back(path(world.executable).parent_path().parent_path() / "share" / "travertine" / folder);
  }
  places.push_back(path(TRV_SOURCE_DIR) / "sdk" / folder);
  std::string looked;
  for (const path& place : places) {
    std::error_code error;
    if (std::filesystem::is_regular_file(place / has, error)) return place;
    looked += (looked.empty() ? "" : ", ") + place.string();
  }
  return base::fail(ErrorCode::invalid,
                    fmt::format("no plugin template in {}; name its folder in TRAV_TEMPLATE_DIR", looked));
}

/// Copies what is below a folder, but what interpreters leave there. Returns the number of files.
base::Result<std::size_t> copy_files(const path& from, const path& to, const Replacements& words) {
  std::size_t files = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(from, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_regular_file(error) || entry->path().parent_path().filename() == "__pycache__") continue;
    const path target = to / replaced(entry->path().lexically_relative(from).string(), words);
    TRV_TRY_ASSIGN(const std::string text, read_file(entry->path(), file_bytes_max));
    std::filesystem::create_directories(target.parent_path(), error);
    if (error) break;
    TRV_TRY(replace_file(target, replaced(text, words), FileMode::everybody_reads));
    ++files;
  }
  if (error) {
    return base::fail(ErrorCode::internal,
                      fmt::format("copying {} to {}: {}", from.string(), to.string(), error.message()));
  }
  return files;
}

}  // namespace

base::Result<PluginTemplate> find_plugin_template(const World& world, std::string_view language) {
  const auto* const known = std::ranges::find(languages, language, &Language::name);
  if (known == languages.end()) {
    return base::fail(
        ErrorCode::invalid,
        fmt::format("--language is '{}': the languages of plugins are c++, python, rust and typescript", language));
  }
  PluginTemplate found;
  if (!known->sdk_folder.empty()) {
    TRV_TRY_ASSIGN(found.sdk, find_shared(world, known->sdk_folder, known->sdk_file));
    found.sdk_beside = known->sdk_beside;
  }
  if (const auto named = world.variable("TRAV_TEMPLATE_DIR"); named && !named->empty()) {
    found.folder = *named;
    std::error_code error;
    if (std::filesystem::is_regular_file(found.folder / "manifest.json", error)) return found;
    return base::fail(ErrorCode::invalid,
                      fmt::format("no plugin template in {}, which TRAV_TEMPLATE_DIR names", found.folder.string()));
  }
  TRV_TRY_ASSIGN(found.folder, find_shared(world, known->template_folder, "manifest.json"));
  return found;
}

path find_cpp_sdk(const World& world) {
  constexpr std::string_view has = "sdk/cpp/plugin.hpp";
  if (auto installed = find_shared(world, "include", has)) return *std::move(installed);
  std::error_code error;
  const path source = TRV_SOURCE_DIR;
  return std::filesystem::is_regular_file(source / has, error) ? source : path();
}

base::Result<std::size_t> copy_plugin_template(const PluginTemplate& from, const path& to, std::string_view id) {
  TRV_TRY(base::check_label("--id", id));
  const path manifest_file = from.folder / "manifest.json";
  TRV_TRY_ASSIGN(const std::string manifest, read_file(manifest_file, file_bytes_max));
  TRV_TRY_ASSIGN(const auto parsed, parse_json(manifest_file.string(), manifest));
  const std::string old_id = member_text(parsed, "id");
  if (old_id.empty()) {
    return base::fail(ErrorCode::invalid, fmt::format("{}: the manifest has no id", from.folder.string()));
  }
  std::error_code error;
  if (std::filesystem::exists(to, error)) {
    return base::fail(ErrorCode::conflict, fmt::format("{} exists already; name a new folder", to.string()));
  }
  TRV_TRY_ASSIGN(std::size_t files, copy_files(from.folder, to,
                                               {{old_id, std::string(id)},
                                                {with_underscores(old_id), with_underscores(id)},
                                                {camel_case(old_id), camel_case(id)}}));
  if (from.sdk.empty()) return files;
  TRV_TRY_ASSIGN(const std::size_t of_sdk, copy_files(from.sdk, to / from.sdk_beside / from.sdk.filename(), {}));
  return files + of_sdk;
}

}  // namespace trv::cli
