#pragma once
// What the calls of one plugin instance ask of the host: requests that are open, and the answers that arrive for them.
// Authors do not use it; they write a Plugin (plugin.hpp). C++20.
//
// Threads: [main], but for what writes to the log, to the metrics, of progress and of spans.

#include <algorithm>
#include <array>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sdk/abi/ext/blob.h"
#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/event.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/kv.h"
#include "sdk/abi/ext/log.h"
#include "sdk/abi/ext/metrics.h"
#include "sdk/abi/ext/secret.h"
#include "sdk/abi/ext/stream.h"
#include "sdk/abi/ext/timer.h"
#include "sdk/abi/ext/trace.h"
#include "sdk/abi/plugin.h"
#include "sdk/cpp/abi_values.hpp"
#include "sdk/cpp/blob_parts.hpp"
#include "sdk/cpp/call.hpp"
#include "sdk/cpp/incoming.hpp"
#include "sdk/cpp/task.hpp"
#include "sdk/cpp/values.hpp"
#include "sdk/cpp/writing.hpp"

namespace trv::sdk {

class Requests : public CallServices {
 public:
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  std::uint64_t send(std::uint64_t call_id, const Request& request) final {
    return send(call_id, request, http_ == nullptr ? nullptr : http_->send);
  }

  std::uint64_t send_in_parts(std::uint64_t call_id, const Request& request) final {
    const bool comes_whole = stream_ == nullptr || http_ == nullptr;
    arriving_.emplace(last_request_id_ + 1, ArrivingParts(comes_whole));
    return comes_whole ? send(call_id, request) : send(call_id, request, stream_->send);
  }

  std::uint64_t next_part(std::uint64_t call_id, std::uint64_t stream_id) final {
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = call_id;
    ArrivingParts& parts = arriving_.at(stream_id);
    if (requests_.contains(parts.waiting)) {
      waiting.result = Failure{.message = "a part of the answer is waited for already"};
      return request_id;
    }
    waiting.result = parts.take();
    if (!waiting.result) parts.waiting = request_id;
    report_taken(call_id, stream_id, parts);
    return request_id;
  }

  void drop(std::uint64_t call_id, std::uint64_t stream_id) noexcept final {
    const auto found = arriving_.find(stream_id);
    if (found == arriving_.end()) return;
    const bool is_open = !found->second.has_ended() && !found->second.comes_whole();
    arriving_.erase(found);
    if (is_open) stream_->drop(host_, call_id, stream_id);
  }

  std::uint64_t wait(std::uint64_t call_id, std::uint64_t after_ms) final {
    const std::uint64_t timer_id = ++last_request_id_;
    Waiting& waiting = requests_[timer_id];
    waiting.call_id = call_id;
    if (timer_ == nullptr) {
      waiting.result = Failure{.code = Code::denied, .message = "this host offers no time to wait (trv.timer/1)"};
    } else {
      timer_->set(host_, call_id, timer_id, after_ms);
    }
    return timer_id;
  }

  std::uint64_t ask(std::uint64_t call_id, const StoreRequest& request) final {
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = call_id;
    if (kv_ == nullptr) {
      waiting.result = Failure{.code = Code::denied, .message = "this host offers no store (trv.kv/1)"};
      return request_id;
    }
    const trv_string key = borrow(request.key);
    switch (request.action) {
      case StoreRequest::Action::get: kv_->get(host_, call_id, request_id, key); break;
      case StoreRequest::Action::put:
        kv_->put(host_, call_id, request_id, key, borrow_bytes(request.value), request.expected);
        break;
      case StoreRequest::Action::erase: kv_->erase(host_, call_id, request_id, key, request.expected); break;
      case StoreRequest::Action::list:
        kv_->list(host_, call_id, request_id, key, borrow(request.after), request.count_max);
        break;
    }
    return request_id;
  }

  std::uint64_t ask(std::uint64_t call_id, const BlobRequest& request) final {
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = call_id;
    if (auto failure = blobs_.ask(call_id, request_id, request)) waiting.result = *std::move(failure);
    return request_id;
  }
  void drop_blob(std::uint64_t call_id, std::uint64_t writing_id) noexcept final {
    blobs_.drop(call_id, ++last_request_id_, writing_id);
  }
  std::uint64_t new_id() noexcept final { return ++last_request_id_; }

  std::uint64_t sign(std::uint64_t call_id, std::string_view secret, SignatureKind kind, std::string_view data) final {
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = call_id;
    if (secret_ == nullptr) {
      waiting.result = Failure{.code = Code::denied, .message = "this host signs nothing (trv.secret/1)"};
    } else {
      secret_->sign(host_, call_id, request_id, borrow(secret), static_cast<std::int32_t>(kind), borrow_bytes(data));
    }
    return request_id;
  }

  std::uint64_t emit(std::uint64_t call_id, std::string_view type, std::string_view subject,
                     std::string_view data) final {
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = call_id;
    if (event_ == nullptr) {
      waiting.result = Failure{.code = Code::denied, .message = "this host takes no events (trv.event/1)"};
      return request_id;
    }
    const trv_event raw = {.struct_size = sizeof(trv_event),
                           .reserved = 0,
                           .type = borrow(type),
                           .subject = borrow(subject),
                           .data = borrow_bytes(data)};
    event_->emit(host_, call_id, request_id, &raw);
    return request_id;
  }

  std::uint64_t respond_in_parts(std::uint64_t call_id, const Response& head) final {
    const std::uint64_t stream_id = ++last_request_id_;
    writing_.open(call_id, stream_id, head);
    return stream_id;
  }

  std::uint64_t write(std::uint64_t stream_id, std::string_view bytes) final {
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = writing_.call_of(stream_id);
    waiting.result = writing_.write(stream_id, request_id, bytes);
    return request_id;
  }

  UploadIds upload(std::uint64_t call_id, const Request& request, std::optional<std::uint64_t> length,
                   bool answer_in_parts) final {
    const std::uint64_t stream_id = ++last_request_id_;
    const trv_upload body = {.struct_size = sizeof(trv_upload),
                             .answer_in_parts = answer_in_parts ? 1U : 0U,
                             .stream_id = stream_id,
                             .length = length.value_or(TRV_LENGTH_UNKNOWN)};
    const bool is_there = stream_2_ != nullptr && http_ != nullptr;
    std::optional<Failure> failure;
    if (!is_there) {
      failure = Failure{.code = Code::denied, .message = "this host sends whole bodies alone (no trv.stream/2)"};
    }
    writing_.open_upload(call_id, stream_id, failure);
    if (answer_in_parts) arriving_.emplace(last_request_id_ + 1, ArrivingParts(!is_there));
    const std::uint64_t request_id = send_by(
        call_id, request, is_there,
        [&](std::uint64_t id, const trv_http_request& raw) { stream_2_->upload(host_, call_id, id, &raw, &body); });
    if (failure) requests_[request_id].result = *std::move(failure);
    return {request_id, stream_id};
  }

  void end_upload(std::uint64_t stream_id) final { writing_.end_upload(stream_id); }

  std::uint64_t read_body(std::uint64_t call_id, std::string_view whole) final {
    const std::uint64_t stream_id = ++last_request_id_;
    ArrivingParts& parts = arriving_.emplace(stream_id, ArrivingParts(stream_2_ == nullptr)).first->second;
    if (!whole.empty()) parts.hold(whole);
    if (stream_2_ == nullptr) {
      parts.end();
    } else {
      stream_2_->read(host_, call_id, stream_id);
    }
    return stream_id;
  }

  Ended end_parts(std::uint64_t stream_id) const final { return writing_.ended(stream_id); }
  void forget_parts(std::uint64_t stream_id) noexcept final { writing_.forget(stream_id); }

  bool arrived(std::uint64_t request_id) const noexcept final {
    const auto found = requests_.find(request_id);
    return found == requests_.end() || found->second.result.has_value();
  }

  void await(std::uint64_t request_id, std::coroutine_handle<> waiter) noexcept final {
    requests_.find(request_id)->second.waiter = waiter;
  }

  Arrival take(std::uint64_t request_id) final {
    const auto found = requests_.find(request_id);
    if (found == requests_.end()) return Failure{.message = "a response was awaited twice"};
    Arrival result = std::move(*found->second.result);
    requests_.erase(found);
    return result;
  }

  void forget(std::uint64_t request_id) noexcept final {
    requests_.erase(request_id);
    blobs_.forget(request_id);
  }

  void record(trv_metric metric, std::string_view name, double value, const Labels& labels) const noexcept final {
    if (metrics_ == nullptr) return;
    std::array<trv_header, 5> raw{};
    const std::size_t count = std::min(labels.size(), raw.size());
    for (std::size_t i = 0; i < count; ++i) raw[i] = {borrow(labels[i].first), borrow(labels[i].second)};
    metrics_->record(host_, metric, borrow(name), value, raw.data(), static_cast<std::uint32_t>(count));
  }

  void progress(std::uint64_t call_id, double fraction, std::string_view text) const noexcept final {
    if (call_2_ != nullptr) call_2_->progress(host_, call_id, fraction, borrow(text));
  }

  std::uint64_t begin_span(std::uint64_t call_id, std::uint64_t parent_id, std::string_view name,
                           const Attributes& attributes) const noexcept final {
    const std::uint64_t span_id = last_span_id_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (trace_ == nullptr) return span_id;
    std::array<trv_header, 8> raw{};
    const std::size_t count = std::min(attributes.size(), raw.size());
    for (std::size_t i = 0; i < count; ++i) raw[i] = {borrow(attributes[i].first), borrow(attributes[i].second)};
    const trv_span span = {.struct_size = sizeof(trv_span),
                           .attribute_count = static_cast<std::uint32_t>(count),
                           .attributes = raw.data(),
                           .name = borrow(name),
                           .span_id = span_id,
                           .parent_id = parent_id};
    trace_->begin(host_, call_id, &span);
    return span_id;
  }

  void end_span(std::uint64_t call_id, std::uint64_t span_id) const noexcept final {
    if (trace_ != nullptr) trace_->end(host_, call_id, span_id);
  }

  void stream(std::uint64_t call_id, std::string_view text) const noexcept final {
    if (call_3_ != nullptr) call_3_->stream(host_, call_id, borrow(text));
  }

  void write_log(Level level, std::uint64_t call_id, std::string_view text) const noexcept final {
    if (log_ != nullptr) log_->write(host_, static_cast<std::int32_t>(level), call_id, borrow(text));
  }

 protected:
  explicit Requests(const trv_host* host) noexcept : host_(host) {}
  ~Requests() = default;

  /// Begins every function of [main] that brings an answer.
  virtual void before_main() noexcept = 0;
  /// An answer is there for a coroutine of the call, which goes on now; not where the call has ended.
  virtual void wake(std::uint64_t call_id, std::coroutine_handle<> waiter) noexcept = 0;
  /// That of the call; borrowed, empty where it has ended.
  virtual std::string_view connection_of(std::uint64_t call_id) noexcept = 0;

  /// The plugin's side of what answers requests; nullptr for any other id. trv_plugin.instance is this.
  static const void* answers_extension(std::string_view id) noexcept {
    static constexpr trv_plugin_http http = {
        .struct_size = sizeof(trv_plugin_http),
        .on_response =
            [](const trv_plugin* p, std::uint64_t request_id, const trv_http_response* response) noexcept {
              requests_of(p).on_response(request_id, *response);
            },
        .on_error = [](const trv_plugin* p, std::uint64_t request_id,
                       const trv_error* error) noexcept { requests_of(p).on_error(request_id, *error); }};
    static constexpr trv_plugin_timer timer = {.struct_size = sizeof(trv_plugin_timer),
                                               .on_time = [](const trv_plugin* p, std::uint64_t timer_id) noexcept {
                                                 requests_of(p).deliver(timer_id, Response{});
                                               }};
    static constexpr trv_plugin_kv kv = {
        .struct_size = sizeof(trv_plugin_kv),
        .on_answer = [](const trv_plugin* p, std::uint64_t request_id,
                        const trv_kv_answer* answer) noexcept { requests_of(p).on_answer(request_id, *answer); },
        .on_error = http.on_error};
    static constexpr trv_plugin_blob blob = {
        .struct_size = sizeof(trv_plugin_blob),
        .on_answer = [](const trv_plugin* p, std::uint64_t request_id,
                        const trv_blob_answer* answer) noexcept { requests_of(p).on_answer(request_id, *answer); },
        .on_error = http.on_error};
    static constexpr trv_plugin_secret secret = {
        .struct_size = sizeof(trv_plugin_secret),
        .on_signature = [](const trv_plugin* p, std::uint64_t request_id,
                           trv_bytes bytes) noexcept { requests_of(p).on_text<Signature>(request_id, view(bytes)); },
        .on_error = http.on_error};
    static constexpr trv_plugin_event event = {
        .struct_size = sizeof(trv_plugin_event),
        .on_emitted = [](const trv_plugin* p, std::uint64_t request_id,
                         trv_string text) noexcept { requests_of(p).on_text<Emitted>(request_id, view(text)); },
        .on_error = http.on_error};
    static constexpr trv_plugin_stream stream = {
        .struct_size = sizeof(trv_plugin_stream),
        .on_part = [](const trv_plugin* p, std::uint64_t stream_id,
                      trv_bytes part) noexcept { requests_of(p).on_part(stream_id, view(part)); },
        .on_end = [](const trv_plugin* p, std::uint64_t stream_id) noexcept { requests_of(p).on_end(stream_id); },
        .on_error =
            [](const trv_plugin* p, std::uint64_t stream_id, const trv_error* error) noexcept {
              requests_of(p).on_break(stream_id, *error);
              requests_of(p).on_broken(stream_id, *error);
            },
        .on_room = [](const trv_plugin* p, std::uint64_t stream_id,
                      std::uint64_t byte_count) noexcept { requests_of(p).on_room(stream_id, byte_count); }};
    if (id == TRV_EXT_STREAM) return &stream;
    if (id == TRV_EXT_BLOB) return &blob;
    if (id == TRV_EXT_SECRET) return &secret;
    if (id == TRV_EXT_EVENT) return &event;
    if (id == TRV_EXT_TIMER) return &timer;
    if (id == TRV_EXT_KV) return &kv;
    return id == TRV_EXT_HTTP ? &http : nullptr;
  }

  /// From activate on.
  void bind_services() noexcept {
    call_2_ = service<trv_host_call_2>(TRV_EXT_CALL_2, TRV_HOST_CALL_2_SIZE_V1);
    call_3_ = service<trv_host_call_3>(TRV_EXT_CALL_3, TRV_HOST_CALL_3_SIZE_V1);
    log_ = service<trv_host_log>(TRV_EXT_LOG, TRV_HOST_LOG_SIZE_V1);
    metrics_ = service<trv_host_metrics>(TRV_EXT_METRICS, TRV_HOST_METRICS_SIZE_V1);
    trace_ = service<trv_host_trace>(TRV_EXT_TRACE, TRV_HOST_TRACE_SIZE_V1);
    http_ = service<trv_host_http>(TRV_EXT_HTTP, TRV_HOST_HTTP_SIZE_V1);
    stream_ = service<trv_host_stream>(TRV_EXT_STREAM, TRV_HOST_STREAM_SIZE_V1);
    stream_2_ = service<trv_host_stream_2>(TRV_EXT_STREAM_2, TRV_HOST_STREAM_2_SIZE_V1);
    timer_ = service<trv_host_timer>(TRV_EXT_TIMER, TRV_HOST_TIMER_SIZE_V1);
    kv_ = service<trv_host_kv>(TRV_EXT_KV, TRV_HOST_KV_SIZE_V1);
    secret_ = service<trv_host_secret>(TRV_EXT_SECRET, TRV_HOST_SECRET_SIZE_V1);
    event_ = service<trv_host_event>(TRV_EXT_EVENT, TRV_HOST_EVENT_SIZE_V1);
    writing_.bind(host_, stream_);
    blobs_.bind(host_, service<trv_host_blob>(TRV_EXT_BLOB, TRV_HOST_BLOB_SIZE_V1));
  }

  /// nullptr where the host does not have it, or has it smaller than version 1.
  template <typename T>
  const T* service(const char* id, std::uint32_t size_v1) const noexcept {
    const auto* table = static_cast<const T*>(host_->get_extension(host_, id));
    return table != nullptr && table->struct_size >= size_v1 ? table : nullptr;
  }

  const trv_host* host() const noexcept { return host_; }
  const Writing& writing() const noexcept { return writing_; }

 private:
  struct Waiting {
    std::uint64_t call_id = 0;
    std::coroutine_handle<> waiter = nullptr;
    std::optional<Arrival> result = std::nullopt;
  };

  using Send = void (*)(const trv_host*, std::uint64_t, std::uint64_t, const trv_http_request*);
  /// `to`: nullptr where the host does not have it.
  std::uint64_t send(std::uint64_t call_id, const Request& request, Send to) {
    return send_by(call_id, request, to != nullptr,
                   [&](std::uint64_t id, const trv_http_request& raw) { to(host_, call_id, id, &raw); });
  }
  template <typename To>
  std::uint64_t send_by(std::uint64_t call_id, const Request& request, bool is_there, To to) {
    std::vector<trv_header> headers;
    for (const Header& header : request.headers()) headers.push_back({borrow(header.name), borrow(header.value)});
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = call_id;
    if (!is_there) {
      waiting.result = Failure{.code = Code::denied, .message = "this host offers no HTTP (trv.http/1)"};
      return request_id;
    }
    const std::string_view own_connection = request.connection();
    const std::string_view connection = own_connection.empty() ? connection_of(call_id) : own_connection;
    const trv_http_request raw = {.struct_size = sizeof(trv_http_request),
                                  .header_count = static_cast<std::uint32_t>(headers.size()),
                                  .headers = headers.data(),
                                  .connection = borrow(connection),
                                  .method = borrow(request.method()),
                                  .path = borrow(request.path()),
                                  .body = borrow_bytes(request.body()),
                                  .timeout_ms = request.timeout_ms()};
    to(request_id, raw);
    return request_id;
  }

  static Requests& requests_of(const trv_plugin* plugin) noexcept { return *static_cast<Requests*>(plugin->instance); }

  void on_response(std::uint64_t request_id, const trv_http_response& raw) noexcept {
    try {
      if (raw.struct_size < TRV_HTTP_RESPONSE_SIZE_V1)
        return deliver(request_id, Failure{.message = "the host's trv_http_response is too short"});
      Response response = copy(raw);
      if (const auto found = arriving_.find(request_id); found != arriving_.end() && found->second.comes_whole()) {
        found->second.add(response.body);
        found->second.end();
        response.body.clear();
      }
      deliver(request_id, std::move(response));
    } catch (...) {
      deliver(request_id, failure_of_current_exception());
    }
  }

  void on_answer(std::uint64_t request_id, const trv_kv_answer& raw) noexcept {
    try {
      if (raw.struct_size < TRV_KV_ANSWER_SIZE_V1)
        return deliver(request_id, Failure{.message = "the host's trv_kv_answer is too short"});
      deliver(request_id, copy(raw));
    } catch (...) {
      deliver(request_id, failure_of_current_exception());
    }
  }

  void on_answer(std::uint64_t request_id, const trv_blob_answer& raw) noexcept {
    try {
      if (raw.struct_size < TRV_BLOB_ANSWER_SIZE_V1)
        return deliver(request_id, Failure{.message = "the host's trv_blob_answer is too short"});
      if (!blobs_.goes_on(request_id)) deliver(request_id, copy(raw));
    } catch (...) {
      blobs_.forget(request_id);
      deliver(request_id, failure_of_current_exception());
    }
  }

  template <typename Answer>
  void on_text(std::uint64_t request_id, std::string_view text) noexcept {
    try {
      deliver(request_id, Answer{std::string(text)});
    } catch (...) {
      deliver(request_id, failure_of_current_exception());
    }
  }

  void on_room(std::uint64_t stream_id, std::uint64_t byte_count) noexcept {
    before_main();
    try {
      for (const std::uint64_t request_id : writing_.room(stream_id, byte_count)) deliver(request_id, Written{});
    } catch (...) {
      write_log(Level::error, 0, failure_of_current_exception().message);
    }
  }

  void on_broken(std::uint64_t stream_id, const trv_error& raw) noexcept {
    before_main();
    try {
      const Failure failure = copy(raw);
      for (const std::uint64_t request_id : writing_.broke(stream_id, failure)) deliver(request_id, failure);
    } catch (...) {
      write_log(Level::error, 0, failure_of_current_exception().message);
    }
  }

  void on_error(std::uint64_t request_id, const trv_error& raw) noexcept {
    try {
      blobs_.forget(request_id);
      if (const auto found = arriving_.find(request_id); found != arriving_.end()) found->second.fail(copy(raw));
      deliver(request_id, copy(raw));
    } catch (...) {
      deliver(request_id, failure_of_current_exception());
    }
  }

  void on_part(std::uint64_t stream_id, std::string_view bytes) noexcept {
    change(stream_id, [bytes](ArrivingParts& parts) { parts.add(bytes); });
  }
  void on_end(std::uint64_t stream_id) noexcept {
    change(stream_id, [](ArrivingParts& parts) { parts.end(); });
  }
  void on_break(std::uint64_t stream_id, const trv_error& raw) noexcept {
    change(stream_id, [&raw](ArrivingParts& parts) { parts.fail(copy(raw)); });
  }

  /// What is new of an answer goes to the next() that waits for it.
  template <typename Change>
  void change(std::uint64_t stream_id, Change how) noexcept {
    before_main();
    const auto found = arriving_.find(stream_id);
    if (found == arriving_.end()) return;
    ArrivingParts& parts = found->second;
    try {
      how(parts);
      const std::uint64_t request_id = parts.waiting;
      const auto waiting = requests_.find(request_id);
      if (waiting == requests_.end()) return;
      std::optional<Arrival> next = parts.take();
      if (!next) return;
      parts.waiting = 0;
      report_taken(waiting->second.call_id, stream_id, parts);
      deliver(request_id, *std::move(next));
    } catch (...) {
      // Without memory for a part the rest is of no use.
      const std::uint64_t request_id = std::exchange(parts.waiting, 0);
      parts.fail(failure_of_current_exception());
      deliver(request_id, failure_of_current_exception());
    }
  }

  void report_taken(std::uint64_t call_id, std::uint64_t stream_id, ArrivingParts& parts) noexcept {
    if (const std::uint64_t taken = parts.to_report(); taken > 0) stream_->take(host_, call_id, stream_id, taken);
  }

  void deliver(std::uint64_t request_id, Arrival result) noexcept {
    before_main();
    const auto found = requests_.find(request_id);
    if (found == requests_.end() || found->second.result) return;
    found->second.result = std::move(result);
    const std::coroutine_handle<> waiter = found->second.waiter;
    if (!waiter) return;
    wake(found->second.call_id, waiter);
  }

  const trv_host* host_;
  const trv_host_call_2* call_2_ = nullptr;
  const trv_host_call_3* call_3_ = nullptr;
  const trv_host_log* log_ = nullptr;
  const trv_host_metrics* metrics_ = nullptr;
  const trv_host_trace* trace_ = nullptr;
  const trv_host_http* http_ = nullptr;
  const trv_host_timer* timer_ = nullptr;
  const trv_host_kv* kv_ = nullptr;
  const trv_host_secret* secret_ = nullptr;
  const trv_host_event* event_ = nullptr;

  const trv_host_stream* stream_ = nullptr;
  const trv_host_stream_2* stream_2_ = nullptr;

  std::uint64_t last_request_id_ = 0;
  mutable std::atomic<std::uint64_t> last_span_id_ = 0;
  std::unordered_map<std::uint64_t, Waiting> requests_;
  std::unordered_map<std::uint64_t, ArrivingParts> arriving_;  ///< by stream, until its Incoming ends
  Writing writing_;
  BlobParts blobs_;
};

}  // namespace trv::sdk
