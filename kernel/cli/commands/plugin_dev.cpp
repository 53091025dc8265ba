// trav plugin dev: builds, packs and installs a plugin again whenever one of its files changes.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_build.hpp"
#include "kernel/cli/commands/plugin_package.hpp"
#include "kernel/cli/commands/plugin_requests.hpp"
#include "sdk/base/scratch_folder.hpp"
#include "sdk/base/version.hpp"

namespace trv::cli {
namespace {

namespace filesystem = std::filesystem;

struct DevArguments {
  std::string folder;
  std::string build;
  std::string library;
  std::string then;
};

constexpr std::size_t watched_max = 5'000;
/// What tools write; a change there is a consequence of one elsewhere.
constexpr std::array<std::string_view, 6> written_folders = {"build",  "node_modules", "__pycache__",
                                                             "target", ".mypy_cache",  ".git"};

bool is_written(const filesystem::path& file) {
  if (file.extension() == ".trvp") return true;
  // Of the compiler, beside its source.
  std::error_code error;
  filesystem::path source = file;
  return file.extension() == ".mjs" && filesystem::exists(source.replace_extension(".mts"), error);
}

/// Folders, too: they change when a file comes or goes.
base::Result<std::vector<std::string>> watched_in(const filesystem::path& folder) {
  std::vector<std::string> files = {folder.string()};
  std::error_code error;
  auto entry = filesystem::recursive_directory_iterator(folder, error);
  for (; !error && entry != filesystem::recursive_directory_iterator(); entry.increment(error)) {
    const bool is_folder = entry->is_directory(error);
    if (is_folder && std::ranges::find(written_folders, entry->path().filename().string()) != written_folders.end()) {
      entry.disable_recursion_pending();
      continue;
    }
    if (!is_written(entry->path())) files.push_back(entry->path().string());
    if (files.size() > watched_max) {
      return base::fail(base::ErrorCode::too_large, fmt::format("{} has more than {} files; is it a plugin's folder?",
                                                                folder.string(), watched_max));
    }
  }
  if (error) return base::fail(base::ErrorCode::not_found, fmt::format("{}: {}", folder.string(), error.message()));
  return files;
}

// Another one would need another version for each change.
base::Status check_is_development(const filesystem::path& folder) {
  TRV_TRY_ASSIGN(const std::string text, read_file(folder / "manifest.json", package::manifest_bytes_max));
  const auto manifest = package::parse_manifest(text, package::ManifestForm::source);
  if (!manifest || base::is_development(manifest->version)) return {};  // the packer says what is wrong
  return base::fail(base::ErrorCode::denied,
                    fmt::format("{}: version {} can be installed once; while you work on it, write {}-dev{}",
                                (folder / "manifest.json").string(), manifest->version, manifest->version,
                                manifest->program ? "" : ", and in the library's own name, too (TRV_PLUGIN)"));
}

base::Status do_once(Session& session, const DevArguments& arguments, const filesystem::path& scratch) {
  TRV_TRY(check_is_development(arguments.folder));
  const std::string command = arguments.build.empty() ? build_steps_of(arguments.folder).build : arguments.build;
  if (!command.empty()) TRV_TRY(run_in(session.world(), arguments.folder, command));
  TRV_TRY_ASSIGN(const base::Bytes package, package_of(arguments.folder, arguments.library, scratch));
  TRV_TRY_ASSIGN(const HttpResponse response, install_package(session, std::string(base::as_text(package))));
  TRV_TRY_ASSIGN(const json::Value installed, parse_json("the answer", response.body));
  const std::string id = member_text(installed, "id");
  const std::string version = member_text(installed, "version");
  TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
  if (tenant != "system") TRV_TRY(enable_plugin(session, id, version, {.grant = {}, .is_sure = true}));
  session.print(fmt::format("{} {} is installed{}.", id, version,
                            tenant == "system" ? "" : fmt::format(" and enabled for tenant {}", tenant)));
  return arguments.then.empty() ? base::Status() : run_in(session.world(), ".", arguments.then);
}

base::Result<ExitCode> develop(Session& session, const DevArguments& arguments) {
  World& world = session.world();
  if (!world.watch) return base::fail(base::ErrorCode::invalid, "trav plugin dev cannot watch files here");
  TRV_TRY_ASSIGN(const base::ScratchFolder scratch,
                 base::ScratchFolder::make("trav-plugin-dev", filesystem::temp_directory_path()));
  for (;;) {
    TRV_TRY_ASSIGN(const std::vector<std::string> files, watched_in(arguments.folder));
    // Begun before the build, so that no change comes between.
    TRV_TRY_ASSIGN(const std::function<WatchEnd()> wait, world.watch(files));
    if (const base::Status done = do_once(session, arguments, scratch.path()); !done) {
      session.complain(done.error().message());
    }
    session.note(fmt::format("{} is watched; Ctrl-C ends", arguments.folder));
    if (session.out_is_gone() || wait() == WatchEnd::interrupted) return ExitCode::ok;
  }
}

}  // namespace

void add_plugin_dev(Noun& noun) {
  const auto arguments = std::make_shared<DevArguments>();
  noun.verb("dev", "Build, pack and install a plugin again whenever a file of it changes; its version ends in -dev")
      .argument("FOLDER", arguments->folder, "The plugin's folder")
      .option("--build", "COMMAND", arguments->build, "Builds it, run in the folder; default as its README says")
      .option("--library", "SO", arguments->library, "The shared object; default where the build puts it")
      .option("--then", "COMMAND", arguments->then, "Run after each installation, for example a workflow")
      .example("trav plugin dev hello --tenant acme --then 'trav run demo/greet --wait --tenant acme'")
      .does([arguments](Session& session) { return develop(session, *arguments); });
}

}  // namespace trv::cli
