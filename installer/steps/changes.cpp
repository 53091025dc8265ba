#include "installer/steps/changes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sdk/base/file.hpp"
#include "sdk/base/file_copy.hpp"
#include "sdk/base/open_file.hpp"

extern char** environ;

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::Status;
using std::filesystem::path;

base::Error failed(std::string_view what, const path& at, int error) {
  const ErrorCode code = error == ENOSPC || error == EDQUOT ? ErrorCode::exhausted : ErrorCode::unavailable;
  return {code, fmt::format("{} cannot be {}: {}", at.string(), what, std::strerror(error))};
}

Status check(bool done, std::string_view what, const path& at) {
  if (done) return {};
  return base::fail(failed(what, at, errno));
}

path folder_of(const path& at) {
  return at.parent_path().empty() ? path(".") : at.parent_path();
}

path beside(const path& at) {
  return folder_of(at) / fmt::format(".{}.new", at.filename().string());
}

Status give_one(const path& at, const passwd& user) {
  return check(::lchown(at.c_str(), user.pw_uid, user.pw_gid) == 0, "given to its user", at);
}

Status run_with(const std::vector<std::string>& words, const posix_spawn_file_actions_t* actions) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, arguments[0], actions, nullptr, arguments.data(), environ);
  if (error != 0) return base::fail(failed("started", words.front(), error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return base::fail(ErrorCode::unavailable,
                    fmt::format("`{}` failed with exit code {}", fmt::join(words, " "),
                                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
}

}  // namespace

Status HostChanges::make_folder(const path& folder, unsigned mode) {
  struct stat found{};
  if (::stat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) return {};
  if (folder.has_relative_path() && folder_of(folder) != folder) TRV_TRY(make_folder(folder_of(folder), 0755));
  TRV_TRY(check(::mkdir(folder.c_str(), mode) == 0 && ::chmod(folder.c_str(), mode) == 0, "made", folder));
  return base::sync_folder(folder_of(folder));
}

Status HostChanges::write(const path& file, std::string_view text, unsigned mode) {
  return base::write_file(file, beside(file).filename().string(), base::as_bytes(text), mode);
}

Status HostChanges::copy(const path& from, const path& to, unsigned mode, const base::Digest& sha256) {
  if (::unlink(to.c_str()) != 0 && errno != ENOENT) return base::fail(failed("replaced", to, errno));
  TRV_TRY_ASSIGN(const base::FileDigest copied, base::copy_file(from, to, mode, base::Sync::later));
  if (copied.sha256 == sha256) return check(::chmod(to.c_str(), mode) == 0, "made readable", to);
  ::unlink(to.c_str());
  return base::fail(ErrorCode::corrupt,
                    fmt::format("{} changed since it was verified; nothing is installed of it", from.string()));
}

Status HostChanges::rename(const path& from, const path& to) {
  TRV_TRY(base::sync_file_system(folder_of(from)));
  TRV_TRY(check(::rename(from.c_str(), to.c_str()) == 0, "put in its place", to));
  return base::sync_folder(folder_of(to));
}

Status HostChanges::link(const path& link, const path& target) {
  const path aside = beside(link);
  if (::unlink(aside.c_str()) != 0 && errno != ENOENT) return base::fail(failed("replaced", aside, errno));
  TRV_TRY(check(::symlink(target.c_str(), aside.c_str()) == 0, "made", aside));
  TRV_TRY(check(::rename(aside.c_str(), link.c_str()) == 0, "put in its place", link));
  return base::sync_folder(folder_of(link));
}

Status HostChanges::remove(const path& at) {
  std::error_code error;
  std::filesystem::remove_all(at, error);
  if (error) return base::fail(failed("removed", at, error.value()));
  if (!std::filesystem::exists(folder_of(at), error)) return {};
  return base::sync_folder(folder_of(at));
}

Status HostChanges::give(const path& folder, std::string_view user) {
  const passwd* found = ::getpwnam(std::string(user).c_str());
  if (found == nullptr) return base::fail(ErrorCode::not_found, fmt::format("there is no user {}", user));
  TRV_TRY(give_one(folder, *found));
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    TRV_TRY(give_one(at->path(), *found));
  }
  if (error) return base::fail(failed("given to its user", folder, error.value()));
  return {};
}

Status HostChanges::run(const std::vector<std::string>& words) {
  return run_with(words, nullptr);
}

base::Result<std::string> output_of(const std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail(failed("started", words.front(), errno));
  const base::OpenFile out(ends[0]);
  base::OpenFile in(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.number(), STDOUT_FILENO);
  // What is printed fits into the pipe: one line or two.
  const Status done = run_with(words, &actions);
  ::posix_spawn_file_actions_destroy(&actions);
  in = base::OpenFile();
  TRV_TRY(done);
  std::array<char, 4096> text{};
  const ssize_t count = ::read(out.number(), text.data(), text.size());
  return std::string(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
}

Status ListedChanges::make_folder(const path& folder, unsigned mode) {
  lines_.push_back(fmt::format("folder   {} ({:04o})", folder.string(), mode));
  return {};
}
Status ListedChanges::write(const path& file, std::string_view text, unsigned mode) {
  lines_.push_back(fmt::format("write    {} ({:04o}, {} bytes)", file.string(), mode, text.size()));
  return {};
}
Status ListedChanges::copy(const path& from, const path& to, unsigned mode, const base::Digest&) {
  lines_.push_back(fmt::format("copy     {} ({:04o}) from {}", to.string(), mode, from.string()));
  return {};
}
Status ListedChanges::rename(const path& from, const path& to) {
  lines_.push_back(fmt::format("rename   {} to {}", from.string(), to.string()));
  return {};
}
Status ListedChanges::link(const path& link, const path& target) {
  lines_.push_back(fmt::format("link     {} -> {}", link.string(), target.string()));
  return {};
}
Status ListedChanges::remove(const path& at) {
  lines_.push_back(fmt::format("remove   {}", at.string()));
  return {};
}
Status ListedChanges::give(const path& folder, std::string_view user) {
  lines_.push_back(fmt::format("give     {} to {}", folder.string(), user));
  return {};
}
Status ListedChanges::run(const std::vector<std::string>& words) {
  lines_.push_back(fmt::format("command  {}", fmt::join(words, " ")));
  return {};
}

}  // namespace trv::steps
