#pragma once
// What several evaluations may spend together, besides the budget of each: the limit of one decision of many
// expressions.

#include <algorithm>
#include <cstdint>

namespace trv::expression {

/// One thread. What is spent depends on the evaluations alone, so the same ones always end at the same place.
class SharedFuel {
 public:
  explicit SharedFuel(std::uint64_t fuel) noexcept : given_(fuel), left_(fuel) {}
  SharedFuel(const SharedFuel&) = delete;
  SharedFuel& operator=(const SharedFuel&) = delete;

  [[nodiscard]] std::uint64_t given() const noexcept { return given_; }
  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }
  /// Somebody asked for more than was left. Evaluations fail from then on.
  [[nodiscard]] bool used_up() const noexcept { return used_up_; }

  /// Takes what was spent within an evaluation or around it.
  void spend(std::uint64_t fuel) noexcept {
    used_up_ = used_up_ || fuel > left_;
    left_ -= std::min(fuel, left_);
  }
  void use_up() noexcept {
    left_ = 0;
    used_up_ = true;
  }

  /// What evaluations of this thread spend from; null where each has only its own budget.
  [[nodiscard]] static SharedFuel* current() noexcept { return current_; }

  /// Makes it the current one of this thread until the scope ends. Scopes nest.
  class Scope {
   public:
    explicit Scope(SharedFuel& fuel) noexcept : before_(current_) { current_ = &fuel; }
    ~Scope() { current_ = before_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    SharedFuel* before_;
  };

 private:
  static inline constinit thread_local SharedFuel* current_ = nullptr;

  std::uint64_t given_;
  std::uint64_t left_;
  bool used_up_ = false;
};

}  // namespace trv::expression
