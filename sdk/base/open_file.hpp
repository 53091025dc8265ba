#pragma once
// The number of an open file, socket or pipe, closed with its owner.

#include <unistd.h>

#include <utility>

namespace trv::base {

class OpenFile {
 public:
  OpenFile() = default;
  /// Owns `number` from here on; below 0 = none.
  explicit OpenFile(int number) noexcept : number_(number) {}
  ~OpenFile() { close(); }
  OpenFile(OpenFile&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  /// For files whose last write was checked before.
  void close() noexcept {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
  /// The caller closes the number.
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

}  // namespace trv::base
