#pragma once
// What every part of a FakeHost knows (fake_host.hpp): the plugin's life cycle, its open calls, and what it did against
// the ABI. Header-only; C++20 and the standard library.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/host_shape.hpp"
#include "sdk/conformance/lent_bytes.hpp"
#include "sdk/conformance/web_exchange.hpp"

namespace trv::conformance {

class FakeCalls {
 public:
  FakeCalls(const FakeCalls&) = delete;
  FakeCalls& operator=(const FakeCalls&) = delete;

  /// What the plugin did against the ABI; empty is good.
  [[nodiscard]] std::vector<std::string> faults() const {
    const std::lock_guard lock(mutex_);
    return faults_;
  }

 protected:
  enum class Stage { created, activating, active, destroyed };
  struct OpenCall {
    CallFacts facts = {};
    std::optional<CallOutcome> outcome = std::nullopt;
    std::uint32_t writes = 0;
    std::uint32_t events = 0;
    bool is_request = false;
  };

  explicit FakeCalls(HostShape shape) : shape_(shape) {}
  ~FakeCalls() = default;

  void note(std::string fault) {
    const std::lock_guard lock(mutex_);
    faults_.push_back(std::move(fault));
  }

  template <typename F>
  std::int32_t run(F&& main_function) {
    LentBytes lent;
    const std::int32_t status = main_function(lent);
    lent.withdraw();
    retire(std::move(lent));
    return status;
  }

  /// Keeps what was lent, overwritten, until the end: a plugin that still reads it reads rubbish, not other memory.
  void retire(LentBytes lent) { retired_.push_back(std::move(lent)); }

  /// The open call that a request is of; nullptr and a fault where there is none. The lock is held.
  OpenCall* check_asked(std::uint64_t call_id, std::uint64_t request_id, const char* extension, bool is_heard) {
    const std::string name = "request " + std::to_string(request_id);
    if (stage_ == Stage::destroyed) faults_.push_back(name + " was made after destroy");
    if (!is_heard) faults_.push_back(name + " was made by a plugin without " + extension);
    const auto call = calls_.find(call_id);
    if (call != calls_.end() && !call->second.outcome) return &call->second;
    faults_.push_back(name + " was made for call " + std::to_string(call_id) + ", which is not open");
    return nullptr;
  }

  [[nodiscard]] std::uint32_t error_size() const noexcept {
    return shape_.size_of<trv_error>(HostShape::Struct::error);
  }

  const HostShape shape_;
  const trv_plugin* plugin_ = nullptr;
  std::atomic<Stage> stage_ = Stage::created;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, OpenCall> calls_;
  std::vector<std::string> faults_;

 private:
  std::vector<LentBytes> retired_;
};

}  // namespace trv::conformance
