#pragma once
// What a host must have before anything is written to it, measured. Any thread; it leaves nothing behind.

#include <string>
#include <vector>

#include "installer/steps/installation.hpp"
#include "kernel/config/config.hpp"
#include "sdk/base/clock.hpp"

namespace trv::steps {

enum class Level : std::uint8_t { good, warning, failed };

struct Finding {
  Level level = Level::good;
  std::string what;    ///< "memory"
  std::string found;   ///< "512 MiB"
  std::string needed;  ///< "1024 MiB"
  std::string action;  ///< what to do; empty where it is good
};

struct PreflightQuestion {
  const Places& places;
  const config::Config& config;
  std::uint64_t bundle_bytes = 0;  ///< of the files that are installed
  base::Timestamp made;            ///< when the bundle was
  bool runs_already = false;       ///< our own travd has the port
};

/// Each finding once, in a fixed order.
[[nodiscard]] std::vector<Finding> preflight(const PreflightQuestion& question, const base::Clock& clock);

}  // namespace trv::steps
