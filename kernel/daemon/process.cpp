#include "kernel/daemon/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "sdk/base/contract.hpp"

namespace trv::daemon {
namespace {

constexpr std::uint64_t files_of_its_own = 128;  // log, projection, packages, secrets, listening socket

constexpr std::size_t note_bytes = 4096;
constexpr char crashed_mark = 'c';
constexpr char file_failed_mark = 'f';
// A signal handler finds nothing else.
std::atomic<volatile char*> note_page{nullptr};

void note_end(char mark) {
  if (volatile char* page = note_page.load()) *page = mark;
}
void note_crash() {
  note_end(crashed_mark);
}

// What a page in memory was given outlives the process. The signal goes on as if nobody had handled it.
void on_fatal_signal(int number) {
  note_end(number == SIGBUS ? file_failed_mark : crashed_mark);
  ::raise(number);
}

void handle_fatal_signals() {
  struct sigaction action{};
  action.sa_handler = on_fatal_signal;
  action.sa_flags = SA_RESETHAND | SA_NODEFER | SA_ONSTACK;
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) ::sigaction(number, &action, nullptr);
}

}  // namespace

http::ServerOptions api_options(const config::Config& config) {
  return {.address = config.http_address,
          .port = static_cast<std::uint16_t>(config.http_port),
          .listening_socket = config.http_socket.value_or(-1),
          .socket_path = config.http_socket_path,
          // The configuration was checked when it was read.
          .trusted_proxies = http::TrustedProxies::parse(config.http_trusted_proxies).value_or(http::TrustedProxies()),
          .threads = config.http_threads,
          .body_bytes_max = config.http_body_bytes_max,
          .opens_at_start = false};
}

base::Result<std::filesystem::path> beside_this_program(std::string_view name) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / name;
  if (!error && std::filesystem::exists(path, error)) return path;
  return base::fail(base::ErrorCode::unavailable,
                    fmt::format("{} does not exist; it is installed in the folder of travd", path.string()));
}

std::optional<std::string> raise_open_files(const config::Config& config) {
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

bool is_journaled(const config::Environment& environment, int descriptor) {
  const bool by_systemd = std::ranges::any_of(environment, [](const auto& variable) {
    return (variable.first == "INVOCATION_ID" || variable.first == "JOURNAL_STREAM") && !variable.second.empty();
  });
  return by_systemd && ::isatty(descriptor) == 0;
}

bool is_journal(const config::Environment& environment, int descriptor) {
  const auto stream = environment.find("JOURNAL_STREAM");
  struct stat status{};
  return stream != environment.end() && ::fstat(descriptor, &status) == 0 &&
         stream->second == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

base::Result<std::unique_ptr<CrashNote>> CrashNote::open(const std::filesystem::path& file) {
  TRV_EXPECTS(note_page.load() == nullptr);
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  int error = descriptor < 0 ? errno : ::posix_fallocate(descriptor, 0, note_bytes);
  void* memory = MAP_FAILED;
  if (error == 0) memory = ::mmap(nullptr, note_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (error == 0 && memory == MAP_FAILED) error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (error != 0) {
    return base::fail(base::ErrorCode::unavailable,
                      fmt::format("cannot write {}: {}", file.string(), std::generic_category().message(error)));
  }
  auto* page = static_cast<volatile char*>(memory);
  const char mark = *page;
  const effects::LastEnd last_end =
      mark == crashed_mark || mark == file_failed_mark ? effects::LastEnd::crashed : effects::LastEnd::other;
  *page = 0;
  note_page = page;
  handle_fatal_signals();
  [[maybe_unused]] static const int at_exit = std::atexit(note_crash);
  return std::unique_ptr<CrashNote>(new CrashNote(page, last_end, mark == file_failed_mark));
}

CrashNote::~CrashNote() {
  note_page = nullptr;
  ::munmap(const_cast<char*>(page_), note_bytes);
}

}  // namespace trv::daemon
