#include "kernel/plugin_host/frame_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using base::fail;
using json::Value;

constexpr std::size_t depth_max = 512;
constexpr std::array codes = {ErrorCode::invalid,   ErrorCode::unauthenticated, ErrorCode::denied,
                              ErrorCode::not_found, ErrorCode::conflict,        ErrorCode::too_large,
                              ErrorCode::exhausted, ErrorCode::unavailable,     ErrorCode::timeout,
                              ErrorCode::cancelled, ErrorCode::internal};
constexpr std::array<std::pair<std::string_view, LogLevel>, 4> levels = {
    {{"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warning", LogLevel::warning}, {"error", LogLevel::error}}};

std::string line_of(std::string_view name, const Value& body) {
  return fmt::format("{{\"{}\":{}}}\n", name, json::serialize(body));
}

// JSON that was written elsewhere: a line's end in it is white space between its parts.
std::string on_one_line(std::string_view text) {
  std::string one(text);
  std::ranges::replace_if(one, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return one;
}

std::string line_with(std::string_view name, const Value& body, std::string_view member, std::string_view json_text) {
  const std::string ready = on_one_line(json_text);
  return fmt::format("{{\"{}\":{}}}\n", name, json::serialize_with(body, {{member, ready}}));
}

Value headers_of(const std::vector<egress::Header>& headers) {
  std::vector<Value> made;
  made.reserve(headers.size());
  for (const egress::Header& header : headers) made.push_back(Value::array({Value(header.name), Value(header.value)}));
  return Value::array(std::move(made));
}

/// A member with bytes has one name where they are text, and one where they are not.
struct BytesNames {
  std::string_view text;
  std::string_view base64;
};
constexpr BytesNames of_bodies = {.text = "body", .base64 = "body_base64"};
constexpr BytesNames of_parts = {.text = "text", .base64 = "base64"};

/// A member with bytes: text where they are.
std::pair<std::string_view, std::string> bytes_of(std::string_view bytes, const BytesNames& names) {
  if (base::is_utf8(bytes)) return {names.text, std::string(bytes)};
  return {names.base64, base::to_base64(base::as_bytes(bytes))};
}

/// The members of one frame, each asked for by name.
class Body {
 public:
  Body(std::string_view frame, const Value& value) : frame_(frame), value_(value) {}

  base::Result<std::uint64_t> number(std::string_view name, std::optional<std::uint64_t> missing = {}) const {
    const Value* found = value_.find(name);
    if (found == nullptr && missing) return *missing;
    if (found == nullptr) return wrong(name, "is missing");
    if (!found->is_int() || found->as_int() < 0) return wrong(name, "is not a whole number from 0");
    return static_cast<std::uint64_t>(found->as_int());
  }
  base::Result<std::string> text(std::string_view name, std::optional<std::string> missing = {}) const {
    const Value* found = value_.find(name);
    if (found == nullptr && missing) return *missing;
    if (found == nullptr) return wrong(name, "is missing");
    if (!found->is_string()) return wrong(name, "is not a text");
    return std::string(found->as_string());
  }
  base::Result<bool> flag(std::string_view name) const {
    const Value* found = value_.find(name);
    if (found == nullptr) return false;
    if (!found->is_bool()) return wrong(name, "is not true or false");
    return found->as_bool();
  }
  [[nodiscard]] const Value* find(std::string_view name) const { return value_.find(name); }
  [[nodiscard]] std::unexpected<base::Error> wrong(std::string_view name, std::string_view what) const {
    return fail(ErrorCode::invalid, fmt::format("{}.{} {}", frame_, name, what));
  }

 private:
  std::string_view frame_;
  const Value& value_;
};

base::Result<ProgramLine> read_answer(const Body& body) {
  AnswerLine answer;
  TRV_TRY_ASSIGN(answer.call, body.number("call"));
  const Value* output = body.find("output");
  if (output == nullptr) return body.wrong("output", "is missing");
  answer.output = json::serialize(*output);
  return answer;
}

base::Result<ProgramLine> read_failed(const Body& body) {
  FailedLine failed;
  TRV_TRY_ASSIGN(failed.call, body.number("call"));
  TRV_TRY_ASSIGN(const std::string code, body.text("code", "internal"));
  const auto* const known = std::ranges::find(codes, code, [](ErrorCode one) { return base::to_string(one); });
  if (known == codes.end()) return body.wrong("code", fmt::format("is not a code: {}", printable(code, 40)));
  failed.error.code = *known;
  TRV_TRY_ASSIGN(failed.error.may_retry, body.flag("may_retry"));
  TRV_TRY_ASSIGN(failed.error.retry_after_ms, body.number("retry_after_ms", 0));
  TRV_TRY_ASSIGN(const std::uint64_t status, body.number("status", 0));
  if (status > 999) return body.wrong("status", "is not that of HTTP");
  failed.error.status = static_cast<std::uint32_t>(status);
  TRV_TRY_ASSIGN(const std::string message, body.text("message"));
  failed.error.message = printable(message, message_bytes_max);
  if (const Value* detail = body.find("detail"); detail != nullptr && !detail->is_null()) {
    if (!detail->is_object()) return body.wrong("detail", "is not an object");
    failed.error.detail = json::serialize(*detail);
  }
  return failed;
}

base::Result<ProgramLine> read_log(const Body& body) {
  LogLineOut log;
  TRV_TRY_ASSIGN(const std::string level, body.text("level", "info"));
  const auto* const known = std::ranges::find(levels, level, &std::pair<std::string_view, LogLevel>::first);
  if (known == levels.end()) return body.wrong("level", "is not debug, info, warning or error");
  log.level = known->second;
  TRV_TRY_ASSIGN(log.call, body.number("call", 0));
  TRV_TRY_ASSIGN(log.message, body.text("message"));
  return log;
}

base::Result<std::string> read_bytes(const Body& body, const BytesNames& names) {
  const Value* encoded = body.find(names.base64);
  if (encoded == nullptr) return body.text(names.text, "");
  const auto bytes = encoded->is_string() ? base::from_base64(encoded->as_string()) : std::nullopt;
  if (!bytes) return body.wrong(names.base64, "is not base64");
  return std::string(base::as_text(*bytes));
}

base::Result<std::vector<egress::Header>> read_headers(const Body& body) {
  std::vector<egress::Header> read;
  const Value* headers = body.find("headers");
  if (headers == nullptr) return read;
  if (!headers->is_array() || headers->items().size() > egress::request_headers_max) {
    return body.wrong("headers", "is not a list of at most as many pairs as a request may have headers");
  }
  for (const Value& header : headers->items()) {
    const bool is_pair = header.is_array() && header.items().size() == 2 && header.items()[0].is_string() &&
                         header.items()[1].is_string();
    if (!is_pair) return body.wrong("headers", "holds something that is not a pair of texts");
    read.push_back({std::string(header.items()[0].as_string()), std::string(header.items()[1].as_string())});
  }
  return read;
}

base::Result<egress::Request> read_request(const Body& body) {
  egress::Request request;
  TRV_TRY_ASSIGN(request.connection, body.text("connection", ""));
  TRV_TRY_ASSIGN(request.method, body.text("method", "GET"));
  TRV_TRY_ASSIGN(request.path, body.text("path"));
  TRV_TRY_ASSIGN(request.timeout_ms, body.number("timeout_ms", 0));
  TRV_TRY_ASSIGN(request.in_parts, body.flag("in_parts"));
  TRV_TRY_ASSIGN(request.body, read_bytes(body, of_bodies));
  TRV_TRY_ASSIGN(request.headers, read_headers(body));
  if (body.find("body_stream") == nullptr) return request;
  request.written.emplace();
  TRV_TRY_ASSIGN(request.written->stream_id, body.number("body_stream"));
  if (body.find("body_length") == nullptr) return request;
  TRV_TRY_ASSIGN(request.written->length, body.number("body_length"));
  return request;
}

base::Result<WebResponse> read_response(const Body& body, const BytesNames& names) {
  WebResponse response;
  TRV_TRY_ASSIGN(const std::uint64_t status, body.number("status", 200));
  if (status > 999) return body.wrong("status", "is not that of HTTP");
  response.status = static_cast<std::uint32_t>(status);
  TRV_TRY_ASSIGN(response.body, read_bytes(body, names));
  TRV_TRY_ASSIGN(response.headers, read_headers(body));
  return response;
}

base::Result<ProgramLine> read_respond(const Body& body) {
  RespondLine line;
  TRV_TRY_ASSIGN(line.call, body.number("call"));
  TRV_TRY_ASSIGN(line.response, read_response(body, of_bodies));
  return line;
}

// Call and stream, which every line of trv.stream/1 names.
template <typename Line>
base::Result<Line> read_stream(const Body& body) {
  Line line;
  TRV_TRY_ASSIGN(line.call, body.number("call"));
  TRV_TRY_ASSIGN(line.stream, body.number("stream"));
  return line;
}

base::Result<ProgramLine> read_respond_in_parts(const Body& body) {
  TRV_TRY_ASSIGN(auto line, read_stream<RespondInPartsLine>(body));
  TRV_TRY_ASSIGN(line.head, read_response(body, of_parts));
  return line;
}

base::Result<ProgramLine> read_write(const Body& body) {
  TRV_TRY_ASSIGN(auto line, read_stream<WriteLine>(body));
  if (body.find("text") == nullptr && body.find("base64") == nullptr) return body.wrong("text", "is missing");
  TRV_TRY_ASSIGN(line.part, read_bytes(body, of_parts));
  return line;
}

base::Result<ProgramLine> read_take(const Body& body) {
  TRV_TRY_ASSIGN(auto line, read_stream<TakeLine>(body));
  TRV_TRY_ASSIGN(line.byte_count, body.number("bytes"));
  return line;
}

base::Result<ProgramLine> read_http(const Body& body) {
  HttpLine http;
  TRV_TRY_ASSIGN(http.call, body.number("call"));
  TRV_TRY_ASSIGN(http.request_id, body.number("request"));
  http.request = read_request(body);
  return http;
}

base::Result<ServiceRequest> read_store(const Body& body) {
  TRV_TRY_ASSIGN(const std::string action, body.text("action"));
  TRV_TRY_ASSIGN(std::string key, body.text("key", ""));
  TRV_TRY_ASSIGN(const std::uint64_t expected, body.number("expected", any_revision));
  if (action == "get") return GetValue{std::move(key)};
  if (action == "erase") return EraseValue{.key = std::move(key), .expected = expected};
  if (action == "put") {
    const Value* value = body.find("value");
    if (value == nullptr) return body.wrong("value", "is missing");
    return PutValue{.key = std::move(key), .value = json::serialize(*value), .expected = expected};
  }
  if (action != "list") return body.wrong("action", "is not get, put, erase or list");
  ListValues list{.prefix = std::move(key), .after = {}, .count_max = store_list_count_max};
  TRV_TRY_ASSIGN(list.after, body.text("after", ""));
  TRV_TRY_ASSIGN(const std::uint64_t count_max, body.number("count_max", store_list_count_max));
  list.count_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(count_max, store_list_count_max + 1));
  return list;
}

base::Result<std::string> read_base64(const Body& body, std::string_view name) {
  TRV_TRY_ASSIGN(const std::string encoded, body.text(name));
  const auto bytes = base::from_base64(encoded);
  if (!bytes) return body.wrong(name, "is not base64");
  return std::string(base::as_text(*bytes));
}

base::Result<ServiceRequest> read_sign(const Body& body) {
  SignData sign;
  TRV_TRY_ASSIGN(sign.secret, body.text("secret"));
  TRV_TRY_ASSIGN(const std::string kind, body.text("signature"));
  const auto known = egress::signature_kind_of(kind);
  if (!known) return body.wrong("signature", "is not hmac-sha256, ed25519 or rsa-sha256");
  sign.kind = *known;
  TRV_TRY_ASSIGN(sign.data, read_base64(body, "data_base64"));
  return sign;
}

base::Result<ServiceRequest> read_emit(const Body& body) {
  EmitEvent event;
  TRV_TRY_ASSIGN(event.type, body.text("type"));
  TRV_TRY_ASSIGN(event.subject, body.text("subject", ""));
  if (const Value* data = body.find("data"); data != nullptr) event.data = json::serialize(*data);
  return event;
}

base::Result<ServiceRequest> read_blob(const Body& body) {
  TRV_TRY_ASSIGN(const std::string action, body.text("action"));
  if (action == "write" || action == "store" || action == "drop") {
    TRV_TRY_ASSIGN(const std::uint64_t id, body.number("writing"));
    if (action == "drop") return DropBlob{id};
    if (action == "write") {
      TRV_TRY_ASSIGN(std::string part, read_base64(body, "part_base64"));
      return WriteBlob{.writing_id = id, .part = std::move(part)};
    }
    StoreBlob store{.writing_id = id};
    TRV_TRY_ASSIGN(store.media_type, body.text("media_type", ""));
    TRV_TRY_ASSIGN(store.name, body.text("name", ""));
    return store;
  }
  if (action != "read" && action != "erase" && action != "list") {
    return body.wrong("action", "is not write, store, drop, read, erase or list");
  }
  TRV_TRY_ASSIGN(std::string digest,
                 body.text("digest", action == "list" ? std::optional<std::string>("") : std::nullopt));
  if (action == "erase") return EraseBlob{std::move(digest)};
  const bool reads = action == "read";
  TRV_TRY_ASSIGN(const std::uint64_t count,
                 body.number("count_max", reads ? blob_part_bytes_max : blob_list_count_max));
  const auto count_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, UINT32_MAX));
  if (!reads) return ListBlobs{.after = std::move(digest), .count_max = count_max};
  TRV_TRY_ASSIGN(const std::uint64_t offset, body.number("offset", 0));
  return ReadBlob{.digest = std::move(digest), .offset = offset, .length = count_max};
}

base::Result<ProgramLine> read_service(const Body& body, Service service) {
  ServiceLine line;
  line.service = service;
  TRV_TRY_ASSIGN(line.call, body.number("call"));
  TRV_TRY_ASSIGN(line.request_id, body.number("request"));
  line.request = service == Service::store    ? read_store(body)
                 : service == Service::secret ? read_sign(body)
                 : service == Service::blob   ? read_blob(body)
                                              : read_emit(body);
  return line;
}

base::Result<ProgramLine> read_ready(const Body& body) {
  ReadyLine ready;
  TRV_TRY_ASSIGN(ready.keeps_state, body.flag("keeps_state"));
  const Value* named = body.find("operations");
  if (named == nullptr) return ready;
  if (!named->is_array()) return body.wrong("operations", "is not a list of texts");
  ready.operations.emplace();
  for (const Value& one : named->items()) {
    if (!one.is_string()) return body.wrong("operations", "is not a list of texts");
    ready.operations->emplace_back(one.as_string());
  }
  return ready;
}

base::Result<ProgramLine> read_progress(const Body& body) {
  ProgressLine progress;
  TRV_TRY_ASSIGN(progress.call, body.number("call"));
  TRV_TRY_ASSIGN(progress.text, body.text("text", ""));
  if (const Value* fraction = body.find("fraction"); fraction != nullptr && !fraction->is_null()) {
    if (!fraction->is_number()) return body.wrong("fraction", "is not a number");
    progress.fraction = fraction->as_double();
  }
  return progress;
}

base::Result<ProgramLine> read_stream_text(const Body& body) {
  StreamLine stream;
  TRV_TRY_ASSIGN(stream.call, body.number("call"));
  TRV_TRY_ASSIGN(stream.text, body.text("text"));
  return stream;
}

base::Result<ProgramLine> read_measure(const Body& body) {
  constexpr std::array<std::string_view, 3> kinds = {"counter", "gauge", "histogram"};
  MeasureLine line;
  TRV_TRY_ASSIGN(const std::string kind, body.text("metric"));
  const auto* const known = std::ranges::find(kinds, kind);
  if (known == kinds.end()) return body.wrong("metric", "is not counter, gauge or histogram");
  line.measurement.kind = static_cast<MetricKind>(known - kinds.begin() + 1);
  TRV_TRY_ASSIGN(line.measurement.name, body.text("name"));
  const Value* value = body.find("value");
  if (value == nullptr || !value->is_number()) return body.wrong("value", "is not a number");
  line.measurement.value = value->as_double();
  const Value* labels = body.find("labels");
  if (labels == nullptr) return line;
  if (!labels->is_object() || labels->entries().size() > metric_labels_max) {
    return body.wrong("labels", fmt::format("is not an object of at most {} texts", metric_labels_max));
  }
  for (const auto& label : labels->entries()) {
    if (!label.value.is_string()) return body.wrong("labels", "holds something that is not a text");
    line.measurement.labels.emplace_back(label.name(), label.value.as_string());
  }
  return line;
}

base::Result<ProgramLine> read_begin_span(const Body& body) {
  BeginSpanLine line;
  TRV_TRY_ASSIGN(line.call, body.number("call"));
  TRV_TRY_ASSIGN(line.span.id, body.number("span"));
  TRV_TRY_ASSIGN(line.span.parent, body.number("parent", 0));
  TRV_TRY_ASSIGN(line.span.name, body.text("name"));
  const Value* attributes = body.find("attributes");
  if (attributes == nullptr) return line;
  if (!attributes->is_object()) return body.wrong("attributes", "is not an object of texts");
  for (const auto& one : attributes->entries()) {
    if (!one.value.is_string()) return body.wrong("attributes", "holds something that is not a text");
    if (line.span.attributes.size() == span_attributes_max) break;
    line.span.attributes.emplace_back(one.name(), one.value.as_string());
  }
  return line;
}

base::Result<ProgramLine> read_end_span(const Body& body) {
  EndSpanLine line;
  TRV_TRY_ASSIGN(line.call, body.number("call"));
  TRV_TRY_ASSIGN(line.span, body.number("span"));
  return line;
}

base::Result<ProgramLine> read_saved(const Body& body) {
  TRV_TRY_ASSIGN(const std::string problem, body.text("problem", ""));
  if (!problem.empty()) {
    return SavedLine{base::fail(ErrorCode::internal, printable(problem, message_bytes_max))};
  }
  TRV_TRY_ASSIGN(std::string state, read_base64(body, "state_base64"));
  if (state.size() > state_bytes_max) {
    return SavedLine{base::fail(ErrorCode::too_large, fmt::format("it has {} bytes, at most {} are handed over",
                                                                  state.size(), state_bytes_max))};
  }
  return SavedLine{std::move(state)};
}

std::string blob_line(std::uint64_t request_id, const KeptBlobs& blobs) {
  std::vector<Value> entries;
  entries.reserve(blobs.entries.size());
  for (const KeptBlob& one : blobs.entries) {
    entries.emplace_back(
        Value{{"digest", one.digest}, {"bytes", one.byte_count}, {"media_type", one.media_type}, {"name", one.name}});
  }
  return line_of("blob_answer", Value{{"request", request_id},
                                      {"entries", Value::array(std::move(entries))},
                                      {"part_base64", base::to_base64(base::as_bytes(blobs.part))},
                                      {"has_more", blobs.has_more}});
}

}  // namespace

std::string begin_line(const ProcessPurpose& purpose) {
  Value body{{"plugin", purpose.plugin}, {"version", purpose.version}};
  // There is no configuration to begin it with; it can show what it has.
  if (purpose.operations && purpose.configuration.empty()) body.set("trial", true);
  if (purpose.with.checks_health) body.set("checks_health", true);
  if (const auto& state = purpose.with.state) {
    body.set("saved_by", state->version);
    body.set("state_base64", base::to_base64(base::as_bytes(state->bytes)));
  }
  return line_with("begin", body, "configuration", purpose.configuration.empty() ? "{}" : purpose.configuration);
}

std::string invoke_line(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  const Value body{{"call", call},
                   {"operation", request.operation},
                   {"tenant", request.tenant.value()},
                   {"connection", request.connection},
                   {"idempotency_key", request.idempotency_key},
                   {"traceparent", request.traceparent},
                   {"attempt", request.attempt},
                   {"timeout_ms", timeout_ms}};
  return line_with("invoke", body, "input", request.input);
}

std::string serve_line(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  const WebRequest& web = request.web->request;
  const auto [name, body] = bytes_of(web.body, of_bodies);
  return line_of("serve", Value{{"call", call},
                                {"tenant", request.tenant.value()},
                                {"principal", web.principal},
                                {"principal_name", web.principal_name},
                                {"role", web.role},
                                {"method", web.method},
                                {"path", web.path},
                                {"query", web.query},
                                {"headers", headers_of(web.headers)},
                                {"idempotency_key", request.idempotency_key},
                                {"traceparent", request.traceparent},
                                {"timeout_ms", timeout_ms},
                                {name, body}});
}

std::string cancel_line(CallId call) {
  return line_of("cancel", Value{{"call", call}});
}

std::string http_line(std::uint64_t request_id, const base::Result<egress::Response>& result) {
  if (!result) {
    return line_of("http_error", Value{{"request", request_id},
                                       {"code", base::to_string(result.error().code())},
                                       {"message", result.error().message()}});
  }
  const auto [name, body] = bytes_of(result->body, of_bodies);
  return line_of(
      "http_response",
      Value{
          {"request", request_id}, {"status", result->status}, {"headers", headers_of(result->headers)}, {name, body}});
}

std::string served_line(std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) {
  if (!answer) {
    return line_of("request_failed", Value{{"request", request_id},
                                           {"code", base::to_string(answer.error().code())},
                                           {"message", answer.error().message()}});
  }
  if (const auto* made = std::get_if<Signature>(&*answer)) {
    return line_of("signed",
                   Value{{"request", request_id}, {"signature_base64", base::to_base64(base::as_bytes(made->bytes))}});
  }
  if (const auto* event = std::get_if<EmittedEvent>(&*answer)) {
    return line_of("emitted", Value{{"request", request_id}, {"id", event->id}});
  }
  if (const auto* blobs = std::get_if<KeptBlobs>(&*answer)) return blob_line(request_id, *blobs);
  const auto& values = std::get<StoredValues>(*answer);
  std::string entries;
  for (const StoredValue& one : values.entries) {
    const Value entry{{"key", one.key}, {"revision", one.revision}};
    if (!entries.empty()) entries += ',';
    entries +=
        one.value.empty() ? json::serialize(entry) : json::serialize_with(entry, {{"value", on_one_line(one.value)}});
  }
  return line_with("store_answer", Value{{"request", request_id}, {"has_more", values.has_more}}, "entries",
                   "[" + entries + "]");
}

std::string part_line(std::uint64_t stream_id, std::string_view part) {
  const auto [name, bytes] = bytes_of(part, of_parts);
  return line_of("part", Value{{"stream", stream_id}, {name, bytes}});
}

std::string stream_ended_line(std::uint64_t stream_id, const base::Status& end) {
  Value body{{"stream", stream_id}};
  if (!end) {
    body.set("code", base::to_string(end.error().code()));
    body.set("message", end.error().message());
  }
  return line_of("stream_ended", body);
}

std::string room_line(std::uint64_t stream_id, std::uint64_t byte_count) {
  return line_of("room", Value{{"stream", stream_id}, {"bytes", byte_count}});
}

std::string save_line() {
  return line_of("save", Value::object());
}

std::string ping_line(std::uint64_t number) {
  return line_of("ping", Value{{"number", number}});
}

std::string end_line() {
  return line_of("end", Value::object());
}

base::Result<ProgramLine> read_line(std::string_view line) {
  auto parsed = json::parse(line, {.bytes_max = line_bytes_max, .depth_max = depth_max});
  if (!parsed) return fail(ErrorCode::invalid, fmt::format("not JSON: {}", parsed.error().message()));
  if (!parsed->is_object() || parsed->entries().size() != 1 || !parsed->entries()[0].value.is_object()) {
    return fail(ErrorCode::invalid, "not an object with one member, which is the frame's name and has an object");
  }
  const std::string_view name = parsed->entries()[0].name();
  const Body body(name, parsed->entries()[0].value);
  if (name == "ready") return read_ready(body);
  if (name == "answer") return read_answer(body);
  if (name == "respond") return read_respond(body);
  if (name == "respond_in_parts") return read_respond_in_parts(body);
  if (name == "write") return read_write(body);
  if (name == "end_stream") return read_stream<EndStreamLine>(body);
  if (name == "take") return read_take(body);
  if (name == "drop") return read_stream<DropLine>(body);
  if (name == "read_body") return read_stream<ReadBodyLine>(body);
  if (name == "failed") return read_failed(body);
  if (name == "log") return read_log(body);
  if (name == "http_request") return read_http(body);
  if (name == "store_request") return read_service(body, Service::store);
  if (name == "sign_request") return read_service(body, Service::secret);
  if (name == "blob_request") return read_service(body, Service::blob);
  if (name == "emit_request") return read_service(body, Service::event);
  if (name == "measure") return read_measure(body);
  if (name == "progress") return read_progress(body);
  if (name == "begin_span") return read_begin_span(body);
  if (name == "end_span") return read_end_span(body);
  if (name == "stream") return read_stream_text(body);
  if (name == "saved") return read_saved(body);
  if (name == "pong") {
    TRV_TRY_ASSIGN(const std::uint64_t number, body.number("number"));
    return PongLine{number};
  }
  if (name == "refused") {
    TRV_TRY_ASSIGN(const std::string message, body.text("message"));
    return RefusedLine{printable(message, message_bytes_max)};
  }
  return fail(ErrorCode::invalid, fmt::format("a frame '{}', which there is not", printable(name, 40)));
}

}  // namespace trv::plugin_host
