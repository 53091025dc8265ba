// The system calls that the inside of a sandbox has no use for and an attacker has: refused as not permitted, or, where
// programs know how to do without, as unknown.

#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "kernel/sandbox/walls.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::sandbox {
namespace {

// Other processes, the kernel's keys, programs in the kernel, mounts and namespaces, modules, clocks.
constexpr std::array forbidden = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(process_madvise),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(quotactl),
    SCMP_SYS(acct),
    SCMP_SYS(syslog),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(vhangup),
    SCMP_SYS(move_pages),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(mbind),
    SCMP_SYS(set_mempolicy),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(personality),
};

constexpr std::array unknown = {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
                                SCMP_SYS(clone3)};

// Of a process that is its library: no program, process, socket or file of another one.
constexpr std::array forbidden_to_libraries = {
    SCMP_SYS(execve),        SCMP_SYS(execveat),      SCMP_SYS(fork),
    SCMP_SYS(vfork),         SCMP_SYS(socket),        SCMP_SYS(socketpair),
    SCMP_SYS(bind),          SCMP_SYS(listen),        SCMP_SYS(connect),
    SCMP_SYS(mknod),         SCMP_SYS(mknodat),       SCMP_SYS(link),
    SCMP_SYS(linkat),        SCMP_SYS(inotify_init1), SCMP_SYS(timer_create),
    SCMP_SYS(mq_open),       SCMP_SYS(shmget),        SCMP_SYS(semget),
    SCMP_SYS(msgget),        SCMP_SYS(setpriority),   SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setattr), SCMP_SYS(setrlimit)};

// Once the library is loaded.
constexpr std::array forbidden_to_loaded = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat),
                                            SCMP_SYS(pkey_mprotect)};

// Not of the network namespace, or of no use where there is no network.
constexpr int families[] = {AF_UNIX, AF_INET, AF_INET6};

constexpr std::uint64_t namespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

// Which answer a refused call gets is said twice: by the rules below, and by refused_with, where it is heard of.
constexpr std::uint32_t not_permitted = SCMP_ACT_ERRNO(EPERM);

/// Of an argument, counted from 0; as the library's macros make it, which are C alone.
constexpr scmp_arg_cmp when(unsigned argument, scmp_compare compare, std::uint64_t a, std::uint64_t b = 0) {
  return {.arg = argument, .op = compare, .datum_a = a, .datum_b = b};
}

// The rules of one filter; is_whole says whether each was taken.
class Filter {
 public:
  explicit Filter(Refusal refusal)
      : filter_(::seccomp_init(SCMP_ACT_ALLOW), ::seccomp_release), is_whole_(filter_ != nullptr), refusal_(refusal) {}

  template <typename... Conditions>
  void refuse(int call, std::uint32_t action, Conditions... conditions) {
    // What programs know how to do without is nothing to hear of.
    if (refusal_ == Refusal::heard && action != SCMP_ACT_ERRNO(ENOSYS)) action = SCMP_ACT_NOTIFY;
    is_whole_ = is_whole_ && ::seccomp_rule_add(filter_.get(), action, call,
                                                static_cast<unsigned>(sizeof...(conditions)), conditions...) == 0;
  }
  /// As the kernel reads it; empty where that fails.
  [[nodiscard]] std::vector<sock_filter> instructions() const {
    const base::OpenFile file(::memfd_create("filter", MFD_CLOEXEC));
    struct stat about{};
    if (!is_whole_ || !file.is_open() || ::seccomp_export_bpf(filter_.get(), file.number()) != 0 ||
        ::fstat(file.number(), &about) != 0) {
      return {};
    }
    std::vector<sock_filter> read(static_cast<std::size_t>(about.st_size) / sizeof(sock_filter));
    const ssize_t size = ::pread(file.number(), read.data(), read.size() * sizeof(sock_filter), 0);
    return size == about.st_size ? read : std::vector<sock_filter>();
  }

 private:
  std::unique_ptr<void, decltype(&::seccomp_release)> filter_;
  bool is_whole_;
  Refusal refusal_;
};

void refuse_of_all(Filter& filter) {
  for (const int call : forbidden) filter.refuse(call, not_permitted);
  for (const int call : unknown) filter.refuse(call, SCMP_ACT_ERRNO(ENOSYS));
  // Each flag alone: a call with any of them is refused.
  for (std::uint64_t bit = 1; bit <= namespaces; bit <<= 1) {
    if ((namespaces & bit) != 0) filter.refuse(SCMP_SYS(clone), not_permitted, when(0, SCMP_CMP_MASKED_EQ, bit, bit));
  }
}

void refuse_families(Filter& filter) {
  for (int family = 0; family < AF_MAX; ++family) {
    if (std::ranges::find(families, family) != std::end(families)) continue;
    filter.refuse(SCMP_SYS(socket), SCMP_ACT_ERRNO(EAFNOSUPPORT),
                  when(0, SCMP_CMP_EQ, static_cast<std::uint64_t>(family)));
  }
  filter.refuse(SCMP_SYS(socket), SCMP_ACT_ERRNO(EAFNOSUPPORT),
                when(0, SCMP_CMP_GE, static_cast<std::uint64_t>(AF_MAX)));
}

void refuse_of_libraries(Filter& filter) {
  for (const int call : forbidden_to_libraries) filter.refuse(call, not_permitted);
  // Limits may be read.
  filter.refuse(SCMP_SYS(prlimit64), not_permitted, when(2, SCMP_CMP_NE, 0));
  // Threads, and no processes.
  filter.refuse(SCMP_SYS(clone), not_permitted, when(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD));
}

void refuse_of_loaded(Filter& filter) {
  for (const int call : forbidden_to_loaded) filter.refuse(call, SCMP_ACT_ERRNO(EACCES));
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    filter.refuse(call, SCMP_ACT_ERRNO(EACCES), when(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
  }
}

}  // namespace

SystemCallFilter::SystemCallFilter(SystemCalls left, Refusal refusal) {
  const bool is_both = left == SystemCalls::of_libraries && refusal == Refusal::heard;
  Filter filter(refusal);
  if (left != SystemCalls::of_loaded) refuse_of_all(filter);
  if (left == SystemCalls::of_scripts) refuse_families(filter);
  if (left == SystemCalls::of_libraries) refuse_of_libraries(filter);
  if (left == SystemCalls::of_loaded || is_both) refuse_of_loaded(filter);
  instructions_ = filter.instructions();
}

bool is_refused_once_loaded(int call) noexcept {
  return call == SCMP_SYS(mmap) || call == SCMP_SYS(mprotect) ||
         std::ranges::find(forbidden_to_loaded, call) != std::end(forbidden_to_loaded);
}

int refused_with(SystemCalls left, int call) noexcept {
  if (left == SystemCalls::of_scripts) return call == SCMP_SYS(socket) ? EAFNOSUPPORT : EPERM;
  return is_refused_once_loaded(call) ? EACCES : EPERM;
}

long SystemCallFilter::set(unsigned flags) const {
  const sock_fprog program{.len = static_cast<unsigned short>(instructions_.size()),
                           .filter = const_cast<sock_filter*>(instructions_.data())};
  if (instructions_.empty() || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | flags, &program);
}

std::string_view SystemCallFilter::apply() const {
  return set(0) == 0 ? std::string_view() : "system calls cannot be forbidden";
}

base::OpenFile SystemCallFilter::apply_heard() const {
  return base::OpenFile(static_cast<int>(set(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH)));
}

}  // namespace trv::sandbox
