// trav: the command line of Travertine.

#include <curl/curl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <system_error>

#include "kernel/cli/commands/world.hpp"

namespace {

int terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// The reader of a pipe has gone; a write would tell, but nothing may come to be written for long.
bool nobody_reads_output() {
  pollfd output{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

std::map<std::string, std::string, std::less<>> this_environment() {
  std::map<std::string, std::string, std::less<>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (const std::size_t equals = text.find('='); equals != std::string_view::npos) {
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

using Waits = std::function<trv::cli::WatchEnd()>;

trv::base::Result<Waits> watch(const std::vector<std::string>& files) {
  TRV_TRY_ASSIGN(trv::cli::FileWatch started, trv::cli::FileWatch::start(files));
  const auto kept = std::make_shared<trv::cli::FileWatch>(std::move(started));
  return Waits([kept] { return kept->wait(); });
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    std::cerr << "trav: libcurl does not start\n";
    return EXIT_FAILURE;
  }
  const trv::base::SystemClock clock;
  std::error_code error;
  trv::cli::World world{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .clock = clock,
      .environment = this_environment(),
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
      .columns = terminal_columns(),
      .executable = std::filesystem::read_symlink("/proc/self/exe", error).string(),
      .out_is_gone = nobody_reads_output,
      .watch = watch,
  };
  const auto code = trv::cli::run(std::vector<std::string>(argv + 1, argv + argc), world);
  curl_global_cleanup();
  return static_cast<int>(code);
}
