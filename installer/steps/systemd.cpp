#include "installer/steps/systemd.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "installer/steps/sockets.hpp"
#include "sdk/base/file.hpp"

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::Status;
using std::filesystem::path;

constexpr const char* service_unit = "travertine.service";
constexpr const char* socket_unit = "travertine.socket";
constexpr const char* zygote_socket_unit = "travertine-zygote.socket";
constexpr const char* zygote_unit = "travertine-zygote@.service";
constexpr std::array<const char*, 4> units = {socket_unit, service_unit, zygote_socket_unit, zygote_unit};
constexpr std::string_view units_user = "travertine";
constexpr std::string_view units_data = "/var/lib/travertine";

constexpr std::string_view scripts_need =
    "RestrictNamespaces=no\nProtectHostname=no\nSystemCallFilter=@mount sethostname capset seccomp "
    "landlock_create_ruleset landlock_add_rule landlock_restrict_self\n";
constexpr std::string_view javascript_needs = "MemoryDenyWriteExecute=no\n";

/// "KEY=VALUE" of the lines that `systemctl show` prints.
std::string value_in(std::string_view lines, std::string_view key) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.starts_with(key) && line.substr(key.size()).starts_with('='))
      return std::string(line.substr(key.size() + 1));
  }
  return {};
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

/// What a path is in a unit: systemd expands `%`, and splits at blanks outside quotes.
std::string unit_path(std::string_view text) {
  return fmt::format("\"{}\"", replaced(replaced(replaced(std::string(text), "\\", "\\\\"), "\"", "\\\""), "%", "%%"));
}

class SystemdService final : public Service {
 public:
  SystemdService(const Places& places, const config::Config& config, Changes& changes, std::string user,
                 const base::Clock& clock)
      : places_(places), config_(config), changes_(changes), user_(std::move(user)), clock_(clock) {}

  Status start() override {
    TRV_TRY(place());
    forget_failures();
    return with_journal(changes_.run({"systemctl", "enable", "--now", socket_unit, service_unit}));
  }
  Status restart() override {
    TRV_TRY_ASSIGN(const bool moves, place());
    forget_failures();
    if (moves) {
      TRV_TRY(changes_.run({"systemctl", "stop", service_unit}));
      TRV_TRY(changes_.run({"systemctl", "restart", socket_unit}));
    }
    return with_journal(changes_.run({"systemctl", "restart", service_unit}));
  }
  Status stop() override { return changes_.run({"systemctl", "stop", socket_unit, service_unit, zygote_socket_unit}); }
  Status remove() override {
    TRV_TRY(changes_.run({"systemctl", "disable", socket_unit, service_unit}));
    for (const char* unit : units) {
      TRV_TRY(changes_.remove(places_.units() / unit));
      TRV_TRY(changes_.remove(places_.units() / fmt::format("{}.d", unit)));
    }
    TRV_TRY(changes_.remove(places_.user_file()));
    TRV_TRY(changes_.remove(places_.folders_file()));
    return changes_.run({"systemctl", "daemon-reload"});
  }
  Status make_user(const path& files) override {
    if (user_ != units_user) {
      return base::fail(
          ErrorCode::invalid,
          fmt::format("--user {}: the units of systemd run travd as {}; leave --user out", user_, units_user));
    }
    const path from = files / "share/systemd";
    TRV_TRY(changes_.make_folder(config_.data_folder, 0700));
    TRV_TRY(put(from / "travertine.sysusers.conf", places_.user_file()));
    TRV_TRY(put(from / "travertine.tmpfiles.conf", places_.folders_file()));
    TRV_TRY(changes_.run({"systemd-sysusers", places_.user_file().string()}));
    TRV_TRY(give_data(changes_, config_.data_folder, user_));
    return changes_.run({"systemd-tmpfiles", "--create", places_.folders_file().string()});
  }
  // The port is ours while the socket is open, also where no travd is behind it.
  bool is_running() override { return output_of({"systemctl", "is-active", socket_unit, service_unit}).has_value(); }
  Status check(std::string_view version, base::Duration patience) override {
    const base::Duration until = clock_.monotonic() + patience;
    for (;;) {
      // The first answer may be what starts it.
      const Status ready = check_ready(config_);
      const auto now = running_unit(places_);
      if (ready && now && now->version == version) return {};
      if (clock_.monotonic() > until) {
        if (!ready) return with_journal(ready);
        return base::fail(
            ErrorCode::timeout,
            fmt::format("travd {} is not ready after {} s: {}", version, patience / std::chrono::seconds(1),
                        now ? fmt::format("{} answers", now->version) : "another program answers"));
      }
      wait_a_while(std::chrono::milliseconds(20));
    }
  }
  bool survives_reboot() const override { return true; }

 private:
  static Status with_journal(const Status& status) {
    if (status) return {};
    return base::fail(status.error().code(),
                      fmt::format("{}; journalctl --unit={} says why", status.error().message(), service_unit));
  }

  // A version that could not start leaves the unit refused for a time.
  void forget_failures() { (void)output_of({"systemctl", "reset-failed", "travertine*"}); }

  /// Writes a file where it differs. Gives whether it did.
  base::Result<bool> write(const path& to, std::string_view text) {
    const auto there = base::read_file(to, 100'000);
    if (there && base::as_text(*there) == text) return false;
    TRV_TRY(changes_.make_folder(to.parent_path(), 0755));
    TRV_TRY(changes_.write(to, text, 0644));
    return true;
  }

  /// A file that a version brings, for this configuration's data folder.
  Status put(const path& from, const path& to) {
    TRV_TRY_ASSIGN(const base::Bytes text, base::read_file(from, 100'000));
    TRV_TRY_ASSIGN(const bool done,
                   write(to, replaced(std::string(base::as_text(text)), units_data, config_.data_folder)));
    (void)done;
    return {};
  }

  /// What the configuration asks of a unit beyond what is written there; empty: nothing.
  std::string drop_in(std::string_view unit, std::string_view text) const {
    if (unit == socket_unit) {
      const bool is_v6 = config_.http_address.find(':') != std::string::npos;
      const std::string place =
          fmt::format(fmt::runtime(is_v6 ? "[{}]:{}" : "{}:{}"), config_.http_address, config_.http_port);
      if (place == "127.0.0.1:8400") return {};
      return fmt::format("[Socket]\nListenStream=\nListenStream={}\n", place);
    }
    const bool elsewhere = config_.data_folder != units_data;
    if (unit == zygote_unit && elsewhere) {
      constexpr std::string_view key = "\nExecStart=";
      const std::size_t at = text.find(key);
      const std::size_t end = at == std::string_view::npos ? at : text.find('\n', at + 1);
      if (end == std::string_view::npos) return {};
      return fmt::format("[Service]{}{}\n", key,
                         replaced(std::string(text.substr(at, end - at)), fmt::format("{}/plugins", units_data),
                                  unit_path(config_.data_folder + "/plugins")));
    }
    if (unit != service_unit) return {};
    std::string out;
    if (elsewhere) out += fmt::format("StateDirectory=\nReadWritePaths={}\n", unit_path(config_.data_folder));
    for (const std::string* folder : {&config_.node_shared_folder, &config_.backup_target}) {
      // A dash: a folder that is missing is travd's to name. Of an object storage there is none.
      if (folder->starts_with('/'))
        out += fmt::format("ReadWritePaths={}\n", replaced(unit_path(*folder), "\"/", "\"-/"));
    }
    // travd itself makes the sandbox of scripts (0118).
    if (!config_.run_languages.empty()) out += scripts_need;
    if (config_.run_languages.find("javascript") != std::string::npos) out += javascript_needs;
    return out.empty() ? out : "[Service]\n" + out;
  }

  /// The units of the current version and the drop-ins of this configuration. Gives whether the port is another.
  base::Result<bool> place() {
    const path from = places_.version(Installation(places_, changes_).current()) / "share/systemd";
    bool changed = false;
    bool moves = false;
    for (const char* unit : units) {
      TRV_TRY_ASSIGN(const base::Bytes text, base::read_file(from / unit, 100'000));
      TRV_TRY_ASSIGN(bool differs, write(places_.units() / unit, base::as_text(text)));
      const path folder = places_.units() / fmt::format("{}.d", unit);
      const path file = folder / "10-configuration.conf";
      std::error_code error;
      const std::string more = drop_in(unit, base::as_text(text));
      if (!more.empty()) {
        TRV_TRY_ASSIGN(const bool wrote, write(file, more));
        differs = differs || wrote;
      } else if (std::filesystem::exists(file, error)) {
        TRV_TRY(changes_.remove(file));
        if (std::filesystem::is_empty(folder, error)) TRV_TRY(changes_.remove(folder));
        differs = true;
      }
      changed = changed || differs;
      moves = moves || (differs && unit == std::string_view(socket_unit));
    }
    if (changed) TRV_TRY(changes_.run({"systemctl", "daemon-reload"}));
    return moves;
  }

  const Places& places_;
  const config::Config& config_;
  Changes& changes_;
  const std::string user_;
  const base::Clock& clock_;
};

}  // namespace

bool is_systemd(const Places& places) {
  return ::access((places.root / "run/systemd/system").c_str(), F_OK) == 0;
}

std::optional<Running> running_unit(const Places& places) {
  const auto shown = output_of({"systemctl", "show", "--property=MainPID,ActiveState", service_unit});
  if (!shown) return std::nullopt;
  const std::string process = value_in(*shown, "MainPID");
  Running out{.supervisor = 1,
              .process = 0,
              .version = {},
              .is_ready = value_in(*shown, "ActiveState") == "active",
              .refused = {}};
  std::from_chars(process.data(), process.data() + process.size(), out.process);
  if (out.process == 0) return std::nullopt;
  std::error_code error;
  const path program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", out.process), error);
  if (!error && program.parent_path().parent_path().parent_path() == places.programs())
    out.version = program.parent_path().parent_path().filename().string();
  return out;
}

std::unique_ptr<Service> systemd_service(const Places& places, const config::Config& config, Changes& changes,
                                         std::string user, const base::Clock& clock) {
  return std::make_unique<SystemdService>(places, config, changes, std::move(user), clock);
}

}  // namespace trv::steps
