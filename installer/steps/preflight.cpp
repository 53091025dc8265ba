#include "installer/steps/preflight.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "events/kafka/topic.hpp"
#include "installer/steps/sockets.hpp"
#include "sdk/base/file.hpp"

namespace trv::steps {
namespace {

using std::filesystem::path;

constexpr std::uint64_t mib = 1024 * 1024;

Finding finding(bool good, Level else_level, std::string what, std::string found, std::string needed,
                std::string action) {
  return {.level = good ? Level::good : else_level,
          .what = std::move(what),
          .found = std::move(found),
          .needed = std::move(needed),
          .action = good ? std::string() : std::move(action)};
}

/// The folder itself, or the nearest above it that is there.
path existing(path at) {
  std::error_code error;
  while (!std::filesystem::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  return at;
}

Finding processors() {
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  return finding(count >= 2, Level::warning, "processors", std::to_string(count), "2",
                 "give the host another processor");
}

Finding memory() {
  struct sysinfo info{};
  const std::uint64_t total = ::sysinfo(&info) == 0 ? info.totalram * info.mem_unit / mib : 0;
  return finding(total >= 900, total >= 400 ? Level::warning : Level::failed, "memory", fmt::format("{} MiB", total),
                 "1024 MiB", "give the host more memory");
}

Finding room(std::string_view what, const path& folder, std::uint64_t needed) {
  struct statvfs info{};
  const path at = existing(folder);
  const std::uint64_t free = ::statvfs(at.c_str(), &info) == 0 ? info.f_bavail * info.f_frsize : 0;
  return finding(free >= needed, Level::failed, std::string(what),
                 fmt::format("{} MiB free in {}", free / mib, at.string()), fmt::format("{} MiB", needed / mib),
                 "free room there, or mount a larger disk");
}

/// What an installation that was broken off left; the next one removes it first.
std::uint64_t left_over(const path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) bytes += at->file_size(ignored);
  }
  return bytes;
}

Finding executable(const path& folder) {
  struct statvfs info{};
  const path at = existing(folder);
  const bool may_run = ::statvfs(at.c_str(), &info) == 0 && (info.f_flag & ST_NOEXEC) == 0;
  return finding(may_run, Level::failed, "programs may run",
                 may_run ? "yes" : fmt::format("{} is mounted noexec", at.string()), "a file system without noexec",
                 fmt::format("mount -o remount,exec {}", at.string()));
}

Finding syncs(const path& folder, const base::Clock& clock) {
  constexpr int rounds = 100;
  const path at = existing(folder);
  // A file without a name: nothing of it stays, whatever happens.
  const base::OpenFile file(::open(at.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.is_open()) {
    return finding(false, Level::warning, "fsync, p99",
                   fmt::format("not measured in {}: {}", at.string(), std::strerror(errno)), "10 ms",
                   "nothing, if the disk is a local SSD");
  }
  std::vector<base::Duration> took;
  const std::string block(4096, 'x');
  for (int round = 0; round < rounds; ++round) {
    const base::Duration began = clock.monotonic();
    if (::pwrite(file.number(), block.data(), block.size(), round * 4096) != 4096 || ::fdatasync(file.number()) != 0) {
      return finding(false, Level::failed, "fsync, p99",
                     fmt::format("a write in {} fails: {}", at.string(), std::strerror(errno)), "10 ms",
                     "mend the disk");
    }
    took.push_back(clock.monotonic() - began);
  }
  std::ranges::sort(took);
  const double p99 = static_cast<double>(took[rounds * 99 / 100].count()) / 1e6;
  return finding(p99 <= 10, Level::warning, "fsync, p99", fmt::format("{:.2f} ms in {}", p99, at.string()), "10 ms",
                 "put the data folder on an SSD: each answer waits for a sync");
}

Finding time_of_host(const base::Clock& clock, base::Timestamp made) {
  const base::Timestamp now = clock.now();
  const bool plausible = now + std::chrono::hours(48) > made;
  struct timex info{};
  const bool synchronised = ::adjtimex(&info) != TIME_ERROR;
  return finding(
      plausible && synchronised, plausible ? Level::warning : Level::failed, "clock",
      fmt::format("{}, {}", now.to_rfc3339().substr(0, 19), synchronised ? "synchronised" : "not synchronised"),
      fmt::format("later than {}, synchronised", made.to_rfc3339().substr(0, 10)),
      plausible ? "set up time synchronisation (chrony or systemd-timesyncd)" : "set the clock");
}

Finding kernel_version() {
  utsname name{};
  ::uname(&name);
  int major = 0;
  int minor = 0;
  std::sscanf(name.release, "%d.%d", &major, &minor);
  const bool good = major > 5 || (major == 5 && minor >= 12);
  return finding(good, Level::failed, "kernel", name.release, "5.12", "install a newer kernel");
}

/// What the sandbox of a plugin does first, in a process of its own: nullptr, or what this host does not allow.
const char* try_namespaces() {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child < 0) return "no process";
  if (child == 0) {
    char code = 0;
    if (::geteuid() == 0 && (::setresgid(65'534, 65'534, 65'534) != 0 || ::setresuid(65'534, 65'534, 65'534) != 0))
      code = 1;
    if (code == 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC) != 0) code = 2;
    if (code == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) code = 3;
    ::_exit(::write(report[1], &code, 1) == 1 ? 0 : 1);
  }
  ::close(report[1]);
  char code = 1;
  if (::read(report[0], &code, 1) != 1) code = 1;
  ::close(report[0]);
  ::waitpid(child, nullptr, 0);
  switch (code) {
    case 0: return nullptr;
    case 2: return "namespaces are not allowed to users";
    case 3: return "the root folder is not a mount (a plain chroot)";
    default: return "the user cannot be changed";
  }
}

Finding namespaces() {
  const char* problem = try_namespaces();
  return finding(
      problem == nullptr, Level::failed, "namespaces for plugins", problem == nullptr ? "allowed" : problem, "allowed",
      "sysctl user.max_user_namespaces=10000 and kernel.unprivileged_userns_clone=1; or set plugins.isolation to "
      "best-effort");
}

Finding filters() {
  const bool has = ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
  return finding(has, Level::failed, "filters of system calls (seccomp)", has ? "yes" : "no", "yes",
                 "use a kernel with CONFIG_SECCOMP_FILTER");
}

Finding landlock() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return finding(version > 0, Level::warning, "Landlock", version > 0 ? fmt::format("version {}", version) : "no",
                 "version 1", "nothing; the other walls hold without it");
}

Finding control_groups() {
  const bool has = ::access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0;
  return finding(has, Level::warning, "control groups, version 2", has ? "mounted" : "not mounted", "mounted",
                 "nothing; a tenant's plugins are then bounded one by one and not together");
}

Finding libraries() {
  std::string found = "unknown";
  for (const char* file : {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"}) {
    std::error_code error;
    const auto bytes = base::read_file(std::filesystem::canonical(file, error), 16 * mib);
    if (!bytes) continue;
    const std::string_view text = base::as_text(*bytes);
    constexpr std::string_view mark = "GNU C Library (";
    const std::size_t at = text.find(mark);
    const std::size_t version = at == std::string_view::npos ? at : text.find("version ", at);
    if (version != std::string_view::npos)
      found = text.substr(version + 8, text.find_first_not_of("0123456789.", version + 8) - version - 8);
    while (found.ends_with('.')) found.pop_back();
    break;
  }
  return finding(true, Level::good, "C library", fmt::format("glibc {}", found), "any: the bundle brings its own", "");
}

Finding permissions() {
  const bool root = ::geteuid() == 0;
  return finding(root, Level::failed, "permissions", root ? "root" : fmt::format("user {}", ::geteuid()), "root",
                 "sudo sh install.sh …");
}

Finding open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return finding(limit.rlim_max >= 16'384, Level::warning, "open files", std::to_string(limit.rlim_max), "16384",
                 "ulimit -Hn 16384, or LimitNOFILE= of the unit");
}

Finding certificates() {
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}) {
    if (::access(file, R_OK) == 0)
      return finding(true, Level::good, "authorities for HTTPS", file, "a bundle of them", "");
  }
  return finding(
      false, Level::warning, "authorities for HTTPS", "none", "a bundle of them",
      "put your own authorities into /etc/ssl/certs/ca-certificates.crt before plugins call services over HTTPS");
}

Finding time_zones() {
  const bool has = ::access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
  return finding(has, Level::warning, "time zones", has ? "/usr/share/zoneinfo" : "none", "/usr/share/zoneinfo",
                 "install tzdata, or schedule workflows in UTC alone");
}

Finding port(const config::Config& config, bool runs_already) {
  const std::string place = fmt::format("{}:{}", config.http_address, config.http_port);
  if (runs_already) return finding(true, Level::good, "port of the API", place + ", of this installation", "free", "");
  const auto socket = listening_socket(config.http_address, static_cast<std::uint16_t>(config.http_port));
  return finding(socket.has_value(), Level::failed, "port of the API",
                 socket ? place + ", free" : socket.error().message(), "free",
                 "end what listens there, or choose another http.port in the answers file");
}

void brokers(std::vector<Finding>& out, const config::Config& config) {
  std::string_view rest = config.kafka_brokers;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    std::string broker(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    std::erase(broker, ' ');
    const auto reached = reach(broker, std::chrono::seconds(3));
    out.push_back(finding(reached.has_value(), Level::failed, "Kafka",
                          reached ? broker + " answers" : reached.error().message(), "reachable",
                          "start the broker, open the way to it, or correct kafka.brokers"));
  }
}

/// What `trav cluster check` says of the topic and of the brokers.
void cluster(std::vector<Finding>& out, const config::Config& config) {
  const std::string topic = fmt::format("Kafka, topic {}", config.kafka_topic);
  const auto settings = config::kafka_settings(config);
  if (!settings) {
    out.push_back(finding(false, Level::failed, topic, settings.error().message(), "a login", "correct kafka.*"));
    return;
  }
  const auto compared = kafka::check_cluster(*settings, static_cast<std::int32_t>(config.shards));
  if (!compared) {
    const bool missing = compared.error().code() == base::ErrorCode::invalid;
    out.push_back(finding(false, Level::failed, topic, compared.error().message(), "the topic of the log",
                          missing ? "`trav cluster init --config FILE` makes it; in the folder of the bundle trav is "
                                    "files/lib/ld-linux-x86-64.so.2 --library-path files/lib files/bin/trav"
                                  : "correct kafka.*, or allow it (docs/guides/kafka.md)"));
    return;
  }
  for (const kafka::Deviation& one : compared->deviations) {
    out.push_back(finding(false, one.loses ? Level::failed : Level::warning, "Kafka, " + one.setting, one.found,
                          one.needed, fmt::format("set it so (docs/guides/kafka.md); as it is, {}", one.consequence)));
  }
  if (compared->deviations.empty())
    out.push_back(finding(true, Level::good, topic, "as travd needs it", "its settings", ""));
  if (compared->not_compared.empty()) return;
  out.push_back(finding(false, Level::warning, "Kafka, settings of the brokers", compared->not_compared, "readable",
                        "allow DescribeConfigs of the cluster, or compare them by hand (docs/guides/kafka.md)"));
}

}  // namespace

std::vector<Finding> preflight(const PreflightQuestion& question, const base::Clock& clock) {
  const Places& places = question.places;
  std::vector<Finding> out = {permissions(), processors(), memory()};
  // Beside the bundle's files, what is renamed and what is remembered.
  const std::uint64_t needed = question.bundle_bytes + 16 * mib;
  out.push_back(room("disk for programs", places.programs(), needed - std::min(needed, left_over(places.incoming()))));
  out.push_back(room("disk for data", question.config.data_folder, 512 * mib));
  out.push_back(executable(places.programs()));
  out.push_back(syncs(question.config.data_folder, clock));
  out.push_back(time_of_host(clock, question.made));
  for (auto check : {kernel_version, namespaces, filters, landlock, control_groups, libraries, open_files, certificates,
                     time_zones}) {
    out.push_back(check());
  }
  // What runs isolated nowhere needs no walls.
  if (question.config.plugins_isolation != "required") {
    for (Finding& one : out) {
      if (one.what == "namespaces for plugins" && one.level == Level::failed) one.level = Level::warning;
    }
  }
  out.push_back(port(question.config, question.runs_already));
  brokers(out, question.config);
  const bool reached =
      std::ranges::any_of(out, [](const Finding& one) { return one.what == "Kafka" && one.level == Level::good; });
  if (reached) cluster(out, question.config);
  return out;
}

}  // namespace trv::steps
