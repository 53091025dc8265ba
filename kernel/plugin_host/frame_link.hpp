#pragma once
// The kernel's end of one plugin process: frames out, at once or in a queue where the socket is full, and frames in.
//
// send functions on any thread; everything else on the loop of Isolation. What the process sends is held against what
// it may send; a process that breaks a rule is killed.

#include <sys/types.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "kernel/plugin_host/frame.hpp"
#include "kernel/plugin_host/packet.hpp"
#include "kernel/plugin_host/plugin_side.hpp"
#include "kernel/sandbox/zygote.hpp"
#include "sdk/base/clock.hpp"

namespace trv::plugin_host {

/// Why a process has ended.
struct ProcessEnd {
  /// Somebody asked for it, the plugin is at fault, it did not start with its configuration, or this host could not run
  /// it.
  enum class Of { asked, plugin, refused, host };
  Of of = Of::asked;
  std::string why;  ///< a sentence; empty where it was asked for
};

/// Who a process works for. On the loop's thread; must not block.
class LinkUser {
 public:
  virtual ~LinkUser() = default;
  [[nodiscard]] virtual HostSide& host() = 0;
  /// It takes calls, behind these walls.
  virtual void is_ready(std::string_view walls) = 0;
  /// It will not take calls; ended() follows.
  virtual void refused(const base::Error& why) = 0;
  /// The last word.
  virtual void ended(const ProcessEnd& end) = 0;
  /// It has had nothing to do for the time of LinkLimits.
  virtual void is_idle() = 0;
};

struct LinkLimits {
  base::Duration start_within = std::chrono::seconds(20);
  base::Duration hangs_after = std::chrono::seconds(10);  ///< without a Pong while a call is open
  base::Duration cancel_grace = std::chrono::seconds(5);  ///< from a cancel to the end of its call
  base::Duration end_within = std::chrono::seconds(2);
  base::Duration retired_after = std::chrono::seconds(2);  ///< idle_after of one that is retired
  base::Duration idle_after = std::chrono::minutes(10);
  std::uint32_t log_lines_per_second = 200;
  std::uint64_t log_bytes_per_second = 65'536;
  std::uint32_t progress_per_second = 200;
  std::uint32_t streamed_per_second = 10'000;
  std::uint32_t measurements_per_second = 10'000;
  std::uint32_t spans_per_second = 10'000;   ///< those that begin and those that end
  std::uint32_t dropped_per_second = 2'000;  ///< of all that is over these; then it is not read on in this second
};

class FrameLink final : public PluginSide {
 public:
  /// `group`: of processes that share bounds.
  FrameLink(LinkLimits limits, const base::Clock& clock, std::string group, std::weak_ptr<LinkUser> user);

  // [any]
  void invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) override;
  void serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) override;
  void cancel(CallId call) override;
  void http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) override;
  void time_came(std::uint64_t timer_id) override;
  void served(Service service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) override;
  void part_arrived(std::uint64_t stream_id, std::string_view part) override;
  void stream_ended(std::uint64_t stream_id, const base::Status& end) override;
  void room(std::uint64_t stream_id, std::uint64_t byte_count) override;
  [[nodiscard]] bool keeps_state() const override { return keeps_state_; }
  void save() override;
  void end() override;
  /// Ends the process without asking it. `why`: what the plugin did; empty: it is asked for.
  void kill(const std::string& why);
  /// No call follows but those that are on their way: it is idle once they have ended.
  void retire();

  // The loop's.
  /// What was sent before waits until here. The socket is watched by `poll`, under the process number.
  void connect(sandbox::SandboxedProcess process, const ProcessPurpose& purpose, int poll);
  [[nodiscard]] pid_t pid() const noexcept { return process_.pid; }
  [[nodiscard]] const base::OpenFile& process() const noexcept { return process_.process; }
  [[nodiscard]] const std::string& group() const noexcept { return group_; }
  /// Frames are there. False: nothing more will come.
  [[nodiscard]] bool receive(PacketReader& reader);
  /// Sends what waits, as far as the socket takes it.
  void flush();
  /// Holds the process against its limits; about once a second.
  void tick(base::Duration now);
  /// The process has ended.
  void has_ended(const std::string& how);
  /// This host could not make the process, or ended it.
  void is_lost(const std::string& why);

 private:
  void send(base::BytesView frame);
  void send_waiting();
  void close();
  void signal_kill() const;
  void watch(int operation) const;
  void hold(bool is_held);
  [[nodiscard]] bool is_over(std::uint32_t& count, std::uint32_t limit);
  void handle(const frames::Frame& frame);
  void log(const frames::Log& frame);
  void answered(CallId call);
  void answers_by(CallId call, std::uint64_t stream);
  [[nodiscard]] bool is_answer(CallId call, std::uint64_t stream) const;
  [[nodiscard]] bool is_asked_to_save();
  [[nodiscard]] std::string overdue(base::Duration now) const;

  const LinkLimits limits_;
  const base::Clock& clock_;
  const std::string group_;
  const std::weak_ptr<LinkUser> user_;
  sandbox::SandboxedProcess process_;
  int poll_ = -1;

  mutable std::mutex mutex_;
  FrameWriter writer_;
  std::deque<base::Bytes> queue_;
  bool is_connected_ = false;
  bool is_gone_ = false;
  std::string why_killed_;
  std::optional<base::Duration> end_asked_;
  std::optional<base::Duration> save_asked_;
  bool hangs_in_save_ = false;
  /// Calls that the process has and has not answered; when each was cancelled, or max.
  std::unordered_map<CallId, base::Duration> open_;
  std::unordered_map<CallId, std::uint64_t> answers_;  ///< of those: the stream that a call is answered by
  base::Duration used_;
  bool is_retired_ = false;
  bool is_held_ = false;  ///< it sent too much, and is not read on

  std::atomic<bool> keeps_state_ = false;

  // The loop's.
  bool is_ready_ = false;
  bool is_over_ = false;  ///< nothing that it sends is looked at any more
  base::Duration connected_{};
  std::uint64_t pings_ = 0;
  std::optional<base::Duration> pinged_;  ///< the Ping that has no Pong
  std::uint32_t log_lines_ = 0;           ///< in this second
  std::uint32_t log_lines_too_long_ = 0;  ///< the same: dropped for their bytes
  std::uint64_t log_bytes_ = 0;           ///< the same
  std::uint32_t progress_frames_ = 0;     ///< the same
  std::uint32_t stream_frames_ = 0;       ///< the same
  std::uint32_t measurements_ = 0;        ///< the same
  std::uint32_t span_frames_ = 0;         ///< the same
  std::uint32_t dropped_ = 0;             ///< the same
};

}  // namespace trv::plugin_host
