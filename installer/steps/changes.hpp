#pragma once
// What an installer changes on a host, one operation at a time: every file and every command goes this way, so that it
// can be listed before it is done and broken off after any of them.
//
// One thread.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::steps {

/// A port. Each operation is durable on return and may be done again. Errors: exhausted (the disk is full), corrupt,
/// not_found, unavailable; each names the file.
class Changes {
 public:
  virtual ~Changes() = default;
  /// With the folders above it; one that is there stays as it is.
  virtual base::Status make_folder(const std::filesystem::path& folder, unsigned mode) = 0;
  /// The old content or the new one, whatever happens.
  virtual base::Status write(const std::filesystem::path& file, std::string_view text, unsigned mode) = 0;
  /// Error corrupt where the bytes that were copied are not those of the digest.
  virtual base::Status copy(const std::filesystem::path& from, const std::filesystem::path& to, unsigned mode,
                            const base::Digest& sha256) = 0;
  virtual base::Status rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  /// Makes `link` point to `target`, in one step where it pointed elsewhere before.
  virtual base::Status link(const std::filesystem::path& link, const std::filesystem::path& target) = 0;
  /// A file, a link or a folder with all that is in it; nothing where it is missing.
  virtual base::Status remove(const std::filesystem::path& path) = 0;
  /// Owner and group of a folder and all that is in it, by the name of a user.
  virtual base::Status give(const std::filesystem::path& folder, std::string_view user) = 0;
  /// A command of the host, without a shell. Error: unavailable where it ends with another code than 0.
  virtual base::Status run(const std::vector<std::string>& words) = 0;
};

class HostChanges final : public Changes {
 public:
  base::Status make_folder(const std::filesystem::path& folder, unsigned mode) override;
  base::Status write(const std::filesystem::path& file, std::string_view text, unsigned mode) override;
  base::Status copy(const std::filesystem::path& from, const std::filesystem::path& to, unsigned mode,
                    const base::Digest& sha256) override;
  base::Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  base::Status link(const std::filesystem::path& link, const std::filesystem::path& target) override;
  base::Status remove(const std::filesystem::path& path) override;
  base::Status give(const std::filesystem::path& folder, std::string_view user) override;
  base::Status run(const std::vector<std::string>& words) override;
};

/// What a command of the host prints, which changes nothing. Errors: as Changes::run.
[[nodiscard]] base::Result<std::string> output_of(const std::vector<std::string>& words);

/// Changes nothing, and notes one line for each operation: `--dry-run`.
class ListedChanges final : public Changes {
 public:
  base::Status make_folder(const std::filesystem::path& folder, unsigned mode) override;
  base::Status write(const std::filesystem::path& file, std::string_view text, unsigned mode) override;
  base::Status copy(const std::filesystem::path& from, const std::filesystem::path& to, unsigned mode,
                    const base::Digest& sha256) override;
  base::Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  base::Status link(const std::filesystem::path& link, const std::filesystem::path& target) override;
  base::Status remove(const std::filesystem::path& path) override;
  base::Status give(const std::filesystem::path& folder, std::string_view user) override;
  base::Status run(const std::vector<std::string>& words) override;

  [[nodiscard]] const std::vector<std::string>& lines() const noexcept { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace trv::steps
