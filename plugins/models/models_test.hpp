#pragma once
// What the tests of this plugin share: a host, and calls that are read as JSON.

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sdk/conformance/fake_host.hpp"

namespace models::testing {

namespace json = boost::json;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;
using trv::conformance::SentRequest;

class ModelsTest : public ::testing::Test {
 protected:
  ModelsTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override { EXPECT_THAT(host.faults(), ::testing::IsEmpty()); }

  CallOutcome chat(const std::string& input, const HttpAnswer& answer) {
    return host.call({.operation = "chat", .input = input}, {answer});
  }
  /// The output of a chat that succeeds.
  json::object answered(const std::string& input, const std::string& body) {
    const CallOutcome outcome = chat(input, {200, body});
    EXPECT_TRUE(outcome.succeeded()) << (outcome.error ? outcome.error->message : "no outcome");
    return outcome.succeeded() ? json::parse(*outcome.output).as_object() : json::object();
  }
  /// The body of the last request.
  json::value sent() { return json::parse(last().body); }
  SentRequest last() {
    const std::vector<SentRequest> requests = host.requests();
    return requests.empty() ? SentRequest{} : requests.back();
  }
  static std::string kind_of(const CallOutcome& outcome) {
    if (!outcome.error || outcome.error->detail.empty()) return "";
    return std::string(json::parse(outcome.error->detail).as_object().at("kind").as_string());
  }

  FakeHost host;
};

}  // namespace models::testing
