// trv.stream/1: what plugins answer in parts.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/plugin_host/instance_core.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::Duration;
using base::ErrorCode;
using base::fail;

// Less than what a plugin that waits for room for a part could be short of.
constexpr std::size_t reported_from = 32'768;
static_assert(stream_room_bytes - reported_from >= stream_part_bytes_max);
// More than a plugin that has taken all that it was given may not have said yet.
constexpr std::uint64_t body_is_read_below = 65'536;

std::int64_t seconds(Duration time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

}  // namespace

// ---- from the plugin

void InstanceCore::respond_in_parts(CallId id, std::uint64_t stream_id, base::Result<WebResponse> head) noexcept {
  std::shared_ptr<PartReceiver> receiver;
  base::Status begun = head ? check_head(*head) : fail(head.error());
  if (begun) begun = begin_answer(id, stream_id, *head, receiver);
  if (!begun) {
    return break_off(id, {ErrorCode::internal, "the plugin's response cannot be sent: " + begun.error().message()});
  }
  if (receiver == nullptr) return;  // the call has ended: a client may go at any time
  receiver->begin(*std::move(head), [core = weak_from_this(), id](std::size_t byte_count) {
    if (const std::shared_ptr<InstanceCore> alive = core.lock()) alive->taken(id, byte_count);
  });
}

void InstanceCore::write(CallId id, std::uint64_t stream_id, std::string_view part) noexcept {
  base::Result<std::shared_ptr<PartReceiver>> receiver = nullptr;
  base::Result<std::shared_ptr<egress::PartSink>> sink = nullptr;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr || is_ended_sink(*call, stream_id)) return;
    if (OpenSink* open = find_sink(*call, stream_id)) {
      sink = admit_to_sink(*open, part.size());
    } else {
      receiver = admit_part(*call, stream_id, part.size());
    }
  }
  if (!receiver) return break_off(id, receiver.error());
  if (!sink) return break_off(id, sink.error());
  if (part.empty()) return;
  if (*sink != nullptr) return (*sink)->write(part);
  (*receiver)->part(part);
}

void InstanceCore::end_stream(CallId id, std::uint64_t stream_id) noexcept {
  base::Result<std::shared_ptr<PartReceiver>> receiver = nullptr;
  std::shared_ptr<egress::PartSink> sink;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr || is_ended_sink(*call, stream_id)) return;
    sink = close_sink(*call, stream_id);
    if (sink == nullptr) receiver = admit_part(*call, stream_id, 0);
  }
  if (sink != nullptr) return sink->end();
  if (!receiver) return break_off(id, receiver.error());
  static_cast<void>(conclude(id, std::string()));
}

// ---- limits

base::Status InstanceCore::begin_answer(CallId id, std::uint64_t stream_id, WebResponse& head,
                                        std::shared_ptr<PartReceiver>& receiver) {
  Duration deadline{};
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr) return {};
    if (call->request.web == nullptr) {
      return fail(ErrorCode::internal, "trv.stream/1 answered a call of an operation");
    }
    if (call->answer) return fail(ErrorCode::internal, "it has begun to answer in parts already");
    receiver = call->request.web->receiver;
    if (receiver == nullptr) return fail(ErrorCode::internal, "nobody takes an answer in parts here");
    call->answer = WrittenStream{.stream_id = stream_id, .waiting = head.body.size(), .written = head.body.size()};
    renew_deadline(*call);
    if (call->deadline >= told_deadline_) return {};
    deadline = told_deadline_ = call->deadline;
  }
  services_.threads.tell(deadline);
  return {};
}

// The lock is held. Counts the part.
base::Result<std::shared_ptr<PartReceiver>> InstanceCore::admit_part(OpenCall& call, std::uint64_t stream_id,
                                                                     std::size_t byte_count) {
  if (!call.answer || call.answer->stream_id != stream_id) {
    return fail(ErrorCode::internal, fmt::format("the plugin wrote to stream {}, which it has not begun", stream_id));
  }
  TRV_TRY(admit_bytes(*call.answer, byte_count, services_.streams.bytes_max));
  renew_deadline(call);
  return call.request.web->receiver;
}

// The lock is held. Counts the part.
base::Status InstanceCore::admit_bytes(WrittenStream& stream, std::size_t byte_count, std::uint64_t bytes_max) {
  TRV_ASSERT(stream.waiting <= stream_room_bytes);
  if (byte_count > stream_part_bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("the plugin wrote a part of {} bytes, at most {} are in one",
                                                  byte_count, stream_part_bytes_max));
  }
  if (byte_count > stream_room_bytes - stream.waiting) {
    return fail(ErrorCode::exhausted,
                fmt::format("the plugin wrote {} bytes where the receiver had taken all but {} of at most {}",
                            byte_count, stream.waiting, stream_room_bytes));
  }
  if (byte_count > bytes_max - stream.written) {
    return fail(ErrorCode::too_large,
                fmt::format("the plugin wrote more than {} bytes, the limit of that stream", bytes_max));
  }
  stream.waiting += byte_count;
  stream.written += byte_count;
  return {};
}

// The lock is held.
void InstanceCore::renew_deadline(OpenCall& call) const {
  const StreamLimits& limits = services_.streams;
  const Duration now = services_.clock.monotonic();
  call.streams_since = std::min(call.streams_since, now);
  call.deadline = std::min(now + limits.silence, call.streams_since + limits.whole);
}

// The lock is held. Where the client has not taken what there is, the plugin may have to wait for it; the server ends a
// client that takes nothing.
bool InstanceCore::waits_for_client(OpenCall& call, Duration now) const {
  // Of a body that is read, the plugin may have all that came: to have the rest sent is the server's, too.
  const bool reads = call.body != nullptr && !call.body->is_dropped && call.body->given < body_is_read_below;
  const bool writes = call.answer && call.answer->waiting > 0;
  if ((!writes && !reads) || now >= call.streams_since + services_.streams.whole) return false;
  renew_deadline(call);
  return call.deadline > now;
}

// The lock is held.
std::string InstanceCore::why_late(const OpenCall& call, Duration now) const {
  const StreamLimits& limits = services_.streams;
  if (call.streams_since == Duration::max()) {
    return fmt::format("plugin '{}' {} did not answer within {} ms", plugin_, version_, call.request.timeout_ms);
  }
  if (now - call.streams_since >= limits.whole) {
    return fmt::format("plugin '{}' {}: request and answer were not whole after {} s, their limit", plugin_, version_,
                       seconds(limits.whole));
  }
  if (!call.answer) {
    return fmt::format("plugin '{}' {} neither read on nor answered for {} s", plugin_, version_,
                       seconds(limits.silence));
  }
  return fmt::format("plugin '{}' {} wrote no part of its answer for {} s", plugin_, version_, seconds(limits.silence));
}

// ---- to the plugin

void InstanceCore::taken(CallId id, std::size_t byte_count) {
  std::uint64_t stream_id = 0;
  std::size_t freed = 0;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr || !call->answer) return;
    freed = free_room(*call->answer, byte_count);
    renew_deadline(*call);
    stream_id = call->answer->stream_id;
  }
  if (freed > 0) report_room(id, stream_id, freed);
}

// The lock is held. What the plugin is to know as taken: not each part for itself.
std::size_t InstanceCore::free_room(WrittenStream& stream, std::size_t byte_count) {
  TRV_EXPECTS(byte_count <= stream.waiting);
  stream.waiting -= byte_count;
  stream.unreported += byte_count;
  return stream.unreported < reported_from ? 0 : std::exchange(stream.unreported, 0);
}

void InstanceCore::report_room(CallId id, std::uint64_t stream_id, std::size_t freed) {
  enqueue([this, id, stream_id, freed] {
    {
      const std::lock_guard lock(mutex_);
      if (calls_.find(id) == nullptr || (state_ != State::running && state_ != State::draining)) return;
    }
    side_->room(stream_id, freed);
  });
}

/// Ends a call that the plugin has broken a rule with, and lets the plugin know.
void InstanceCore::break_off(CallId id, const base::Error& why) {
  std::optional<std::uint64_t> stream_id;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr) return;
    call->cancel_requested = true;
    ++cancels_running_;
    if (call->answer) stream_id = call->answer->stream_id;
  }
  if (stream_id) end_answer(*stream_id, why);
  static_cast<void>(
      conclude(id, std::unexpected(OperationError{.code = why.code(), .message = why.message(), .detail = {}})));
  tell_plugin_to_cancel(id);
}

void InstanceCore::end_answer(std::uint64_t stream_id, base::Error why) {
  enqueue([this, stream_id, end = base::Status(fail(std::move(why)))] {
    {
      const std::lock_guard lock(mutex_);
      if (state_ != State::running && state_ != State::draining) return;
    }
    side_->stream_ended(stream_id, end);
  });
}

}  // namespace trv::plugin_host
