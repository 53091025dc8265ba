#include "kernel/sandbox/control_groups.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "sdk/base/contract.hpp"

namespace trv::sandbox {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using base::fail;

constexpr std::string_view prefix = "travd-";
constexpr std::uint64_t period_us = 100'000;  // within which a group may use its part of a processor
constexpr int end_within_ms = 1'000;
constexpr std::array<std::string_view, 3> controllers = {"memory", "cpu", "pids"};

std::vector<std::string> words(std::string_view text, char separator) {
  std::vector<std::string> found;
  std::istringstream stream{std::string(text)};
  for (std::string word; std::getline(stream, word, separator);) {
    if (!word.empty()) found.push_back(word);
  }
  return found;
}

bool has(const std::vector<std::string>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of_file(const fs::path& path) {
  const std::vector<std::string> lines = lines_of(path);
  return lines.empty() ? std::vector<std::string>() : words(lines.front(), ' ');
}

// One write, as the kernel reads these files. It makes a file only in the tree of a test.
base::Status write_text(const fs::path& path, std::string_view text) {
  const base::OpenFile file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (file.is_open() && ::write(file.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size()))
    return {};
  return fail(ErrorCode::unavailable, fmt::format("{}: {}", path.string(), std::strerror(errno)));
}

base::Status make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return fail(ErrorCode::unavailable, fmt::format("{}: {}", path.string(), std::strerror(errno)));
}

/// A hierarchy of groups, where it is mounted.
struct Mount {
  std::string root;  ///< what of the hierarchy is mounted
  fs::path point;
  bool is_version_2 = false;
  std::vector<std::string> options;  ///< of v1: the controllers are among them
};

std::vector<Mount> mounts_of(const GroupHost& host) {
  std::vector<Mount> mounts;
  for (const std::string& line : lines_of(host.root / "proc/self/mountinfo")) {
    const std::vector<std::string> fields = words(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || std::distance(dash, fields.end()) < 4) continue;
    if (dash[1] != "cgroup" && dash[1] != "cgroup2") continue;
    mounts.push_back({.root = fields[3],
                      .point = host.root / fs::path(fields[4]).relative_path(),
                      .is_version_2 = dash[1] == "cgroup2",
                      .options = words(dash[3], ',')});
  }
  return mounts;
}

/// The group that this process is in, of the hierarchy with `controller`; empty: of v2.
std::optional<fs::path> own_group(const GroupHost& host, std::string_view controller) {
  std::optional<std::string> path;
  for (const std::string& line : lines_of(host.root / "proc/self/cgroup")) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? names.empty() : has(words(names, ','), controller)) path = line.substr(second + 1);
  }
  if (!path) return std::nullopt;
  for (const Mount& mount : mounts_of(host)) {
    if (mount.is_version_2 != controller.empty() || (!controller.empty() && !has(mount.options, controller))) continue;
    const fs::path below = fs::path(*path).lexically_relative(mount.root);
    if (below.empty() || *below.begin() == "..") continue;
    return (mount.point / below).lexically_normal();
  }
  return std::nullopt;
}

bool is_of_one_that_lives(std::string_view folder) {
  folder.remove_prefix(prefix.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(folder.data(), folder.data() + folder.size(), pid);
  return error != std::errc() || ::kill(pid, 0) == 0 || errno != ESRCH;
}

// Those in use cannot be removed in any case.
void remove_left_over(const fs::path& parent) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || is_of_one_that_lives(name)) continue;
    for (const auto& group : fs::directory_iterator(entry.path(), error)) {
      if (group.is_directory(error)) ::rmdir(group.path().c_str());
    }
    ::rmdir(entry.path().c_str());
  }
}

// Of a process that cannot be asked, because travd had too many files open, nothing is known: it is left alone.
bool has_ended(const base::OpenFile& process, int wait_ms) {
  pollfd ended{.fd = process.number(), .events = POLLIN, .revents = 0};
  return !process.is_open() || ::poll(&ended, 1, wait_ms) != 0;
}

std::string folder_name() {
  return fmt::format("{}{}", prefix, ::getpid());
}

}  // namespace

base::Result<ControlGroups::Places> ControlGroups::of_version_2(const GroupLimits& limits, const GroupHost& host) {
  const std::optional<fs::path> own = own_group(host, {});
  if (!own) return fail(ErrorCode::unavailable, "cgroup v2 is not mounted");
  const std::vector<std::string> available = words_of_file(*own / "cgroup.controllers");
  for (const std::string_view controller : controllers) {
    if (!has(available, controller)) {
      return fail(ErrorCode::unavailable,
                  fmt::format("cgroup v2 gives the group of travd no '{}'; a service needs Delegate=yes", controller));
    }
  }
  constexpr std::string_view all = "+memory +cpu +pids";
  remove_left_over(*own);
  // A group with processes of its own has no groups below that have controllers.
  const fs::path aside = *own / "travd";
  TRV_TRY(make_folder(aside));
  TRV_TRY(write_text(aside / "cgroup.procs", "0"));
  if (const base::Status done = write_text(*own / "cgroup.subtree_control", all); !done) {
    static_cast<void>(write_text(*own / "cgroup.procs", "0"));
    ::rmdir(aside.c_str());
    return fail(ErrorCode::unavailable,
                fmt::format("the control group of travd is not its own: {}; a service needs Delegate=yes",
                            done.error().message()));
  }
  const fs::path folder = *own / folder_name();
  TRV_TRY(make_folder(folder));
  TRV_TRY(write_text(folder / "cgroup.subtree_control", all));
  return Places{
      .places = {{.folder = folder,
                  .settings = {{"memory.max", fmt::format("{}", limits.memory_bytes)},
                               {"cpu.max", fmt::format("{} {}", limits.cpu_percent * period_us / 100, period_us)},
                               {"pids.max", fmt::format("{}", limits.threads)}}}},
      .description = "memory, cpu, pids (cgroup v2)"};
}

base::Result<ControlGroups::Places> ControlGroups::of_version_1(const GroupLimits& limits, const GroupHost& host) {
  Places found;
  std::string names;
  base::Error why{ErrorCode::unavailable, "cgroup v1 is not mounted"};
  for (const std::string_view controller : controllers) {
    const std::optional<fs::path> own = own_group(host, controller);
    if (!own) continue;
    remove_left_over(*own);
    const fs::path folder = *own / folder_name();
    if (base::Status made = make_folder(folder); !made) {
      why = std::move(made).error();
      continue;
    }
    std::vector<Setting> settings;
    if (controller == "memory") {
      settings = {{"memory.limit_in_bytes", fmt::format("{}", limits.memory_bytes)}};
    } else if (controller == "cpu") {
      settings = {{"cpu.cfs_quota_us", fmt::format("{}", limits.cpu_percent * period_us / 100)}};
    } else {
      settings = {{"pids.max", fmt::format("{}", limits.threads)}};
    }
    found.places.push_back({folder, std::move(settings)});
    names += fmt::format("{}{}", names.empty() ? "" : ", ", controller);
  }
  if (found.places.empty()) return fail(std::move(why));
  found.description = fmt::format("{} (cgroup v1)", names);
  return found;
}

base::Result<std::unique_ptr<ControlGroups>> ControlGroups::open(const GroupLimits& limits, ProblemSink problem,
                                                                 const GroupHost& host) {
  TRV_EXPECTS(limits.memory_bytes > 0 && limits.cpu_percent > 0 && limits.threads > 0);
  auto places = of_version_2(limits, host);
  if (!places) {
    auto version_1 = of_version_1(limits, host);
    if (!version_1) {
      return fail(ErrorCode::unavailable, fmt::format("{}; {}", places.error().message(), version_1.error().message()));
    }
    places = std::move(version_1);
  }
  return std::unique_ptr<ControlGroups>(new ControlGroups(*std::move(places), std::move(problem)));
}

ControlGroups::ControlGroups(Places places, ProblemSink problem)
    : places_(std::move(places.places)),
      description_(std::move(places.description)),
      problem_(std::move(problem)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ControlGroups::~ControlGroups() {
  thread_.request_stop();
  thread_.join();
  for (const auto& [group, members] : members_) remove(group);
  for (const Place& place : places_) ::rmdir(place.folder.c_str());
}

void ControlGroups::put(const std::string& name, pid_t pid, const base::OpenFile& process) {
  TRV_EXPECTS(!name.empty() && name.find('/') == std::string::npos && name != "." && name != ".." && pid > 0);
  add(name, pid, process);
}

void ControlGroups::left(const std::string& name, const base::OpenFile& process) {
  add(name, 0, process);
}

void ControlGroups::add(std::string group, pid_t pid, const base::OpenFile& process) {
  base::OpenFile same(::fcntl(process.number(), F_DUPFD_CLOEXEC, 0));
  const std::lock_guard lock(mutex_);
  moves_.push_back({.group = std::move(group), .pid = pid, .process = std::move(same)});
  changed_.notify_all();
}

void ControlGroups::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return moves_.empty() && !is_moving_; });
}

void ControlGroups::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !moves_.empty(); })) {
    const Move move = std::move(moves_.front());
    moves_.pop_front();
    is_moving_ = true;
    lock.unlock();
    do_now(move);
    lock.lock();
    is_moving_ = false;
    changed_.notify_all();
  }
}

void ControlGroups::do_now(const Move& move) {
  std::size_t& members = members_[move.group];
  if (move.pid > 0) {
    ++members;
    return join(move);
  }
  TRV_ASSERT(members > 0);
  static_cast<void>(has_ended(move.process, end_within_ms));
  if (--members > 0) return;
  remove(move.group);
  members_.erase(move.group);
}

void ControlGroups::join(const Move& move) {
  for (const Place& place : places_) {
    const fs::path folder = place.folder / move.group;
    base::Status done = make_folder(place.folder);  // which a travd of another process namespace may take for left over
    if (done) done = make_folder(folder);
    for (const Setting& setting : place.settings) {
      if (done) done = write_text(folder / setting.file, setting.value);
    }
    // A process that has ended gave its number away.
    if (has_ended(move.process, 0)) return;
    if (done) done = write_text(folder / "cgroup.procs", fmt::format("{}", move.pid));
    if (!done && !has_ended(move.process, 0)) problem_(done.error().message());
  }
}

// What its last process did not leave in time is removed when travd ends, or starts again.
void ControlGroups::remove(const std::string& group) {
  for (const Place& place : places_) ::rmdir((place.folder / group).c_str());
}

}  // namespace trv::sandbox
