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
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr) return;
    receiver = admit_part(*call, stream_id, part.size());
  }
  if (!receiver) return break_off(id, receiver.error());
  if (!part.empty()) (*receiver)->part(part);
}

void InstanceCore::end_stream(CallId id, std::uint64_t stream_id) noexcept {
  base::Result<std::shared_ptr<PartReceiver>> receiver = nullptr;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr) return;
    receiver = admit_part(*call, stream_id, 0);
  }
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
    call->answer = OpenAnswer{.stream_id = stream_id,
                              .began = services_.clock.monotonic(),
                              .waiting = head.body.size(),
                              .written = head.body.size()};
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
  OpenAnswer& answer = *call.answer;
  TRV_ASSERT(answer.waiting <= stream_room_bytes);
  if (byte_count > stream_part_bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("the plugin wrote a part of {} bytes, at most {} are in one",
                                                  byte_count, stream_part_bytes_max));
  }
  if (byte_count > stream_room_bytes - answer.waiting) {
    return fail(ErrorCode::exhausted,
                fmt::format("the plugin wrote {} bytes where the client had taken all but {} of at most {}", byte_count,
                            answer.waiting, stream_room_bytes));
  }
  if (byte_count > services_.streams.bytes_max - answer.written) {
    return fail(ErrorCode::too_large,
                fmt::format("the answer has more than {} bytes, its limit", services_.streams.bytes_max));
  }
  answer.waiting += byte_count;
  answer.written += byte_count;
  renew_deadline(call);
  return call.request.web->receiver;
}

// The lock is held.
void InstanceCore::renew_deadline(OpenCall& call) const {
  const StreamLimits& limits = services_.streams;
  call.deadline = std::min(services_.clock.monotonic() + limits.silence, call.answer->began + limits.whole);
}

// The lock is held. Where the client has not taken what there is, the plugin may have to wait for it; the server ends a
// client that takes nothing.
bool InstanceCore::waits_for_client(OpenCall& call, Duration now) const {
  if (!call.answer || call.answer->waiting == 0 || now >= call.answer->began + services_.streams.whole) return false;
  renew_deadline(call);
  return call.deadline > now;
}

// The lock is held.
std::string InstanceCore::why_late(const OpenCall& call, Duration now) const {
  const StreamLimits& limits = services_.streams;
  if (!call.answer) {
    return fmt::format("plugin '{}' {} did not answer within {} ms", plugin_, version_, call.request.timeout_ms);
  }
  if (now >= call.answer->began + limits.whole) {
    return fmt::format("the answer of plugin '{}' {} was not whole after {} s, its limit", plugin_, version_,
                       seconds(limits.whole));
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
    OpenAnswer& answer = *call->answer;
    TRV_EXPECTS(byte_count <= answer.waiting);
    answer.waiting -= byte_count;
    answer.unreported += byte_count;
    renew_deadline(*call);
    if (answer.unreported < reported_from) return;
    freed = std::exchange(answer.unreported, 0);
    stream_id = answer.stream_id;
  }
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
