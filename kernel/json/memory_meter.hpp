#pragma once
// Counts the bytes of JSON values that one thread allocates and frees while an evaluation runs, so that the evaluation
// can stop at its memory budget, and the work of filling them, so that copies of large values take fuel wherever they
// are made. Values made without a meter are not counted.

#include <cstddef>
#include <cstdint>
#include <utility>

namespace trv::json {

/// One evaluation's count. One thread.
class MemoryMeter {
 public:
  explicit MemoryMeter(std::size_t bytes_max) noexcept : bytes_max_(static_cast<std::int64_t>(bytes_max)) {}
  MemoryMeter(const MemoryMeter&) = delete;
  MemoryMeter& operator=(const MemoryMeter&) = delete;

  void add(std::size_t bytes) noexcept { bytes_ += static_cast<std::int64_t>(bytes); }
  /// Work in units of fuel that nobody has taken yet.
  void add_work(std::size_t fuel) noexcept { work_ += fuel; }
  [[nodiscard]] std::uint64_t take_work() noexcept { return std::exchange(work_, 0); }
  void subtract(std::size_t bytes) noexcept { bytes_ -= static_cast<std::int64_t>(bytes); }
  [[nodiscard]] bool exceeded() const noexcept { return bytes_ > bytes_max_; }
  /// Whether `bytes` more would still be within the budget.
  [[nodiscard]] bool fits(std::size_t bytes) const noexcept {
    return bytes <= static_cast<std::size_t>(bytes_max_) && bytes_ + static_cast<std::int64_t>(bytes) <= bytes_max_;
  }

  [[nodiscard]] std::size_t left() const noexcept {
    return bytes_ >= bytes_max_ ? 0 : static_cast<std::size_t>(bytes_max_ - (bytes_ < 0 ? 0 : bytes_));
  }

  /// The meter of this thread; null where no evaluation runs.
  [[nodiscard]] static MemoryMeter* current() noexcept { return current_; }

  /// Makes a meter the current one of this thread until the scope ends. Scopes nest.
  class Scope {
   public:
    explicit Scope(MemoryMeter& meter) noexcept : before_(current_) { current_ = &meter; }
    ~Scope() { current_ = before_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    MemoryMeter* before_;
  };

 private:
  static constinit thread_local MemoryMeter* current_;

  std::int64_t bytes_ = 0;
  std::uint64_t work_ = 0;
  std::int64_t bytes_max_;
};

}  // namespace trv::json
