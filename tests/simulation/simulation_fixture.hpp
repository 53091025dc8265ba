#pragma once
// What the tests of histories share.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace trv::simulation {

// Of the command line.
extern std::uint64_t first_seed;
extern std::uint64_t histories;

class SimulationTest : public testing::Test {
 protected:
  ~SimulationTest() override { std::filesystem::remove_all(folder_); }

  static std::string all(const std::vector<std::string>& failures) {
    std::string text;
    for (const std::string& failure : failures) text += "\n  " + failure;
    return text;
  }

  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("trv_simulation_{}", ::getpid());
};

}  // namespace trv::simulation
