// trav plugin generate: types of a plugin's inputs and outputs, from its manifest.

#include <fmt/format.h>

#include <filesystem>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/plugin_generate/generate.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::cli {
namespace {

namespace filesystem = std::filesystem;

struct GenerateArguments {
  std::string folder;
  std::string language;
  std::string output;
  bool check = false;
};

constexpr std::size_t file_bytes_max = 16'000'000;
constexpr std::string_view mark = "Made by `trav plugin generate`";

base::Result<plugin_generate::Language> language_of(const GenerateArguments& arguments,
                                                    const package::Manifest& manifest) {
  if (!arguments.language.empty()) return plugin_generate::language_named(arguments.language);
  std::error_code error;
  if (filesystem::exists(filesystem::path(arguments.folder) / "Cargo.toml", error)) {
    return plugin_generate::language_named("rust");
  }
  if (!manifest.program) return plugin_generate::Language::cpp;
  return manifest.program->interpreter == "python3" ? plugin_generate::Language::python
                                                    : plugin_generate::Language::typescript;
}

base::Result<ExitCode> generate(Session& session, const GenerateArguments& arguments) {
  const filesystem::path folder = arguments.folder;
  const filesystem::path source = folder / "manifest.json";
  TRV_TRY_ASSIGN(const std::string text, read_file(source, package::manifest_bytes_max));
  const auto manifest = package::parse_manifest(text, package::ManifestForm::source);
  if (!manifest) return base::fail(base::Error(manifest.error()).in(source.string()));
  TRV_TRY_ASSIGN(const auto language, language_of(arguments, *manifest));
  TRV_TRY_ASSIGN(const std::string types, plugin_generate::generate(*manifest, language));
  const filesystem::path file =
      arguments.output.empty() ? folder / plugin_generate::default_file(language) : filesystem::path(arguments.output);

  std::error_code error;
  const bool is_there = filesystem::exists(file, error);
  TRV_TRY_ASSIGN(const std::string before, is_there ? read_file(file, file_bytes_max) : std::string());
  if (arguments.check) {
    if (before == types) return ExitCode::ok;
    return base::fail(base::ErrorCode::denied,
                      fmt::format("{} is {}: make it with `trav plugin generate {}`", file.string(),
                                  is_there ? "not what manifest.json gives" : "missing", arguments.folder));
  }
  if (is_there && before.substr(0, before.find('\n')).find(mark) == std::string::npos) {
    return base::fail(
        base::ErrorCode::conflict,
        fmt::format("{} was not made by this command and is kept; name another file with --output", file.string()));
  }
  // A file that stays the same is not built again.
  if (before != types) TRV_TRY(replace_file(file, types, FileMode::everybody_reads));
  session.print(fmt::format("{} has the types of {} operations{}.", file.string(), manifest->operations.size(),
                            before == types ? ", as before" : ""));
  return ExitCode::ok;
}

}  // namespace

void add_plugin_generate(Noun& noun) {
  const auto arguments = std::make_shared<GenerateArguments>();
  noun.verb("generate", "Make the types of what the operations take and give, from manifest.json")
      .argument("FOLDER", arguments->folder, "The plugin's folder")
      .option("--language", "LANGUAGE", arguments->language, "c++, python, rust or typescript; default the plugin's")
      .option(
          "--output", "FILE", arguments->output,
          "Default operations.hpp, program/operations.py, src/operations.rs or program/operations.d.mts in the folder")
      .flag("--check", arguments->check, "Write nothing; fail where the file is not up to date")
      .example("trav plugin generate hello")
      .example("trav plugin generate hello --check")
      .does([arguments](Session& session) { return generate(session, *arguments); });
}

}  // namespace trv::cli
