#pragma once
// A snapshot of a shard's projection at one moment of a history.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "events/projection/projection.hpp"
#include "events/projection/snapshots.hpp"
#include "sdk/base/contract.hpp"

namespace trv::simulation {

/// One thread. `fail` is called with each snapshot that is not used, and why.
class Taken {
 public:
  Taken(const std::filesystem::path& folder, log::EventLog& log, std::function<void(std::string)> fail) {
    auto opened = projection::Snapshots::open(
        folder,
        {.log = log, .clock = clock_, .random = random_, .report = [fail](const std::string& line) { fail(line); }});
    TRV_ASSERT(opened.has_value());
    snapshots_ = *std::move(opened);
  }

  /// In place of the one before.
  void take(const projection::Projection& projection) {
    const auto taken = snapshots_->take(projection);
    TRV_ASSERT(taken.has_value() && snapshots_->keep_newest(projection.shard(), 1));
    at_ = taken->applied.lsn;
  }
  /// 0: there is none.
  [[nodiscard]] log::Lsn at() const noexcept { return at_; }
  [[nodiscard]] projection::Snapshots* snapshots() const noexcept { return snapshots_.get(); }

 private:
  base::SimulatedClock clock_{base::Timestamp(1'767'225'600'000'000'000)};
  base::SimulatedRandom random_{1};
  std::unique_ptr<projection::Snapshots> snapshots_;
  log::Lsn at_;
};

}  // namespace trv::simulation
