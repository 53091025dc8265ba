#pragma once
// A host's installation: versions beside each other, which of them is current, and what is remembered of bundles.
// docs/formats/bundle.md, "On the host".
//
// One thread; one process at a time, which lock() sees to. Whatever ends the process in between, the version that was
// current stays whole, and the same command done again goes on.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "installer/release/bundle.hpp"
#include "installer/steps/changes.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::steps {

/// Where things are. `root` is put before each; "/" but in tests.
struct Places {
  std::filesystem::path root = "/";
  [[nodiscard]] std::filesystem::path programs() const { return root / "opt/travertine"; }
  [[nodiscard]] std::filesystem::path version(std::string_view name) const { return programs() / name; }
  [[nodiscard]] std::filesystem::path current() const { return programs() / "current"; }
  [[nodiscard]] std::filesystem::path previous() const { return programs() / "previous"; }
  [[nodiscard]] std::filesystem::path incoming() const { return programs() / ".incoming"; }
  [[nodiscard]] std::filesystem::path memory() const { return programs() / ".memory.json"; }
  [[nodiscard]] std::filesystem::path pending() const { return programs() / ".pending.json"; }
  [[nodiscard]] std::filesystem::path history() const { return programs() / ".history"; }
  [[nodiscard]] std::filesystem::path configuration() const { return root / "etc/travertine"; }
  [[nodiscard]] std::filesystem::path configuration_file() const { return configuration() / "travd.toml"; }
  [[nodiscard]] std::filesystem::path commands() const { return root / "usr/local/bin"; }
  [[nodiscard]] std::filesystem::path units() const { return root / "etc/systemd/system"; }
  [[nodiscard]] std::filesystem::path user_file() const { return root / "usr/lib/sysusers.d/travertine.conf"; }
  [[nodiscard]] std::filesystem::path folders_file() const { return root / "usr/lib/tmpfiles.d/travertine.conf"; }
  [[nodiscard]] std::filesystem::path log() const { return root / "var/log/travertine"; }
};

/// A change of the current version that was begun and not confirmed.
struct Pending {
  std::string from;  ///< empty: a first installation
  std::string to;
};

class Installation {
 public:
  Installation(Places places, Changes& changes) : places_(std::move(places)), changes_(changes) {}

  [[nodiscard]] const Places& places() const noexcept { return places_; }
  /// The name of the version that `current` points to; empty: none.
  [[nodiscard]] std::string current() const;
  [[nodiscard]] std::string previous() const;
  [[nodiscard]] std::vector<std::string> versions() const;
  /// Errors: invalid, unavailable.
  [[nodiscard]] base::Result<release::Memory> memory() const;
  [[nodiscard]] base::Result<std::optional<Pending>> pending() const;
  /// The manifest of a version that is installed. Errors: not_found, invalid.
  [[nodiscard]] base::Result<release::Manifest> manifest_of(std::string_view version) const;

  /// Puts the files of a bundle beside the versions that are here, all or none of them; nothing where they are here
  /// already and whole. The current version is never touched. Errors: those of Changes; conflict where the version is
  /// current and damaged.
  [[nodiscard]] base::Status put(const std::filesystem::path& bundle, const release::Verified& verified);
  /// Makes a version the current one, noted as pending until confirm().
  [[nodiscard]] base::Status flip(std::string_view to);
  /// The pending version is well: it is what there is from now on, and `verified` is remembered.
  [[nodiscard]] base::Status confirm(const release::Verified* verified, std::string_view note);
  /// The pending version is not well: the one before is the current one again.
  [[nodiscard]] base::Status go_back(std::string_view note);
  /// Removes versions that are neither current nor previous.
  [[nodiscard]] base::Status remove_old();

 private:
  [[nodiscard]] base::Status fill_incoming(const std::filesystem::path& bundle, const release::Verified& verified);
  [[nodiscard]] base::Status append_history(std::string_view note);

  Places places_;
  Changes& changes_;
};

/// Whether `to` can read what `from` writes, and whether there is a way back. Errors: denied, says which.
[[nodiscard]] base::Status check_schemas(const release::Manifest& from, const release::Manifest& to);

}  // namespace trv::steps
