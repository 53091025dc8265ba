#pragma once
// The kernel's half of a running plugin: the strand, the table of open calls with their deadlines, and what the plugin
// may ask for. Nothing here depends on where the plugin's code is.
//
// Shared by the instance, by work under way and by the timekeeper. One lock guards strand and table; it is never held
// while the plugin's side or a completion runs.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "kernel/plugin_host/call_table.hpp"
#include "kernel/plugin_host/instance_services.hpp"
#include "kernel/plugin_host/plugin_side.hpp"

namespace trv::plugin_host {

class InstanceCore final : public HostSide, public Expiring, public std::enable_shared_from_this<InstanceCore> {
 public:
  InstanceCore(std::string plugin, std::string version, InstanceServices services);

  /// The plugin's side, once it can take calls. Until then what is for it waits.
  void begin(std::shared_ptr<PluginSide> side);
  CallId invoke(CallRequest request, CallCompletion completion);
  void cancel(CallId id);
  [[nodiscard]] base::Status stop(base::Duration grace);
  [[nodiscard]] bool keeps_state() const;
  [[nodiscard]] base::Result<std::string> save(base::Duration grace);
  [[nodiscard]] InstanceMetrics metrics() const;
  [[nodiscard]] base::Duration expire(base::Duration now) override;
  /// The plugin's side has ended by itself: no call is taken any more, and the open ones end with unavailable. One that
  /// is idempotent, or that the plugin never saw, may be made again. `by`: who ended it; see OperationError::has_died.
  enum class LostBy : std::uint8_t { plugin, host };
  void lost(const std::string& why, LostBy by);

  void answer(CallId id, std::string_view output) noexcept override;
  void answer_failed(CallId id, OperationError error) noexcept override;
  void respond(CallId id, base::Result<WebResponse> response) noexcept override;
  void respond_in_parts(CallId id, std::uint64_t stream_id, base::Result<WebResponse> head) noexcept override;
  void write(CallId id, std::uint64_t stream_id, std::string_view part) noexcept override;
  void end_stream(CallId id, std::uint64_t stream_id) noexcept override;
  void take(CallId id, std::uint64_t stream_id, std::uint64_t byte_count) noexcept override;
  void drop(CallId id, std::uint64_t stream_id) noexcept override;
  void read_body(CallId id, std::uint64_t stream_id) noexcept override;
  void log(LogLevel level, CallId call, std::string_view message) noexcept override;
  void send_http(CallId id, std::uint64_t request_id, base::Result<egress::Request> request) noexcept override;
  void set_timer(CallId id, std::uint64_t timer_id, std::uint64_t after_ms) noexcept override;
  void ask(CallId id, std::uint64_t request_id, Service service,
           base::Result<ServiceRequest> request) noexcept override;
  void measure(base::Result<Measurement> measurement) noexcept override;
  void progress(CallId call, double fraction, std::string_view text) noexcept override;
  void begin_span(CallId call, Span span) noexcept override;
  void end_span(CallId call, std::uint64_t span_id) noexcept override;
  void stream(CallId call, std::string_view text) noexcept override;
  void saved(base::Result<std::string> state) noexcept override;

 private:
  enum class State { running, draining, ended, abandoned };
  enum class EndedBy { answer, deadline };
  using Work = std::move_only_function<void()>;

  // The strand.
  void enqueue(Work work);
  void drain();
  void leave_strand(std::unique_lock<std::mutex>& lock);
  void run_queued(OpenCall& call, std::uint32_t place);
  void hand_over(const CallRequest& request, CallId id, std::uint64_t left_ms);
  void finish_run(std::unique_lock<std::mutex>& lock, OpenCall& call, std::uint32_t place, CallId id);

  // trv.stream/1
  [[nodiscard]] base::Status begin_answer(CallId id, std::uint64_t stream_id, WebResponse& head,
                                          std::shared_ptr<PartReceiver>& receiver);
  [[nodiscard]] base::Result<std::shared_ptr<PartReceiver>> admit_part(OpenCall& call, std::uint64_t stream_id,
                                                                       std::size_t byte_count);
  [[nodiscard]] static base::Status admit_bytes(WrittenStream& stream, std::size_t byte_count, std::uint64_t bytes_max);
  [[nodiscard]] static std::size_t free_room(WrittenStream& stream, std::size_t byte_count);
  void report_room(CallId id, std::uint64_t stream_id, std::size_t freed);
  void taken(CallId id, std::size_t byte_count);
  void break_off(CallId id, const base::Error& why);
  void end_answer(std::uint64_t stream_id, base::Error why);
  void renew_deadline(OpenCall& call) const;
  [[nodiscard]] bool waits_for_client(OpenCall& call, base::Duration now) const;
  [[nodiscard]] std::string why_late(const OpenCall& call, base::Duration now) const;

  // trv.stream/2
  [[nodiscard]] static OpenSink* find_sink(OpenCall& call, std::uint64_t stream_id);
  [[nodiscard]] static bool is_ended_sink(const OpenCall& call, std::uint64_t stream_id);
  [[nodiscard]] static base::Status open_sink(OpenCall& call, OpenSink sink);
  [[nodiscard]] static base::Result<std::shared_ptr<egress::PartSink>> admit_to_sink(OpenSink& open,
                                                                                     std::size_t byte_count);
  [[nodiscard]] static std::shared_ptr<egress::PartSink> close_sink(OpenCall& call, std::uint64_t stream_id);
  static void note_ended_sink(OpenCall& call, std::uint64_t stream_id);
  void sink_taken(CallId id, std::uint64_t stream_id, std::size_t byte_count);
  void sink_over(CallId id, std::uint64_t stream_id, base::Error why);
  [[nodiscard]] base::Status begin_upload(OpenCall& call, std::uint64_t request_id, egress::Request& request);
  void end_upload(CallId id, std::uint64_t request_id, const base::Error* why);
  void refuse_upload(CallId id, const egress::WrittenBody& written, const base::Error& why);

  // Ends of calls.
  bool conclude(CallId id, CallOutcome outcome, EndedBy ended_by = EndedBy::answer, WebResponse response = {});
  [[nodiscard]] bool is_web(CallId id);
  [[nodiscard]] bool answers_in_parts(CallId id);
  void ignore_answer(CallId id);
  void tell_plugin_to_cancel(CallId id);
  void conclude_all(const OperationError& why);
  /// A line of the log about a span that has ended.
  void log_span(const CallRequest& request, CallId call, const Span& span) const noexcept;

  /// Whether the plugin may do this for the tenant now: Permissions::check. Every service asks it each time.
  [[nodiscard]] base::Status permits(const base::TenantId& tenant, const package::Permission& wanted) const;

  // trv.http/1
  [[nodiscard]] base::Result<egress::Request> admit(CallId id, std::uint64_t request_id, egress::Request request,
                                                    std::shared_ptr<ArrivingAnswer> parts);
  void http_arrived(CallId id, std::uint64_t request_id, base::Result<egress::Response> result);
  void deliver_http(std::uint64_t request_id, const base::Result<egress::Response>& result);

  // trv.stream/1: answers in parts
  class Arrival;
  [[nodiscard]] egress::RequestId send_in_parts(CallId id, egress::Request request,
                                                const std::shared_ptr<ArrivingAnswer>& answer);
  [[nodiscard]] OpenRequest* find_stream(CallId id, std::uint64_t stream_id);
  [[nodiscard]] bool is_wanted(const ArrivingAnswer& answer) const;
  void head_arrived(const std::shared_ptr<ArrivingAnswer>& answer, egress::Response head);
  void part_arrived(const std::shared_ptr<ArrivingAnswer>& answer, std::string_view bytes);
  void deliver_parts(ArrivingAnswer& answer);
  class Body;
  [[nodiscard]] std::shared_ptr<BodySource> find_body(CallId id, std::uint64_t stream_id);
  void keep_in_time(CallId id);
  void body_ended(CallId id, const std::shared_ptr<ArrivingAnswer>& body, base::Status status);
  void answer_ended(CallId id, const std::shared_ptr<ArrivingAnswer>& answer, base::Status status);

  // trv.timer/1
  [[nodiscard]] base::Duration fire_timers(base::Duration now);
  void deliver_time(CallId id, std::uint64_t timer_id);

  // trv.kv/1
  [[nodiscard]] base::Result<ServiceCall> admit(CallId id, ServiceRequest request);
  void answer_arrived(CallId id, std::uint64_t request_id, Service service, std::optional<std::uint64_t> writing_id,
                      base::Result<ServiceAnswer> answer);

  // trv.blob/1; the lock is held
  [[nodiscard]] base::Result<std::shared_ptr<BlobWriting>> admit_blob(OpenCall& call, const ServiceRequest& request);
  void forget_blob(OpenCall& call, std::uint64_t writing_id);
  void part_written(OpenCall& call, std::uint64_t writing_id, const base::Status& written, bool was_admitted);

  /// The lock is held. Whether stop() has nothing left to wait for.
  [[nodiscard]] bool is_quiet() const noexcept {
    return calls_.size() == 0 && requests_open_ == 0 && cancels_running_ == 0;
  }
  void notify_if_stopping() noexcept;

  const std::string plugin_;
  const std::string version_;
  const InstanceServices services_;
  std::shared_ptr<PluginSide> side_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::running;
  bool strand_is_busy_ = true;  ///< until begin() too
  std::deque<Work> queue_;
  CallTable calls_;
  base::Duration told_deadline_ = base::Duration::max();
  std::size_t requests_open_ = 0;
  std::size_t cancels_running_ = 0;
  std::size_t blobs_open_ = 0;  ///< that calls write
  enum class Saving : std::uint8_t { no, waits_for_calls, asked };
  Saving saving_ = Saving::no;
  std::optional<base::Result<std::string>> saved_;  ///< what the plugin answered to save()
  std::string why_lost_;
  std::shared_ptr<InstanceCore> kept_;  ///< itself, while a plugin that was given up may still call

  std::atomic<std::uint64_t> succeeded_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> timed_out_ = 0;
  std::atomic<std::uint64_t> answers_ignored_ = 0;
  std::atomic<std::uint64_t> measurements_dropped_ = 0;
  std::atomic<std::uint64_t> http_requests_ = 0;
};

}  // namespace trv::plugin_host
