// trav plugin run, record, replay: one operation of a package or a plugin's folder, without a server.

#include "kernel/plugin_run/plugin_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_package.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/scratch_folder.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

struct RunArguments {
  std::string source;
  std::string operation;
  std::string input;
  std::string input_file;
  std::string configuration;
  std::string library;
  std::string record;
  std::string replay;
  std::string store;
  std::string secrets_file;
  std::string seconds;
  std::vector<std::string> connections;
  std::vector<std::string> secrets;
};

constexpr std::size_t configuration_bytes_max = 65'536;
constexpr std::size_t input_bytes_max = 16'000'000;
constexpr std::uint64_t seconds_max = 3'600;

base::Result<std::pair<std::string, std::string>> pair_of(const std::string& option, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return base::fail(base::ErrorCode::invalid, fmt::format("{} {}: write it as NAME=VALUE", option, text));
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

base::Result<std::vector<plugin_run::OfferedConnection>> offered(const World& world, const RunArguments& arguments) {
  std::vector<plugin_run::OfferedConnection> all;
  for (const std::string& text : arguments.connections) {
    TRV_TRY_ASSIGN(auto pair, pair_of("--connection", text));
    all.push_back({std::move(pair.first), std::move(pair.second), {}});
  }
  for (const std::string& text : arguments.secrets) {
    TRV_TRY_ASSIGN(const auto pair, pair_of("--secret-env", text));
    const auto to = std::ranges::find(all, pair.first, &plugin_run::OfferedConnection::name);
    const auto secret = world.variable(pair.second);
    if (to == all.end() || !secret || secret->empty()) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("--secret-env {}: {}", text,
                                    to == all.end() ? "no --connection has this name" : "the variable is not set"));
    }
    to->secret = *secret;
  }
  return all;
}

base::Result<plugin_run::OperationRun> operation_of(const RunArguments& arguments) {
  if (arguments.input.empty() == arguments.input_file.empty()) {
    return base::fail(base::ErrorCode::invalid, "the operation's input: give --input JSON or --input-file FILE");
  }
  plugin_run::OperationRun run{.operation = arguments.operation, .input = arguments.input};
  if (!arguments.input_file.empty()) {
    TRV_TRY_ASSIGN(run.input, read_file(arguments.input_file, input_bytes_max));
  }
  if (!arguments.configuration.empty()) {
    TRV_TRY_ASSIGN(run.configuration, read_file(arguments.configuration, configuration_bytes_max));
  }
  if (!arguments.connections.empty()) {
    run.connection = arguments.connections.front().substr(0, arguments.connections.front().find('='));
  }
  if (!arguments.seconds.empty()) {
    const auto seconds = whole_number(arguments.seconds);
    if (!seconds || *seconds == 0 || *seconds > seconds_max) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("--timeout {}: a number of seconds from 1 to {}", arguments.seconds, seconds_max));
    }
    run.timeout_ms = *seconds * 1'000;
  }
  return run;
}

base::Result<plugin_run::RunSetup> setup_of(Session& session, const RunArguments& arguments,
                                            const std::filesystem::path& scratch) {
  TRV_TRY_ASSIGN(auto connections, offered(session.world(), arguments));
  plugin_run::RunSetup setup{.program = {}, .scratch = scratch, .connections = std::move(connections), .log = {}};
  TRV_TRY_ASSIGN(setup.program, plugin_host_program(session.world()));
  if (!arguments.store.empty()) {
    if (!arguments.replay.empty()) {
      return base::fail(base::ErrorCode::invalid, "a replay begins with the store of the recording: leave --kv out");
    }
    std::error_code error;
    if (std::filesystem::exists(arguments.store, error)) {
      TRV_TRY_ASSIGN(const std::string text, read_file(arguments.store, plugin_run::store_text_bytes_max));
      auto values = plugin_run::read_store(text);
      if (!values) return base::fail(std::move(values).error().in(arguments.store));
      setup.store = *std::move(values);
    }
  }
  if (!arguments.secrets_file.empty()) {
    TRV_TRY_ASSIGN(const std::string text, read_file(arguments.secrets_file, plugin_run::secrets_text_bytes_max));
    auto secrets = plugin_run::read_secrets(text);
    if (!secrets) return base::fail(std::move(secrets).error().in(arguments.secrets_file));
    setup.secrets = *std::move(secrets);
  }
  setup.record = !arguments.record.empty();
  if (!arguments.replay.empty()) {
    TRV_TRY_ASSIGN(const std::string text, read_file(arguments.replay, plugin_run::cassette_bytes_max));
    auto cassette = plugin_run::read_cassette(text);
    if (!cassette) return base::fail(std::move(cassette).error().in(arguments.replay));
    setup.replay = *std::move(cassette);
  }
  return setup;
}

std::string_view name_of(plugin_host::LogLevel level) {
  using enum plugin_host::LogLevel;
  switch (level) {
    case debug: return "debug";
    case info: return "info";
    case warning: return "warning";
    case error: return "error";
  }
  return {};
}

ExitCode report_failure(Session& session, const plugin_host::OperationError& error) {
  if (session.as_json()) {
    session.print_value({{"error",
                          {{"code", base::to_string(error.code)},
                           {"message", error.message},
                           {"status", static_cast<std::int64_t>(error.status)},
                           {"may_retry", error.may_retry}}}});
  }
  session.complain(fmt::format("the operation failed ({}{}{}): {}", base::to_string(error.code),
                               error.status == 0 ? "" : fmt::format(", status {}", error.status),
                               error.may_retry ? ", may be tried again" : "", error.message));
  if (!error.detail.empty()) session.note(error.detail);
  return ExitCode::faulted;
}

/// What a call would be recorded into cannot be written once the call is over: it is said before.
base::Status check_writable(std::string_view option, const std::string& file) {
  if (file.empty()) return {};
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(file).parent_path();
  const std::filesystem::path folder = parent.empty() ? std::filesystem::path(".") : parent;
  std::string why;
  if (!std::filesystem::is_directory(folder, error)) {
    why = fmt::format("there is no folder {}", folder.string());
  } else if (std::filesystem::is_directory(file, error)) {
    why = "it is a folder";
  } else if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    why = fmt::format("the folder {} cannot be written to", folder.string());
  }
  if (why.empty()) return {};
  return base::fail(base::ErrorCode::invalid, fmt::format("{} {}: {}", option, file, why));
}

base::Result<ExitCode> run(Session& session, const RunArguments& arguments) {
  TRV_TRY(check_writable("FILE", arguments.record));
  TRV_TRY(check_writable("--kv", arguments.store));
  TRV_TRY_ASSIGN(const plugin_run::OperationRun operation, operation_of(arguments));
  TRV_TRY_ASSIGN(const base::ScratchFolder scratch,
                 base::ScratchFolder::make("trav-plugin-run", std::filesystem::temp_directory_path()));
  TRV_TRY_ASSIGN(plugin_run::RunSetup setup, setup_of(session, arguments, scratch.path()));
  TRV_TRY_ASSIGN(const base::Bytes package, package_of(arguments.source, arguments.library, scratch.path()));
  std::mutex one_at_a_time;
  setup.log = [&](const plugin_host::LogLine& line) {
    const std::lock_guard lock(one_at_a_time);
    session.note(fmt::format("{}: {}", name_of(line.level), line.message));
  };
  auto outcome = plugin_run::run_operation(package, operation, std::move(setup), session.world().clock);
  if (!outcome) {
    const base::Error& why = outcome.error();
    return base::fail(why.code() == base::ErrorCode::invalid ? base::ErrorCode::denied : why.code(), why.message());
  }
  for (const std::string& remark : outcome->remarks) session.warn(remark);
  if (!arguments.record.empty()) {
    TRV_TRY(replace_file(arguments.record, plugin_run::to_text(outcome->recorded), FileMode::owner_only));
    session.note(fmt::format("{} has {} recordings.", arguments.record, outcome->recorded.exchanges.size()));
  }
  if (!arguments.store.empty()) {
    TRV_TRY(replace_file(arguments.store, plugin_run::to_text(outcome->store), FileMode::owner_only));
  }
  for (const plugin_run::LocalEvent& event : outcome->events) {
    session.note(fmt::format("event {}{}{}: {}", event.type, event.subject.empty() ? "" : " about ", event.subject,
                             event.data.empty() ? "no data" : event.data));
  }
  for (const std::string& one : outcome->missing) session.complain(fmt::format("{}: {}", arguments.replay, one));
  if (outcome->unused > 0) {
    session.note(fmt::format("{}: {} recordings were not asked for.", arguments.replay, outcome->unused));
  }
  if (!outcome->call) return report_failure(session, outcome->call.error());
  session.print_json(*outcome->call);
  return outcome->missing.empty() ? ExitCode::ok : ExitCode::refused;
}

void add_run_options(Verb& verb, const std::shared_ptr<RunArguments>& arguments) {
  verb.option("--input", "JSON", arguments->input, "The operation's input")
      .option("--input-file", "FILE", arguments->input_file, "The same from a file")
      .option("--configuration", "FILE", arguments->configuration, "The plugin's configuration, a JSON object")
      .options("--connection", "NAME=URL", arguments->connections,
               "Where requests over a connection go; the first is the one that the call names")
      .options("--secret-env", "NAME=VARIABLE", arguments->secrets,
               "Environment variable with a connection's secret, sent as bearer token")
      .option("--kv", "FILE", arguments->store,
              "The plugin's store, a JSON object, read before and written after; without it the store is empty")
      .option("--secrets", "FILE", arguments->secrets_file,
              "A JSON object of secrets by the names that the configuration gives; they sign, and are not shown")
      .option("--library", "SO", arguments->library, "Of a folder: the shared object; default where its build puts it")
      .option("--timeout", "SECONDS", arguments->seconds, "How long the call may take (default 60)");
}

Verb run_verb(Noun& noun, const char* name, const char* does, const std::shared_ptr<RunArguments>& arguments) {
  Verb verb = noun.verb(name, does);
  verb.argument("PACKAGE", arguments->source, "A .trvp package, or a plugin's folder")
      .argument("OPERATION", arguments->operation, "As the manifest names it")
      .does([arguments](Session& session) { return run(session, *arguments); });
  return verb;
}

}  // namespace

void add_plugin_run(Noun& noun) {
  const auto arguments = std::make_shared<RunArguments>();
  Verb run = run_verb(noun, "run", "Run one operation of a plugin here, without a server", arguments);
  add_run_options(run, arguments);
  run.example("trav plugin run hello echo --input '{\"text\":\"hello\"}'");
  Verb record = run_verb(noun, "record", "Run one operation, and keep its HTTP requests and their answers", arguments);
  record.argument("FILE", arguments->record, "The cassette to write");
  add_run_options(record, arguments);
  record.example(
      "trav plugin record hello fetch fetch.jsonl --input '{\"page\":\"x\"}' --connection "
      "service=http://127.0.0.1:8080");
  Verb replay =
      run_verb(noun, "replay", "Run one operation with the answers of a cassette; nothing is sent", arguments);
  replay.argument("FILE", arguments->replay, "A cassette of trav plugin record");
  add_run_options(replay, arguments);
  replay.example(
      "trav plugin replay hello fetch fetch.jsonl --input '{\"page\":\"x\"}' --connection service=http://unused");
}

}  // namespace trv::cli
