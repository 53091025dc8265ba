#pragma once
// The Python package's command on a topic of the test program's broker.

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/kafka/broker.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::kafka {

/// The events that it prints up to the end of the topic. Where it fails or prints something else, the test fails.
[[nodiscard]] inline std::vector<boost::json::value> printed_by_python(const std::string& topic,
                                                                       const std::vector<std::string>& arguments = {}) {
  const std::string path = std::string("PYTHONPATH=") + TRV_BINARY_DIR + "/python";
  std::vector<std::string> command = {path, "/usr/bin/python3", "-m", "travertine_events", "--until-end"};
  command.insert(command.end(), {"--brokers", brokers(), "--topic", topic});
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<boost::json::value> events;
  auto child = processes::ChildProcess::start("/usr/bin/env", command);
  EXPECT_TRUE(child.has_value());
  if (!child) return events;
  while (const auto line = child->line(std::chrono::seconds(60))) events.push_back(boost::json::parse(*line));
  EXPECT_EQ(child->wait(std::chrono::seconds(60)), 0);
  return events;
}

}  // namespace trv::kafka
