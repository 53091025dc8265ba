#include "kernel/sandbox/refused_calls.hpp"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <system_error>

#include "sdk/base/contract.hpp"

namespace trv::sandbox {
namespace {

constexpr std::size_t notice_bytes_max = 1'024;  // more than any kernel's

std::string name_of(int call) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      ::seccomp_syscall_resolve_num_arch(::seccomp_arch_native(), call), &std::free);
  return name == nullptr ? fmt::format("system call {}", call) : std::string(name.get());
}

}  // namespace

std::string_view RefusedCalls::begin(SystemCalls left) {
  TRV_EXPECTS(!listener_.joinable() && left != SystemCalls::of_loaded);
  left_ = left;
  const SystemCallFilter filter(left, Refusal::heard);
  // Begun before the filter: nobody answers it what it asks for. Signals are for the plugin's threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  if (::pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return "the listener's signals";
  try {
    listener_ = std::thread([this] { listen(); });
  } catch (const std::system_error&) {
    return "no thread that hears of refused system calls";
  }
  base::OpenFile calls = filter.apply_heard();
  const bool is_applied = calls.is_open();
  calls_ = is_applied ? calls.release() : -2;
  calls_.notify_one();
  if (::pthread_sigmask(SIG_SETMASK, &before, nullptr) != 0) return "the listener's signals";
  return is_applied ? std::string_view() : "this host cannot say which system calls it refuses";
}

void RefusedCalls::listen() {
  calls_.wait(-1);
  const int calls = calls_;
  if (calls < 0) return;
  for (;;) {
    // The kernel's may be longer than that of the header, and has to come zeroed.
    alignas(seccomp_notif) std::array<char, notice_bytes_max> room{};
    auto& notice = *reinterpret_cast<seccomp_notif*>(room.data());
    if (::ioctl(calls, SECCOMP_IOCTL_NOTIF_RECV, &notice) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      return note(SYS_close);  // of a file that is not the plugin's
    }
    const int call = notice.data.nr;
    const bool is_left = left_ == SystemCalls::of_libraries && !is_loaded_ && is_refused_once_loaded(call);
    if (!is_left) note(call);
    alignas(seccomp_notif_resp) std::array<char, notice_bytes_max> answer_room{};
    auto& answer = *reinterpret_cast<seccomp_notif_resp*>(answer_room.data());
    answer.id = notice.id;
    answer.error = is_left ? 0 : -refused_with(left_, call);
    answer.flags = is_left ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
    // Who made the call may have been killed meanwhile.
    static_cast<void>(::ioctl(calls, SECCOMP_IOCTL_NOTIF_SEND, &answer));
  }
}

void RefusedCalls::note(int call) {
  if (!noted_.insert(call).second) return;
  const std::string line = name_of(call) + '\n';
  // One write: lines of several processes do not mix.
  static_cast<void>(!::write(report_, line.data(), line.size()));
}

}  // namespace trv::sandbox
