#pragma once
// Copies of a data folder that a new daemon starts on.
//
//   <backup>/backup.unfinished   first and only while the copy is under way
//   <backup>/log, keys, …        as in the data folder; the projection is left out, the log brings it back
//   <backup>/backup.sha256       last: "<SHA-256 in hexadecimal>  <path>" for each file, as sha256sum(1) writes and
//   checks
//
// The data folder may be in use. The log, where it is in the folder and not on Kafka, is copied first, in one
// transaction. What a record names was stored before the record, so it is there when the other files are copied; and
// nothing is removed meanwhile, because those who remove files ask is_running() first and leave them to the next start.
//
// Every function: one thread, any thread.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::backup {

struct Report {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Called now and then with the file at hand and how much of it is done.
using Progress = std::function<void(std::string_view path, std::uint64_t bytes, std::uint64_t bytes_total)>;

/// Makes `to`, which must not exist or be empty, a copy of `data`; durable on return. After an error what is in `to` is
/// no backup, and the daemon refuses it. Errors: invalid (no data folder; `to` lies in it), conflict (`to` is not
/// empty; another backup is under way), corrupt, exhausted or unavailable (a disk failed; names the file).
[[nodiscard]] base::Result<Report> create(const std::filesystem::path& data, const std::filesystem::path& to,
                                          const Progress& progress = {});

/// Compares every file with the digests. Errors: corrupt (a file is missing or differs, or the backup was not finished;
/// names it), not_found (the folder holds no backup), unavailable.
[[nodiscard]] base::Result<Report> verify(const std::filesystem::path& folder, const Progress& progress = {});

/// What a daemon does first with its data folder: where that is a backup it is verified, and becomes a data folder like
/// any other. Errors: as verify(), but for not_found.
[[nodiscard]] base::Status take_over(const std::filesystem::path& data);

/// Whether a backup of the folder is under way: then nothing may be removed that an older record names.
[[nodiscard]] bool is_running(const std::filesystem::path& data);

}  // namespace trv::backup
