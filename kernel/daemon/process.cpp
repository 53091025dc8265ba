#include "kernel/daemon/process.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "kernel/http/server.hpp"

namespace trv::daemon {
namespace {

constexpr std::uint64_t files_of_its_own = 128;  // log, projection, packages, secrets, listening socket

}  // namespace

std::optional<std::string> raise_open_files(const Config& config) {
  const std::uint64_t needed =
      http::ServerOptions{}.connections_max + config.effects_concurrency_max + files_of_its_own;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fmt::format("the limit of open files is not known: {}", std::generic_category().message(errno));
  }
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return fmt::format("the limit of open files cannot be raised to {}: {}", limit.rlim_max,
                         std::generic_category().message(errno));
    }
  }
  if (limit.rlim_cur >= needed) return std::nullopt;
  return fmt::format(
      "the process may open {} files, but {} connections and {} effects at a time need {}; raise the hard limit "
      "(ulimit -Hn, or LimitNOFILE= of the systemd unit)",
      limit.rlim_cur, http::ServerOptions{}.connections_max, config.effects_concurrency_max, needed);
}

bool is_journaled(const Environment& environment, int descriptor) {
  const bool by_systemd = std::ranges::any_of(environment, [](const auto& variable) {
    return (variable.first == "INVOCATION_ID" || variable.first == "JOURNAL_STREAM") && !variable.second.empty();
  });
  return by_systemd && ::isatty(descriptor) == 0;
}

}  // namespace trv::daemon
