#pragma once
// What keeps files in a data folder while a backup of it is taken, and the copies that earlier versions made as
// backups.
//
//   <copy>/backup.unfinished   while the copy was not whole
//   <copy>/log, keys, …        as in the data folder
//   <copy>/backup.sha256       "<SHA-256 in hexadecimal>  <path>" for each file, as sha256sum(1) writes and checks
//
// The data folder may be in use. What a record names was stored before the record, so it is there when the files are
// copied behind the log; and nothing is removed meanwhile, because those who remove files ask is_running() first and
// leave them to the next start.
//
// Every function: one thread, any thread.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

#include "sdk/base/open_file.hpp"
#include "sdk/base/result.hpp"

namespace trv::backup {

struct Report {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Called now and then with the file at hand and how much of it is done.
using Progress = std::function<void(std::string_view path, std::uint64_t bytes, std::uint64_t bytes_total)>;

/// Compares every file with the digests. Errors: corrupt (a file is missing or differs, or the backup was not finished;
/// names it), not_found (the folder holds no backup), unavailable.
[[nodiscard]] base::Result<Report> verify(const std::filesystem::path& folder, const Progress& progress = {});

/// What a daemon does first with its data folder: where that is a backup it is verified, and becomes a data folder like
/// any other. Errors: as verify(), but for not_found.
[[nodiscard]] base::Status take_over(const std::filesystem::path& data);

/// While it lives, is_running() says so. Move-only.
class Hold {
 public:
  explicit Hold(base::OpenFile lock) noexcept : lock_(std::move(lock)) {}

 private:
  base::OpenFile lock_;
};
/// For a backup of the folder, which exists. Errors: conflict (another backup is under way), unavailable.
[[nodiscard]] base::Result<Hold> hold(const std::filesystem::path& data);

/// Whether a backup of the folder is under way: then nothing may be removed that an older record names.
[[nodiscard]] bool is_running(const std::filesystem::path& data);

}  // namespace trv::backup
