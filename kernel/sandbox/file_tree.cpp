// The file tree of the sandbox: a small file system in memory, in which the host's programs are mounted read-only.

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "kernel/sandbox/walls.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::sandbox {
namespace {

// Any folder that every host has; the new root covers it until it becomes the root.
constexpr std::string_view new_root = "/tmp";

// Programs and libraries, and by what name they are found. Nothing of the host's configuration and data.
constexpr std::array<const char*, 6> programs = {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32"};
constexpr std::array<const char*, 3> lookups = {"/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"};
constexpr std::array<const char*, 4> devices = {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"};

std::string inside(std::string_view path) {
  return std::string(new_root) + std::string(path);
}

bool attach(const char* path, const std::string& target, std::uint64_t attributes) {
  if (::mount(path, target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return false;
  mount_attr wanted{};
  wanted.attr_set = attributes | MOUNT_ATTR_NOSUID;
  return ::mount_setattr(AT_FDCWD, target.c_str(), AT_RECURSIVE, &wanted, sizeof wanted) == 0;
}

bool make_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  return file >= 0 && ::close(file) == 0;
}

// A link to a folder stays one. What the host does not have is left out.
bool show(const char* path, std::uint64_t attributes) {
  struct stat found{};
  if (::lstat(path, &found) != 0) return errno == ENOENT;
  const std::string target = inside(path);
  if (S_ISLNK(found.st_mode)) {
    std::array<char, 4'096> to{};
    const ssize_t size = ::readlink(path, to.data(), to.size() - 1);
    return size > 0 && ::symlink(to.data(), target.c_str()) == 0;
  }
  const bool made = S_ISDIR(found.st_mode) ? ::mkdir(target.c_str(), 0755) == 0 : make_file(target);
  return made && attach(path, target, attributes);
}

}  // namespace

std::string_view change_root(std::uint64_t files_bytes, const char* shown) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "mounts of its own";
  // The new root covers what is below its place.
  const base::OpenFile shown_at(shown == nullptr ? -1 : ::open(shown, O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string size = fmt::format("size={},nr_inodes=16384,mode=0755", files_bytes);
  if (::mount("sandbox", new_root.data(), "tmpfs", MS_NOSUID | MS_NODEV, size.c_str()) != 0) {
    return "a file system in memory";
  }
  for (const std::string_view folder :
       {std::string_view("/etc"), std::string_view("/dev"), std::string_view("/tmp"), job_folder}) {
    if (::mkdir(inside(folder).c_str(), 0755) != 0) return "a folder of the sandbox";
  }
  for (const char* path : programs) {
    if (!show(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)) return "the programs of this host, read-only";
  }
  for (const char* path : lookups) {
    if (!show(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)) return "the names of this host's programs, read-only";
  }
  for (const char* path : devices) {
    if (!show(path, MOUNT_ATTR_NOEXEC)) return "the devices of the sandbox";
  }
  if (shown != nullptr) {
    const std::string target = inside(shown_folder);
    if (::mkdir(target.c_str(), 0755) != 0 || !attach(fmt::format("/proc/self/fd/{}", shown_at.number()).c_str(),
                                                      target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)) {
      return "the folder of the libraries, read-only";
    }
  }
  // The old root is put on top of the new one, and taken away.
  if (::chdir(new_root.data()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 || ::umount2(".", MNT_DETACH) != 0 ||
      ::chdir("/") != 0) {
    return "a root of its own";
  }
  return {};
}

const char* reachable_by_all(const char* path) {
  if (::geteuid() != 0) return path;
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return nullptr;
  // Folders that hosts have and programs do not need.
  for (const char* place : {"/mnt", "/media", "/srv", "/opt", "/home"}) {
    if (::mount(path, place, nullptr, MS_BIND, nullptr) == 0) return place;
  }
  return nullptr;
}

std::string_view keep_of_shown(std::string_view name) {
  constexpr std::string_view problem = "the folder of the library";
  const std::string wanted = fmt::format("{}/{}", shown_folder, name);
  const std::string place(job_folder);
  if (name.empty() || name.front() == '.' || name.find('/') != std::string_view::npos ||
      ::mount(wanted.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return problem;
  }
  mount_attr wanted_attributes{};
  wanted_attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::mount_setattr(AT_FDCWD, place.c_str(), 0, &wanted_attributes, sizeof wanted_attributes) != 0 ||
      ::umount2(std::string(shown_folder).c_str(), MNT_DETACH) != 0) {
    return problem;
  }
  return {};
}

}  // namespace trv::sandbox
