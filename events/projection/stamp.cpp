#include "events/projection/stamp.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string_view>
#include <system_error>

#include "sdk/base/contract.hpp"

namespace trv::projection {

using base::ErrorCode;
using base::fail;
using base::Status;

namespace {

constexpr std::string_view first_line = "travertine projection 1";
constexpr std::string_view layout_word = "layout ";
constexpr std::string_view boot_word = "boot ";
constexpr std::string_view clean_line = "state clean";
constexpr std::string_view open_line = "state open";

std::unexpected<base::Error> failed(std::string_view doing, const std::filesystem::path& path, int cause) {
  return fail(ErrorCode::unavailable,
              fmt::format("cannot {} {}: {}", doing, path.string(), std::generic_category().message(cause)));
}

Status write_durably(const std::filesystem::path& path, std::string_view text) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("create", path, errno);
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int cause = errno;
      ::close(descriptor);
      return failed("write", path, cause);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  const bool synced = ::fsync(descriptor) == 0;
  const int cause = errno;
  if (::close(descriptor) != 0 || !synced) return failed("sync", path, synced ? errno : cause);
  return {};
}

}  // namespace

Status sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failed("open", folder, errno);
  const bool synced = ::fsync(descriptor) == 0;
  const int cause = errno;
  ::close(descriptor);
  if (!synced) return failed("sync", folder, cause);
  return {};
}

Status write_stamp(const std::filesystem::path& folder, const Stamp& stamp) {
  TRV_EXPECTS(stamp.layout.find('\n') == std::string::npos && stamp.boot_id.find('\n') == std::string::npos);
  const std::filesystem::path fresh = folder / "stamp.new";
  TRV_TRY(write_durably(fresh, fmt::format("{}\n{}{}\n{}{}\n{}\n", first_line, layout_word, stamp.layout, boot_word,
                                           stamp.boot_id, stamp.clean ? clean_line : open_line)));
  if (::rename(fresh.c_str(), (folder / "stamp").c_str()) != 0) return failed("rename", fresh, errno);
  return sync_folder(folder);
}

std::optional<Stamp> read_stamp(const std::filesystem::path& folder) {
  std::ifstream file(folder / "stamp");
  std::string line;
  if (!std::getline(file, line) || line != first_line) return std::nullopt;
  Stamp stamp;
  if (!std::getline(file, line) || !line.starts_with(layout_word)) return std::nullopt;
  stamp.layout = line.substr(layout_word.size());
  if (!std::getline(file, line) || !line.starts_with(boot_word)) return std::nullopt;
  stamp.boot_id = line.substr(boot_word.size());
  if (!std::getline(file, line) || (line != clean_line && line != open_line)) return std::nullopt;
  stamp.clean = line == clean_line;
  return stamp;
}

}  // namespace trv::projection
