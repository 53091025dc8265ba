#pragma once
// Answers a plugin's HTTP without a network. Owns one thread, which runs the completions. Any thread.

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "kernel/egress/arriving_parts.hpp"
#include "kernel/egress/http_sender.hpp"

namespace trv::plugin_run {

class LocalSender : public egress::HttpSender {
 public:
  LocalSender();
  /// What waits is answered with cancelled.
  ~LocalSender() override;

  egress::RequestId send(egress::Request request, egress::Completion completion) final;
  egress::RequestId send_in_parts(egress::Request request, std::shared_ptr<egress::PartReceiver> receiver) final;
  void take(egress::RequestId id, std::uint64_t byte_count) final;
  void cancel(egress::RequestId id) final;

 protected:
  /// Within mutex().
  [[nodiscard]] virtual base::Result<egress::Response> answer_to(const egress::Request& request) = 0;
  [[nodiscard]] std::mutex& mutex() const noexcept { return mutex_; }

 private:
  struct Waiting {
    egress::RequestId id = 0;
    egress::Completion completion;                   ///< of an answer in parts: its end
    std::shared_ptr<egress::PartReceiver> receiver;  ///< nullptr: the answer is whole
    std::optional<egress::ArrivingParts> parts;      ///< where it has a receiver; the thread's
    base::Result<egress::Response> answer;           ///< the thread's
    std::uint64_t taken = 0;
    std::optional<egress::Request> writing;  ///< whose body is to come; the thread's
    bool is_cancelled = false;
    bool can_go_on = true;
  };
  [[nodiscard]] Waiting* find(egress::RequestId id);
  egress::RequestId add(egress::Request request, egress::Completion completion,
                        std::shared_ptr<egress::PartReceiver> receiver);
  egress::RequestId add_waiting(egress::Request request, egress::Completion completion,
                                std::shared_ptr<egress::PartReceiver> receiver);
  /// Whether the body is whole.
  [[nodiscard]] static bool collect(egress::Request& request);
  [[nodiscard]] static bool go_on(Waiting& waiting, std::uint64_t taken, bool is_cancelled);
  void run(const std::stop_token& stop);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Waiting> waiting_;  ///< places stay: the thread works on one without the lock
  egress::RequestId last_id_ = 0;
  std::jthread thread_;
};

}  // namespace trv::plugin_run
