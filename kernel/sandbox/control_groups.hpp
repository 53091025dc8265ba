#pragma once
// Bounds that the processes of one tenant share: memory, processor time and threads, by the control groups of the host
// (cgroup v2 where they are delegated to travd, v1 where that is what the host has).
//
// The kernel needs up to tens of milliseconds to move a process into a group. So that nobody waits for it, a thread of
// its own does that; until then the process has its own bounds alone.

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sdk/base/open_file.hpp"
#include "sdk/base/result.hpp"

namespace trv::sandbox {

/// Of all processes in one group together.
struct GroupLimits {
  std::uint64_t memory_bytes = std::uint64_t{2} << 30;
  std::uint64_t cpu_percent = 100;  ///< of one processor
  std::uint64_t threads = 1'024;
};

/// Where the host has its groups. Another one is for tests.
struct GroupHost {
  std::filesystem::path root = "/";  ///< in front of /proc and of the mounts
};

class ControlGroups {
 public:
  /// What keeps a process out of its group, as a sentence. On a thread of this.
  using ProblemSink = std::function<void(const std::string&)>;

  /// Makes room for groups below the one that this process is in; with v2 it moves this process to a group of its own
  /// below, as the kernel asks for. Before it has other threads or processes. Groups that another process left are
  /// removed. Error: unavailable (the host gives none; says why).
  [[nodiscard]] static base::Result<std::unique_ptr<ControlGroups>> open(const GroupLimits& limits, ProblemSink problem,
                                                                         const GroupHost& host = {});
  /// Removes the groups that no process is in.
  ~ControlGroups();
  ControlGroups(const ControlGroups&) = delete;
  ControlGroups& operator=(const ControlGroups&) = delete;

  /// What is bounded, and by what: "memory, cpu, pids (cgroup v1)".
  [[nodiscard]] const std::string& description() const noexcept { return description_; }

  /// Soon `process` is in the group `name`, a label; it may have ended by then. Any thread; does not wait.
  void put(const std::string& name, pid_t pid, const base::OpenFile& process);
  /// A process that was put there has ended, or is about to. Any thread; does not wait.
  void left(const std::string& name, const base::OpenFile& process);
  /// Returns once everything asked for so far is done.
  void settle();

 private:
  struct Setting {
    std::string file;
    std::string value;
  };
  /// Where groups are made, and what is set in each.
  struct Place {
    std::filesystem::path folder;
    std::vector<Setting> settings;
  };
  struct Places {
    std::vector<Place> places;
    std::string description;
  };
  struct Move {
    std::string group;
    pid_t pid = 0;           ///< 0: it leaves
    base::OpenFile process;  ///< so that the number is nobody else's
  };

  ControlGroups(Places places, ProblemSink problem);
  [[nodiscard]] static base::Result<Places> of_version_2(const GroupLimits& limits, const GroupHost& host);
  [[nodiscard]] static base::Result<Places> of_version_1(const GroupLimits& limits, const GroupHost& host);
  void run(const std::stop_token& stop);
  void add(std::string group, pid_t pid, const base::OpenFile& process);
  void do_now(const Move& move);
  void join(const Move& move);
  void remove(const std::string& group);

  const std::vector<Place> places_;
  const std::string description_;
  const ProblemSink problem_;
  std::map<std::string, std::size_t> members_;  ///< of the thread

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Move> moves_;
  bool is_moving_ = false;
  std::jthread thread_;
};

}  // namespace trv::sandbox
