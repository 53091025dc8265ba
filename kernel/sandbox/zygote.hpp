#pragma once
// travd's end of the zygote: asks for processes in a sandbox and hears of their end. See zygote_inside.hpp.
//
// One thread at a time, which polls number() and then calls hear().

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "kernel/sandbox/zygote_word.hpp"
#include "sdk/base/open_file.hpp"
#include "sdk/base/result.hpp"

namespace trv::sandbox {

/// What this host's kernel gives to a sandbox.
struct Walls {
  std::string no_namespaces;  ///< why there are none; empty = there are
  int landlock_version = 0;   ///< 0 = none
};

/// A process in the sandbox in which nothing has run yet.
struct SandboxedProcess {
  pid_t pid = 0;
  base::OpenFile socket;   ///< SEQPACKET, blocking
  base::OpenFile process;  ///< pidfd
};
struct NoProcess {
  std::string why;
};
struct ProcessEnded {
  pid_t pid = 0;
  int wait_status = 0;
};
using ZygoteNews = std::variant<SandboxedProcess, NoProcess, ProcessEnded>;

struct ZygoteConfiguration {
  std::filesystem::path program;  ///< trav-plugin-host
  std::filesystem::path folder;   ///< shown to every process, read-only, until it keeps one folder of it
  unsigned ready_count = 4;       ///< processes that wait for work
  bool needs_namespaces = true;   ///< false: a host without them gives processes without them
  /// A pipe to which processes write the name of each system call that is refused them, once a process, one a line; it
  /// outlives the zygote. -1: nobody looks.
  int refused = -1;
  /// Set: a Unix socket (SEQPACKET) at which the service manager starts a zygote for each connection, of this build and
  /// for this folder; `program`, `ready_count`, `needs_namespaces` and `refused` are its affair.
  std::filesystem::path service = {};
};

class Zygote {
 public:
  /// Before any secret is read. Errors: unavailable (it could not be started; without needs_namespaces also where the
  /// host has none: see walls()).
  [[nodiscard]] static base::Result<std::unique_ptr<Zygote>> start(const ZygoteConfiguration& configuration);
  /// Ends it, and with it every process that it has started.
  ~Zygote();
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  [[nodiscard]] const Walls& walls() const noexcept { return walls_; }
  /// The socket to poll.
  [[nodiscard]] int number() const noexcept { return control_.number(); }
  /// Asks for one more process; its news are a SandboxedProcess or a NoProcess. Error: unavailable (the zygote is
  /// gone).
  [[nodiscard]] base::Status ask();
  /// The next of the news, or nothing where there is none yet. Error: unavailable (the zygote is gone).
  [[nodiscard]] base::Result<std::optional<ZygoteNews>> hear();

 private:
  Zygote(pid_t pid, base::OpenFile control) : pid_(pid), control_(std::move(control)) {}
  struct Heard {
    ZygoteWord word;
    base::OpenFile socket;
    base::OpenFile process;
  };
  [[nodiscard]] static base::Result<std::unique_ptr<Zygote>> connect(const std::filesystem::path& service);
  [[nodiscard]] base::Status hear_walls();
  [[nodiscard]] base::Result<std::optional<Heard>> receive(bool waits);

  const pid_t pid_;  ///< -1: a child of the service manager
  base::OpenFile control_;
  Walls walls_;
};

}  // namespace trv::sandbox
