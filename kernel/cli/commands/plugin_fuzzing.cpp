// trav plugin fuzz: many inputs for the operations of a plugin, without a server.

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_package.hpp"
#include "kernel/plugin_run/fuzzing.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::cli {
namespace {

namespace filesystem = std::filesystem;

struct FuzzArguments {
  std::string source;
  std::vector<std::string> operations;
  std::string configuration;
  std::string secrets_file;
  std::string library;
  std::string connection;
  std::string seed;
  std::string runs;
  std::string seconds;
  std::string call_seconds;
  std::string keep = "fuzz";
};

constexpr std::size_t configuration_bytes_max = 65'536;
constexpr std::uint64_t seconds_max = 604'800;
constexpr std::uint64_t call_seconds_max = 3'600;

base::Result<std::uint64_t> number_of(std::string_view option, const std::string& text, std::uint64_t otherwise,
                                      std::uint64_t most) {
  if (text.empty()) return otherwise;
  const auto number = whole_number(text);
  if (number && *number >= 1 && *number <= most) return *number;
  return base::fail(base::ErrorCode::invalid, fmt::format("{} {}: a number from 1 to {}", option, text, most));
}

/// The input, and what was answered over HTTP, in files that `trav plugin run` takes.
base::Status keep(Session& session, const FuzzArguments& arguments, const plugin_run::FuzzSetup& setup,
                  const plugin_run::Finding& finding, std::size_t number) {
  const filesystem::path folder = arguments.keep;
  std::error_code error;
  filesystem::create_directories(folder, error);
  if (error) return base::fail(base::ErrorCode::internal, fmt::format("{}: {}", folder.string(), error.message()));
  const std::string kind(plugin_run::to_string(finding.kind));
  const filesystem::path input = folder / fmt::format("{}-{}-{}.json", finding.operation, kind, number);
  TRV_TRY(replace_file(input, finding.input + "\n", FileMode::owner_only));
  std::string verb = "run";
  std::string more;
  if (!finding.cassette.exchanges.empty()) {
    const filesystem::path cassette = filesystem::path(input).replace_extension("cassette.jsonl");
    TRV_TRY(replace_file(cassette, plugin_run::to_text(finding.cassette), FileMode::owner_only));
    verb = "replay";
    more = fmt::format(" {} --connection {}=http://unused", cassette.string(), setup.connection);
  }
  std::string again = fmt::format("trav plugin {} {} {}{} --input-file {}", verb, arguments.source, finding.operation,
                                  more, input.string());
  if (!arguments.library.empty()) again += " --library " + arguments.library;
  if (!arguments.configuration.empty()) again += " --configuration " + arguments.configuration;
  if (!arguments.secrets_file.empty()) again += " --secrets " + arguments.secrets_file;
  session.complain(fmt::format("{} of {} in run {}: {}", kind, finding.operation, finding.run, finding.message));
  session.note("  again: " + again);
  return {};
}

std::string summary_of(const plugin_run::FuzzOutcome& outcome, std::uint64_t seed) {
  std::string text = fmt::format("{} calls with seed {}: {} answered", outcome.runs, seed, outcome.answered);
  for (const auto& [code, count] : outcome.failed) text += fmt::format(", {} {}", count, code);
  if (outcome.findings.empty()) return text + "; no crash, no hang, no defect.";
  text += ";";
  for (const auto& [kind, count] : outcome.findings) text += fmt::format(" {} {}", kind, count);
  return text + ".";
}

json::Value value_of(const plugin_run::FuzzOutcome& outcome, std::uint64_t seed) {
  const auto counts = [](const std::map<std::string, std::uint64_t>& all) {
    json::Value object = json::Value::object();
    for (const auto& [name, count] : all) object.set(name, static_cast<std::int64_t>(count));
    return object;
  };
  // JSON has no exact number for a seed of 64 bits.
  return {{"runs", static_cast<std::int64_t>(outcome.runs)},
          {"seed", fmt::format("{}", seed)},
          {"answered", static_cast<std::int64_t>(outcome.answered)},
          {"failed", counts(outcome.failed)},
          {"findings", counts(outcome.findings)}};
}

base::Result<plugin_run::FuzzSetup> setup_of(Session& session, const FuzzArguments& arguments) {
  plugin_run::FuzzSetup setup{.operations = arguments.operations};
  TRV_TRY_ASSIGN(setup.program, plugin_host_program(session.world()));
  if (!arguments.configuration.empty()) {
    TRV_TRY_ASSIGN(setup.configuration, read_file(arguments.configuration, configuration_bytes_max));
  }
  if (!arguments.secrets_file.empty()) {
    TRV_TRY_ASSIGN(const std::string text, read_file(arguments.secrets_file, plugin_run::secrets_text_bytes_max));
    auto secrets = plugin_run::read_secrets(text);
    if (!secrets) return base::fail(std::move(secrets).error().in(arguments.secrets_file));
    setup.secrets = *std::move(secrets);
  }
  setup.connection = arguments.connection.empty() ? "service" : arguments.connection;
  base::SystemRandom random;
  TRV_TRY_ASSIGN(setup.seed, number_of("--seed", arguments.seed, random.next(), ~std::uint64_t{0}));
  TRV_TRY_ASSIGN(setup.runs_max, number_of("--runs", arguments.runs, 0, ~std::uint64_t{0}));
  // Who says how many runs wants them all.
  const std::uint64_t otherwise = setup.runs_max == 0 ? 60 : seconds_max;
  TRV_TRY_ASSIGN(const std::uint64_t seconds, number_of("--seconds", arguments.seconds, otherwise, seconds_max));
  setup.time_max = std::chrono::seconds(seconds);
  TRV_TRY_ASSIGN(const std::uint64_t call, number_of("--timeout", arguments.call_seconds, 5, call_seconds_max));
  setup.call_timeout_ms = call * 1'000;
  return setup;
}

base::Result<ExitCode> fuzz(Session& session, const FuzzArguments& arguments) {
  TRV_TRY_ASSIGN(plugin_run::FuzzSetup setup, setup_of(session, arguments));
  TRV_TRY_ASSIGN(const base::ScratchFolder scratch,
                 base::ScratchFolder::make("trav-plugin-fuzz", filesystem::temp_directory_path()));
  setup.scratch = scratch.path();
  TRV_TRY_ASSIGN(const base::Bytes package, package_of(arguments.source, arguments.library, scratch.path()));
  std::size_t kept = 0;
  base::Status written;
  setup.found = [&](const plugin_run::Finding& finding) {
    if (const base::Status done = keep(session, arguments, setup, finding, ++kept); !done) written = done;
  };
  const auto outcome = plugin_run::fuzz_plugin(package, setup, session.world().clock);
  if (!outcome) {
    const base::Error& why = outcome.error();
    return base::fail(why.code() == base::ErrorCode::invalid ? base::ErrorCode::denied : why.code(), why.message());
  }
  TRV_TRY(written);
  for (const std::string& remark : outcome->remarks) session.warn(remark);
  if (session.as_json()) {
    session.print_value(value_of(*outcome, setup.seed));
  } else {
    session.print(summary_of(*outcome, setup.seed));
  }
  return outcome->findings.empty() ? ExitCode::ok : ExitCode::faulted;
}

}  // namespace

void add_plugin_fuzz(Noun& noun) {
  const auto arguments = std::make_shared<FuzzArguments>();
  noun.verb("fuzz", "Call operations here with many inputs that their schemas allow, and keep those that crash or hang")
      .argument("PACKAGE", arguments->source, "A .trvp package, or a plugin's folder")
      .options("--operation", "OPERATION", arguments->operations, "Only this one; default all")
      .option("--seconds", "N", arguments->seconds, "Stop after that time (default 60, or none with --runs)")
      .option("--runs", "N", arguments->runs, "Stop after so many calls")
      .option("--seed", "N", arguments->seed, "The same seed makes the same calls; default another each time")
      .option("--timeout", "SECONDS", arguments->call_seconds, "A call without an answer by then hangs (default 5)")
      .option("--keep", "FOLDER", arguments->keep, "Where inputs are kept (default fuzz)")
      .option("--configuration", "FILE", arguments->configuration, "The plugin's configuration, a JSON object")
      .option("--secrets", "FILE", arguments->secrets_file, "As for run")
      .option("--connection", "NAME", arguments->connection,
              "What calls name (default service); requests are answered with anything, and nothing is sent")
      .option("--library", "SO", arguments->library, "Of a folder: the shared object; default where its build puts it")
      .example("trav plugin fuzz hello --seconds 30")
      .example("trav plugin fuzz hello --operation echo --runs 1000 --seed 42")
      .does([arguments](Session& session) { return fuzz(session, *arguments); });
}

}  // namespace trv::cli
