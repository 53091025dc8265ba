#pragma once
// What a process gives up on its way into the sandbox, one wall after the other. For a process that has one thread and
// nothing to hide. Linux 5.12 or later.
//
// Each function returns what went wrong, or an empty text; errno says more. What it returns lives for ever.

#include <linux/filter.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "sdk/base/open_file.hpp"

namespace trv::sandbox {

/// The folder of the job in its file tree, and where it begins.
inline constexpr std::string_view job_folder = "/job";
/// The one folder of the host that a tree may show beside the programs.
inline constexpr std::string_view shown_folder = "/shown";

/// A path of the folder that every user can follow, in a mount namespace of this process; `path` itself where the
/// process is not root. Empty: there is none, errno says more.
[[nodiscard]] const char* reachable_by_all(const char* path);

/// Becomes a user to whom nothing of the host belongs, where it is root.
[[nodiscard]] std::string_view leave_root();

/// The process is killed when its parent ends.
[[nodiscard]] std::string_view end_with_parent();

/// User, mount, process, network, IPC, host-name and cgroup namespaces of its own; the next process that it starts is
/// the first of the process namespace.
[[nodiscard]] std::string_view enter_namespaces();

/// The host's programs read-only, devices that hold no data and `job_folder`, as the new root. `shown`: a folder of
/// the host that is shown read-only as `shown_folder`, or nullptr. In a mount namespace of its own.
[[nodiscard]] std::string_view change_root(std::uint64_t files_bytes, const char* shown = nullptr);

/// Leaves of `shown_folder` only the folder `name`, as `job_folder`.
[[nodiscard]] std::string_view keep_of_shown(std::string_view name);

/// What a resource costs at most; 0 = none of it.
[[nodiscard]] std::string_view limit(int resource, std::uint64_t value);

/// No privilege within the namespaces, and no way to gain one.
[[nodiscard]] std::string_view drop_privileges();

/// The kernel's own rules for files and networks: programs and `job_folder` can be read, nothing else. Where the kernel
/// has no Landlock nothing happens. Returns its version, 0 = none, below 0 = it failed.
[[nodiscard]] int restrict_files();

enum class SystemCalls {
  of_scripts,    ///< those of ordinary programs
  of_libraries,  ///< besides: no other program, no process, no socket
  of_loaded,     ///< besides: no file is opened, no memory becomes code
};

/// Whether somebody hears of a call that is refused, before it is: refused_calls.hpp.
enum class Refusal { unheard, heard };

/// Leaves a process the named system calls. To make a filter takes long and can be done before there is a process.
class SystemCallFilter {
 public:
  /// Where that fails, apply() says so. A process has at most one filter that is heard: that of_libraries has the rules
  /// of_loaded, too, and who hears of a call lets it pass until then.
  explicit SystemCallFilter(SystemCalls left, Refusal refusal = Refusal::unheard);
  /// For all threads of the process. Another filter with fewer calls may follow.
  [[nodiscard]] std::string_view apply() const;
  /// The same of one that is heard: where its calls arrive (seccomp_unotify(2)), and wait for an answer. Not open where
  /// that fails.
  [[nodiscard]] base::OpenFile apply_heard() const;

 private:
  [[nodiscard]] long set(unsigned flags) const;

  std::vector<sock_filter> instructions_;
};

/// Whether a call that SystemCalls::of_libraries leaves, perhaps with some arguments alone, is refused once loaded.
[[nodiscard]] bool is_refused_once_loaded(int call) noexcept;
/// The error number that a call is refused with.
[[nodiscard]] int refused_with(SystemCalls left, int call) noexcept;

}  // namespace trv::sandbox
