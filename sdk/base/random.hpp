#pragma once
// The randomness port. Decisions never read it: ids enter as command fields.

#include <cstdint>
#include <span>

namespace trv::base {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> bytes) = 0;
  /// Uniform over all 64-bit values.
  [[nodiscard]] std::uint64_t next();
  /// Uniform over [0, bound). bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
};

/// The operating system's generator; fit for keys. Any thread.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override;
};

/// The same seed gives the same bytes on every machine (SplitMix64). One thread. Not fit for keys.
class SimulatedRandom final : public Random {
 public:
  explicit SimulatedRandom(std::uint64_t seed) noexcept : state_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::uint64_t state_;
};

}  // namespace trv::base
