#pragma once
// A plugin host whose plugins run in processes of their own.

#include "kernel/plugin_host/isolation.hpp"
#include "kernel/plugin_host/testing/plugin_host_fixture.hpp"

namespace trv::plugin_host {

class IsolatedFixture : public PluginHostTest {
 protected:
  void SetUp() override {
    PluginHostTest::SetUp();
    if (no_isolation_) GTEST_SKIP() << *no_isolation_;
  }
  void TearDown() override {
    host_.reset();
    isolation_.reset();
    PluginHostTest::TearDown();
  }
  void prepare(HostConfiguration& configuration) override {
    auto isolation = Isolation::start({.program = TRV_PLUGIN_HOST, .folder = folder_ / "store"}, limits_, clock_,
                                      std::move(groups_));
    if (!isolation) {
      no_isolation_ = isolation.error().message();
      return;
    }
    isolation_ = *std::move(isolation);
    configuration.isolation = isolation_.get();
    configuration.crashed = [this](const ProcessCrash& crash) {
      const std::lock_guard lock(log_mutex_);
      crashes_.push_back(crash);
    };
  }
  std::vector<ProcessCrash> crashes() {
    const std::lock_guard lock(log_mutex_);
    return crashes_;
  }

  LinkLimits limits_;
  std::unique_ptr<sandbox::ControlGroups> groups_;  ///< set before the set-up: bounds that a tenant's processes share
  std::optional<std::string> no_isolation_;
  std::unique_ptr<Isolation> isolation_;
  std::vector<ProcessCrash> crashes_;
};

}  // namespace trv::plugin_host
