// trav-plugin-host: a process of its own for what travd does not trust. It starts the processes that plugins run in,
// loads a plugin's library and says what came of it, or makes a sandbox and runs a script there.

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "kernel/plugin_host/library_trial.hpp"
#include "kernel/plugin_host/plugin_library.hpp"
#include "kernel/plugin_host/sandboxed_plugin.hpp"
#include "kernel/sandbox/inside.hpp"
#include "kernel/sandbox/zygote_inside.hpp"

#ifdef __SANITIZE_ADDRESS__
// A plugin that crashes ends as it does without the sanitizer, and what it leaves is not its host's.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "handle_segv=0:handle_sigbus=0:handle_abort=0:detect_leaks=0";
}
#endif

namespace {

using namespace trv;

bool say(std::string_view text) {
  return ::write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

int try_library(const char* path, std::string_view id, std::string_view version) {
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return 3;
  {
    const auto library = plugin_host::PluginLibrary::load(path, id, version);
    if (!library) {
      static_cast<void>(say(library.error().message()));
      return 1;
    }
  }
  return say(plugin_host::trial_passed) ? 0 : 3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--run") sandbox::run_inside();
  if (argc == 6 && std::string_view(argv[1]) == "--zygote") {
    sandbox::run_zygote({.folder = argv[2],
                         .ready_count = static_cast<unsigned>(std::atoi(argv[3])),
                         .needs_namespaces = std::string_view(argv[4]) == "1",
                         .hears_refused = std::string_view(argv[5]) == "1"},
                        &plugin_host::live_in_sandbox);
  }
  if (argc != 5 || std::string_view(argv[1]) != "--try" || argv[2][0] != '/') {
    fmt::print(stderr, "usage: trav-plugin-host --try /PATH/TO/plugin.so ID VERSION\nStarted by travd.\n");
    return 2;
  }
  // Not exit(): the process has no use for what the library registered there.
  ::_exit(try_library(argv[2], argv[3], argv[4]));
}
