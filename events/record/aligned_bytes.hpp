#pragma once
// Memory for records: every start is a multiple of 8.

#include <cstdint>
#include <cstring>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::record {

/// `size` rounded up to where the next record may start.
[[nodiscard]] constexpr std::size_t aligned_size(std::size_t size) noexcept {
  return (size + 7) / 8 * 8;
}

/// A growing buffer that starts at a multiple of 8. Growing moves it; moving the object does not.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(base::BytesView bytes) { append(bytes); }

  /// Puts the bytes at the next multiple of 8 and returns their offset.
  std::size_t append(base::BytesView bytes) {
    const std::size_t offset = words_.size() * 8;
    words_.resize(words_.size() + aligned_size(bytes.size()) / 8);
    if (!bytes.empty()) {
      std::memcpy(reinterpret_cast<std::uint8_t*>(words_.data()) + offset, bytes.data(), bytes.size());
    }
    return offset;
  }
  [[nodiscard]] base::BytesView view(std::size_t offset, std::size_t size) const noexcept {
    TRV_EXPECTS(offset % 8 == 0 && offset <= this->size() && size <= this->size() - offset);
    return {reinterpret_cast<const std::uint8_t*>(words_.data()) + offset, size};
  }
  /// Bytes in use, with the padding.
  [[nodiscard]] std::size_t size() const noexcept { return words_.size() * 8; }
  /// Keeps the memory.
  void clear() noexcept { words_.clear(); }
  /// Drops what begins at `size` or behind it. Precondition: `size` is an offset that append() gave, or size().
  void shrink(std::size_t size) noexcept {
    TRV_EXPECTS(size % 8 == 0 && size <= this->size());
    words_.resize(size / 8);
  }
  void reserve(std::size_t bytes) { words_.reserve(aligned_size(bytes) / 8); }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace trv::record
