// trav-installer: verifies bundles, installs them, upgrades, goes back, uninstalls. docs/guides/installing.md.

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <iostream>

#include "installer/steps/procedure.hpp"
#include "installer/steps/service.hpp"
#include "installer/steps/supervise.hpp"
#include "sdk/base/file.hpp"

namespace {

using namespace trv;
using base::ErrorCode;
using base::Status;
using std::filesystem::path;

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;
constexpr int exit_preflight = 3;
constexpr int exit_not_verified = 4;

struct Arguments {
  std::string root = "/";
  std::string bundle;
  std::string answers;
  std::string user = "travertine";
  bool yes = false;
  bool dry_run = false;
  bool no_start = false;
  bool accept_expired = false;
  bool no_way_back = false;
  bool purge = false;
};

void say(std::string_view line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

int report(const Status& status, int code = exit_failed) {
  if (status) return 0;
  fmt::print(stderr, "trav-installer: {}\n", status.error().message());
  return code;
}

std::string default_configuration(const path& data_folder, std::string_view address, std::uint16_t port) {
  return fmt::format(
      "# travd's configuration, written at the first installation and never changed by an upgrade.\n"
      "# docs/guides/configuration.md has every key.\n\n[data]\nfolder = \"{}\"\n\n[http]\naddress = \"{}\"\nport = "
      "{}\n",
      data_folder.string(), address, port);
}

std::string ask(std::string_view question, std::string_view otherwise) {
  fmt::print("{} [{}]: ", question, otherwise);
  std::fflush(stdout);
  std::string line;
  std::getline(std::cin, line);
  return line.empty() ? std::string(otherwise) : line;
}

/// Text and meaning of the configuration that travd has or is to get.
struct Configuration {
  std::string text;
  config::Config config;
};

base::Result<Configuration> configuration_for(const Arguments& arguments, const steps::Places& places) {
  std::error_code error;
  Configuration out;
  const path file = places.configuration_file();
  const auto text_of = [](const path& at) -> base::Result<std::string> {
    TRV_TRY_ASSIGN(const base::Bytes bytes, base::read_file(at, 1'000'000));
    return std::string(base::as_text(bytes));
  };
  if (std::filesystem::exists(file, error)) {
    TRV_TRY_ASSIGN(out.text, text_of(file));
    TRV_TRY_ASSIGN(out.config, config::load_config(file, {}));
    if (arguments.answers.empty()) return out;
    TRV_TRY_ASSIGN(const std::string answers, text_of(arguments.answers));
    if (answers == out.text) return out;
    return base::fail(
        ErrorCode::conflict,
        fmt::format("{} exists and is never changed here; edit it, and leave --answers out", file.string()));
  }
  if (!arguments.answers.empty()) {
    TRV_TRY_ASSIGN(out.text, text_of(arguments.answers));
    TRV_TRY_ASSIGN(out.config, config::load_config(path(arguments.answers), {}));
    if (out.text.find("folder") == std::string::npos) {
      return base::fail(
          ErrorCode::invalid,
          fmt::format("{}: data.folder is missing; for example folder = \"/var/lib/travertine\" under [data]",
                      arguments.answers));
    }
    return out;
  }
  const path data = places.root / "var/lib/travertine";
  std::string address = "127.0.0.1";
  std::string port = "8400";
  std::string folder = data.string();
  if (!arguments.yes && ::isatty(STDIN_FILENO) == 1) {
    address = ask("Address of the API", address);
    port = ask("Port of the API", port);
    folder = ask("Folder of the data", folder);
  }
  out.config.http_address = address;
  out.config.http_port = static_cast<std::uint64_t>(std::atoi(port.c_str()));
  out.config.data_folder = folder;
  out.text = default_configuration(folder, address, static_cast<std::uint16_t>(out.config.http_port));
  return out;
}

void print_findings(const std::vector<steps::Finding>& findings) {
  for (const steps::Finding& one : findings) {
    const char* mark = one.level == steps::Level::good ? "ok  " : one.level == steps::Level::warning ? "warn" : "FAIL";
    say(fmt::format("  {} {:36} found {}; needed {}", mark, one.what, one.found, one.needed));
    if (!one.action.empty()) say(fmt::format("       {}", one.action));
  }
}

class Program {
 public:
  explicit Program(const Arguments& arguments) : arguments_(arguments), places_{.root = arguments.root} {}

  int verify() {
    const auto verified = verified_bundle();
    return verified ? 0 : report(base::fail(verified.error()), exit_not_verified);
  }

  int preflight() {
    const auto verified = verified_bundle();
    if (!verified) return report(base::fail(verified.error()), exit_not_verified);
    const auto configuration = configuration_for(arguments_, places_);
    if (!configuration) return report(base::fail(configuration.error()), exit_usage);
    return measure(*verified, configuration->config) ? 0 : exit_preflight;
  }

  int install() {
    const auto verified = verified_bundle();
    if (!verified) return report(base::fail(verified.error()), exit_not_verified);
    const auto configuration = configuration_for(arguments_, places_);
    if (!configuration) return report(base::fail(configuration.error()), exit_usage);
    if (!measure(*verified, configuration->config)) {
      fmt::print(stderr, "trav-installer: the host lacks what is marked FAIL; nothing was written\n");
      return exit_preflight;
    }
    steps::InstallOptions options{.bundle = arguments_.bundle, .configuration = configuration->text, .accepted = {}};
    if (arguments_.accept_expired) options.accepted.emplace_back("an expired root");
    if (arguments_.no_way_back) options.accepted.emplace_back("no way back");
    options.way_back = arguments_.no_way_back ? steps::WayBack::given_up : steps::WayBack::needed;
    options.starts = !arguments_.no_start;
    if (arguments_.dry_run) return list(*verified, configuration->config, options);
    if (!arguments_.yes && ::isatty(STDIN_FILENO) == 1 && ask("Install now? yes or no", "yes") != "yes")
      return exit_failed;
    if (const Status locked = lock(); !locked) return report(locked);
    const auto service = service_for(configuration->config, changes_);
    const Status done = steps::install(host(changes_, *service), *verified, options);
    if (!done) return report(done);
    say(fmt::format("installed  {}; API at http://{}:{}", verified->manifest.version,
                    configuration->config.http_address, configuration->config.http_port));
    if (options.starts && !service->survives_reboot()) {
      say("           this host has no systemd: `trav-installer start` begins travd after a reboot");
    }
    const path token = path(configuration->config.data_folder) / "operator.token";
    std::error_code error;
    if (std::filesystem::exists(token, error)) {
      say(fmt::format("next       trav login --url http://{}:{} --token \"$(cat {})\"",
                      configuration->config.http_address, configuration->config.http_port, token.string()));
    }
    return 0;
  }

  int roll_back() {
    return with_configuration([&](const config::Config& config) {
      if (const Status locked = lock(); !locked) return report(locked);
      const auto service = service_for(config, changes_);
      const steps::InstallOptions options;
      return report(steps::roll_back(host(changes_, *service), options.patience));
    });
  }

  int uninstall() {
    return with_configuration([&](const config::Config& config) {
      if (const Status locked = lock(); !locked) return report(locked);
      const auto service = service_for(config, changes_);
      const auto data = arguments_.purge ? steps::Data::removed : steps::Data::kept;
      const Status done = steps::uninstall(host(changes_, *service), config.data_folder, arguments_.user, data);
      if (done && !arguments_.purge)
        say(fmt::format("removed    all but the data, which is in {}", config.data_folder));
      return report(done);
    });
  }

  int start() {
    return with_configuration([&](const config::Config& config) {
      const auto service = service_for(config, changes_);
      if (const Status started = service->is_running() ? Status() : service->start(); !started) return report(started);
      return report(service->check(steps::Installation(places_, changes_).current(), std::chrono::seconds(60)));
    });
  }

  int stop() {
    return with_configuration(
        [&](const config::Config& config) { return report(service_for(config, changes_)->stop()); });
  }

  int check() {
    return with_configuration([&](const config::Config& config) {
      const steps::Installation installation(places_, changes_);
      const auto manifest = installation.manifest_of(installation.current());
      if (!manifest) return report(base::fail(manifest.error()));
      if (const Status whole = release::verify_tree(places_.current(), *manifest); !whole) return report(whole);
      const auto service = service_for(config, changes_);
      if (const Status ready = service->check(manifest->version, std::chrono::seconds(1)); !ready) return report(ready);
      say(fmt::format("check      {} is whole and ready", manifest->version));
      return 0;
    });
  }

  int status() {
    const steps::Installation installation(places_, changes_);
    say(fmt::format("current    {}\nprevious   {}", installation.current(), installation.previous()));
    if (const auto pending = installation.pending(); pending && *pending) {
      say(fmt::format("broken off the change from {} to {}; install again, or roll back", (*pending)->from,
                      (*pending)->to));
    }
    const auto now = steps::running_here(places_);
    if (now)
      say(fmt::format("running    {} as process {}{}", now->version, now->process, now->is_ready ? "" : ", not ready"));
    return 0;
  }

  int supervise() {
    return with_configuration([&](const config::Config& config) {
      return report(steps::supervise(places_, config, arguments_.user, clock_));
    });
  }

 private:
  base::Result<release::Verified> verified_bundle() {
    TRV_TRY_ASSIGN(const release::Memory memory, steps::Installation(places_, changes_).memory());
    const auto expired = arguments_.accept_expired ? release::Expired::accepted : release::Expired::refused;
    auto verified = release::verify(arguments_.bundle, memory, clock_.now(), expired);
    if (!verified) return verified;
    for (const std::string& warning : verified->warnings) say(fmt::format("warning    {}", warning));
    say(fmt::format("verified   {} for {}, counter {}: {} files, three signatures, root version {}{}",
                    verified->manifest.version, verified->manifest.architecture, verified->manifest.release_counter,
                    verified->manifest.files.size(), verified->root.version,
                    memory.root.text.empty() ? "" : ", which follows the installed one"));
    return verified;
  }

  bool measure(const release::Verified& verified, const config::Config& config) {
    std::uint64_t bytes = 0;
    for (const release::BundleFile& file : verified.manifest.files) bytes += file.size;
    const auto service = service_for(config, changes_);
    const auto findings =
        steps::preflight({.places = places_,
                          .config = config,
                          .bundle_bytes = bytes,
                          .made = base::Timestamp::from_rfc3339(verified.manifest.created).value_or(base::Timestamp()),
                          .runs_already = service->is_running()},
                         clock_);
    say("preflight");
    print_findings(findings);
    for (const steps::Finding& one : findings) {
      if (one.level == steps::Level::failed) return false;
    }
    return true;
  }

  int list(const release::Verified& verified, const config::Config& config, steps::InstallOptions options) {
    steps::ListedChanges listed;
    const auto service = service_for(config, listed);
    options.starts = false;
    const Status done = steps::install(host(listed, *service), verified, options);
    for (const std::string& line : listed.lines()) say(line);
    if (done) say("start      travd of this version; wait until /readyz answers 200");
    return report(done);
  }

  template <class Then>
  int with_configuration(Then then) {
    std::error_code error;
    const path file = places_.configuration_file();
    if (!std::filesystem::exists(file, error)) {
      fmt::print(stderr, "trav-installer: {} is missing: nothing is installed here\n", file.string());
      return exit_failed;
    }
    const auto config = config::load_config(file, {});
    return config ? then(*config) : report(base::fail(config.error()), exit_usage);
  }

  // On a folder that every host has: nothing is written before it.
  Status lock() {
    lock_ = base::OpenFile(::open(arguments_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock_.is_open() && ::flock(lock_.number(), LOCK_EX | LOCK_NB) == 0) return {};
    return base::fail(ErrorCode::conflict, "another trav-installer is at work on this host; wait for its end");
  }

  std::unique_ptr<steps::Service> service_for(const config::Config& config, steps::Changes& changes) {
    return steps::service_of(places_, config, changes, arguments_.user, clock_);
  }

  steps::Host host(steps::Changes& changes, steps::Service& service) {
    return {places_, changes, service, clock_, say};
  }

  const Arguments& arguments_;
  const steps::Places places_;
  const base::SystemClock clock_;
  steps::HostChanges changes_;
  base::OpenFile lock_;
};

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a peer that is gone is an error of the call that wrote
  CLI::App app("Installs Travertine from a bundle, upgrades it, goes back, removes it.", "trav-installer");
  app.require_subcommand(1);
  Arguments arguments;
  app.add_option("--root", arguments.root, "folder that is put before every path");
  const auto with_bundle = [&](CLI::App* command) {
    command->add_option("bundle", arguments.bundle, "folder of the unpacked bundle")->required();
    command->add_flag("--accept-expired", arguments.accept_expired, "accept a root file that has expired; it is noted");
    return command;
  };
  const auto with_user = [&](CLI::App* command) {
    command->add_option("--user", arguments.user, "user that travd runs as; '' is this one");
    return command;
  };
  std::vector<std::pair<CLI::App*, int (Program::*)()>> commands;
  commands.emplace_back(
      with_bundle(app.add_subcommand("verify", "Check signatures, counter and every file of a bundle")),
      &Program::verify);
  auto* preflight =
      with_bundle(app.add_subcommand("preflight", "Measure whether this host has what is needed; writes nothing"));
  commands.emplace_back(preflight, &Program::preflight);
  auto* install =
      with_user(with_bundle(app.add_subcommand("install", "Verify, measure, install or upgrade, start, check")));
  install->alias("upgrade");
  commands.emplace_back(install, &Program::install);
  for (CLI::App* command : {preflight, install}) {
    command->add_flag("--yes", arguments.yes, "ask nothing");
    command->add_option("--answers", arguments.answers,
                        "a travd.toml for the first installation; nothing is asked then");
  }
  install->add_flag("--dry-run", arguments.dry_run, "list every file and command; change nothing");
  install->add_flag("--no-start", arguments.no_start, "install and do not start");
  install->add_flag("--no-way-back", arguments.no_way_back,
                    "accept that the version before cannot read what this one writes");
  commands.emplace_back(with_user(app.add_subcommand("start", "Start what is installed")), &Program::start);
  commands.emplace_back(app.add_subcommand("stop", "End travd; connections are refused then"), &Program::stop);
  commands.emplace_back(app.add_subcommand("check", "Whether the current version is whole and ready"), &Program::check);
  commands.emplace_back(app.add_subcommand("status", "What is installed and what runs"), &Program::status);
  commands.emplace_back(with_user(app.add_subcommand("rollback", "Go back to the version before")),
                        &Program::roll_back);
  auto* uninstall = with_user(app.add_subcommand("uninstall", "Remove all but the data"));
  uninstall->add_flag("--purge", arguments.purge, "remove the data and its user, too");
  commands.emplace_back(uninstall, &Program::uninstall);
  commands.emplace_back(with_user(app.add_subcommand("supervise", "Keep travd running on a host without systemd")),
                        &Program::supervise);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "trav-installer: {}; `trav-installer --help` lists the commands\n", error.what());
    return exit_usage;
  }
  if (!arguments.answers.empty()) arguments.yes = true;
  Program program(arguments);
  for (const auto& [command, run] : commands) {
    if (command->parsed()) return (program.*run)();
  }
  return exit_usage;
}
