#pragma once
// The clock port. Decisions never read it: time enters as a command field.

#include <atomic>
#include <chrono>

#include "sdk/base/timestamp.hpp"

namespace trv::base {

/// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall time.
  [[nodiscard]] virtual Timestamp now() const = 0;
  /// Time that never goes back, from an arbitrary start; for deadlines and measurement.
  [[nodiscard]] virtual Duration monotonic() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
  [[nodiscard]] Duration monotonic() const override;
};

/// Moves only when asked to. Any thread.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(Timestamp start) noexcept : ns_(start.ns()) {}
  [[nodiscard]] Timestamp now() const override { return Timestamp(ns_.load()); }
  [[nodiscard]] Duration monotonic() const override { return Duration(monotonic_ns_.load()); }
  void advance(Duration by) noexcept {
    ns_.fetch_add(by.count());
    monotonic_ns_.fetch_add(by.count());
  }
  /// Sets the wall clock ahead, or back where `by` is negative, as an operator or a time server does.
  void step(Duration by) noexcept { ns_.fetch_add(by.count()); }

 private:
  std::atomic<std::int64_t> ns_;
  std::atomic<std::int64_t> monotonic_ns_ = 0;
};

}  // namespace trv::base
