#include "kernel/sandbox/walls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "sdk/base/open_file.hpp"

namespace trv::sandbox {
namespace {

constexpr uid_t nobody = 65'534;

bool write_file(const char* path, std::string_view text) {
  const base::OpenFile file(::open(path, O_WRONLY | O_CLOEXEC));
  return file.is_open() && ::write(file.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

std::string_view leave_root() {
  if (::geteuid() != 0) return {};
  const bool done = ::setgroups(0, nullptr) == 0 && ::setresgid(nobody, nobody, nobody) == 0 &&
                    ::setresuid(nobody, nobody, nobody) == 0 &&
                    // The maps of the next step belong to root else.
                    ::prctl(PR_SET_DUMPABLE, 1) == 0;
  return done ? std::string_view() : "the sandbox cannot change its user";
}

std::string_view end_with_parent() {
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ? std::string_view() : "the sandbox cannot be tied to travd";
}

std::string_view enter_namespaces() {
  const std::string user = fmt::format("{} {} 1", nobody, ::geteuid());
  const std::string group = fmt::format("{} {} 1", nobody, ::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                CLONE_NEWCGROUP) != 0) {
    return "this host allows no namespaces to users (kernel.unprivileged_userns_clone, user.max_user_namespaces or a "
           "security module)";
  }
  const bool mapped = write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", user) &&
                      write_file("/proc/self/gid_map", group);
  if (!mapped) return "the users of the sandbox cannot be mapped";
  return ::sethostname("sandbox", 7) == 0 ? std::string_view() : "a host name of its own";
}

std::string_view limit(int resource, std::uint64_t value) {
  const rlimit both{.rlim_cur = value, .rlim_max = value};
  const bool done = ::setrlimit(static_cast<__rlimit_resource>(resource), &both) == 0;
  return done ? std::string_view() : "a limit cannot be set";
}

std::string_view drop_privileges() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const std::array<__user_cap_data_struct, 2> none{};
  const bool done = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(SYS_capset, &header, none.data()) == 0;
  return done ? std::string_view() : "privileges cannot be given up";
}

int restrict_files() {
  const auto version =
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (version <= 0) return 0;
  constexpr std::uint64_t reads =
      LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  constexpr std::uint64_t all_of_version_1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  constexpr std::uint64_t refer = 1 << 13;     // version 2
  constexpr std::uint64_t truncate = 1 << 14;  // version 3
  constexpr std::uint64_t devices = 1 << 15;   // version 5
  constexpr std::uint64_t both_of_tcp = 3;     // version 4: bind, connect
  constexpr std::uint64_t both_scopes = 3;     // version 6: abstract sockets, signals
  // As far as this kernel knows it; the headers of the build may know less.
  struct {
    std::uint64_t files;
    std::uint64_t networks;
    std::uint64_t scopes;
  } rules{.files = all_of_version_1 | (version >= 2 ? refer : 0) | (version >= 3 ? truncate : 0) |
                   (version >= 5 ? devices : 0),
          .networks = version >= 4 ? both_of_tcp : 0,
          .scopes = version >= 6 ? both_scopes : 0};
  const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const base::OpenFile set(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, size, 0)));
  if (!set.is_open()) return -1;
  for (const char* path : {"/usr", "/bin", "/lib", "/lib64", "/lib32", "/etc", "/dev", job_folder.data()}) {
    const base::OpenFile folder(::open(path, O_PATH | O_CLOEXEC));
    if (!folder.is_open()) continue;
    const landlock_path_beneath_attr readable{.allowed_access = reads, .parent_fd = folder.number()};
    if (::syscall(SYS_landlock_add_rule, set.number(), LANDLOCK_RULE_PATH_BENEATH, &readable, 0) != 0) return -1;
  }
  return ::syscall(SYS_landlock_restrict_self, set.number(), 0) == 0 ? version : -1;
}

}  // namespace trv::sandbox
