#pragma once
// Folders and damaged files, for tests.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "sdk/base/contract.hpp"

namespace trv::fakes {

/// An empty folder that goes with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "trv-audit-XXXXXX").string();
    TRV_ASSERT(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_text(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

/// Flips the lowest bit of a byte of a file while it lives.
class FlippedByte {
 public:
  FlippedByte(std::filesystem::path file, std::size_t at) : file_(std::move(file)), original_(read_text(file_)) {
    std::string changed = original_;
    changed.at(at) = static_cast<char>(changed[at] ^ 0x01);
    write_text(file_, changed);
  }
  FlippedByte(const FlippedByte&) = delete;
  FlippedByte& operator=(const FlippedByte&) = delete;
  ~FlippedByte() { write_text(file_, original_); }

 private:
  std::filesystem::path file_;
  std::string original_;
};

}  // namespace trv::fakes
