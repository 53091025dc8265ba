#pragma once
// What a run of `trav` sees of the world around it. The caller owns everything; one thread.

#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/cli/terminal/file_watch.hpp"
#include "sdk/base/clock.hpp"

namespace trv::cli {

struct World {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  const base::Clock& clock;
  std::map<std::string, std::string, std::less<>> environment;  ///< its variables by name
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  int columns = 0;           ///< width of the terminal; 0 = unlimited
  std::string executable{};  ///< path of the running program; empty = unknown
  /// Whether nobody reads `out` any more; who follows something ends then. Empty = never.
  std::function<bool()> out_is_gone{};
  /// Begins to watch files; what it gives waits until one of them changes or the user ends the waiting. Empty = cannot.
  std::function<base::Result<std::function<WatchEnd()>>(const std::vector<std::string>& files)> watch{};

  /// nullopt where it is not set.
  [[nodiscard]] std::optional<std::string> variable(std::string_view name) const {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  }
};

/// What scripts may rely on.
enum class ExitCode : int {
  ok = 0,
  refused = 1,              ///< the server or a check said no
  usage = 2,                ///< wrong usage or configuration
  faulted = 3,              ///< the workflow faulted
  verification_failed = 4,  ///< the audit trail does not prove what it claims
  unreachable = 5,          ///< the server does not answer
};

/// Runs one command line; `arguments` without the program's name. Every failure is printed to `world.err`.
/// libcurl's global state must have been set up.
[[nodiscard]] ExitCode run(const std::vector<std::string>& arguments, World& world);

}  // namespace trv::cli
