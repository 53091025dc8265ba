#include "kernel/cli/commands/plugin_package.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/terminal/child_process.hpp"
#include "kernel/plugin_host/manifest_schemas.hpp"
#include "kernel/plugin_host/webhook.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;
using std::filesystem::path;

// Every problem in one go: one line for each file that does not parse, and nothing else.
constexpr const char* python_check = R"(
import ast, sys
for name in sys.argv[1:]:
    try:
        with open(name, "rb") as file:
            ast.parse(file.read(), name)
    except (SyntaxError, ValueError) as error:
        print(f"{name}:{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}")
)";

base::Status check_python(const path& program_folder) {
  std::vector<std::string> words = {"python3", "-c", python_check};
  std::error_code failed;
  for (auto entry = std::filesystem::recursive_directory_iterator(program_folder, failed);
       !failed && entry != std::filesystem::recursive_directory_iterator(); entry.increment(failed)) {
    if (entry->path().filename().string().starts_with('.')) {
      entry.disable_recursion_pending();  // is not packed
      continue;
    }
    if (entry->path().extension() == ".py") words.push_back(entry->path().string());
  }
  if (failed) return {};  // the packer says it
  std::ranges::sort(words.begin() + 3, words.end());
  const auto checked = run_child(words, ChildOutput::taken);
  // Without an interpreter here there is nothing to hold it against.
  if (!checked || checked->exit_code != 0 || checked->output.empty()) return {};
  std::string problems = checked->output;
  while (problems.ends_with('\n')) problems.pop_back();
  return base::fail(ErrorCode::denied, fmt::format("python3 does not read the program:\n{}", problems));
}

base::Status check_folder(const path& folder) {
  const path file = folder / "manifest.json";
  TRV_TRY_ASSIGN(const std::string text, read_file(file, package::manifest_bytes_max));
  auto manifest = package::parse_manifest(text, package::ManifestForm::source);
  if (!manifest) return base::fail(about_files(std::move(manifest).error().in(file.string())));
  auto schemas = plugin_host::compile_schemas(*manifest);
  if (!schemas) return base::fail(about_files(std::move(schemas).error().in(file.string())));
  for (std::size_t index = 0; index < manifest->webhooks.size(); ++index) {
    auto webhook = plugin_host::compile_webhook(*manifest, index);
    if (!webhook) return base::fail(about_files(std::move(webhook).error().in(file.string())));
  }
  if (!manifest->program) return {};
  std::error_code error;
  if (!std::filesystem::is_regular_file(folder / manifest->program->file, error)) {
    return base::fail(ErrorCode::denied, fmt::format("{}: program.file: there is no {}", file.string(),
                                                     (folder / manifest->program->file).string()));
  }
  return check_python(folder / package::program_folder);
}

/// Where the templates' builds put it; empty where it is not there.
path built_library(const path& folder) {
  std::error_code error;
  if (path built = folder / "build" / "plugin.so"; std::filesystem::is_regular_file(built, error)) return built;
  path found;
  auto entry = std::filesystem::directory_iterator(folder / "target" / "release", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() != ".so") continue;
    if (!found.empty()) return {};  // which one is not known
    found = entry->path();
  }
  return found;
}

}  // namespace

base::Result<package::Package> pack_checked(const path& folder, const path& library, const path& out) {
  TRV_TRY(check_folder(folder));
  auto packed = package::pack(folder, library, out);
  if (!packed) return base::fail(about_files(packed.error()));
  return packed;
}

base::Result<base::Bytes> package_of(const path& source, const path& library, const path& scratch) {
  path file = source;
  std::error_code error;
  if (std::filesystem::is_directory(source, error)) {
    const path usual = source / "build" / "plugin.so";
    const path built = library.empty() ? built_library(source) : library;
    file = scratch / "plugin.trvp";
    auto packed = pack_checked(source, built, file);
    if (!packed && built.empty() && packed.error().message().contains("which library")) {
      return base::fail(ErrorCode::denied, fmt::format("{} is not there: build the plugin first, or name its shared "
                                                       "object with --library",
                                                       usual.string()));
    }
    TRV_TRY(packed);
  }
  TRV_TRY_ASSIGN(const std::string bytes, read_file(file, package::package_bytes_max));
  return base::to_bytes(bytes);
}

base::Result<path> plugin_host_program(const World& world) {
  const auto named = world.variable("TRAV_PLUGIN_HOST");
  path program = named && !named->empty() ? path(*named) : path(world.executable).parent_path() / "trav-plugin-host";
  std::error_code error;
  if (program.is_absolute() && std::filesystem::is_regular_file(program, error)) return program;
  return base::fail(ErrorCode::not_found,
                    fmt::format("no program {}, which plugins run in; it comes with travd. Name it with the variable "
                                "TRAV_PLUGIN_HOST",
                                program.string()));
}

}  // namespace trv::cli
