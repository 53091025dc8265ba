#pragma once
// Answers in parts of a FakeHost (fake_host.hpp): trv.stream/1, the half that the plugin reads. Header-only; C++20 and
// the standard library.
//
// Fault model. A request that was sent in parts and is answered with respond() gets its body in parts of 65,536 bytes,
// or of what parts_have() says, and its end; after respond_in_parts() a test gives each. Either way a part comes once
// the plugin has taken enough of those before it. What was not taken when the call ends comes to nothing.

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sdk/abi/ext/stream.h"
#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/fake_services.hpp"
#include "sdk/conformance/host_shape.hpp"
#include "sdk/conformance/lent_bytes.hpp"

namespace trv::conformance {

class FakeArrivals : public FakeServices {
 public:
  /// From here on, of bodies that respond() gives. At most 65,536.
  void parts_have(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    part_bytes_ = bytes;
  }
  /// Of an answer that respond_in_parts() began: more of it, its end, or why the rest does not come. Ignored where it
  /// is not open.
  void part(std::uint64_t stream_id, std::string_view bytes) { change(stream_id, bytes, std::nullopt); }
  void end_parts(std::uint64_t stream_id) { change(stream_id, {}, CallError{.code = 0}); }
  void break_parts(std::uint64_t stream_id, const CallError& why) { change(stream_id, {}, why); }

  /// Whether the plugin still reads it: it is neither over nor dropped.
  [[nodiscard]] bool is_read(std::uint64_t stream_id) const {
    const std::lock_guard lock(mutex_);
    return arriving_.contains(stream_id);
  }
  /// What of it waits for the plugin to take what came before.
  [[nodiscard]] std::uint64_t held_back(std::uint64_t stream_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = arriving_.find(stream_id);
    return found == arriving_.end() ? 0 : found->second.body.size();
  }

 protected:
  explicit FakeArrivals(HostShape shape) : FakeServices(shape) {
    stream_service_ = {
        .struct_size = sizeof(trv_host_stream),
        .respond = [](const trv_host* h, std::uint64_t, std::uint64_t,
                      const trv_serve_response*) { of(h).note("this fake takes no answers in parts"); },
        .write = [](const trv_host*, std::uint64_t, std::uint64_t, trv_bytes) {},
        .end = [](const trv_host*, std::uint64_t, std::uint64_t) {},
        .send = [](const trv_host* h, std::uint64_t call_id, std::uint64_t request_id,
                   const trv_http_request* request) { of(h).on_send(call_id, request_id, request, true); },
        .take = [](const trv_host* h, std::uint64_t call_id, std::uint64_t stream_id,
                   std::uint64_t byte_count) { of(h).on_take(call_id, stream_id, byte_count); },
        .drop = [](const trv_host* h, std::uint64_t, std::uint64_t stream_id) { of(h).on_drop(stream_id); }};
  }
  ~FakeArrivals() = default;

  void find_streams() {
    plugin_stream_ = static_cast<const trv_plugin_stream*>(plugin_->get_extension(plugin_, TRV_EXT_STREAM));
    if (plugin_stream_ != nullptr && plugin_stream_->struct_size < TRV_PLUGIN_STREAM_SIZE_V1)
      note("trv_plugin_stream is too short");
  }
  const void* stream_service(std::string_view id) const noexcept {
    return id == TRV_EXT_STREAM && shape_.offers_stream ? &stream_service_ : nullptr;
  }

  virtual void on_send(std::uint64_t call_id, std::uint64_t request_id, const trv_http_request* raw, bool in_parts) = 0;
  /// The request will not be answered any more.
  virtual void on_dropped(std::uint64_t request_id) = 0;

  /// The head is there. `body`: the whole of it; nullopt: a test gives it.
  void begin_parts(std::uint64_t call_id, std::uint64_t stream_id, const std::optional<std::string>& body) {
    const std::lock_guard lock(mutex_);
    Arriving& arriving = arriving_[stream_id];
    arriving = {.call_id = call_id};
    if (!body) return;
    arriving.body = *body;
    arriving.end = CallError{.code = 0};
  }

  /// What can come, comes.
  void answer_arrivals() {
    while (std::optional<Due> due = next_due()) {
      if (plugin_stream_ == nullptr) continue;
      run([&](LentBytes& lent) {
        if (!due->bytes.empty()) {
          plugin_stream_->on_part(plugin_, due->stream_id, lent.bytes(due->bytes));
        } else if (due->end->code == 0) {
          plugin_stream_->on_end(plugin_, due->stream_id);
        } else {
          plugin_stream_->on_error(plugin_, due->stream_id, lent.error(*due->end, error_size()));
        }
        return 0;
      });
      answer_services();
    }
  }

  trv_host_stream stream_service_ = {};
  const trv_plugin_stream* plugin_stream_ = nullptr;

 private:
  struct Arriving {
    std::uint64_t call_id = 0;
    std::string body = {};  // that has not come
    std::uint64_t room = TRV_STREAM_ROOM_BYTES;
    std::optional<CallError> end = std::nullopt;  // behind the body; code 0: it is whole
  };
  struct Due {
    std::uint64_t stream_id = 0;
    std::string bytes = {};
    std::optional<CallError> end = std::nullopt;
  };

  static FakeArrivals& of(const trv_host* host) {
    return static_cast<FakeArrivals&>(*static_cast<FakeCalls*>(host->context));
  }

  void change(std::uint64_t stream_id, std::string_view bytes, std::optional<CallError> end) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = arriving_.find(stream_id);
      if (found == arriving_.end() || found->second.end) return;
      found->second.body += bytes;
      found->second.end = std::move(end);
    }
    on_main([](LentBytes&) { return 0; });
  }

  void on_take(std::uint64_t call_id, std::uint64_t stream_id, std::uint64_t byte_count) {
    const std::lock_guard lock(mutex_);
    const auto found = arriving_.find(stream_id);
    if (found == arriving_.end()) return;
    if (found->second.call_id != call_id)
      faults_.push_back("stream " + std::to_string(stream_id) + " was taken for another call than its own");
    if (found->second.room + byte_count > TRV_STREAM_ROOM_BYTES)
      faults_.push_back("stream " + std::to_string(stream_id) + ": more was taken than came");
    found->second.room += byte_count;
  }

  void on_drop(std::uint64_t stream_id) {
    {
      const std::lock_guard lock(mutex_);
      arriving_.erase(stream_id);
    }
    on_dropped(stream_id);
  }

  std::optional<Due> next_due() {
    const std::lock_guard lock(mutex_);
    for (auto at = arriving_.begin(); at != arriving_.end(); ++at) {
      Arriving& one = at->second;
      const auto call = calls_.find(one.call_id);
      if (call == calls_.end() || call->second.outcome) {
        one.body.clear();
        one.end = CallError{.code = TRV_ERROR_CANCELLED, .message = "the call has ended"};
      }
      Due due = {.stream_id = at->first};
      due.bytes = one.body.substr(0, std::min(part_bytes_, one.room));
      if (due.bytes.empty() && (!one.end || !one.body.empty())) continue;
      one.body.erase(0, due.bytes.size());
      one.room -= due.bytes.size();
      if (due.bytes.empty()) {
        due.end = std::move(one.end);
        arriving_.erase(at);
      }
      return due;
    }
    return std::nullopt;
  }

  std::uint64_t part_bytes_ = TRV_STREAM_PART_BYTES;
  std::map<std::uint64_t, Arriving> arriving_;  // by stream
};

}  // namespace trv::conformance
