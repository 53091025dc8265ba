#pragma once
// The processes that plugins run in: one zygote, and one thread that carries the frames of all of them. A zygote that
// ends takes its processes along, and another one is started.
//
// Any thread.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernel/plugin_host/frame_link.hpp"
#include "kernel/plugin_host/ready_processes.hpp"
#include "kernel/sandbox/control_groups.hpp"
#include "kernel/sandbox/zygote.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::plugin_host {

class Isolation {
 public:
  /// Before any secret is read. `clock` outlives this. Error: unavailable.
  /// Processes share bounds by `groups`, where the host has them.
  [[nodiscard]] static base::Result<std::unique_ptr<Isolation>> start(
      const sandbox::ZygoteConfiguration& zygote, LinkLimits limits, const base::Clock& clock,
      std::unique_ptr<sandbox::ControlGroups> groups = nullptr);
  /// Kills every process.
  ~Isolation();
  Isolation(const Isolation&) = delete;
  Isolation& operator=(const Isolation&) = delete;

  [[nodiscard]] const sandbox::Walls& walls() const noexcept { return walls_; }

  /// Begins a process for `purpose`; does not wait for it. What is sent over the link before it is there waits. It
  /// shares bounds with the others of its `group`, a label. `user` is held weakly and hears of the end once.
  [[nodiscard]] std::shared_ptr<FrameLink> begin(ProcessPurpose purpose, std::string group,
                                                 const std::weak_ptr<LinkUser>& user);

  /// No call follows of the package in `folder`, among those of the store: no process is kept ready for it.
  void forget(const std::string& folder);

  /// Kills each process that runs, as a host without memory does: a crash for those who wait for it. What is sent to
  /// one of them afterwards is read by nobody.
  void kill_processes();

  /// Now, of tenants.
  [[nodiscard]] std::size_t processes() const noexcept { return processes_; }
  /// Now: those that wait for a tenant with the code of a package.
  [[nodiscard]] std::size_t ready_processes() const;

 private:
  struct Beginning {
    std::shared_ptr<FrameLink> link;  ///< nullptr: a process that is to be ready
    ProcessPurpose purpose;
  };

  Isolation(sandbox::ZygoteConfiguration configuration, std::unique_ptr<sandbox::Zygote> zygote, base::OpenFile poll,
            base::OpenFile wake, LinkLimits limits, const base::Clock& clock,
            std::unique_ptr<sandbox::ControlGroups> groups);
  void run(const std::stop_token& stop);
  void hear_new();
  void ask_for_ready();
  void hear_zygote();
  void ask_for(Beginning beginning);
  void made(const Beginning& beginning, sandbox::SandboxedProcess process);
  void connect(FrameLink& link, const ProcessPurpose& purpose, sandbox::SandboxedProcess process) const;
  void add(const std::shared_ptr<FrameLink>& link);
  void start_zygote();
  void lose_all(const std::string& why);
  void fail_next(const std::string& why);
  void leaves_group(const FrameLink& link);
  void serve(pid_t pid, std::uint32_t events);
  void tick();
  void wake() const;
  [[nodiscard]] Beginning next_asked();

  const sandbox::ZygoteConfiguration configuration_;
  const sandbox::Walls walls_;
  const base::OpenFile poll_;
  const base::OpenFile wake_;
  const LinkLimits limits_;
  const base::Clock& clock_;
  const std::unique_ptr<sandbox::ControlGroups> groups_;

  mutable std::mutex mutex_;
  std::vector<Beginning> new_;
  std::vector<std::shared_ptr<FrameLink>> connected_;  ///< to a process that was ready
  ReadyProcesses ready_;
  std::vector<std::weak_ptr<FrameLink>> begun_;  ///< those that have ended, too
  std::atomic<std::size_t> processes_ = 0;

  // The loop's.
  std::unique_ptr<sandbox::Zygote> zygote_;  ///< nullptr: it has ended, and is not there again yet
  std::deque<Beginning> asked_;
  base::Duration quiet_at_ = base::Duration::max();  ///< when a process may be made ready
  std::map<pid_t, std::shared_ptr<FrameLink>> links_;
  PacketReader reader_;
  base::Duration next_tick_{};
  std::jthread loop_;
};

}  // namespace trv::plugin_host
