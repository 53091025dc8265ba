// trav plugin validate: the promises of the SDK, of a package or a plugin's folder, without a server.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_package.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/plugin_run/validation.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::cli {
namespace {

struct ValidateArguments {
  std::string source;
  std::string configuration;
  std::string library;
  std::string report;
  std::string call_seconds;
};

constexpr std::size_t configuration_bytes_max = 65'536;
constexpr std::uint64_t call_seconds_max = 3'600;

void show(Session& session, const plugin_run::CheckReport& check) {
  if (session.as_json()) return;
  session.print(fmt::format("{:<5}{:<12}{}", check.findings.empty() ? "ok" : "FAIL", plugin_run::to_string(check.mode),
                            check.name));
  for (const std::string& finding : check.findings) session.complain("     " + finding);
}

base::Result<ExitCode> validate(Session& session, const ValidateArguments& arguments) {
  plugin_run::ValidationSetup setup;
  TRV_TRY_ASSIGN(setup.program, plugin_host_program(session.world()));
  if (!arguments.configuration.empty()) {
    TRV_TRY_ASSIGN(setup.configuration, read_file(arguments.configuration, configuration_bytes_max));
  }
  if (!arguments.call_seconds.empty()) {
    const auto seconds = whole_number(arguments.call_seconds);
    if (!seconds || *seconds == 0 || *seconds > call_seconds_max) {
      return base::fail(base::ErrorCode::invalid, fmt::format("--timeout {}: a number of seconds from 1 to {}",
                                                              arguments.call_seconds, call_seconds_max));
    }
    setup.call_timeout_ms = *seconds * 1'000;
  }
  TRV_TRY_ASSIGN(const base::ScratchFolder scratch,
                 base::ScratchFolder::make("trav-plugin-validate", std::filesystem::temp_directory_path()));
  setup.scratch = scratch.path();
  TRV_TRY_ASSIGN(const base::Bytes package, package_of(arguments.source, arguments.library, scratch.path()));
  setup.checked = [&session](const plugin_run::CheckReport& check) { show(session, check); };
  const auto validation = plugin_run::validate_plugin(package, setup, session.world().clock);
  if (!validation) {
    const base::Error& why = validation.error();
    return base::fail(why.code() == base::ErrorCode::invalid ? base::ErrorCode::denied : why.code(), why.message());
  }
  const json::Value report = plugin_run::to_value(*validation);
  if (!arguments.report.empty()) {
    TRV_TRY(replace_file(arguments.report, json::serialize(report) + "\n", FileMode::everybody_reads));
  }
  for (const std::string& remark : validation->remarks) session.note(remark);
  if (session.as_json()) {
    session.print_value(report);
  } else {
    const auto failed =
        std::ranges::count_if(validation->checks, [](const auto& one) { return !one.findings.empty(); });
    session.print(fmt::format("{} {}: {} checks, {} failed; {} calls were compared in-process and isolated.",
                              validation->plugin, validation->version, validation->checks.size(), failed,
                              validation->calls_compared));
  }
  return validation->holds() ? ExitCode::ok : ExitCode::faulted;
}

}  // namespace

void add_plugin_validate(Noun& noun) {
  const auto arguments = std::make_shared<ValidateArguments>();
  noun.verb("validate", "Check the promises of the SDK, in-process and isolated, without a server")
      .argument("PACKAGE", arguments->source, "A .trvp package, or a plugin's folder")
      .option("--configuration", "FILE", arguments->configuration, "The plugin's configuration, a JSON object")
      .option("--library", "SO", arguments->library, "Of a folder: the shared object; default where its build puts it")
      .option("--timeout", "SECONDS", arguments->call_seconds,
              "An isolated call without an answer by then hangs (default 10)")
      .option("--report", "FILE", arguments->report, "Write the report there, for trav plugin countersign")
      .example("trav plugin validate hello-1.0.0.trvp --report hello-1.0.0.report.json")
      .does([arguments](Session& session) { return validate(session, *arguments); });
}

}  // namespace trv::cli
