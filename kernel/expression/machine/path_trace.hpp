#pragma once
// The path that leads to the machine's current value while it evaluates a path expression: a chain of steps that forks
// share. One thread.

#include <cstdint>
#include <utility>

#include "kernel/json/value.hpp"

namespace trv::expression {

/// A counted reference to the last step; null where no path is being followed.
class PathTrace {
 public:
  PathTrace() noexcept = default;
  PathTrace(const PathTrace& other) noexcept : last_(other.last_) {
    if (last_ != nullptr) ++last_->references;
  }
  PathTrace(PathTrace&& other) noexcept : last_(std::exchange(other.last_, nullptr)) {}
  PathTrace& operator=(PathTrace other) noexcept {
    std::swap(last_, other.last_);
    return *this;
  }
  ~PathTrace() { release(); }

  [[nodiscard]] bool active() const noexcept { return last_ != nullptr; }
  /// The value at the path.
  [[nodiscard]] const json::Value& value() const noexcept { return last_->value; }

  /// Begins a path at `value` inside this one; `suspensions` is kept for end().
  void begin(json::Value value, int suspensions) {
    last_ = new Step{1, suspensions, true, last_, json::Value(), std::move(value)};
  }
  void step(json::Value key, json::Value value) {
    last_ = new Step{1, 0, false, last_, std::move(key), std::move(value)};
  }
  /// Ends the path that begin() began and goes back to the one outside. Gives the keys and what begin() was given.
  [[nodiscard]] std::pair<json::Value, int> end();

 private:
  struct Step {
    std::uint32_t references;
    int suspensions;
    bool first;
    Step* before;
    json::Value key;
    json::Value value;
  };
  void release() noexcept;

  Step* last_ = nullptr;
};

}  // namespace trv::expression
