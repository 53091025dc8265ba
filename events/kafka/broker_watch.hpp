#pragma once
// Whether the brokers answer, also while nobody reads or writes.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "events/kafka/client.hpp"

namespace trv::kafka {

/// Asks who the brokers are every two seconds, on a thread of its own. is_answered(): any thread.
class BrokerWatch {
 public:
  /// Called on that thread.
  struct Listener {
    std::function<void(const base::Error& last)> gone;    ///< no answer for five seconds; why the last one failed
    std::function<void(base::Duration silent_for)> back;  ///< after gone
  };
  /// Errors: as connect().
  [[nodiscard]] static base::Result<std::unique_ptr<BrokerWatch>> start(const Settings& settings, Listener listener);
  /// Waits for the question that is under way, for two seconds at most.
  ~BrokerWatch() = default;
  BrokerWatch(const BrokerWatch&) = delete;
  BrokerWatch& operator=(const BrokerWatch&) = delete;

  /// False between `gone` and `back`.
  [[nodiscard]] bool is_answered() const noexcept { return is_answered_; }

 private:
  BrokerWatch(Client client, Listener listener);
  void watch(const std::stop_token& stop);

  const Client client_;
  const Listener listener_;
  std::atomic<bool> is_answered_ = true;
  std::mutex mutex_;
  std::condition_variable_any pause_;
  std::jthread thread_;  ///< last: it uses the others
};

}  // namespace trv::kafka
