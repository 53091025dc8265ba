#pragma once
// What this process holds in memory.

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "bench/report.hpp"

namespace trv::bench {

/// The field of /proc/self/status, in bytes.
[[nodiscard]] inline double memory_bytes(std::string_view field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(field)) return std::strtod(line.c_str() + field.size() + 1, nullptr) * 1024;
  }
  give_up("no memory figures in /proc/self/status");
}

}  // namespace trv::bench
