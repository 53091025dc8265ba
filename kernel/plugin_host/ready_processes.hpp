#pragma once
// Processes that have the code of a package loaded, behind all their walls, and wait for a tenant: one for each package
// that was used lately. The first call of a tenant then begins with the plugin and not with its process.
//
// One thread at a time.

#include <map>
#include <optional>
#include <string>

#include "kernel/plugin_host/frame.hpp"
#include "kernel/sandbox/control_groups.hpp"
#include "kernel/sandbox/zygote.hpp"
#include "sdk/base/clock.hpp"

namespace trv::plugin_host {

class ReadyProcesses {
 public:
  /// They share bounds by `groups`, where the host has them; nullptr: it has none. Outlives this.
  explicit ReadyProcesses(sandbox::ControlGroups* groups) noexcept : groups_(groups) {}

  /// A tenant begins a process of this package at `now`: the one that waits for it, if one does, and another one will
  /// be wanted. A trial has none and wants none.
  [[nodiscard]] std::optional<sandbox::SandboxedProcess> take(const ProcessPurpose& purpose, base::Duration now);
  /// What the next process is wanted for; nullopt: none is, or one is being made.
  [[nodiscard]] std::optional<ProcessPurpose> next_wanted();
  /// A process for what was wanted; nullopt: there is none, and the package waits for its next use.
  void made(const ProcessPurpose& purpose, std::optional<sandbox::SandboxedProcess> process);
  /// If the process that ended was one of these, its package waits for its next use: code that ends here ends
  /// the process that a tenant asks for, too, and is reported there.
  void has_ended(pid_t pid);
  /// No call follows of the package in `folder`.
  void forget(const std::string& folder);
  /// Those of packages that nobody has begun for `idle_after` end.
  void tick(base::Duration now, base::Duration idle_after);
  /// What had them has ended, and they with it.
  void lose_all();
  [[nodiscard]] std::size_t count() const noexcept;

 private:
  struct Package {
    ProcessPurpose purpose;  ///< of no tenant
    base::Duration used{};
    bool is_wanted = false;
    bool is_being_made = false;
    std::optional<sandbox::SandboxedProcess> process;
  };

  [[nodiscard]] std::optional<sandbox::SandboxedProcess> lose(Package& package);
  void end(Package& package);

  sandbox::ControlGroups* const groups_;
  std::map<std::string, Package> packages_;  ///< by folder
};

}  // namespace trv::plugin_host
