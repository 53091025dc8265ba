#pragma once
// A daemon of its own with the plugin "tracker" in the versions 1.2.3 and 2.0.0, and a tenant that has enabled none.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {

class PluginFixture : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Daemon::start(scratch_, {}, surroundings_);
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    acme_ = create_tenant(*daemon_, "acme");
    const Answer installed = install(tracker_package("good"));
    if (installed.text("detail").find("plugins cannot be isolated") != std::string::npos) {
      GTEST_SKIP() << installed.text("detail");
    }
    ASSERT_EQ(installed.status, 201) << installed.body;
    ASSERT_EQ(install(tracker_package("good_2", 1, std::string::npos, "2.0.0")).status, 201);
  }
  Answer install(const base::Bytes& package) {
    return ask(*daemon_, daemon_->operator_token(), "POST", "/v1/plugins", std::string(package.begin(), package.end()),
               {{"Content-Type", "application/octet-stream"}});
  }
  Answer call(const std::string& method, const std::string& path, std::string body = {}) {
    return ask(*daemon_, acme_, method, "/v1/tenants/acme/plugins" + path, std::move(body),
               {{"Content-Type", "application/json"}});
  }
  Answer as_operator(const std::string& method, const std::string& path) {
    return ask(*daemon_, daemon_->operator_token(), method, path);
  }
  Answer enable(const std::string& version) {
    return call("PUT", "/tracker", fmt::format(R"({{"version":"{}"}})", version));
  }
  bool is_enabled(const std::string& version) {
    const Answer answer = enable(version);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200;
  }
  /// What becomes of a task that calls this version.
  std::string outcome_of(const std::string& version, const std::string& before = "") {
    const std::string text = fmt::format("do:\n{}  - ask:\n      call: tracker.about:{}@default\n", before, version);
    const std::string id = begin_workflow(*daemon_, acme_, fmt::format("about-{}", ++workflows_), text);
    return ended(id);
  }
  std::string ended(const std::string& id) {
    const json::object instance = ended_instance(*daemon_, acme_, id);
    return json::serialize(instance.contains("output") && !instance.at("output").is_null() ? instance.at("output")
                                                                                           : instance.at("error"));
  }
  std::string version_called(const std::string& version) {
    const json::value output = json::parse(outcome_of(version));
    const auto* found = output.as_object().if_contains("version");
    return found == nullptr ? json::serialize(output) : std::string(found->as_string());
  }

  Surroundings surroundings_;  ///< set before the set-up
  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string acme_;
  int workflows_ = 0;
};

}  // namespace trv::api
