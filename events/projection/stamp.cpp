#include "events/projection/stamp.hpp"

#include <fmt/format.h>

#include <fstream>
#include <string_view>

#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::projection {

using base::Status;

namespace {

constexpr std::string_view fresh_name = "stamp.new";
constexpr std::string_view first_line = "travertine projection 2";
constexpr std::string_view layout_word = "layout ";
constexpr std::string_view boot_word = "boot ";
constexpr std::string_view clean_line = "state clean";
constexpr std::string_view open_line = "state open";

}  // namespace

Status write_stamp(const std::filesystem::path& folder, const Stamp& stamp) {
  TRV_EXPECTS(stamp.layout.find('\n') == std::string::npos && stamp.boot_id.find('\n') == std::string::npos);
  const std::string text = fmt::format("{}\n{}{}\n{}{}\n{}\n", first_line, layout_word, stamp.layout, boot_word,
                                       stamp.boot_id, stamp.clean ? clean_line : open_line);
  const std::filesystem::path file = folder / "stamp";
  base::Status written = base::write_file(file, fresh_name, base::as_bytes(text), 0600);
  if (written || !std::filesystem::exists(file)) return written;
  // On a full disk the old stamp's block is still ours. A crash in between leaves none that can be read, which costs a
  // rebuild.
  std::fstream old(file, std::ios::in | std::ios::out);
  if (!old.write(text.data(), static_cast<std::streamsize>(text.size())).flush()) return written;
  return base::sync_file(file);
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
