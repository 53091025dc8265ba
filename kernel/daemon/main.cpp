// travd: the daemon.

#include <CLI/CLI.hpp>
#include <fmt/color.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <future>
#include <string_view>

#include "kernel/daemon/cluster.hpp"
#include "kernel/daemon/data_folder.hpp"
#include "kernel/daemon/kernel.hpp"
#include "kernel/daemon/process.hpp"
#include "kernel/daemon/supervisor.hpp"
#include "kernel/daemon/version.hpp"
#include "kernel/logging/log.hpp"
#include "sdk/base/contract.hpp"

namespace {

using namespace trv;

constexpr int exit_usage = 2;
constexpr int exit_damaged = 1;

config::Environment this_environment() {
  config::Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

// A configuration that was loaded has levels that are some.
logging::Levels levels_of(const config::Config& config) {
  const auto levels = logging::parse_levels(config.log_level, config.log_levels);
  TRV_ASSERT(levels.has_value());
  return *levels;
}

/// Null where the configuration names no receiver.
base::Result<std::unique_ptr<otlp::Exporter>> make_exporter(const config::Config& config, const base::Clock& clock,
                                                            base::Random& random) {
  if (config.telemetry_otlp_endpoint.empty()) return nullptr;
  TRV_TRY_ASSIGN(auto headers, config::otlp_headers(config));
  const std::string instance =
      config.telemetry_instance.empty() ? daemon::node_name(config) : config.telemetry_instance;
  otlp::ExporterOptions options{.endpoint = config.telemetry_otlp_endpoint,
                                .headers = std::move(headers),
                                .authority_file = config.telemetry_otlp_ca_file,
                                .from = {.resource = {{"service.name", config.telemetry_service_name},
                                                      {"service.instance.id", instance},
                                                      {"service.version", std::string(daemon::version())}},
                                         .version = std::string(daemon::version())},
                                .interval = std::chrono::seconds(config.telemetry_otlp_interval_seconds)};
  return otlp::Exporter::make(std::move(options), clock, random);
}

logging::Log make_log(const config::Config& config, const config::Environment& environment, otlp::Exporter* exporter) {
  logging::Listener listener;
  if (exporter != nullptr) listener = [exporter](const logging::Line& line) { exporter->add(line); };
  return logging::Log::to_standard_error(config.log_format == "json" ? logging::Format::json : logging::Format::text,
                                         daemon::is_journal(environment, STDERR_FILENO), levels_of(config),
                                         std::move(listener));
}

// SIGHUP. All of it is applied, or nothing.
void reload(config::Config& config, const base::Result<config::Config>& again, daemon::Kernel& kernel,
            logging::Log& log) {
  spdlog::logger& logger = *log.of(logging::Room::daemon);
  if (!again) return logger.error("SIGHUP: nothing is applied: {}", again.error().message());
  config::Config next = config::reloaded(config, *again);
  if (const base::Status applied = kernel.reload(next); !applied) {
    return logger.error("SIGHUP: nothing is applied: {}", applied.error().message());
  }
  // Written while the old level or the new one lets it through.
  logging::Levels both = levels_of(config);
  std::ranges::transform(both, levels_of(next), both.begin(), [](auto a, auto b) { return std::min(a, b); });
  log.set_levels(both);
  std::size_t applied = 0;
  for (const config::Difference& key : config::differences(config, *again)) {
    if (key.needs_restart) {
      logger.warn("SIGHUP: {} has changed; it is read at the start: restart travd", key.path);
    } else {
      logger.info("SIGHUP: {} is '{}' now; it was '{}'", key.path, key.after, key.before);
      ++applied;
    }
  }
  if (applied == 0) logger.info("SIGHUP: the configuration is as it was");
  config = std::move(next);
  log.set_levels(levels_of(config));
}

/// What is said of the operator's token, and the argument of `trav login` that names it.
struct TokenPlace {
  std::string text;
  std::string argument;
};

TokenPlace place_token(const config::Config& config, const std::string& token, bool is_journaled) {
  if (!is_journaled) {
    return {.text = fmt::format("The operator's token, shown this once:\n\n  {}", token), .argument = token};
  }
  const auto file = daemon::write_operator_token(config.data_folder, token);
  if (file) {
    return {.text = fmt::format("The operator's token is in {}\nRemove that file after the login.", file->string()),
            .argument = fmt::format("\"$(cat '{}')\"", file->string())};
  }
  return {.text = fmt::format("The operator's token is lost: {}\nStart once with --new-operator-token.",
                              file.error().message()),
          .argument = "TOKEN"};
}

void announce(const config::Config& config, const daemon::StartReport& report, bool is_journaled) {
  const bool is_ipv6 = config.http_address.contains(':');
  const std::string host = is_ipv6 ? "[" + config.http_address + "]" : config.http_address;
  const std::string url = fmt::format("{}://{}:{}", config.serves_tls() ? "https" : "http", host, report.port);
  TokenPlace token;
  if (report.operator_token) token = place_token(config, *report.operator_token, is_journaled);
  fmt::print("travd {} is ready at {}\n", trv::daemon::version(), url);
  fmt::print("  data     {} ({} records", config.data_folder, report.records);
  if (report.replayed > 0) fmt::print(", {} replayed", report.replayed);
  fmt::print(")\n  log      {}\n  plugins  {} loaded\n", report.log, report.plugins);
  if (!report.restored.empty()) fmt::print("  data     {}\n", report.restored);
  if (!report.node.empty()) fmt::print("  node     {}\n", report.node);
  for (const auto& [shard, why] : report.rebuilt) {
    const std::string of_shard = config.shards > 1 ? fmt::format("shard {} ", shard) : "";
    fmt::print("  state    {}rebuilt {}\n", of_shard, why);
  }
  for (const std::string& problem : report.problems) fmt::print("  problem  {}\n", problem);
  if (report.operator_token) {
    fmt::print("\n{}{}\n\nNext:\n", report.is_new_folder ? "This is a new data folder. " : "", token.text);
    fmt::print("  trav login --url {} --token {}\n", url, token.argument);
    if (report.is_new_folder) fmt::print("  trav tenant create acme\n");
  }
  if (std::fflush(stdout) != 0 && report.operator_token && !is_journaled) {
    fmt::print(stderr, "travd: the operator's token could not be printed; start once with --new-operator-token\n");
  }
}

void announce_stop(std::string_view why = {}) {
  fmt::print("travd is stopping{}\n", why);
  std::fflush(stdout);
}

/// Until a signal that ends travd, or damage, which is returned; SIGHUP reloads. Meanwhile the supervisor hears that
/// requests are answered.
template <class Reload>
std::string await_end(const sigset_t& signals, const daemon::Supervisor& supervisor, daemon::Kernel& kernel,
                      Reload reload) {
  const auto every = supervisor.sign_of_life_every();
  constexpr base::Duration look_every = std::chrono::seconds(1);
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(std::min<base::Duration>(every.value_or(look_every), look_every))
          .count();
  const timespec longest{.tv_sec = wait / 1'000, .tv_nsec = wait % 1'000 * 1'000'000};
  for (;;) {
    const int received = sigtimedwait(&signals, nullptr, &longest);
    if (received == SIGTERM || received == SIGINT) return {};
    if (received == SIGHUP) {
      supervisor.say("RELOADING=1\nSTATUS=reads its configuration");
      reload();
      kernel.look_at_certificate(true);
      supervisor.say("READY=1\nSTATUS=ready");
    }
    if (std::string damage = kernel.damage(); !damage.empty()) return damage;
    kernel.look_at_certificate(false);
    if (every && kernel.has_moved()) supervisor.say("WATCHDOG=1");
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Travertine's daemon: appends every event to a log, derives its state from it, runs workflows.",
               "travd");
  std::string file;
  std::string data;
  std::uint16_t port = 0;
  bool show_version = false;
  bool new_operator_token = false;
  bool take_over = false;
  const CLI::Option* has_file =
      app.add_option("--config", file, "TOML file; every key can be overridden as TRAV_<SECTION>_<KEY>");
  const CLI::Option* has_data = app.add_option("--data", data, "data folder; as data.folder in the configuration");
  const CLI::Option* has_port =
      app.add_option("--port", port, "port of the API, 0 for any free one; as http.port in the configuration")
          ->check(CLI::Range(0, 65535));
  app.add_flag("--new-operator-token", new_operator_token, "make another token of the operator: for a lost one");
  app.add_flag(
      "--take-over", take_over,
      "wait for a data folder that another travd has; the supervisor hears STATUS=waits when all else is done");
  app.add_flag("--version", show_version, "print the version and exit");
  std::string keys;
  for (const config::KeyDescription& key : config::described_keys()) keys += " " + key.path;
  app.footer("Keys of the configuration:" + keys +
             "\nTheir ranges, defaults and effects are in docs/guides/configuration.md.\n\n"
             "The command line wins over the environment, and that over the file. An unknown key of the file is "
             "refused; an\nunknown variable TRAV_… is a warning, because others may set such variables, too.\n"
             "SIGHUP reads what needs no restart again; SIGTERM and SIGINT stop the daemon.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "travd: {}; `travd --help` lists the options\n", error.what());
    return exit_usage;
  }
  if (show_version) {
    fmt::print("travd {}\n", trv::daemon::version());
    return 0;
  }

  // Blocked before any thread starts, so that only the wait below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A peer that is gone and a file that reaches its limit are errors of the call that wrote.
  for (const int number : {SIGPIPE, SIGXFSZ}) signal(number, SIG_IGN);

  const auto if_given = [](const CLI::Option* option, auto value) {
    return option->count() > 0 ? std::optional(std::move(value)) : std::nullopt;
  };
  const config::Environment environment = this_environment();
  const auto load = [&]() -> base::Result<config::Config> {
    TRV_TRY_ASSIGN(auto loaded, config::load_config(if_given(has_file, std::filesystem::path(file)), environment,
                                                    {.data_folder = if_given(has_data, data),
                                                     .http_port = if_given(has_port, port),
                                                     .new_operator_token = new_operator_token}));
    const auto missing = config::credentials_not_here(loaded);
    if (!missing.empty()) return base::fail(base::ErrorCode::invalid, missing.front());
    return loaded;
  };
  base::Result<config::Config> config = load();
  if (!config) {
    fmt::print(stderr, "travd: {}\n", config.error().message());
    return exit_usage;
  }
  const base::SystemClock clock;
  base::SystemRandom random;
  const auto exporter = make_exporter(*config, clock, random);
  if (!exporter) {
    fmt::print(stderr, "travd: {}\n", exporter.error().message());
    return exit_usage;
  }
  logging::Log log = make_log(*config, environment, exporter->get());
  // What is wrong before there is a log to read is a sentence for the person who starts it; programs that read lines
  // get lines.
  const auto say = [&](logging::Level level, const std::string& line) {
    if (config->log_format == "json") return logging::write(*log.of(logging::Room::daemon), level, line, {});
    fmt::print(stderr, "travd: {}{}\n", level == logging::Level::error ? "" : "warning: ", line);
  };
  for (const std::string& line : config::unknown_variables(environment)) say(logging::Level::warning, line);
  const auto supervisor = daemon::Supervisor::of(environment, ::getpid());
  if (!supervisor) {
    say(logging::Level::error, supervisor.error().message());
    return exit_usage;
  }
  config->http_socket = supervisor->socket();
  if (const auto warning = daemon::raise_open_files(*config)) say(logging::Level::warning, *warning);

  daemon::Kernel kernel(*config, clock, random, log, exporter->get());
  if (take_over) kernel.take_over();
  auto starting = std::async(std::launch::async, [&kernel] { return kernel.start(); });
  bool is_ended = false;
  bool waits = take_over;
  for (int turn = 0; starting.wait_for(std::chrono::seconds(0)) != std::future_status::ready; ++turn) {
    // The replay of a long log takes its time.
    if (turn % 1'000 == 0) supervisor->say("STATUS=starting\nEXTEND_TIMEOUT_USEC=30000000");
    if (waits && kernel.has_come_to_folder()) {
      supervisor->say("STATUS=waits for the data folder");
      waits = false;
    }
    const timespec wait{.tv_sec = 0, .tv_nsec = 10'000'000};
    const int number = sigtimedwait(&signals, nullptr, &wait);
    if ((number != SIGTERM && number != SIGINT) || is_ended) continue;
    announce_stop("; it was not ready yet");
    // The platform's replay may take minutes, and what it has done so far is kept: the end of the process costs the log
    // nothing and the projection only its open transaction, as after kill -9.
    if (!kernel.is_serving()) std::_Exit(0);
    kernel.end_start();
    is_ended = true;
  }
  const auto report = starting.get();
  if (is_ended) {
    kernel.stop();
    return 0;
  }
  if (!report) {
    say(logging::Level::error, report.error().message());
    return exit_usage;
  }
  announce(*config, *report, daemon::is_journaled(environment, STDOUT_FILENO));
  supervisor->say("READY=1\nSTATUS=ready");
  const std::string damage = await_end(signals, *supervisor, kernel, [&] { reload(*config, load(), kernel, log); });
  supervisor->say("STOPPING=1\nSTATUS=stopping");
  if (!damage.empty()) say(logging::Level::error, damage);
  announce_stop(damage.empty() ? "" : "; start it again");
  kernel.stop();
  return damage.empty() ? 0 : exit_damaged;
}
