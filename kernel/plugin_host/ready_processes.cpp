#include "kernel/plugin_host/ready_processes.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "kernel/plugin_host/packet.hpp"

namespace trv::plugin_host {
namespace {

constexpr std::size_t packages_max = 16;
constexpr const char* group = "@ready";  // no tenant is called so

// Its end is heard of, and nobody's.
void kill(const sandbox::SandboxedProcess& process) {
  static_cast<void>(::syscall(SYS_pidfd_send_signal, process.process.number(), SIGKILL, nullptr, 0));
}

}  // namespace

std::optional<sandbox::SandboxedProcess> ReadyProcesses::take(const ProcessPurpose& purpose, base::Duration now) {
  if (purpose.operations || purpose.configuration.empty()) return std::nullopt;
  if (packages_.size() == packages_max && !packages_.contains(purpose.folder)) {
    const auto oldest =
        std::ranges::min_element(packages_, {}, [](const auto& package) { return package.second.used; });
    end(oldest->second);
    packages_.erase(oldest);
  }
  Package& package = packages_[purpose.folder];
  package.purpose = purpose;
  package.purpose.configuration.clear();
  package.purpose.with = {};
  package.purpose.only_prepares = true;
  package.used = now;
  package.is_wanted = true;
  return lose(package);
}

std::optional<ProcessPurpose> ReadyProcesses::next_wanted() {
  for (auto& [folder, package] : packages_) {
    if (package.is_being_made) return std::nullopt;
  }
  for (auto& [folder, package] : packages_) {
    if (!package.is_wanted || package.process) continue;
    package.is_being_made = true;
    return package.purpose;
  }
  return std::nullopt;
}

void ReadyProcesses::made(const ProcessPurpose& purpose, std::optional<sandbox::SandboxedProcess> process) {
  const auto found = packages_.find(purpose.folder);
  const bool is_known = found != packages_.end() && found->second.is_being_made;
  if (is_known) {
    found->second.is_being_made = false;
    found->second.is_wanted = false;
  }
  if (!process) return;
  FrameWriter writer;
  if (!is_known || send_packet(process->socket.number(), writer.begin(purpose), Waits::no) != Sent::done) {
    return kill(*process);
  }
  if (groups_ != nullptr) groups_->put(group, process->pid, process->process);
  found->second.process = std::move(process);
}

void ReadyProcesses::has_ended(pid_t pid) {
  for (auto& [folder, package] : packages_) {
    if (package.process && package.process->pid == pid) static_cast<void>(lose(package));
  }
}

void ReadyProcesses::forget(const std::string& folder) {
  const auto found = packages_.find(folder);
  if (found == packages_.end()) return;
  end(found->second);
  packages_.erase(found);
}

void ReadyProcesses::tick(base::Duration now, base::Duration idle_after) {
  for (auto next = packages_.begin(); next != packages_.end();) {
    const auto package = next++;
    if (now - package->second.used < idle_after) continue;
    end(package->second);
    packages_.erase(package);
  }
}

void ReadyProcesses::lose_all() {
  for (auto& [folder, package] : packages_) end(package);
  packages_.clear();
}

std::size_t ReadyProcesses::count() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(packages_, [](const auto& package) { return package.second.process.has_value(); }));
}

std::optional<sandbox::SandboxedProcess> ReadyProcesses::lose(Package& package) {
  if (!package.process) return std::nullopt;
  if (groups_ != nullptr) groups_->left(group, package.process->process);
  return std::exchange(package.process, std::nullopt);
}

void ReadyProcesses::end(Package& package) {
  if (const auto process = lose(package)) kill(*process);
}

}  // namespace trv::plugin_host
