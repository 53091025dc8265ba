#pragma once
// How many requests the API has answered, how, and how long that took. Any thread; none waits for another that counts.

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "kernel/telemetry/metrics.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::telemetry {

/// Upper bounds in seconds; one more bucket has the rest.
inline constexpr std::array<double, 13> duration_bounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                           0.25,  0.5,    1,     2.5,  5,     10};

struct RequestFigures {
  std::array<std::uint64_t, 4> by_class{};                              ///< 2xx, 3xx, 4xx, 5xx
  std::array<std::uint64_t, duration_bounds.size() + 1> by_duration{};  ///< each bucket alone
  std::uint64_t took_us = 0;                                            ///< all together

  [[nodiscard]] std::uint64_t total() const noexcept;
  [[nodiscard]] std::uint64_t failed() const noexcept { return by_class[3]; }  ///< the server's fault
  /// Answered within the bound, which is one of duration_bounds.
  [[nodiscard]] std::uint64_t within(double seconds) const noexcept;
  /// The time within which this part of them was answered, in seconds, between two bounds by their share; 0 where there
  /// were none, the last bound where it is beyond. 0 <= part <= 1.
  [[nodiscard]] double quantile(double part) const noexcept;
  /// Those since `before`, which is of the same process.
  [[nodiscard]] RequestFigures since(const RequestFigures& before) const noexcept;
};

class RequestCounts {
 public:
  /// `status` is 200 to 599.
  void answered(int status, base::Duration took) noexcept;
  [[nodiscard]] RequestFigures read() const noexcept;

  /// Such a request was a part of a sampled trace. The newest of each bucket is kept; one that comes while another
  /// thread writes there or reads is not.
  void keep_exemplar(const trace::Context& context, base::Duration took, base::Timestamp now) noexcept;
  /// Of each bucket, the last one included.
  [[nodiscard]] Exemplars exemplars() const;

 private:
  struct Newest {
    mutable std::mutex mutex;
    std::optional<Exemplar> exemplar;  // guarded by mutex
  };

  std::array<std::atomic<std::uint64_t>, 4> by_class_{};
  std::array<std::atomic<std::uint64_t>, duration_bounds.size() + 1> by_duration_{};
  std::atomic<std::uint64_t> took_us_ = 0;
  std::array<Newest, duration_bounds.size() + 1> newest_;
};

}  // namespace trv::telemetry
