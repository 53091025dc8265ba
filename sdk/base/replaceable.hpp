#pragma once
// A value that one thread replaces while others read it.

#include <atomic>
#include <memory>
#include <utility>

namespace trv::base {

/// Any thread. Who has read the value keeps it as it was.
template <typename T>
class Replaceable {
 public:
  explicit Replaceable(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  [[nodiscard]] std::shared_ptr<const T> get() const noexcept { return value_.load(); }
  void replace(T value) { value_.store(std::make_shared<const T>(std::move(value))); }

 private:
  std::atomic<std::shared_ptr<const T>> value_;
};

}  // namespace trv::base
