#include "kernel/plugin_host/frame_link.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "kernel/plugin_host/frame_blob.hpp"
#include "sdk/abi/ext/log.h"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::Duration;

std::int64_t seconds(Duration time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

}  // namespace

FrameLink::FrameLink(LinkLimits limits, const base::Clock& clock, std::string group, std::weak_ptr<LinkUser> user)
    : limits_(limits), clock_(clock), group_(std::move(group)), user_(std::move(user)), used_(clock.monotonic()) {}

// ---- out

// The lock is held.
void FrameLink::send(base::BytesView frame) {
  if (is_gone_) return;
  const bool is_first = queue_.empty();
  if (is_connected_ && is_first) {
    if (send_packet(process_.socket.number(), frame, Waits::no) != Sent::later) return;  // its end is seen by the loop
  }
  queue_.emplace_back(frame.begin(), frame.end());
  if (is_connected_ && is_first) watch(EPOLL_CTL_MOD);
}

// The lock is held.
void FrameLink::send_waiting() {
  while (!queue_.empty()) {
    if (send_packet(process_.socket.number(), queue_.front(), Waits::no) == Sent::later) break;
    queue_.pop_front();
  }
  watch(EPOLL_CTL_MOD);
}

// The lock is held. A socket that cannot be watched is one whose process has ended.
void FrameLink::watch(int operation) const {
  epoll_event event{};
  if (!is_held_) event.events |= EPOLLIN;
  if (!queue_.empty()) event.events |= EPOLLOUT;
  event.data.u64 = static_cast<std::uint64_t>(process_.pid);
  static_cast<void>(::epoll_ctl(poll_, operation, process_.socket.number(), &event));
}

void FrameLink::invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  const std::lock_guard lock(mutex_);
  open_[call] = Duration::max();
  send(writer_.invoke(request, call, timeout_ms));
}

void FrameLink::serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  const std::lock_guard lock(mutex_);
  open_[call] = Duration::max();
  send(writer_.serve(request, call, timeout_ms));
}

void FrameLink::cancel(CallId call) {
  const std::lock_guard lock(mutex_);
  if (const auto open = open_.find(call); open != open_.end()) {
    open->second = std::min(open->second, clock_.monotonic());
    send(writer_.cancel(call));
  }
}

void FrameLink::http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) {
  const std::lock_guard lock(mutex_);
  send(writer_.http_arrived(request_id, result));
}

void FrameLink::time_came(std::uint64_t timer_id) {
  const std::lock_guard lock(mutex_);
  send(writer_.time_came(timer_id));
}

void FrameLink::served(Service service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) {
  const std::lock_guard lock(mutex_);
  send(writer_.served(service, request_id, answer));
}

void FrameLink::part_arrived(std::uint64_t stream_id, std::string_view part) {
  const std::lock_guard lock(mutex_);
  send(writer_.part(stream_id, part));
}

void FrameLink::stream_ended(std::uint64_t stream_id, const base::Status& end) {
  const std::lock_guard lock(mutex_);
  send(writer_.stream_ended(stream_id, end));
}

void FrameLink::room(std::uint64_t stream_id, std::uint64_t byte_count) {
  const std::lock_guard lock(mutex_);
  send(writer_.room(stream_id, byte_count));
}

void FrameLink::save() {
  const std::lock_guard lock(mutex_);
  save_asked_ = clock_.monotonic();
  send(writer_.save());
}

void FrameLink::end() {
  const std::lock_guard lock(mutex_);
  end_asked_ = clock_.monotonic();
  send(writer_.end());
}

void FrameLink::kill(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (why_killed_.empty()) why_killed_ = why;
  if (why.empty() && !end_asked_) end_asked_ = clock_.monotonic();
  signal_kill();
}

void FrameLink::retire() {
  const std::lock_guard lock(mutex_);
  is_retired_ = true;
  used_ = clock_.monotonic();
}

// The lock is held. The process may have ended: the pidfd names no other.
void FrameLink::signal_kill() const {
  if (!process_.process.is_open()) return;
  static_cast<void>(::syscall(SYS_pidfd_send_signal, process_.process.number(), SIGKILL, nullptr, 0));
}

// ---- the loop's

void FrameLink::connect(sandbox::SandboxedProcess process, const ProcessPurpose& purpose, int poll) {
  const std::lock_guard lock(mutex_);
  TRV_EXPECTS(!is_connected_ && process.socket.is_open());
  process_ = std::move(process);
  poll_ = poll;
  connected_ = clock_.monotonic();
  const base::BytesView begin = writer_.begin(purpose);
  queue_.emplace_front(begin.begin(), begin.end());
  is_connected_ = true;
  watch(EPOLL_CTL_ADD);
  send_waiting();
}

void FrameLink::flush() {
  const std::lock_guard lock(mutex_);
  send_waiting();
}

bool FrameLink::receive(PacketReader& reader) {
  if (is_over_) return false;
  const Received received = reader.receive(process_.socket.number(), Waits::no);
  if (received == Received::none) return true;
  bool is_whole = received == Received::some;
  for (const base::BytesView packet : reader.packets()) {
    const auto frame = read_frame(packet);
    is_whole = is_whole && frame.has_value();
    if (!is_whole) break;
    handle(**frame);
  }
  if (is_whole) {
    if (dropped_ > limits_.dropped_per_second) hold(true);
    return true;
  }
  is_over_ = true;
  if (received != Received::gone) kill("it sent what is not a frame");
  const std::lock_guard lock(mutex_);
  signal_kill();
  watch(EPOLL_CTL_DEL);
  return false;
}

// What a process sends too much of costs the loop more to drop than the process to send; so it is not read on before
// the next second. The process waits where it sends, and its own calls with it.
void FrameLink::hold(bool is_held) {
  const std::lock_guard lock(mutex_);
  if (is_held_ == is_held) return;
  is_held_ = is_held;
  watch(EPOLL_CTL_MOD);
}

// Whether a frame is one too many of this second, and dropped.
bool FrameLink::is_over(std::uint32_t& count, std::uint32_t limit) {
  if (++count <= limit) return false;
  ++dropped_;
  return true;
}

void FrameLink::answered(CallId call) {
  const std::lock_guard lock(mutex_);
  open_.erase(call);
  answers_.erase(call);
  used_ = clock_.monotonic();
}

// The end of that stream is the end of the call.
void FrameLink::answers_by(CallId call, std::uint64_t stream) {
  const std::lock_guard lock(mutex_);
  if (open_.contains(call)) answers_.try_emplace(call, stream);
}

bool FrameLink::is_answer(CallId call, std::uint64_t stream) const {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(call);
  return found != answers_.end() && found->second == stream;
}

// Once.
bool FrameLink::is_asked_to_save() {
  const std::lock_guard lock(mutex_);
  used_ = clock_.monotonic();
  return std::exchange(save_asked_, std::nullopt).has_value();
}

void FrameLink::handle(const frames::Frame& frame) {
  const std::shared_ptr<LinkUser> user = user_.lock();
  if (user == nullptr) return;
  switch (frame.body_type()) {
    case frames::Body::Ready:
      is_ready_ = true;
      keeps_state_ = frame.body_as_Ready()->keeps_state();
      return user->is_ready(view(frame.body_as_Ready()->walls()));
    case frames::Body::Measure:
      if (is_over(measurements_, limits_.measurements_per_second)) return;
      return user->host().measure(read_measure(*frame.body_as_Measure()));
    case frames::Body::Progress: {
      if (is_over(progress_frames_, limits_.progress_per_second)) return;
      const frames::Progress& progress = *frame.body_as_Progress();
      return user->host().progress(progress.call(), progress.fraction(), view(progress.text()));
    }
    case frames::Body::BeginSpan:
      if (is_over(span_frames_, limits_.spans_per_second)) return;
      return user->host().begin_span(frame.body_as_BeginSpan()->call(), read_span(*frame.body_as_BeginSpan()));
    case frames::Body::EndSpan:
      if (is_over(span_frames_, limits_.spans_per_second)) return;
      return user->host().end_span(frame.body_as_EndSpan()->call(), frame.body_as_EndSpan()->span());
    case frames::Body::Stream: {
      if (is_over(stream_frames_, limits_.streamed_per_second)) return;
      const frames::Stream& stream = *frame.body_as_Stream();
      return user->host().stream(stream.call(), view(stream.text()));
    }
    case frames::Body::Saved:
      if (!is_asked_to_save()) return;
      return user->host().saved(read_saved(*frame.body_as_Saved()));
    case frames::Body::Refused: return user->refused(read_refused(*frame.body_as_Refused()));
    case frames::Body::Answer: {
      const frames::Answer& answer = *frame.body_as_Answer();
      answered(answer.call());
      return user->host().answer(answer.call(), view(answer.output()));
    }
    case frames::Body::Failed: {
      const frames::Failed& failed = *frame.body_as_Failed();
      answered(failed.call());
      return user->host().answer_failed(failed.call(), read_failed(failed));
    }
    case frames::Body::Respond: {
      const frames::Respond& response = *frame.body_as_Respond();
      answered(response.call());
      return user->host().respond(response.call(), read_respond(response));
    }
    case frames::Body::RespondInParts: {
      const frames::RespondInParts& head = *frame.body_as_RespondInParts();
      answers_by(head.call(), head.stream());
      return user->host().respond_in_parts(head.call(), head.stream(), read_respond_in_parts(head));
    }
    case frames::Body::Write: {
      const frames::Write& part = *frame.body_as_Write();
      return user->host().write(part.call(), part.stream(), view(part.bytes()));
    }
    case frames::Body::EndStream: {
      const frames::EndStream& end = *frame.body_as_EndStream();
      if (is_answer(end.call(), end.stream())) answered(end.call());
      return user->host().end_stream(end.call(), end.stream());
    }
    case frames::Body::Take: {
      const frames::Take& take = *frame.body_as_Take();
      return user->host().take(take.call(), take.stream(), take.bytes());
    }
    case frames::Body::Drop: return user->host().drop(frame.body_as_Drop()->call(), frame.body_as_Drop()->stream());
    case frames::Body::ReadBody:
      return user->host().read_body(frame.body_as_ReadBody()->call(), frame.body_as_ReadBody()->stream());
    case frames::Body::Log: return log(*frame.body_as_Log());
    case frames::Body::HttpRequest: {
      const frames::HttpRequest& request = *frame.body_as_HttpRequest();
      return user->host().send_http(request.call(), request.request(), read_http_request(request));
    }
    case frames::Body::SetTimer: {
      const frames::SetTimer& timer = *frame.body_as_SetTimer();
      return user->host().set_timer(timer.call(), timer.timer(), timer.after_ms());
    }
    case frames::Body::StoreRequest: {
      const frames::StoreRequest& request = *frame.body_as_StoreRequest();
      return user->host().ask(request.call(), request.request(), Service::store, read_store_request(request));
    }
    case frames::Body::SignRequest: {
      const frames::SignRequest& request = *frame.body_as_SignRequest();
      return user->host().ask(request.call(), request.request(), Service::secret, read_sign_request(request));
    }
    case frames::Body::BlobRequest: {
      const frames::BlobRequest& request = *frame.body_as_BlobRequest();
      return user->host().ask(request.call(), request.request(), Service::blob, read_blob_request(request));
    }
    case frames::Body::EmitRequest: {
      const frames::EmitRequest& request = *frame.body_as_EmitRequest();
      return user->host().ask(request.call(), request.request(), Service::event, read_emit_request(request));
    }
    case frames::Body::RequestFailed: {
      const frames::RequestFailed& failed = *frame.body_as_RequestFailed();
      const auto service = service_of(failed.service());
      if (!service) return kill("it sent a frame that is not a plugin's");
      return user->host().ask(0, failed.request(), *service, base::fail(read_request_failed(failed)));
    }
    case frames::Body::Pong:
      if (frame.body_as_Pong()->number() == pings_) pinged_.reset();
      return;
    // Of a later version, or the kernel's own.
    default: return kill("it sent a frame that is not a plugin's");
  }
}

void FrameLink::log(const frames::Log& frame) {
  if (is_over(log_lines_, limits_.log_lines_per_second)) return;
  // Long ones, too, of which a few fill a disk.
  log_bytes_ += view(frame.message()).size();
  if (log_bytes_ > limits_.log_bytes_per_second) {
    ++log_lines_too_long_;
    ++dropped_;
    return;
  }
  const std::shared_ptr<LinkUser> user = user_.lock();
  if (user == nullptr) return;
  const auto level = static_cast<LogLevel>(std::clamp<std::int32_t>(frame.level(), TRV_LOG_DEBUG, TRV_LOG_ERROR));
  user->host().log(level, frame.call(), view(frame.message()));
}

// The lock is held.
std::string FrameLink::overdue(Duration now) const {
  if (end_asked_ && now - *end_asked_ > limits_.end_within) return "it did not end when it was asked to";
  if (!is_ready_ && now - connected_ > limits_.start_within) {
    return fmt::format("it hangs: it did not start within {} s", seconds(limits_.start_within));
  }
  if (save_asked_ && now - *save_asked_ > limits_.hangs_after) {
    return fmt::format(
        "it did not save its state within {} s and was ended; what it kept in memory is lost. "
        "`trav plugin upgrade --without-state` does not ask for it",
        seconds(limits_.hangs_after));
  }
  if (pinged_ && now - *pinged_ > limits_.hangs_after) {
    return fmt::format("it did not react for {} s", seconds(limits_.hangs_after));
  }
  const auto late = std::ranges::find_if(open_, [&](const auto& call) {
    return call.second != Duration::max() && now - call.second > limits_.cancel_grace;
  });
  if (late != open_.end()) {
    return fmt::format("it did not end call {} within {} s of its cancel", late->first, seconds(limits_.cancel_grace));
  }
  return {};
}

void FrameLink::tick(Duration now) {
  const std::uint32_t lines = std::exchange(log_lines_, 0);
  const std::uint32_t too_many = lines > limits_.log_lines_per_second ? lines - limits_.log_lines_per_second : 0;
  const std::uint32_t lines_dropped = too_many + std::exchange(log_lines_too_long_, 0);
  log_bytes_ = 0;
  progress_frames_ = 0;
  stream_frames_ = 0;
  measurements_ = 0;
  span_frames_ = 0;
  const bool was_held = std::exchange(dropped_, 0) > limits_.dropped_per_second;
  const std::shared_ptr<LinkUser> user = user_.lock();
  if (lines_dropped > 0 && user != nullptr) {
    user->host().log(LogLevel::warning, 0,
                     fmt::format("{} lines of its log were dropped: more than {} or {} bytes a second{}", lines_dropped,
                                 limits_.log_lines_per_second, limits_.log_bytes_per_second,
                                 was_held ? "; it was not read on until this second was over" : ""));
  }
  if (was_held) {
    if (pinged_) pinged_ = now;  // its answer may wait unread
    hold(false);
  }
  std::string why;
  bool is_idle = false;
  {
    const std::lock_guard lock(mutex_);
    if (!is_connected_ || is_gone_) return;
    why = overdue(now);
    hangs_in_save_ = hangs_in_save_ || (save_asked_ && now - *save_asked_ > limits_.hangs_after);
    if (why.empty() && is_ready_ && !open_.empty() && !pinged_) {
      pinged_ = now;
      send(writer_.ping(++pings_));
    }
    const Duration idle_after = is_retired_ ? limits_.retired_after : limits_.idle_after;
    is_idle = is_ready_ && open_.empty() && !end_asked_ && !save_asked_ && now - used_ > idle_after;
  }
  if (!why.empty()) kill(why);
  if (is_idle && user != nullptr) user->is_idle();
}

// The lock is held.
void FrameLink::close() {
  is_gone_ = true;
  queue_.clear();
  process_.socket.close();  // and is watched no longer
}

void FrameLink::has_ended(const std::string& how) {
  ProcessEnd end;
  {
    const std::lock_guard lock(mutex_);
    close();
    if (!why_killed_.empty()) {
      // Who asks it to save is the operator: that it hangs then costs the switch, and no quarantine.
      end = {hangs_in_save_ ? ProcessEnd::Of::asked : ProcessEnd::Of::plugin, why_killed_};
    } else if (!end_asked_) {
      end = {ProcessEnd::Of::plugin, how};
    }
  }
  if (const std::shared_ptr<LinkUser> user = user_.lock()) user->ended(end);
}

void FrameLink::is_lost(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    close();
  }
  if (const std::shared_ptr<LinkUser> user = user_.lock()) user->ended({ProcessEnd::Of::host, why});
}

}  // namespace trv::plugin_host
