#pragma once
// The open calls of one instance. Not thread-safe: its owner's lock guards it.
//
// An id is never used twice, so an answer to a call that has ended finds nothing. A call's request stays in place while
// it is pinned, also after the call ended, because the plugin may be reading it.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/egress/http_sender.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "kernel/plugin_host/service_request.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {

/// What comes to a plugin in parts: the answer to a request of it, or the body of one to it. The lock of the table
/// guards all but what never changes.
struct ArrivingAnswer {
  std::uint64_t request_id = 0;   ///< the plugin's, and that of the stream
  std::string waiting = {};       ///< came, and is not given to the plugin yet
  std::uint64_t given = 0;        ///< to the plugin, which has not taken it
  std::uint64_t taken_early = 0;  ///< before the sender's number was known
  bool has_head = false;          ///< the sender's thread writes it before anything else is queued
  bool is_queued = false;         ///< what waits will be given
  bool is_dropped = false;        ///< nothing of it is wanted any more
};

/// An HTTP request of a call that has not been answered.
struct OpenRequest {
  std::uint64_t request_id = 0;                ///< the plugin's
  egress::RequestId sent = 0;                  ///< the sender's
  std::shared_ptr<ArrivingAnswer> parts = {};  ///< nullptr: the answer is whole
};

/// A timer of a call whose time has not come.
struct OpenTimer {
  std::uint64_t timer_id = 0;  ///< the plugin's
  base::Duration due{};
};

/// What a call writes in parts.
struct WrittenStream {
  std::uint64_t stream_id = 0;  ///< the plugin's
  std::size_t waiting = 0;      ///< bytes that the receiver has not taken
  std::size_t unreported = 0;   ///< bytes that it has taken, and the plugin does not know it
  std::uint64_t written = 0;    ///< bytes in all
};

/// What a call writes to somebody else than its client: the body of a request.
struct OpenSink : WrittenStream {
  std::shared_ptr<egress::PartSink> sink;
  std::uint64_t request_id = 0;  ///< the plugin's, whose end is that of the stream
  std::uint64_t bytes_max = 0;   ///< of the whole
};

/// A blob that a call writes.
struct OpenBlob {
  std::uint64_t writing_id = 0;  ///< the plugin's
  base::Duration began{};
  bool is_busy = false;                              ///< a request about it is under way
  std::optional<base::Error> failed = std::nullopt;  ///< it takes no more
  std::shared_ptr<BlobWriting> writing = {};
};

struct OpenCall {
  CallId id = 0;  ///< 0 = ended
  CallRequest request;
  CallCompletion completion;
  base::Duration deadline = base::Duration::max();
  std::uint32_t pins = 0;
  std::uint32_t keys_used = 0;  ///< requests of this call that carried an idempotency key
  bool is_delivered = false;    ///< the plugin knows the call
  bool cancel_requested = false;
  bool has_progress = false;  ///< the board has it
  bool has_spans = false;     ///< the board has some
  bool drops_spans = false;   ///< some were dropped, and the log says so
  std::vector<OpenRequest> http;
  std::vector<OpenTimer> timers;
  std::optional<WrittenStream> answer;
  base::Duration streams_since = base::Duration::max();  ///< when the first body of a request over HTTP came in parts
  std::vector<OpenSink> sinks;
  std::deque<std::uint64_t> sinks_ended;  ///< by this host, the last ones: what is still written to them is ignored
  std::shared_ptr<ArrivingAnswer> body;   ///< of a request over HTTP, where the plugin reads it
  std::vector<OpenBlob> blobs;
  std::uint32_t asked = 0;    ///< requests of services that have no answer yet
  std::uint32_t emitted = 0;  ///< events
  std::uint32_t written = 0;  ///< requests of services that changed something, or wanted to
};

class CallTable {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// A new open call, pinned once.
  OpenCall& open(CallRequest&& request, CallCompletion&& completion, base::Duration deadline) {
    std::uint32_t place = 0;
    if (free_.empty()) {
      place = static_cast<std::uint32_t>(calls_.size());
      calls_.emplace_back();
    } else {
      place = free_.back();
      free_.pop_back();
    }
    OpenCall& call = calls_[place];
    TRV_ASSERT(call.id == 0 && call.pins == 0);
    call.id = ++generation_ << place_bits | place;
    call.request = std::move(request);
    call.completion = std::move(completion);
    call.deadline = deadline;
    call.pins = 1;
    call.keys_used = 0;
    call.asked = 0;
    call.written = 0;
    call.emitted = 0;
    call.is_delivered = false;
    call.cancel_requested = false;
    call.has_progress = false;
    call.has_spans = false;
    call.drops_spans = false;
    call.answer.reset();
    call.streams_since = base::Duration::max();
    ++size_;
    return call;
  }

  /// The open call of this id, or nullptr.
  [[nodiscard]] OpenCall* find(CallId id) noexcept {
    const auto place = static_cast<std::size_t>(id & place_mask);
    if (id == 0 || place >= calls_.size() || calls_[place].id != id) return nullptr;
    return &calls_[place];
  }

  /// Ends a call: its completion, to be called outside the lock, and the requests still on their way.
  [[nodiscard]] std::pair<CallCompletion, std::vector<OpenRequest>> end(OpenCall& call) {
    TRV_EXPECTS(call.id != 0);
    std::pair<CallCompletion, std::vector<OpenRequest>> rest(std::move(call.completion), std::move(call.http));
    const auto place = static_cast<std::uint32_t>(call.id & place_mask);
    call.id = 0;
    call.http.clear();
    call.timers.clear();
    call.sinks.clear();
    call.sinks_ended.clear();
    if (call.body != nullptr) call.body->is_dropped = true;
    call.body = nullptr;
    call.blobs.clear();
    --size_;
    if (call.pins == 0) release(call, place);
    return rest;
  }

  void unpin(OpenCall& call, std::uint32_t place) {
    TRV_EXPECTS(call.pins > 0);
    if (--call.pins == 0 && call.id == 0) release(call, place);
  }

  [[nodiscard]] static std::uint32_t place_of(CallId id) noexcept {
    return static_cast<std::uint32_t>(id & place_mask);
  }

  template <typename Visit>
  void for_each(Visit visit) {
    for (OpenCall& call : calls_) {
      if (call.id != 0) visit(call);
    }
  }

 private:
  static constexpr int place_bits = 20;
  static constexpr CallId place_mask = (CallId{1} << place_bits) - 1;

  void release(OpenCall& call, std::uint32_t place) {
    call.request = {};
    free_.push_back(place);
  }

  std::deque<OpenCall> calls_;  // a deque: the places stay where they are
  std::vector<std::uint32_t> free_;
  std::uint64_t generation_ = 0;
  std::size_t size_ = 0;
};

/// Below 2^20, the places that an id can name.
inline constexpr std::size_t open_calls_max = 100'000;

}  // namespace trv::plugin_host
