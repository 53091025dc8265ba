#include "installer/steps/procedure.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>

#include "sdk/base/file.hpp"

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::Status;
using std::filesystem::path;

constexpr std::array<const char*, 2> commands = {"trav", "trav-installer"};

std::string note_of(const Host& host, std::string_view what) {
  return fmt::format("{} {}", host.clock.now().to_rfc3339().substr(0, 19) + "Z", what);
}

/// The version runs as what it is before it is current: by its own loader, with the configuration that is here.
Status try_version(const Host& host, std::string_view version) {
  const path programs = host.places.version(version) / "bin";
  TRV_TRY(host.changes.run({(programs / "travd").string(), "--version"}));
  return host.changes.run({(programs / "trav").string(), "config", "check", host.places.configuration_file().string()});
}

Status begin(const Host& host, std::string_view version, base::Duration patience) {
  TRV_TRY(host.service.is_running() ? host.service.restart() : host.service.start());
  return host.service.check(version, patience);
}

/// The flip with its way back; `after` is done where the version is well.
template <class After>
Status switch_to(const Host& host, const Installation& before, std::string_view to, base::Duration patience,
                 bool starts, After after) {
  Installation installation(host.places, host.changes);
  const std::string from = before.current();
  TRV_TRY(installation.flip(to));
  if (!starts) return after(installation);
  host.say(fmt::format("start      {}", to));
  const Status well = begin(host, to, patience);
  if (well) {
    host.say(fmt::format("check      {} is ready", to));
    return after(installation);
  }
  TRV_TRY_ASSIGN(const std::optional<Pending> pending, installation.pending());
  const std::string back = pending ? pending->from : from;
  if (back.empty() || back == to) {
    return base::fail(ErrorCode::unavailable,
                      fmt::format("{} is installed and does not get ready: {}", to, well.error().message()));
  }
  host.say(fmt::format("back       {} is not well: {}", to, well.error().message()));
  TRV_TRY(installation.go_back(
      note_of(host, fmt::format("went back from {} to {}: {}", to, back, well.error().message()))));
  const Status old = begin(host, back, patience);
  return base::fail(ErrorCode::unavailable,
                    fmt::format("{} did not get ready ({}); {} is current again and {}", to, well.error().message(),
                                back, old ? "runs" : "does NOT run: " + old.error().message()));
}

}  // namespace

Status install(const Host& host, const release::Verified& verified, const InstallOptions& options) {
  const release::Manifest& manifest = verified.manifest;
  Installation installation(host.places, host.changes);
  const std::string from = installation.current();
  TRV_TRY_ASSIGN(const std::optional<Pending> begun, installation.pending());
  if (begun && begun->to != manifest.version) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the change from {} to {} was broken off; finish it with the bundle of {}, or go "
                                  "back with `trav-installer rollback`",
                                  begun->from, begun->to, begun->to));
  }
  if (!from.empty() && from != manifest.version) {
    TRV_TRY_ASSIGN(const release::Manifest current, installation.manifest_of(from));
    const Status schemas = check_schemas(current, manifest);
    if (!schemas && options.way_back == WayBack::needed) return schemas;
  }
  host.say(fmt::format("install    {} into {}", manifest.version, host.places.version(manifest.version).string()));
  TRV_TRY(installation.put(options.bundle, verified));
  std::error_code error;
  TRV_TRY(host.changes.make_folder(host.places.configuration(), 0755));
  if (!std::filesystem::exists(host.places.configuration_file(), error)) {
    TRV_TRY(host.changes.write(host.places.configuration_file(), options.configuration, 0644));
  }
  const path files = host.places.version(manifest.version);
  // Of a version that is only listed, they are in the bundle alone.
  TRV_TRY(host.service.make_user(std::filesystem::exists(files, error) ? files : options.bundle / "files"));
  TRV_TRY(try_version(host, manifest.version));
  TRV_TRY(host.changes.make_folder(host.places.commands(), 0755));
  for (const char* command : commands) {
    TRV_TRY(host.changes.link(host.places.commands() / command, host.places.current() / "bin" / command));
  }
  std::string what =
      fmt::format("{} {} (counter {})", from.empty() || from == manifest.version ? "installed" : "upgraded to",
                  manifest.version, manifest.release_counter);
  if (!options.accepted.empty()) what += fmt::format("; accepted: {}", fmt::join(options.accepted, "; "));
  if (from == manifest.version && !begun) {
    // Nothing changes: it is whole, and it runs or is started.
    TRV_TRY(installation.confirm(&verified, note_of(host, what)));
    return options.starts && !host.service.is_running() ? begin(host, manifest.version, options.patience) : Status();
  }
  return switch_to(host, installation, manifest.version, options.patience, options.starts,
                   [&](Installation& done) -> Status {
                     TRV_TRY(done.confirm(&verified, note_of(host, what)));
                     return done.remove_old();
                   });
}

Status roll_back(const Host& host, base::Duration patience) {
  Installation installation(host.places, host.changes);
  TRV_TRY_ASSIGN(const std::optional<Pending> begun, installation.pending());
  const std::string current = installation.current();
  const std::string to = begun && !begun->from.empty() ? begun->from : installation.previous();
  if (to.empty() || (to == current && !begun)) {
    return base::fail(ErrorCode::not_found, "there is no version before the current one; nothing was changed");
  }
  TRV_TRY_ASSIGN(const release::Manifest manifest, installation.manifest_of(to));
  TRV_TRY(release::verify_tree(host.places.version(to), manifest));
  TRV_TRY_ASSIGN(const release::Memory memory, installation.memory());
  if (manifest.release_counter < memory.security_floor) {
    return base::fail(ErrorCode::denied,
                      fmt::format("{} has the counter {}, below the security floor {}: it has a known hole", to,
                                  manifest.release_counter, memory.security_floor));
  }
  if (to != current) {
    TRV_TRY_ASSIGN(const release::Manifest now, installation.manifest_of(current));
    if (now.writes_schema > manifest.reads_schema_max) {
      return base::fail(ErrorCode::denied,
                        fmt::format("{} wrote events of schema {}, and {} reads up to {}: there is no way back",
                                    current, now.writes_schema, to, manifest.reads_schema_max));
    }
  }
  if (begun) {
    TRV_TRY(installation.go_back(
        note_of(host, fmt::format("went back to {}; the change to {} was broken off", to, begun->to))));
    TRV_TRY(begin(host, to, patience));
    host.say(fmt::format("check      {} is ready", to));
    return {};
  }
  TRV_TRY(try_version(host, to));
  return switch_to(host, installation, to, patience, true, [&](Installation& done) {
    return done.confirm(nullptr, note_of(host, fmt::format("rolled back from {} to {}", current, to)));
  });
}

Status uninstall(const Host& host, const path& data_folder, const std::string& user, Data data) {
  TRV_TRY(host.service.stop());
  TRV_TRY(host.service.remove());
  for (const char* command : commands) TRV_TRY(host.changes.remove(host.places.commands() / command));
  const auto configuration = base::read_file(host.places.configuration_file(), 1'000'000);
  std::error_code error;
  if (data == Data::kept && configuration && std::filesystem::exists(data_folder, error)) {
    TRV_TRY(host.changes.write(data_folder / "travd.toml.kept", base::as_text(*configuration), 0640));
  }
  if (data == Data::removed) {
    TRV_TRY(host.changes.remove(data_folder));
    if (!user.empty() && ::getpwnam(user.c_str()) != nullptr) TRV_TRY(host.changes.run({"userdel", user}));
  }
  TRV_TRY(host.changes.remove(host.places.configuration()));
  TRV_TRY(host.changes.remove(host.places.log()));
  TRV_TRY(host.changes.remove(host.places.root / "run/travertine"));
  // This program is in there: the last, so that what is broken off can be done again.
  return host.changes.remove(host.places.programs());
}

}  // namespace trv::steps
