#pragma once
// Source code for a plugin's author: the types of what a manifest's operations take and give. The same manifest gives
// the same text. Pure; any thread.

#include <filesystem>
#include <string>
#include <string_view>

#include "kernel/plugin_generate/model.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_generate {

enum class Language { cpp, python, rust, typescript };

/// "c++", "python", "rust", "typescript". Error: invalid, with those there are.
[[nodiscard]] base::Result<Language> language_named(std::string_view name);

/// Where the templates' builds look for it, below the plugin's folder.
[[nodiscard]] std::filesystem::path default_file(Language language);

/// Errors: those of model_of.
[[nodiscard]] base::Result<std::string> generate(const package::Manifest& manifest, Language language);

/// Structs that sdk/cpp_json/typed.hpp reads and writes.
[[nodiscard]] std::string write_cpp(const Model& model);
/// Classes of typing.TypedDict.
[[nodiscard]] std::string write_python(const Model& model);
/// Types that the macros of the crate travertine-plugin read and write.
[[nodiscard]] std::string write_rust(const Model& model);
/// Interfaces, in a file of declarations.
[[nodiscard]] std::string write_typescript(const Model& model);

}  // namespace trv::plugin_generate
