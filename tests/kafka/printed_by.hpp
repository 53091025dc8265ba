#pragma once
// The commands of the packages in clients/ on a topic of the test program's broker.

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/kafka/broker.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::kafka {

/// Ends with 77 where the language, or what its registry has for the package, is not on this machine.
[[nodiscard]] inline processes::ChildProcess start_package(const std::string& language, const std::string& verb,
                                                           const std::vector<std::string>& arguments = {}) {
  std::vector<std::string> command = {language, std::string(TRV_BINARY_DIR "/clients/") + language, verb};
  command.insert(command.end(), arguments.begin(), arguments.end());
  auto child = processes::ChildProcess::start(TRV_SOURCE_DIR "/tests/clients/package.sh", command);
  EXPECT_TRUE(child.has_value());
  return *std::move(child);
}

/// The languages of clients/ whose packages can be built here; of the others it is printed what is missing.
[[nodiscard]] inline const std::vector<std::string>& languages() {
  static const std::vector<std::string> here = [] {
    std::vector<std::string> found;
    for (const char* language : {"python", "go", "typescript"}) {
      const auto ended = start_package(language, "here").wait(std::chrono::minutes(5));
      EXPECT_TRUE(ended == 0 || ended == 77) << language;
      if (ended == 0) found.emplace_back(language);
    }
    EXPECT_FALSE(found.empty());
    return found;
  }();
  return here;
}

/// The events that the package's command prints up to the end of the topic. Where it fails or prints something else,
/// the test fails.
[[nodiscard]] inline std::vector<boost::json::value> printed_by(const std::string& language, const std::string& topic,
                                                                const std::vector<std::string>& arguments = {}) {
  std::vector<std::string> command = {"--until-end", "--brokers", brokers(), "--topic", topic};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<boost::json::value> events;
  auto child = start_package(language, "events", command);
  while (const auto line = child.line(std::chrono::seconds(60))) events.push_back(boost::json::parse(*line));
  EXPECT_EQ(child.wait(std::chrono::seconds(60)), 0) << language;
  return events;
}

}  // namespace trv::kafka
