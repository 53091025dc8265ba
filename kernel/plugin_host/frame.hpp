#pragma once
// The messages between the kernel and a plugin in a process of its own, as bytes: sdk/frames/frames.fbs.
//
// A writer's bytes live until its next call. Not thread-safe.

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernel/egress/request.hpp"
#include "kernel/plugin_host/metric_table.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "kernel/plugin_host/service_request.hpp"
#include "kernel/plugin_host/span_board.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"
#include "sdk/frames/frames_generated.h"

namespace trv::plugin_host {

/// A frame is at most this long: the largest body with its headers, and room.
inline constexpr std::size_t frame_bytes_max = 1'200'000;

/// What a process is for, and what it may use.
struct ProcessPurpose {
  std::string plugin;
  std::string version;
  std::string folder;                ///< name of the package's folder among those of the store
  std::string configuration = "{}";  ///< empty: the code is loaded, and the plugin not activated
  std::string interpreter = {};      ///< of a program; empty: the plugin is a library
  std::string file = {};             ///< of the program, within the folder
  std::uint64_t memory_bytes = std::uint64_t{512} << 20;
  std::uint32_t threads = 32;
  std::uint32_t open_files = 64;
  /// Of the manifest: a trial, which refuses code that has others. A program is then begun without a configuration,
  /// too.
  std::optional<std::vector<std::string>> operations = std::nullopt;
  StartWith with = {};
  /// The walls and the code alone, which waits for a second Begin: the rest of its purpose.
  bool only_prepares = false;
};

class FrameWriter {
 public:
  [[nodiscard]] base::BytesView begin(const ProcessPurpose& purpose);
  [[nodiscard]] base::BytesView invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms);
  [[nodiscard]] base::BytesView serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms);
  [[nodiscard]] base::BytesView cancel(CallId call);
  [[nodiscard]] base::BytesView http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result);
  [[nodiscard]] base::BytesView time_came(std::uint64_t timer);
  [[nodiscard]] base::BytesView served(Service service, std::uint64_t request_id,
                                       const base::Result<ServiceAnswer>& answer);
  [[nodiscard]] base::BytesView part(std::uint64_t stream, std::string_view bytes);
  [[nodiscard]] base::BytesView stream_ended(std::uint64_t stream, const base::Status& end);
  [[nodiscard]] base::BytesView room(std::uint64_t stream, std::uint64_t bytes);
  [[nodiscard]] base::BytesView ping(std::uint64_t number);
  [[nodiscard]] base::BytesView save();
  [[nodiscard]] base::BytesView end();

  [[nodiscard]] base::BytesView ready(std::string_view walls, bool keeps_state);
  [[nodiscard]] base::BytesView measure(const Measurement& measurement);
  [[nodiscard]] base::BytesView progress(CallId call, double fraction, std::string_view text);
  [[nodiscard]] base::BytesView begin_span(CallId call, const Span& span);
  [[nodiscard]] base::BytesView end_span(CallId call, std::uint64_t span_id);
  [[nodiscard]] base::BytesView stream(CallId call, std::string_view text);
  [[nodiscard]] base::BytesView saved(const base::Result<std::string>& state);
  [[nodiscard]] base::BytesView refused(const base::Error& error);
  [[nodiscard]] base::BytesView answer(CallId call, std::string_view output);
  [[nodiscard]] base::BytesView respond(CallId call, const WebResponse& response);
  [[nodiscard]] base::BytesView respond_in_parts(CallId call, std::uint64_t stream, const WebResponse& head);
  [[nodiscard]] base::BytesView write(CallId call, std::uint64_t stream, std::string_view part);
  [[nodiscard]] base::BytesView end_stream(CallId call, std::uint64_t stream);
  [[nodiscard]] base::BytesView take(CallId call, std::uint64_t stream, std::uint64_t bytes);
  [[nodiscard]] base::BytesView drop(CallId call, std::uint64_t stream);
  [[nodiscard]] base::BytesView read_body(CallId call, std::uint64_t stream);
  [[nodiscard]] base::BytesView failed(CallId call, const OperationError& error);
  [[nodiscard]] base::BytesView log(LogLevel level, CallId call, std::string_view message);
  [[nodiscard]] base::BytesView http_request(CallId call, std::uint64_t request_id,
                                             const base::Result<egress::Request>& request);
  [[nodiscard]] base::BytesView set_timer(CallId call, std::uint64_t timer, std::uint64_t after_ms);
  [[nodiscard]] base::BytesView ask(CallId call, std::uint64_t request_id, Service service,
                                    const base::Result<ServiceRequest>& request);
  [[nodiscard]] base::BytesView pong(std::uint64_t number);

 private:
  using Headers = flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<frames::Header>>>;
  [[nodiscard]] flatbuffers::FlatBufferBuilder& fresh();
  [[nodiscard]] Headers headers(const std::vector<egress::Header>& headers);
  template <typename T>
  [[nodiscard]] base::BytesView finish(flatbuffers::Offset<T> body);

  flatbuffers::FlatBufferBuilder builder_{1'024};
};

/// The frame in `bytes`, which outlives it. Error: corrupt; nothing of it may be looked at.
[[nodiscard]] base::Result<const frames::Frame*> read_frame(base::BytesView bytes);

[[nodiscard]] CallRequest read_invoke(const frames::Invoke& frame);
/// Error: too_large, for more headers than a request has.
[[nodiscard]] base::Result<CallRequest> read_serve(const frames::Serve& frame);
/// The kernel looks at the limits (check_response). Error: too_large, for more headers than that allows.
[[nodiscard]] base::Result<WebResponse> read_respond(const frames::Respond& frame);
[[nodiscard]] base::Result<WebResponse> read_respond_in_parts(const frames::RespondInParts& frame);
[[nodiscard]] base::Status read_stream_ended(const frames::StreamEnded& frame);
[[nodiscard]] ProcessPurpose read_begin(const frames::Begin& frame);
[[nodiscard]] OperationError read_failed(const frames::Failed& frame);
[[nodiscard]] base::Error read_refused(const frames::Refused& frame);
/// Within the limits of egress, or why not.
[[nodiscard]] base::Result<egress::Request> read_http_request(const frames::HttpRequest& frame);
[[nodiscard]] egress::Response read_http_response(const frames::HttpResponse& frame);
[[nodiscard]] base::Error read_http_error(const frames::HttpError& frame);
/// The kernel looks at the limits (check_request).
[[nodiscard]] base::Result<ServiceRequest> read_store_request(const frames::StoreRequest& frame);
[[nodiscard]] base::Result<ServiceRequest> read_sign_request(const frames::SignRequest& frame);
[[nodiscard]] EmitEvent read_emit_request(const frames::EmitRequest& frame);
[[nodiscard]] StoredValues read_store_answer(const frames::StoreAnswer& frame);
[[nodiscard]] base::Error read_request_failed(const frames::RequestFailed& frame);
[[nodiscard]] Signature read_signed(const frames::Signed& frame);
[[nodiscard]] base::Result<Measurement> read_measure(const frames::Measure& frame);
/// Error: invalid.
[[nodiscard]] base::Result<MetricKind> metric_kind_of(std::int32_t metric);
/// What is over its limit is cut or dropped.
[[nodiscard]] Span read_span(const frames::BeginSpan& frame);
[[nodiscard]] base::Result<std::string> read_saved(const frames::Saved& frame);
/// nullopt for one of a later version.
[[nodiscard]] std::optional<Service> service_of(frames::Service service) noexcept;

/// Bytes of a frame; empty where there are none.
[[nodiscard]] inline std::string_view view(const flatbuffers::Vector<std::uint8_t>* bytes) noexcept {
  return bytes == nullptr ? std::string_view()
                          : std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}
/// A text of a frame; empty where there is none.
[[nodiscard]] inline std::string_view view(const flatbuffers::String* text) noexcept {
  return text == nullptr ? std::string_view() : text->string_view();
}

}  // namespace trv::plugin_host
