// The file tree that a job sees: a small file system in memory, in which the host's programs are mounted read-only.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "kernel/sandbox/inside.hpp"

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

bool attach(const char* path, unsigned long long attributes) {
  const std::string target = inside(path);
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
bool show(const char* path, unsigned long long attributes) {
  struct stat found{};
  if (::lstat(path, &found) != 0) return errno == ENOENT;
  const std::string target = inside(path);
  if (S_ISLNK(found.st_mode)) {
    std::array<char, 4'096> to{};
    const ssize_t size = ::readlink(path, to.data(), to.size() - 1);
    return size > 0 && ::symlink(to.data(), target.c_str()) == 0;
  }
  const bool made = S_ISDIR(found.st_mode) ? ::mkdir(target.c_str(), 0755) == 0 : make_file(target);
  return made && attach(path, attributes);
}

}  // namespace

std::string_view change_root(unsigned long long files_bytes) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "mounts of its own";
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
  // The old root is put on top of the new one, and taken away.
  if (::chdir(new_root.data()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 || ::umount2(".", MNT_DETACH) != 0 ||
      ::chdir("/") != 0) {
    return "a root of its own";
  }
  return {};
}

}  // namespace trv::sandbox
