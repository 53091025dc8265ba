// A plugin whose operations attack the host. What was reached is in the answer.

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/log.h"
#include "sdk/abi/plugin.h"

#ifndef WHEN_LOADED
#define WHEN_LOADED ""
#endif

namespace {

constexpr int frames_socket = 3;

const trv_host* host = nullptr;
const trv_host_call* calls = nullptr;
const trv_host_log* lines = nullptr;
bool crashes_at_the_end = false;

trv_string text(const char* value) {
  return {value, std::strlen(value)};
}

std::string outcome(long result) {
  return result >= 0 ? "\"done\"" : "\"" + std::string(std::strerror(errno)) + "\"";
}

std::atomic<bool> spins = true;

void spin() {
  while (spins) {
  }
}

[[gnu::noinline, gnu::no_sanitize("address", "undefined")]] void write_nowhere() {
  *reinterpret_cast<volatile int*>(8) = 1;
}

std::string connect_out() {
  const int file = ::socket(AF_INET, SOCK_STREAM, 0);
  if (file < 0) return outcome(file);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(80);
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  return outcome(::connect(file, reinterpret_cast<const sockaddr*>(&to), sizeof to));
}

std::string fork_off() {
  const long child = ::syscall(SYS_fork);
  if (child == 0) spin();
  return outcome(child);
}

std::string take_memory() {
  std::vector<char*> taken;
  for (int i = 0; i < 4'096; ++i) {
    char* some = static_cast<char*>(std::malloc(1 << 20));
    if (some == nullptr) return "\"" + std::to_string(i) + " MiB\"";
    std::memset(some, 1, 1 << 20);
    taken.push_back(some);
  }
  return "\"all\"";
}

std::string take_threads() {
  int count = 0;
  try {
    for (; count < 5'000; ++count) std::thread([] { std::this_thread::sleep_for(std::chrono::hours(1)); }).detach();
  } catch (const std::exception&) {
  }
  return count < 5'000 ? "\"bounded\"" : "\"all\"";
}

std::string take_files() {
  int count = 0;
  while (count < 5'000 && ::dup(0) >= 0) ++count;
  return count < 5'000 ? "\"bounded\"" : "\"all\"";
}

std::string make_code() {
  void* memory = ::mmap(nullptr, 4'096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return outcome(::mprotect(memory, 4'096, PROT_READ | PROT_EXEC));
}

std::string read_memory_of(pid_t process) {
  char byte = 0;
  iovec here{&byte, 1};
  iovec there{reinterpret_cast<void*>(0x400000), 1};
  return outcome(::syscall(SYS_process_vm_readv, process, &here, 1, &there, 1, 0));
}

void send_raw(const std::string& bytes) {
  static_cast<void>(!::send(frames_socket, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

void flood_log() {
  const std::string line(4'000, 'x');
  for (int i = 0; i < 5'000; ++i) lines->write(host, TRV_LOG_ERROR, 0, {line.data(), line.size()});
}

const std::map<std::string, std::function<std::string()>> attacks = {
    {"echo", [] { return std::string("\"here\""); }},
    {"crash", []() -> std::string { std::abort(); }},
    {"segfault",
     []() -> std::string {
       write_nowhere();
       return "1";
     }},
    {"exit", []() -> std::string { ::_exit(0); }},
    {"loop",
     []() -> std::string {
       spin();
       return "1";
     }},
    {"spin-aside",
     []() -> std::string {
       for (int i = 0; i < 8; ++i) std::thread(spin).detach();
       return "\"spinning\"";
     }},
    {"crash-at-the-end",
     []() -> std::string {
       crashes_at_the_end = true;
       return "1";
     }},
    {"memory", take_memory},
    {"threads", take_threads},
    {"files", take_files},
    {"fork", fork_off},
    {"exec", [] { return outcome(::execl("/bin/sh", "sh", "-c", "true", nullptr)); }},
    {"code", make_code},
    {"open", [] { return outcome(::open("/etc/passwd", O_RDONLY)); }},
    {"open-shown", [] { return outcome(::open("/shown", O_RDONLY)); }},
    {"write-file", [] { return outcome(::open("/job/new", O_WRONLY | O_CREAT, 0600)); }},
    {"connect", connect_out},
    {"ptrace", [] { return outcome(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)); }},
    {"read-daemon", [] { return read_memory_of(::getppid() == 0 ? 1 : ::getppid()); }},
    {"kill-all", [] { return outcome(::kill(-1, SIGKILL)); }},
    {"mount", [] { return outcome(::syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr)); }},
    {"namespace", [] { return outcome(::syscall(SYS_unshare, 0x10000000)); }},
    {"library",
     [] {
       return ::dlopen("/usr/lib/x86_64-linux-gnu/libz.so.1", RTLD_NOW) == nullptr ? "\"refused\"" : "\"loaded\"";
     }},
    {"environment", [] { return ::getenv("PATH") == nullptr ? "\"none\"" : "\"some\""; }},
    {"garbage",
     []() -> std::string {
       send_raw("this is not a frame");
       return "1";
     }},
    {"close",
     []() -> std::string {
       ::close(frames_socket);
       std::this_thread::sleep_for(std::chrono::hours(1));
       return "1";
     }},
    {"many-files",
     []() -> std::string {
       msghdr message{};
       char byte = 1;
       iovec part{&byte, 1};
       message.msg_iov = &part;
       message.msg_iovlen = 1;
       alignas(cmsghdr) char space[CMSG_SPACE(8 * sizeof(int))]{};
       message.msg_control = space;
       message.msg_controllen = sizeof space;
       cmsghdr* header = CMSG_FIRSTHDR(&message);
       header->cmsg_level = SOL_SOCKET;
       header->cmsg_type = SCM_RIGHTS;
       header->cmsg_len = CMSG_LEN(8 * sizeof(int));
       for (unsigned i = 0; i < 8; ++i) {
         const int file = static_cast<int>(i % 3);
         std::memcpy(CMSG_DATA(header) + i * sizeof(int), &file, sizeof file);
       }
       static_cast<void>(::sendmsg(frames_socket, &message, MSG_NOSIGNAL));
       return "1";
     }},
    {"log",
     []() -> std::string {
       flood_log();
       return "1";
     }},
    {"answer-others",
     []() -> std::string {
       const std::string wrong = "\"forged\"";
       for (std::uint64_t id = 1; id < 5'000; ++id) {
         calls->complete(host, id << 20, {reinterpret_cast<const std::uint8_t*>(wrong.data()), wrong.size()});
       }
       return "1";
     }},
};

trv_plugin made{};

void invoke(const trv_plugin*, const trv_call* call) {
  const std::string operation(call->operation.data, call->operation.size);
  const auto attack = attacks.find(operation);
  if (attack == attacks.end()) return;  // never answered, and deaf to its cancel
  const std::string output = attack->second();
  calls->complete(host, call->call_id, {reinterpret_cast<const std::uint8_t*>(output.data()), output.size()});
}

const trv_factory factory{
    sizeof(trv_factory), [] { return std::uint32_t{1}; },
    [](std::uint32_t index) -> const trv_descriptor* {
      static const trv_descriptor descriptor{sizeof(trv_descriptor), text("tracker"), text("1.2.3")};
      return index == 0 ? &descriptor : nullptr;
    },
    [](const trv_host* given, trv_string) -> const trv_plugin* {
      host = given;
      made = {sizeof(trv_plugin),
              nullptr,
              [](const trv_plugin*, trv_bytes) {
                calls = static_cast<const trv_host_call*>(host->get_extension(host, TRV_EXT_CALL));
                lines = static_cast<const trv_host_log*>(host->get_extension(host, TRV_EXT_LOG));
                return std::int32_t{0};
              },
              invoke,
              [](const trv_plugin*, std::uint64_t) {},
              [](const trv_plugin*) {},
              [](const trv_plugin*) {
                if (crashes_at_the_end) std::abort();
              },
              [](const trv_plugin*, const char*) -> const void* { return nullptr; }};
      return &made;
    }};

// Code of the library before anything of it is called.
const bool attacked_when_loaded = [] {
  const auto attack = attacks.find(WHEN_LOADED);
  if (attack != attacks.end()) static_cast<void>(attack->second());
  return true;
}();

}  // namespace

extern "C" __attribute__((visibility("default"))) const trv_entry trv_entry_v1 = {
    sizeof(trv_entry),
    TRV_ABI_MAJOR,
    TRV_ABI_MINOR,
    [] { return std::int32_t{0}; },
    [] {},
    [](const char* id) -> const void* { return std::strcmp(id, TRV_FACTORY_ID) == 0 ? &factory : nullptr; }};
