#pragma once
// The procedures of an operator: install or upgrade, roll back, uninstall. Each may be broken off anywhere and done
// again. One thread.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "installer/release/bundle.hpp"
#include "installer/steps/changes.hpp"
#include "installer/steps/installation.hpp"
#include "installer/steps/preflight.hpp"
#include "installer/steps/service.hpp"
#include "sdk/base/clock.hpp"

namespace trv::steps {

/// What a procedure works with; all borrowed.
struct Host {
  const Places& places;
  Changes& changes;
  Service& service;
  const base::Clock& clock;
  std::function<void(std::string_view)> say;  ///< one line for the operator
};

enum class WayBack : std::uint8_t { needed, given_up };

struct InstallOptions {
  std::filesystem::path bundle;
  std::string configuration;          ///< text of a first travd.toml; an existing one is never changed
  std::vector<std::string> accepted;  ///< for the history: what the operator accepted in spite of a refusal
  WayBack way_back = WayBack::needed;
  bool starts = true;                                 ///< false: the version is put and made current, and not started
  base::Duration patience{std::chrono::seconds(60)};  ///< until the new version is ready
};

/// Puts the version beside the others, makes it current, starts it and waits until it is ready; where it is not, the
/// version before is current and runs again, and the error says so. Precondition: `verified` is of this bundle, and the
/// preflight passed. Errors: denied (no way back), those of Changes and Service.
[[nodiscard]] base::Status install(const Host& host, const release::Verified& verified, const InstallOptions& options);

/// The version before is current again, or the one before an upgrade that was broken off. Errors: not_found (there is
/// none), denied (below the security floor, or it cannot read what was written since), corrupt (its files were
/// changed).
[[nodiscard]] base::Status roll_back(const Host& host, base::Duration patience);

enum class Data : std::uint8_t { kept, removed };

/// Ends travd and removes all that was installed. Data::kept: the data folder stays, with the configuration in it as
/// travd.toml.kept.
[[nodiscard]] base::Status uninstall(const Host& host, const std::filesystem::path& data_folder,
                                     const std::string& user, Data data);

}  // namespace trv::steps
