// trv.stream/2: bodies that plugins write to others than their clients.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/plugin_host/instance_core.hpp"

namespace trv::plugin_host {

using base::ErrorCode;

namespace {

constexpr std::size_t sinks_ended_kept_max = 1'024;

}  // namespace

// The lock is held, here and in the next ones.
OpenSink* InstanceCore::find_sink(OpenCall& call, std::uint64_t stream_id) {
  const auto found = std::ranges::find(call.sinks, stream_id, &OpenSink::stream_id);
  return found == call.sinks.end() ? nullptr : &*found;
}

bool InstanceCore::is_ended_sink(const OpenCall& call, std::uint64_t stream_id) {
  return std::ranges::find(call.sinks_ended, stream_id) != call.sinks_ended.end();
}

base::Status InstanceCore::open_sink(OpenCall& call, OpenSink sink) {
  const std::uint64_t stream_id = sink.stream_id;
  const bool is_answer = call.answer && call.answer->stream_id == stream_id;
  if (is_answer || stream_id == sink.request_id || find_sink(call, stream_id) != nullptr) {
    return base::fail(ErrorCode::invalid, fmt::format("stream {} of the call is open already", stream_id));
  }
  std::erase(call.sinks_ended, stream_id);
  call.sinks.push_back(std::move(sink));
  return {};
}

base::Result<std::shared_ptr<egress::PartSink>> InstanceCore::admit_to_sink(OpenSink& open, std::size_t byte_count) {
  TRV_TRY(admit_bytes(open, byte_count, open.bytes_max));
  return open.sink;
}

std::shared_ptr<egress::PartSink> InstanceCore::close_sink(OpenCall& call, std::uint64_t stream_id) {
  OpenSink* open = find_sink(call, stream_id);
  if (open == nullptr) return nullptr;
  std::shared_ptr<egress::PartSink> sink = std::move(open->sink);
  std::erase_if(call.sinks, [stream_id](const OpenSink& one) { return one.stream_id == stream_id; });
  return sink;
}

// The lock is held. Nothing more of it is taken: what the plugin writes until it knows is ignored.
void InstanceCore::note_ended_sink(OpenCall& call, std::uint64_t stream_id) {
  static_cast<void>(close_sink(call, stream_id));
  if (call.sinks_ended.size() == sinks_ended_kept_max) call.sinks_ended.pop_front();
  call.sinks_ended.push_back(stream_id);
}

// ---- the lock is not held

void InstanceCore::sink_taken(CallId id, std::uint64_t stream_id, std::size_t byte_count) {
  std::size_t freed = 0;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    OpenSink* open = call == nullptr ? nullptr : find_sink(*call, stream_id);
    if (open == nullptr) return;
    freed = free_room(*open, byte_count);
    // A request over HTTP that sends its body on is under way as long as that is.
    if (call->streams_since != base::Duration::max()) renew_deadline(*call);
  }
  if (freed > 0) report_room(id, stream_id, freed);
}

void InstanceCore::sink_over(CallId id, std::uint64_t stream_id, base::Error why) {
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr || find_sink(*call, stream_id) == nullptr) return;
    note_ended_sink(*call, stream_id);
  }
  end_answer(stream_id, std::move(why));
}

// ---- of requests

// The lock is held. The body of a request that was admitted, into it.
base::Status InstanceCore::begin_upload(OpenCall& call, std::uint64_t request_id, egress::Request& request) {
  const egress::WrittenBody& written = *request.written;
  const std::uint64_t bytes_max = services_.streams.bytes_max;
  if (written.length > bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("the body is to have {} bytes, at most {} are sent", *written.length, bytes_max));
  }
  const auto writer = [core = weak_from_this(), id = call.id, stream_id = written.stream_id](auto then) {
    return [core, id, stream_id, then](auto... values) {
      if (const std::shared_ptr<InstanceCore> alive = core.lock()) then(*alive, id, stream_id, values...);
    };
  };
  request.departing = std::make_shared<egress::DepartingBody>(
      written.length, egress::DepartingBody::Writer{
                          .taken = writer([](InstanceCore& core, CallId id, std::uint64_t stream_id,
                                             std::uint64_t byte_count) { core.sink_taken(id, stream_id, byte_count); }),
                          .over = writer([](InstanceCore& core, CallId id, std::uint64_t stream_id) {
                            core.sink_over(
                                id, stream_id,
                                {ErrorCode::cancelled, "no more of it is taken; what became of its request says why"});
                          })});
  OpenSink open;
  open.stream_id = written.stream_id;
  open.sink = request.departing;
  open.request_id = request_id;
  open.bytes_max = written.length.value_or(bytes_max);
  return open_sink(call, std::move(open));
}

// The request has come to its end, and with it what is left of its body.
void InstanceCore::end_upload(CallId id, std::uint64_t request_id, const base::Error* why) {
  std::optional<std::uint64_t> stream_id;
  {
    const std::lock_guard lock(mutex_);
    const OpenCall* call = calls_.find(id);
    if (call == nullptr) return;
    const auto found = std::ranges::find(call->sinks, request_id, &OpenSink::request_id);
    if (found != call->sinks.end()) stream_id = found->stream_id;
  }
  if (!stream_id) return;
  sink_over(
      id, *stream_id,
      why != nullptr ? *why : base::Error(ErrorCode::cancelled, "no more of it is taken: the service has answered"));
}

// A request that was refused: its body has no stream, which the plugin does not know yet.
void InstanceCore::refuse_upload(CallId id, const egress::WrittenBody& written, const base::Error& why) {
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    const bool is_other = call != nullptr && ((call->answer && call->answer->stream_id == written.stream_id) ||
                                              find_sink(*call, written.stream_id) != nullptr);
    if (call == nullptr || is_other) return;
    note_ended_sink(*call, written.stream_id);
  }
  end_answer(written.stream_id, why);
}

}  // namespace trv::plugin_host
