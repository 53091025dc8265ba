#include "kernel/plugin_host/frame.hpp"

#include <fmt/format.h>

#include <vector>

#include "kernel/plugin_host/frame_blob.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::BytesView;
using base::ErrorCode;

constexpr std::uint64_t unknown_length = UINT64_MAX;
constexpr std::size_t kept_bytes_max = 65'536;  // of a builder between two frames

flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> bytes_of(flatbuffers::FlatBufferBuilder& builder,
                                                                std::string_view text) {
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

// False where there are more. A frame of a million bytes can name one long text many times: counted before it is
// copied.
bool read_headers(const flatbuffers::Vector<flatbuffers::Offset<frames::Header>>* headers, std::size_t count_max,
                  std::vector<egress::Header>& out) {
  if (headers == nullptr) return true;
  if (headers->size() > count_max) return false;
  std::size_t bytes = 0;
  for (const frames::Header* header : *headers) {
    bytes += plugin_host::view(header->name()).size() + plugin_host::view(header->value()).size();
    if (bytes > frame_bytes_max) return false;
    out.push_back({std::string(plugin_host::view(header->name())), std::string(plugin_host::view(header->value()))});
  }
  return true;
}

}  // namespace

template <typename T>
BytesView FrameWriter::finish(flatbuffers::Offset<T> body) {
  frames::FinishFrameBuffer(builder_, frames::CreateFrame(builder_, frames::BodyTraits<T>::enum_value, body.Union()));
  return {builder_.GetBufferPointer(), builder_.GetSize()};
}

FrameWriter::Headers FrameWriter::headers(const std::vector<egress::Header>& headers) {
  std::vector<flatbuffers::Offset<frames::Header>> made;
  made.reserve(headers.size());
  for (const egress::Header& header : headers) {
    made.push_back(
        frames::CreateHeader(builder_, builder_.CreateString(header.name), builder_.CreateString(header.value)));
  }
  return builder_.CreateVector(made);
}

flatbuffers::FlatBufferBuilder& FrameWriter::fresh() {
  if (builder_.GetSize() > kept_bytes_max) builder_ = flatbuffers::FlatBufferBuilder(1'024);
  builder_.Clear();
  return builder_;
}

BytesView FrameWriter::begin(const ProcessPurpose& purpose) {
  auto& b = fresh();
  return finish(frames::CreateBegin(
      b, b.CreateString(purpose.plugin), b.CreateString(purpose.version), b.CreateString(purpose.folder),
      b.CreateString(purpose.configuration), purpose.memory_bytes, purpose.threads, purpose.open_files,
      purpose.interpreter.empty() ? 0 : b.CreateString(purpose.interpreter),
      purpose.file.empty() ? 0 : b.CreateString(purpose.file),
      purpose.operations ? b.CreateVectorOfStrings(*purpose.operations) : 0, purpose.with.checks_health,
      purpose.with.state ? b.CreateString(purpose.with.state->version) : 0,
      purpose.with.state ? bytes_of(b, purpose.with.state->bytes) : 0, purpose.only_prepares));
}

BytesView FrameWriter::invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  auto& b = fresh();
  return finish(frames::CreateInvoke(b, call, b.CreateString(request.operation), b.CreateString(request.tenant.value()),
                                     b.CreateString(request.connection), b.CreateString(request.idempotency_key),
                                     b.CreateString(request.traceparent), request.attempt, timeout_ms,
                                     b.CreateString(request.input)));
}

BytesView FrameWriter::serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  TRV_EXPECTS(request.web != nullptr);
  auto& b = fresh();
  const WebRequest& web = request.web->request;
  const Headers made = headers(web.headers);
  return finish(frames::CreateServe(b, call, b.CreateString(request.tenant.value()), b.CreateString(web.principal),
                                    b.CreateString(web.principal_name), b.CreateString(web.role),
                                    b.CreateString(web.method), b.CreateString(web.path), b.CreateString(web.query),
                                    made, bytes_of(b, web.body), b.CreateString(request.idempotency_key),
                                    b.CreateString(request.traceparent), timeout_ms));
}

BytesView FrameWriter::cancel(CallId call) {
  return finish(frames::CreateCancel(fresh(), call));
}

BytesView FrameWriter::http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) {
  auto& b = fresh();
  if (!result) {
    return finish(frames::CreateHttpError(b, request_id, to_abi(result.error().code()),
                                          b.CreateString(result.error().message())));
  }
  const Headers made = headers(result->headers);
  return finish(frames::CreateHttpResponse(b, request_id, result->status, made, bytes_of(b, result->body)));
}

BytesView FrameWriter::time_came(std::uint64_t timer) {
  return finish(frames::CreateTimeCame(fresh(), timer));
}

BytesView FrameWriter::set_timer(CallId call, std::uint64_t timer, std::uint64_t after_ms) {
  return finish(frames::CreateSetTimer(fresh(), call, timer, after_ms));
}

BytesView FrameWriter::ping(std::uint64_t number) {
  return finish(frames::CreatePing(fresh(), number));
}

BytesView FrameWriter::end() {
  return finish(frames::CreateEnd(fresh()));
}

BytesView FrameWriter::save() {
  return finish(frames::CreateSave(fresh()));
}

BytesView FrameWriter::ready(std::string_view walls, bool keeps_state) {
  auto& b = fresh();
  return finish(frames::CreateReady(b, b.CreateString(walls), keeps_state));
}

BytesView FrameWriter::measure(const Measurement& measurement) {
  auto& b = fresh();
  std::vector<egress::Header> labels;
  for (const auto& [name, value] : measurement.labels) labels.push_back({name, value});
  const Headers made = headers(labels);
  return finish(frames::CreateMeasure(b, static_cast<std::int32_t>(measurement.kind), b.CreateString(measurement.name),
                                      measurement.value, made));
}

BytesView FrameWriter::progress(CallId call, double fraction, std::string_view text) {
  auto& b = fresh();
  return finish(frames::CreateProgress(b, call, fraction, b.CreateString(text)));
}

BytesView FrameWriter::begin_span(CallId call, const Span& span) {
  auto& b = fresh();
  std::vector<egress::Header> attributes;
  for (const auto& [name, value] : span.attributes) attributes.push_back({name, value});
  const Headers made = headers(attributes);
  return finish(frames::CreateBeginSpan(b, call, span.id, span.parent, b.CreateString(span.name), made));
}

BytesView FrameWriter::end_span(CallId call, std::uint64_t span_id) {
  auto& b = fresh();
  return finish(frames::CreateEndSpan(b, call, span_id));
}

BytesView FrameWriter::stream(CallId call, std::string_view text) {
  auto& b = fresh();
  return finish(frames::CreateStream(b, call, b.CreateString(text)));
}

BytesView FrameWriter::saved(const base::Result<std::string>& state) {
  auto& b = fresh();
  if (!state) return finish(frames::CreateSaved(b, 0, b.CreateString(state.error().message())));
  return finish(frames::CreateSaved(b, bytes_of(b, *state)));
}

BytesView FrameWriter::refused(const base::Error& error) {
  auto& b = fresh();
  return finish(frames::CreateRefused(b, to_abi(error.code()), b.CreateString(error.message())));
}

BytesView FrameWriter::answer(CallId call, std::string_view output) {
  auto& b = fresh();
  return finish(frames::CreateAnswer(b, call, b.CreateString(output)));
}

BytesView FrameWriter::respond(CallId call, const WebResponse& response) {
  auto& b = fresh();
  const Headers made = headers(response.headers);
  return finish(frames::CreateRespond(b, call, response.status, made, bytes_of(b, response.body)));
}

BytesView FrameWriter::respond_in_parts(CallId call, std::uint64_t stream, const WebResponse& head) {
  auto& b = fresh();
  const Headers made = headers(head.headers);
  return finish(frames::CreateRespondInParts(b, call, stream, head.status, made, bytes_of(b, head.body)));
}

BytesView FrameWriter::write(CallId call, std::uint64_t stream, std::string_view part) {
  auto& b = fresh();
  return finish(frames::CreateWrite(b, call, stream, bytes_of(b, part)));
}

BytesView FrameWriter::end_stream(CallId call, std::uint64_t stream) {
  return finish(frames::CreateEndStream(fresh(), call, stream));
}

BytesView FrameWriter::take(CallId call, std::uint64_t stream, std::uint64_t bytes) {
  return finish(frames::CreateTake(fresh(), call, stream, bytes));
}

BytesView FrameWriter::drop(CallId call, std::uint64_t stream) {
  return finish(frames::CreateDrop(fresh(), call, stream));
}

BytesView FrameWriter::read_body(CallId call, std::uint64_t stream) {
  return finish(frames::CreateReadBody(fresh(), call, stream));
}

BytesView FrameWriter::part(std::uint64_t stream, std::string_view bytes) {
  auto& b = fresh();
  return finish(frames::CreatePart(b, stream, bytes_of(b, bytes)));
}

BytesView FrameWriter::stream_ended(std::uint64_t stream, const base::Status& end) {
  auto& b = fresh();
  if (end) return finish(frames::CreateStreamEnded(b, stream));
  return finish(
      frames::CreateStreamEnded(b, stream, true, to_abi(end.error().code()), b.CreateString(end.error().message())));
}

BytesView FrameWriter::room(std::uint64_t stream, std::uint64_t bytes) {
  return finish(frames::CreateRoom(fresh(), stream, bytes));
}

BytesView FrameWriter::failed(CallId call, const OperationError& error) {
  auto& b = fresh();
  return finish(frames::CreateFailed(b, call, to_abi(error.code), error.may_retry, error.retry_after_ms,
                                     static_cast<std::int32_t>(error.status), b.CreateString(error.message),
                                     b.CreateString(error.detail)));
}

BytesView FrameWriter::log(LogLevel level, CallId call, std::string_view message) {
  auto& b = fresh();
  return finish(frames::CreateLog(b, static_cast<std::int32_t>(level), call, b.CreateString(message)));
}

BytesView FrameWriter::http_request(CallId call, std::uint64_t request_id,
                                    const base::Result<egress::Request>& request) {
  auto& b = fresh();
  if (!request) {
    const auto problem = frames::CreateHttpError(b, request_id, to_abi(request.error().code()),
                                                 b.CreateString(request.error().message()));
    return finish(frames::CreateHttpRequest(b, call, request_id, 0, 0, 0, 0, 0, 0, problem));
  }
  const Headers made = headers(request->headers);
  flatbuffers::Offset<frames::WrittenBody> written;
  if (const auto& body = request->written) {
    written = frames::CreateWrittenBody(b, body->stream_id, body->length.value_or(unknown_length));
  }
  return finish(frames::CreateHttpRequest(b, call, request_id, b.CreateString(request->connection),
                                          b.CreateString(request->method), b.CreateString(request->path), made,
                                          bytes_of(b, request->body), request->timeout_ms, 0, request->in_parts,
                                          written));
}

BytesView FrameWriter::served(Service service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) {
  auto& b = fresh();
  if (!answer) {
    return finish(frames::CreateRequestFailed(b, static_cast<frames::Service>(service), request_id,
                                              to_abi(answer.error().code()), b.CreateString(answer.error().message())));
  }
  if (const auto* made = std::get_if<Signature>(&*answer)) {
    return finish(frames::CreateSigned(b, request_id, bytes_of(b, made->bytes)));
  }
  if (const auto* event = std::get_if<EmittedEvent>(&*answer)) {
    return finish(frames::CreateEmitted(b, request_id, b.CreateString(event->id)));
  }
  if (const auto* blobs = std::get_if<KeptBlobs>(&*answer)) return finish(blob_answer(b, request_id, *blobs));
  const auto& values = std::get<StoredValues>(*answer);
  std::vector<flatbuffers::Offset<frames::StoreEntry>> entries;
  entries.reserve(values.entries.size());
  for (const StoredValue& one : values.entries) {
    entries.push_back(frames::CreateStoreEntry(b, b.CreateString(one.key), b.CreateString(one.value), one.revision));
  }
  return finish(frames::CreateStoreAnswer(b, request_id, b.CreateVector(entries), values.has_more));
}

BytesView FrameWriter::ask(CallId call, std::uint64_t request_id, Service service,
                           const base::Result<ServiceRequest>& request) {
  auto& b = fresh();
  using enum frames::StoreAction;
  if (!request) return served(service, request_id, base::fail(request.error()));
  if (service == Service::blob) return finish(blob_request(b, call, request_id, *request));
  if (const auto* sign = std::get_if<SignData>(&*request)) {
    return finish(frames::CreateSignRequest(b, call, request_id, b.CreateString(sign->secret),
                                            static_cast<std::int32_t>(sign->kind), bytes_of(b, sign->data)));
  }
  if (const auto* event = std::get_if<EmitEvent>(&*request)) {
    return finish(frames::CreateEmitRequest(b, call, request_id, b.CreateString(event->type),
                                            b.CreateString(event->subject), b.CreateString(event->data)));
  }
  if (const auto* put = std::get_if<PutValue>(&*request)) {
    return finish(frames::CreateStoreRequest(b, call, request_id, frames::StoreAction::put, b.CreateString(put->key),
                                             b.CreateString(put->value), put->expected));
  }
  if (const auto* gone = std::get_if<EraseValue>(&*request)) {
    return finish(frames::CreateStoreRequest(b, call, request_id, erase, b.CreateString(gone->key), 0, gone->expected));
  }
  if (const auto* listed = std::get_if<ListValues>(&*request)) {
    return finish(frames::CreateStoreRequest(b, call, request_id, list, b.CreateString(listed->prefix), 0, any_revision,
                                             b.CreateString(listed->after), listed->count_max));
  }
  return finish(frames::CreateStoreRequest(b, call, request_id, get, b.CreateString(std::get<GetValue>(*request).key)));
}

BytesView FrameWriter::pong(std::uint64_t number) {
  return finish(frames::CreatePong(fresh(), number));
}

// ---- reading

base::Result<const frames::Frame*> read_frame(BytesView bytes) {
  const std::uint8_t* data = bytes.data();
  constexpr flatbuffers::uoffset_t depth_max = 8;
  constexpr flatbuffers::uoffset_t tables_max = 1'000;
  flatbuffers::Verifier verifier(data, bytes.size(), depth_max, tables_max);
  if (bytes.size() < 8 || bytes.size() > frame_bytes_max || !frames::VerifyFrameBuffer(verifier)) {
    return base::fail(ErrorCode::corrupt, "not a frame");
  }
  const frames::Frame* frame = frames::GetFrame(data);
  if (frame->body() == nullptr) return base::fail(ErrorCode::corrupt, "a frame without a body");
  return frame;
}

CallRequest read_invoke(const frames::Invoke& frame) {
  return {.tenant = base::TenantId(std::string(view(frame.tenant()))),
          .operation = std::string(view(frame.operation())),
          .connection = std::string(view(frame.connection())),
          .idempotency_key = std::string(view(frame.idempotency_key())),
          .traceparent = std::string(view(frame.traceparent())),
          .attempt = frame.attempt(),
          .timeout_ms = frame.timeout_ms(),
          .idempotent = false,
          .input = std::string(view(frame.input()))};
}

base::Result<CallRequest> read_serve(const frames::Serve& frame) {
  auto web = std::make_shared<WebExchange>();
  web->request = {.principal = std::string(view(frame.principal())),
                  .principal_name = std::string(view(frame.principal_name())),
                  .role = std::string(view(frame.role())),
                  .method = std::string(view(frame.method())),
                  .path = std::string(view(frame.path())),
                  .query = std::string(view(frame.query())),
                  .headers = {},
                  .body = std::string(view(frame.body()))};
  if (!read_headers(frame.headers(), egress::request_headers_max, web->request.headers)) {
    return base::fail(ErrorCode::too_large, "the request's headers are over the limit");
  }
  return CallRequest{.tenant = base::TenantId(std::string(view(frame.tenant()))),
                     .operation = {},
                     .connection = {},
                     .idempotency_key = std::string(view(frame.idempotency_key())),
                     .traceparent = std::string(view(frame.traceparent())),
                     .attempt = 1,
                     .timeout_ms = frame.timeout_ms(),
                     .idempotent = false,
                     .input = {},
                     .web = std::move(web)};
}

base::Result<WebResponse> read_respond(const frames::Respond& frame) {
  WebResponse response{.status = frame.status(), .headers = {}, .body = std::string(view(frame.body()))};
  if (!read_headers(frame.headers(), web_headers_max, response.headers)) {
    return base::fail(ErrorCode::too_large, fmt::format("more than {} headers", web_headers_max));
  }
  return response;
}

base::Result<WebResponse> read_respond_in_parts(const frames::RespondInParts& frame) {
  WebResponse head{.status = frame.status(), .headers = {}, .body = std::string(view(frame.body()))};
  if (!read_headers(frame.headers(), web_headers_max, head.headers)) {
    return base::fail(ErrorCode::too_large, fmt::format("more than {} headers", web_headers_max));
  }
  return head;
}

base::Status read_stream_ended(const frames::StreamEnded& frame) {
  if (!frame.broke()) return {};
  return base::fail(from_abi(frame.code()), printable(view(frame.message()), message_bytes_max));
}

ProcessPurpose read_begin(const frames::Begin& frame) {
  std::optional<std::vector<std::string>> operations;
  if (const auto* named = frame.operations(); named != nullptr) {
    operations.emplace();
    for (const flatbuffers::String* one : *named) operations->emplace_back(view(one));
  }
  StartWith with{.state = std::nullopt, .checks_health = frame.checks_health()};
  if (frame.saved_by() != nullptr) {
    with.state = {.version = std::string(view(frame.saved_by())), .bytes = std::string(view(frame.state()))};
  }
  return {.plugin = std::string(view(frame.plugin())),
          .version = std::string(view(frame.version())),
          .folder = std::string(view(frame.folder())),
          .configuration = std::string(view(frame.configuration())),
          .interpreter = std::string(view(frame.interpreter())),
          .file = std::string(view(frame.file())),
          .memory_bytes = frame.memory_bytes(),
          .threads = frame.threads(),
          .open_files = frame.open_files(),
          .operations = std::move(operations),
          .with = std::move(with),
          .only_prepares = frame.only_prepares()};
}

OperationError read_failed(const frames::Failed& frame) {
  const trv_error error = {.struct_size = sizeof(trv_error),
                           .code = frame.code(),
                           .retry = frame.may_retry() ? TRV_RETRY_SAFE : TRV_RETRY_NEVER,
                           .status = frame.status(),
                           .retry_after_ms = frame.retry_after_ms(),
                           .message = borrowed(view(frame.message())),
                           .detail = borrowed_bytes(view(frame.detail()))};
  return read_error(&error);
}

base::Error read_refused(const frames::Refused& frame) {
  return {from_abi(frame.code()), printable(view(frame.message()), message_bytes_max)};
}

base::Error read_http_error(const frames::HttpError& frame) {
  return {from_abi(frame.code()), printable(view(frame.message()), message_bytes_max)};
}

base::Result<egress::Request> read_http_request(const frames::HttpRequest& frame) {
  if (frame.problem() != nullptr) return base::fail(read_http_error(*frame.problem()));
  egress::Request request;
  request.connection = view(frame.connection());
  request.method = view(frame.method());
  request.path = view(frame.path());
  request.body = view(frame.body());
  request.timeout_ms = frame.timeout_ms();
  request.in_parts = frame.in_parts();
  if (const frames::WrittenBody* written = frame.written(); written != nullptr) {
    request.written = egress::WrittenBody{.stream_id = written->stream()};
    if (written->length() != unknown_length) request.written->length = written->length();
  }
  if (!read_headers(frame.headers(), egress::request_headers_max, request.headers)) {
    return base::fail(ErrorCode::too_large, "the request's headers are over the limit");
  }
  return request;
}

base::Error read_request_failed(const frames::RequestFailed& frame) {
  return {from_abi(frame.code()), printable(view(frame.message()), message_bytes_max)};
}

std::optional<Service> service_of(frames::Service service) noexcept {
  const auto number = static_cast<std::uint8_t>(service);
  return number <= static_cast<std::uint8_t>(Service::blob) ? std::optional(static_cast<Service>(number))
                                                            : std::nullopt;
}

base::Result<ServiceRequest> read_store_request(const frames::StoreRequest& frame) {
  std::string key(view(frame.key()));
  switch (frame.action()) {
    case frames::StoreAction::get: return GetValue{std::move(key)};
    case frames::StoreAction::put:
      return PutValue{.key = std::move(key), .value = std::string(view(frame.value())), .expected = frame.expected()};
    case frames::StoreAction::erase: return EraseValue{.key = std::move(key), .expected = frame.expected()};
    case frames::StoreAction::list:
      return ListValues{
          .prefix = std::move(key), .after = std::string(view(frame.after())), .count_max = frame.count_max()};
  }
  return base::fail(ErrorCode::invalid, "an action of the store that this version does not have");
}

base::Result<ServiceRequest> read_sign_request(const frames::SignRequest& frame) {
  TRV_TRY_ASSIGN(const egress::SignatureKind kind, egress::signature_kind_of(frame.signature()));
  return SignData{.secret = std::string(view(frame.secret())), .kind = kind, .data = std::string(view(frame.data()))};
}

EmitEvent read_emit_request(const frames::EmitRequest& frame) {
  return {.type = std::string(view(frame.type())),
          .subject = std::string(view(frame.subject())),
          .data = std::string(view(frame.data()))};
}

base::Result<MetricKind> metric_kind_of(std::int32_t metric) {
  if (metric >= 1 && metric <= 3) return static_cast<MetricKind>(metric);
  return base::fail(ErrorCode::invalid, "a kind of metric that this version does not have");
}

base::Result<Measurement> read_measure(const frames::Measure& frame) {
  Measurement measurement;
  TRV_TRY_ASSIGN(measurement.kind, metric_kind_of(frame.metric()));
  measurement.name = view(frame.name()).substr(0, metric_name_bytes_max + 1);
  measurement.value = frame.value();
  std::vector<egress::Header> labels;
  if (!read_headers(frame.labels(), metric_labels_max, labels)) {
    return base::fail(ErrorCode::invalid, fmt::format("a metric with more than {} labels", metric_labels_max));
  }
  for (egress::Header& label : labels) measurement.labels.emplace_back(std::move(label.name), std::move(label.value));
  return measurement;
}

Span read_span(const frames::BeginSpan& frame) {
  Span span{.id = frame.span(),
            .parent = frame.parent(),
            .name = std::string(view(frame.name()).substr(0, span_name_bytes_max))};
  if (frame.attributes() == nullptr) return span;
  for (const frames::Header* one : *frame.attributes()) {
    if (span.attributes.size() == span_attributes_max) break;
    span.attributes.emplace_back(view(one->name()).substr(0, span_name_bytes_max),
                                 view(one->value()).substr(0, span_attribute_bytes_max));
  }
  return span;
}

base::Result<std::string> read_saved(const frames::Saved& frame) {
  if (frame.problem() == nullptr) return std::string(view(frame.state()));
  return base::fail(ErrorCode::internal, printable(view(frame.problem()), message_bytes_max));
}

Signature read_signed(const frames::Signed& frame) {
  return {.bytes = std::string(view(frame.signature()))};
}

StoredValues read_store_answer(const frames::StoreAnswer& frame) {
  StoredValues values{.entries = {}, .has_more = frame.has_more()};
  if (frame.entries() == nullptr) return values;
  for (const frames::StoreEntry* entry : *frame.entries()) {
    values.entries.push_back({.key = std::string(view(entry->key())),
                              .value = std::string(view(entry->value())),
                              .revision = entry->revision()});
  }
  return values;
}

egress::Response read_http_response(const frames::HttpResponse& frame) {
  egress::Response response;
  response.status = frame.status();
  response.body = view(frame.body());
  const bool is_whole = read_headers(frame.headers(), SIZE_MAX, response.headers);
  TRV_ENSURES(is_whole);
  return response;
}

}  // namespace trv::plugin_host
