#pragma once
// Bodies of requests in parts (trv.stream/2), as the plugin author sees them: what a plugin sends, and what is sent to
// it. C++20.
//
//   auto upload = call.upload(put("/archive"));
//   auto body = call.read_body();
//   for (;;) {
//     auto part = body.next();
//     co_await part;
//     if (!part) co_return part.failure();
//     if (part->is_last()) break;
//     auto written = upload.write(part->bytes);
//     co_await written;
//     if (!written) break;  // the service takes no more; its answer says why
//   }
//   upload.end();
//   co_await upload;
//   if (!upload) co_return upload.failure();
//
// A service that reads slowly holds up the coroutine that writes, and a coroutine that reads slowly its client: 262,144
// bytes may be on their way each.

#include <cstdint>
#include <optional>
#include <string_view>

#include "sdk/cpp/call.hpp"
#include "sdk/cpp/incoming.hpp"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

/// A request whose body is written, and its answer, which co_await brings: whole (Exchange) or in parts (Incoming).
/// Nothing repeats such a request.
template <typename Answer>
class [[nodiscard]] Uploading : public Answer {
 public:
  Uploading(CallServices& services, std::uint64_t call_id, CallServices::UploadIds ids) noexcept
    requires std::is_same_v<Answer, Exchange>
      : Answer(services, ids.request_id), streams_(services), stream_id_(ids.stream_id) {
    static_cast<void>(call_id);
  }
  Uploading(CallServices& services, std::uint64_t call_id, CallServices::UploadIds ids) noexcept
    requires std::is_same_v<Answer, Incoming>
      : Answer(services, call_id, ids.request_id), streams_(services), stream_id_(ids.stream_id) {}
  ~Uploading() { streams_.forget_parts(stream_id_); }

  /// Of any size. Written arrives once the service has taken enough for all of it to be on its way; a failure where it
  /// takes no more.
  Asked<Written> write(std::string_view bytes) { return {streams_, streams_.write(stream_id_, bytes)}; }
  /// What was written is the whole body. Without it the request waits for more until its time is up.
  void end() { streams_.end_upload(stream_id_); }

 private:
  CallServices& streams_;
  std::uint64_t stream_id_;
};

/// The body of a request to the plugin, its parts one after the other. Where it is let go before its end, the rest is
/// not wanted. One that came whole is one part.
class [[nodiscard]] IncomingBody {
 public:
  IncomingBody(CallServices& services, std::uint64_t call_id, std::uint64_t stream_id) noexcept
      : services_(services), call_id_(call_id), stream_id_(stream_id) {}
  IncomingBody(const IncomingBody&) = delete;
  IncomingBody& operator=(const IncomingBody&) = delete;
  ~IncomingBody() { services_.drop(call_id_, stream_id_); }

  /// What has come since the part before, at most 262,144 bytes of what comes in parts; one at a time. Is a failure
  /// where the rest will not come; Part::is_last() where the body is whole.
  Asked<Part> next() { return {services_, services_.next_part(call_id_, stream_id_)}; }

 private:
  CallServices& services_;
  std::uint64_t call_id_;
  std::uint64_t stream_id_;
};

inline Upload Call::upload(const Request& request, std::optional<std::uint64_t> length) {
  return {services_, facts_.id, services_.upload(facts_.id, request, length, false)};
}

inline UploadInParts Call::upload_in_parts(const Request& request, std::optional<std::uint64_t> length) {
  return {services_, facts_.id, services_.upload(facts_.id, request, length, true)};
}

inline IncomingBody Call::read_body() {
  return {services_, facts_.id, services_.read_body(facts_.id, facts_.request.body)};
}

}  // namespace trv::sdk
