#pragma once
// What an in-process instance is made of: the strand, the table of open calls, and the services behind trv_host.
//
// Shared by the instance, by work under way and by the timekeeper. One lock guards strand and table; it is never held
// while plugin code or a completion runs.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "kernel/plugin_host/call_table.hpp"
#include "kernel/plugin_host/in_process_instance.hpp"
#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/log.h"
#include "sdk/abi/plugin.h"

namespace trv::plugin_host {

class InstanceCore final : public Expiring, public std::enable_shared_from_this<InstanceCore> {
 public:
  InstanceCore(std::shared_ptr<PluginLibrary> library, InstanceServices services);

  [[nodiscard]] base::Status activate(const std::string& configuration);
  CallId invoke(CallRequest request, CallCompletion completion);
  void cancel(CallId id);
  [[nodiscard]] base::Status stop(base::Duration grace);
  [[nodiscard]] InstanceMetrics metrics() const;
  [[nodiscard]] base::Duration expire(base::Duration now) override;

 private:
  enum class State { running, draining, ended, abandoned };
  enum class EndedBy { answer, deadline };
  using Work = std::move_only_function<void()>;

  // The strand.
  void enqueue(Work work);
  void drain();
  void leave_strand(std::unique_lock<std::mutex>& lock);
  void run_queued(OpenCall& call, std::uint32_t place);
  void hand_over(const CallRequest& request, CallId id, std::uint64_t timeout_ms);
  void finish_run(std::unique_lock<std::mutex>& lock, OpenCall& call, std::uint32_t place, CallId id);

  // Ends of calls.
  void answer(CallId id, trv_bytes output) noexcept;
  void answer_failed(CallId id, const trv_error* error) noexcept;
  bool conclude(CallId id, CallOutcome outcome, EndedBy ended_by = EndedBy::answer);
  void ignore_answer(CallId id);
  void tell_plugin_to_cancel(CallId id);
  void conclude_all(const OperationError& why);

  // trv.http/1
  void send_http(CallId id, std::uint64_t request_id, const trv_http_request* request) noexcept;
  [[nodiscard]] base::Result<egress::Request> read_request(CallId id, std::uint64_t request_id,
                                                           const trv_http_request* request);
  void http_arrived(CallId id, std::uint64_t request_id, base::Result<egress::Response> result);
  void deliver_http(std::uint64_t request_id, const base::Result<egress::Response>& result);

  void log(LogLevel level, CallId call, std::string_view message) noexcept;
  /// The lock is held. Whether stop() has nothing left to wait for.
  [[nodiscard]] bool is_quiet() const noexcept {
    return calls_.size() == 0 && http_open_ == 0 && cancels_running_ == 0;
  }
  void notify_if_stopping() noexcept;

  static InstanceCore& self(const trv_host* host) noexcept { return *static_cast<InstanceCore*>(host->context); }
  static const void* get_extension(const trv_host* host, const char* id) noexcept;
  static void fail_activation(const trv_host* host, const trv_error* error) noexcept;

  static const trv_host_call call_service;
  static const trv_host_log log_service;
  static const trv_host_http http_service;

  const std::shared_ptr<PluginLibrary> library_;
  const InstanceServices services_;
  trv_host host_{};
  const trv_plugin* plugin_ = nullptr;
  const trv_plugin_http* plugin_http_ = nullptr;
  std::optional<OperationError> activation_error_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::running;
  bool strand_is_busy_ = false;
  std::deque<Work> queue_;
  CallTable calls_;
  base::Duration told_deadline_ = base::Duration::max();
  std::size_t http_open_ = 0;
  std::size_t cancels_running_ = 0;
  std::shared_ptr<InstanceCore> kept_;  ///< itself, while a plugin that was given up may still call

  std::atomic<std::uint64_t> succeeded_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> timed_out_ = 0;
  std::atomic<std::uint64_t> answers_ignored_ = 0;
  std::atomic<std::uint64_t> http_requests_ = 0;
};

}  // namespace trv::plugin_host
