// trav plugin build: from a plugin's folder to its package.
#include "kernel/cli/commands/plugin_build.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_package.hpp"
#include "kernel/cli/commands/plugin_template.hpp"
#include "kernel/cli/terminal/child_process.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::cli {
namespace {

namespace filesystem = std::filesystem;

struct BuildArguments {
  std::string folder;
  std::string build;
  std::string library;
  std::string out;
  bool skips_tests = false;
};

bool has_tests_of_python(const filesystem::path& folder) {
  std::error_code error;
  const filesystem::directory_iterator files(folder, error);
  return !error && std::ranges::any_of(files, [](const filesystem::directory_entry& entry) {
    return entry.path().extension() == ".py" && entry.path().filename().string().starts_with("test");
  });
}

base::Result<ExitCode> build(Session& session, const BuildArguments& arguments) {
  std::error_code error;
  if (!filesystem::is_directory(arguments.folder, error)) {
    return base::fail(base::ErrorCode::denied, fmt::format("there is no folder {}", arguments.folder));
  }
  BuildSteps steps = build_steps_of(arguments.folder);
  if (!arguments.build.empty()) steps.build = arguments.build;
  if (arguments.skips_tests) steps.test.clear();
  for (const std::string& command : {steps.build, steps.test}) {
    if (command.empty()) continue;
    session.note(command);
    TRV_TRY(run_in(session.world(), arguments.folder, command));
  }
  TRV_TRY_ASSIGN(const base::ScratchFolder scratch,
                 base::ScratchFolder::make("trav-plugin-build", filesystem::temp_directory_path()));
  TRV_TRY_ASSIGN(const base::Bytes bytes, package_of(arguments.folder, arguments.library, scratch.path()));
  TRV_TRY_ASSIGN(const package::Package built, package::read(bytes));
  const std::string out =
      arguments.out.empty() ? fmt::format("{}-{}.trvp", built.manifest.id, built.manifest.version) : arguments.out;
  TRV_TRY(replace_file(out, base::as_text(bytes), FileMode::everybody_reads));
  const std::string digest = base::to_hex(built.digest);
  if (session.as_json()) {
    session.print_value(
        {{"id", built.manifest.id}, {"version", built.manifest.version}, {"file", out}, {"package_sha256", digest}});
  } else {
    session.print(
        fmt::format("Built {} {} into {} (SHA-256 {})", built.manifest.id, built.manifest.version, out, digest));
  }
  return ExitCode::ok;
}

}  // namespace

BuildSteps build_steps_of(const filesystem::path& folder) {
  std::error_code error;
  if (filesystem::exists(folder / "CMakeLists.txt", error)) {
    return {.build = "cmake -S . -B build && cmake --build build",
            .test = "ctest --test-dir build --output-on-failure --no-tests=error"};
  }
  if (filesystem::exists(folder / "Cargo.toml", error)) {
    return {.build = "cargo build --release", .test = "cargo test --release"};
  }
  if (filesystem::exists(folder / "tsconfig.json", error)) {
    return {.build = "{ test -d node_modules || npm install; } && npm run --silent build", .test = "npm test --silent"};
  }
  return {.build = {}, .test = has_tests_of_python(folder) ? "python3 -m unittest" : ""};
}

base::Status run_in(const World& world, const std::string& folder, const std::string& command) {
  const std::string script = "cd \"$0\" && : \"${TRV_SDK:=$1}\" && export TRV_SDK && { " + command + "; }";
  TRV_TRY_ASSIGN(const ChildEnd end,
                 run_child({"sh", "-c", script, folder, find_cpp_sdk(world).string()}, ChildOutput::passed));
  if (end.exit_code == 0) return {};
  return base::fail(base::ErrorCode::denied, fmt::format("`{}` ended with exit code {}", command, end.exit_code));
}

void add_plugin_build(Noun& noun) {
  const auto arguments = std::make_shared<BuildArguments>();
  noun.verb("build", "Build and test a plugin's folder, in whichever language it is, and make its package")
      .argument("FOLDER", arguments->folder, "The plugin's folder")
      .option("--output", "FILE", arguments->out, "The package to write; default ID-VERSION.trvp")
      .option("--build", "COMMAND", arguments->build, "Builds it, run in the folder; default as its README says")
      .option("--library", "SO", arguments->library, "The shared object; default where the build puts it")
      .flag("--skip-tests", arguments->skips_tests, "Do not run the plugin's own tests")
      .example("trav plugin build hello                 writes hello-1.0.0.trvp")
      .does([arguments](Session& session) { return build(session, *arguments); });
}

}  // namespace trv::cli
