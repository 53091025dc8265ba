#pragma once
// Answers in parts of a FakeHost (fake_host.hpp): trv.stream/1, the half that the plugin writes. Header-only; C++20 and
// the standard library.
//
// Fault model. The client takes what is written as soon as the [main] function that wrote has returned; or, after
// client_waits(), what the test has it take.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/abi/ext/stream.h"
#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/fake_arrivals.hpp"
#include "sdk/conformance/host_shape.hpp"
#include "sdk/conformance/lent_bytes.hpp"
#include "sdk/conformance/web_exchange.hpp"

namespace trv::conformance {

class FakeStreams : public FakeArrivals {
 public:
  /// What the client of a request has been sent of an answer in parts; nullopt: nothing. Once it is whole it is the
  /// outcome's response, too.
  [[nodiscard]] std::optional<HttpAnswer> parts(std::uint64_t call_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = written_.find(call_id);
    return found == written_.end() ? std::nullopt : std::optional(found->second.answer);
  }

  /// From here on clients take nothing by themselves.
  void client_waits() {
    const std::lock_guard lock(mutex_);
    takes_at_once_ = false;
  }
  /// The client of a request takes so many bytes of what it has not taken; the plugin hears of it.
  void client_takes(std::uint64_t call_id, std::uint64_t byte_count) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = written_.find(call_id);
      if (found == written_.end() || calls_[call_id].outcome || found->second.waiting < byte_count) return;
    }
    on_main([&](LentBytes&) { return give_room(call_id, byte_count), 0; });
  }

 protected:
  explicit FakeStreams(HostShape shape) : FakeArrivals(shape) {
    stream_service_.respond = [](const trv_host* h, std::uint64_t call_id, std::uint64_t stream_id,
                                 const trv_serve_response* head) { of(h).on_head(call_id, stream_id, head); };
    stream_service_.write = [](const trv_host* h, std::uint64_t call_id, std::uint64_t stream_id, trv_bytes part) {
      of(h).on_write(call_id, stream_id, text_of(part));
    };
    stream_service_.end = [](const trv_host* h, std::uint64_t call_id, std::uint64_t stream_id) {
      of(h).on_end(call_id, stream_id);
    };
  }
  ~FakeStreams() = default;

  /// Clients take what there is, as long as plugins write more.
  void answer_streams() {
    while (const std::optional<std::uint64_t> call_id = first_to_take()) {
      run([&](LentBytes&) { return give_room(*call_id, 0), 0; });
      answer_services();
      answer_arrivals();
    }
  }

  /// The end of a call.
  virtual void end(std::uint64_t call_id, CallOutcome outcome) = 0;

  void on_write(std::uint64_t call_id, std::uint64_t stream_id, const std::string& part) {
    const std::lock_guard lock(mutex_);
    Answer* answer = find(call_id, stream_id);
    if (answer == nullptr) return;
    const std::string name = "stream " + std::to_string(stream_id);
    if (part.size() > TRV_STREAM_PART_BYTES) faults_.push_back(name + ": a part is over 65,536 bytes");
    answer->waiting += part.size();
    answer->answer.body += part;
    if (answer->waiting > TRV_STREAM_ROOM_BYTES) faults_.push_back(name + " was written to over its room");
  }

  void on_end(std::uint64_t call_id, std::uint64_t stream_id) {
    CallOutcome outcome;
    {
      const std::lock_guard lock(mutex_);
      const Answer* answer = find(call_id, stream_id);
      if (answer == nullptr) return;
      outcome.response = answer->answer;
    }
    end(call_id, std::move(outcome));
  }

 private:
  struct Answer {
    std::uint64_t stream_id = 0;
    HttpAnswer answer = {};
    std::uint64_t waiting = 0;  // that the client has not taken
  };

  static FakeStreams& of(const trv_host* host) {
    return static_cast<FakeStreams&>(*static_cast<FakeCalls*>(host->context));
  }

  void on_head(std::uint64_t call_id, std::uint64_t stream_id, const trv_serve_response* raw) {
    std::vector<std::string> faults;
    HttpAnswer head = read_response(raw, faults);
    const std::lock_guard lock(mutex_);
    const OpenCall* call = check_asked(call_id, stream_id, TRV_EXT_STREAM, plugin_stream_ != nullptr);
    const std::string name = "stream " + std::to_string(stream_id);
    for (const std::string& fault : faults) faults_.push_back(std::string(name).append(": ").append(fault));
    if (call == nullptr) return;
    if (!call->is_request) faults_.push_back(name + " answers a call of an operation");
    if (written_.contains(call_id)) faults_.push_back(name + " is a second answer to its call");
    if (head.status == 204 || head.status == 304) faults_.push_back(name + " has a status without a body");
    if (head.body.size() > TRV_STREAM_PART_BYTES) faults_.push_back(name + ": its first part is over 65,536 bytes");
    const std::uint64_t size = head.body.size();
    written_[call_id] = {stream_id, std::move(head), size};
  }

  /// The lock is held.
  Answer* find(std::uint64_t call_id, std::uint64_t stream_id) {
    const auto found = written_.find(call_id);
    const auto call = calls_.find(call_id);
    if (found != written_.end() && found->second.stream_id == stream_id && !call->second.outcome) return &found->second;
    faults_.push_back("stream " + std::to_string(stream_id) + " was written to, and is not open");
    return nullptr;
  }

  std::optional<std::uint64_t> first_to_take() const {
    const std::lock_guard lock(mutex_);
    if (!takes_at_once_) return std::nullopt;
    for (const auto& [call_id, answer] : written_)
      if (answer.waiting > 0 && !calls_.at(call_id).outcome) return call_id;
    return std::nullopt;
  }

  /// `byte_count` 0: all that waits.
  void give_room(std::uint64_t call_id, std::uint64_t byte_count) {
    std::uint64_t stream_id = 0;
    {
      const std::lock_guard lock(mutex_);
      Answer& answer = written_.at(call_id);
      if (byte_count == 0) byte_count = answer.waiting;
      answer.waiting -= byte_count;
      stream_id = answer.stream_id;
    }
    if (plugin_stream_ != nullptr) plugin_stream_->on_room(plugin_, stream_id, byte_count);
  }

  bool takes_at_once_ = true;
  std::map<std::uint64_t, Answer> written_;  // by call
};

}  // namespace trv::conformance
