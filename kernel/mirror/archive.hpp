#pragma once
// A ustar archive on the disk, one file at a time. Each is used by one thread.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/frees.hpp"
#include "sdk/base/result.hpp"

struct archive;

namespace trv::mirror {

/// Of one file.
inline constexpr std::size_t file_bytes_max = 64 * 1024 * 1024;

class ArchiveReader {
 public:
  /// Errors: not_found, invalid (no archive), unavailable.
  [[nodiscard]] static base::Result<ArchiveReader> open(const std::filesystem::path& file);

  struct File {
    std::string path;
    base::Bytes bytes;
  };
  /// nullopt at the end. Errors: invalid (not a plain ustar archive of regular files; cut off), too_large.
  [[nodiscard]] base::Result<std::optional<File>> next();

 private:
  struct Close {
    void operator()(archive* reader) const noexcept;
  };
  explicit ArchiveReader(std::unique_ptr<archive, Close> reader) : reader_(std::move(reader)) {}
  std::unique_ptr<archive, Close> reader_;
};

class ArchiveWriter {
 public:
  /// Replaces what is there. Error: unavailable.
  [[nodiscard]] static base::Result<ArchiveWriter> create(const std::filesystem::path& file);
  /// Error: unavailable.
  [[nodiscard]] base::Status add(std::string_view path, base::BytesView bytes);
  [[nodiscard]] base::Status finish();

 private:
  struct Close {
    void operator()(archive* writer) const noexcept;
  };
  explicit ArchiveWriter(std::unique_ptr<archive, Close> writer) : writer_(std::move(writer)) {}
  std::unique_ptr<archive, Close> writer_;
};

}  // namespace trv::mirror
