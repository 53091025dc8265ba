// travd: the daemon.

#include <CLI/CLI.hpp>
#include <fmt/color.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <string_view>

#include "kernel/daemon/kernel.hpp"

namespace {

using namespace trv;

constexpr int exit_usage = 2;

daemon::Environment this_environment() {
  daemon::Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

void tell(const daemon::Config& config, const daemon::StartReport& report) {
  const std::string url = fmt::format("http://{}:{}", config.http_address, report.port);
  fmt::print("travd {} is ready at {}\n", TRV_VERSION, url);
  fmt::print("  data     {} ({} records", config.data_folder.string(), report.records);
  if (report.replayed > 0) fmt::print(", {} replayed", report.replayed);
  fmt::print(")\n  log      embedded\n  plugins  {} loaded\n", report.plugins);
  if (!report.rebuilt_because.empty()) fmt::print("  state    rebuilt from the log: {}\n", report.rebuilt_because);
  for (const std::string& problem : report.problems) fmt::print("  problem  {}\n", problem);
  if (report.operator_token) {
    fmt::print("\n{}he operator's token, shown this once:\n\n  {}\n\nNext:\n",
               report.is_new_folder ? "This is a new data folder. T" : "T", *report.operator_token);
    fmt::print("  trav login --url {} --token {}\n", url, *report.operator_token);
    if (report.is_new_folder) fmt::print("  trav tenant create acme\n");
  }
  if (std::fflush(stdout) != 0 && report.operator_token) {
    fmt::print(stderr, "travd: the operator's token could not be printed; start once with --new-operator-token\n");
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
  const CLI::Option* has_file =
      app.add_option("--config", file, "TOML file; every key can be overridden as TRAV_<SECTION>_<KEY>");
  const CLI::Option* has_data = app.add_option("--data", data, "data folder; as data.folder in the configuration");
  const CLI::Option* has_port =
      app.add_option("--port", port, "port of the API, 0 for any free one; as http.port in the configuration")
          ->check(CLI::Range(0, 65535));
  app.add_flag("--new-operator-token", new_operator_token, "print another token of the operator: for a lost one");
  app.add_flag("--version", show_version, "print the version and exit");
  app.footer(
      "The command line wins over the environment, and that over the file. An unknown key of the file is refused; an\n"
      "unknown variable TRAV_… is a warning, because others may set such variables, too.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "travd: {}; `travd --help` tells what there is\n", error.what());
    return exit_usage;
  }
  if (show_version) {
    fmt::print("travd {}\n", TRV_VERSION);
    return 0;
  }

  // Blocked before any thread starts, so that only the wait below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const auto if_given = [](const CLI::Option* option, auto value) {
    return option->count() > 0 ? std::optional(std::move(value)) : std::nullopt;
  };
  const daemon::Environment environment = this_environment();
  const auto config = daemon::load_config(if_given(has_file, std::filesystem::path(file)), environment,
                                          {.data_folder = if_given(has_data, data),
                                           .http_port = if_given(has_port, port),
                                           .new_operator_token = new_operator_token});
  if (!config) {
    fmt::print(stderr, "travd: {}\n", config.error().message());
    return exit_usage;
  }
  for (const std::string& line : daemon::unknown_variables(environment)) {
    fmt::print(stderr, "travd: warning: {}\n", line);
  }

  const base::SystemClock clock;
  base::SystemRandom random;
  daemon::Kernel kernel(*config, clock, random);
  const auto report = kernel.start();
  if (!report) {
    fmt::print(stderr, "travd: {}\n", report.error().message());
    return exit_usage;
  }
  tell(*config, *report);
  int received = 0;
  sigwait(&signals, &received);
  fmt::print("travd is stopping\n");
  std::fflush(stdout);
  kernel.stop();
  return 0;
}
