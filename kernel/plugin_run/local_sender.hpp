#pragma once
// Answers a plugin's HTTP without a network. Owns one thread, which runs the completions. Any thread.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "kernel/egress/http_sender.hpp"

namespace trv::plugin_run {

class LocalSender : public egress::HttpSender {
 public:
  LocalSender();
  /// What waits is answered with cancelled.
  ~LocalSender() override;

  egress::RequestId send(egress::Request request, egress::Completion completion) final;
  void cancel(egress::RequestId id) final;

 protected:
  /// Within mutex().
  [[nodiscard]] virtual base::Result<egress::Response> answer_to(const egress::Request& request) = 0;
  [[nodiscard]] std::mutex& mutex() const noexcept { return mutex_; }

 private:
  struct Waiting {
    egress::RequestId id = 0;
    egress::Completion completion;
    base::Result<egress::Response> answer;
  };
  void run(const std::stop_token& stop);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Waiting> waiting_;
  egress::RequestId last_id_ = 0;
  std::jthread thread_;
};

}  // namespace trv::plugin_run
