#pragma once
// Bodies in parts of a FakeHost (fake_host.hpp): trv.stream/2. Header-only; C++20 and the standard library.
//
// Fault model. A service takes what is written as soon as the [main] function that wrote has returned; once its request
// is answered or has failed it takes no more. A body of WebFacts::body_in_parts comes as FakeArrivals says; where it is
// to break off, break_parts() does that.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "sdk/abi/ext/stream.h"
#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/fake_streams.hpp"
#include "sdk/conformance/host_shape.hpp"
#include "sdk/conformance/lent_bytes.hpp"

namespace trv::conformance {

class FakeUploads : public FakeStreams {
 public:
  /// The stream by which the plugin reads the body of a request; nullopt: it has not begun to.
  [[nodiscard]] std::optional<std::uint64_t> body_stream(std::uint64_t call_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = read_.find(call_id);
    return found == read_.end() ? std::nullopt : std::optional(found->second);
  }

 protected:
  explicit FakeUploads(HostShape shape) : FakeStreams(shape) {
    stream_2_service_ = {
        .struct_size = sizeof(trv_host_stream_2),
        .respond = stream_service_.respond,
        .write = [](const trv_host* h, std::uint64_t call_id, std::uint64_t stream_id,
                    trv_bytes part) { of(h).write(call_id, stream_id, text_of(part)); },
        .end = [](const trv_host* h, std::uint64_t call_id,
                  std::uint64_t stream_id) { of(h).end_stream(call_id, stream_id); },
        .send = stream_service_.send,
        .take = stream_service_.take,
        .drop = stream_service_.drop,
        .upload = [](const trv_host* h, std::uint64_t call_id, std::uint64_t request_id,
                     const trv_http_request* request,
                     const trv_upload* upload) { of(h).on_upload(call_id, request_id, request, upload); },
        .read = [](const trv_host* h, std::uint64_t call_id,
                   std::uint64_t stream_id) { of(h).on_read(call_id, stream_id); }};
    stream_service_.write = stream_2_service_.write;
    stream_service_.end = stream_2_service_.end;
  }
  ~FakeUploads() = default;

  const void* stream_2_service(std::string_view id) const noexcept {
    return id == TRV_EXT_STREAM_2 && shape_.offers_stream ? &stream_2_service_ : nullptr;
  }

  /// The body that a call of a request over HTTP reads.
  void keep_body(std::uint64_t call_id, const std::string& body) { bodies_[call_id] = body; }
  /// That of the request, once it is whole.
  virtual void set_body(std::uint64_t request_id, std::string body) = 0;

  /// Services take what there is, as long as plugins write more.
  void answer_uploads() {
    for (;;) {
      std::uint64_t stream_id = 0;
      std::uint64_t waiting = 0;
      {
        const std::lock_guard lock(mutex_);
        for (auto& [id, upload] : uploads_) {
          if (upload.waiting == 0) continue;
          stream_id = id;
          waiting = std::exchange(upload.waiting, 0);
          break;
        }
      }
      if (waiting == 0) return;
      if (plugin_stream_ == nullptr) continue;
      run([&](LentBytes&) { return plugin_stream_->on_room(plugin_, stream_id, waiting), 0; });
      answer_services();
      answer_arrivals();
    }
  }

  /// The request has come to its end: no more of its body is taken.
  void end_upload(std::uint64_t request_id) {
    std::optional<std::uint64_t> ended;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [stream_id, upload] : uploads_)
        if (upload.request_id == request_id) ended = stream_id;
      if (!ended) return;
      uploads_.erase(*ended);
      ended_.insert(*ended);
    }
    if (plugin_stream_ == nullptr) return;
    run([&](LentBytes& lent) {
      plugin_stream_->on_error(
          plugin_, *ended,
          lent.error({.code = TRV_ERROR_CANCELLED, .message = "the service has answered and takes no more of it"},
                     error_size()));
      return 0;
    });
  }

 private:
  struct Upload {
    std::uint64_t call_id = 0;
    std::uint64_t request_id = 0;
    std::uint64_t length = TRV_LENGTH_UNKNOWN;
    std::uint64_t waiting = 0;  // that the service has not taken
    std::string body = {};
  };

  static FakeUploads& of(const trv_host* host) {
    return static_cast<FakeUploads&>(*static_cast<FakeCalls*>(host->context));
  }

  void on_upload(std::uint64_t call_id, std::uint64_t request_id, const trv_http_request* raw,
                 const trv_upload* upload) {
    const std::string name = "request " + std::to_string(request_id);
    if (upload == nullptr || upload->struct_size < TRV_UPLOAD_SIZE_V1) return note(name + ": trv_upload is too short");
    {
      const std::lock_guard lock(mutex_);
      if (upload->stream_id == request_id || uploads_.contains(upload->stream_id))
        faults_.push_back(name + ": the number of its body's stream is in use");
      if (raw != nullptr && raw->body.size > 0) faults_.push_back(name + " has a whole body beside the one in parts");
      ended_.erase(upload->stream_id);
      uploads_[upload->stream_id] = {.call_id = call_id, .request_id = request_id, .length = upload->length};
    }
    on_send(call_id, request_id, raw, upload->answer_in_parts != 0);
  }

  void write(std::uint64_t call_id, std::uint64_t stream_id, const std::string& part) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_.contains(stream_id)) return;
      const auto found = uploads_.find(stream_id);
      if (found != uploads_.end()) {
        Upload& upload = found->second;
        const std::string name = "stream " + std::to_string(stream_id);
        if (part.size() > TRV_STREAM_PART_BYTES) faults_.push_back(name + ": a part is over 65,536 bytes");
        upload.waiting += part.size();
        upload.body += part;
        if (upload.waiting > TRV_STREAM_ROOM_BYTES) faults_.push_back(name + " was written to over its room");
        if (upload.body.size() > upload.length) faults_.push_back(name + " is longer than its length");
        return;
      }
    }
    on_write(call_id, stream_id, part);
  }

  void end_stream(std::uint64_t call_id, std::uint64_t stream_id) {
    Upload upload;
    {
      const std::lock_guard lock(mutex_);
      if (ended_.contains(stream_id)) return;
      const auto found = uploads_.find(stream_id);
      if (found != uploads_.end()) {
        upload = std::move(found->second);
        uploads_.erase(found);
        if (upload.length != TRV_LENGTH_UNKNOWN && upload.body.size() < upload.length)
          faults_.push_back("stream " + std::to_string(stream_id) + " is shorter than its length");
      }
    }
    if (upload.request_id == 0) return on_end(call_id, stream_id);
    set_body(upload.request_id, std::move(upload.body));
  }

  void on_read(std::uint64_t call_id, std::uint64_t stream_id) {
    std::string body;
    {
      const std::lock_guard lock(mutex_);
      if (!read_.emplace(call_id, stream_id).second)
        faults_.push_back("call " + std::to_string(call_id) + ": its body is read twice");
      if (const auto found = bodies_.find(call_id); found != bodies_.end()) body = found->second;
    }
    begin_parts(call_id, stream_id, body);
  }

  trv_host_stream_2 stream_2_service_ = {};
  std::map<std::uint64_t, Upload> uploads_;      // by stream
  std::set<std::uint64_t> ended_;                // streams of which no more is taken
  std::map<std::uint64_t, std::string> bodies_;  // by call
  std::map<std::uint64_t, std::uint64_t> read_;  // by call: the stream of its body
};

}  // namespace trv::conformance
