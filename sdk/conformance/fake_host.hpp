#pragma once
// A host for one plugin instance in a test: it makes calls, answers requests as the test says, and notes what the
// plugin does against the ABI. Header-only; C++20 and the standard library.
//
// Fault model. A request of HTTP stays open until respond(), fail() or the end of its call, and time does not pass. The
// store answers by itself, in the order in which it was asked, once the [main] function that asked has returned. Bytes
// lent to the plugin are overwritten as soon as the call that lent them returns. Services of the host may be used from
// any thread; everything else is for the one thread that owns the fake, but cancel(), which is for any.
//
// faults() is empty for a plugin that keeps the ABI. Noted are: a second answer to a call, an answer to an unknown
// call, a request for a call that is not open, an id of an open request used again, a header that is the host's, a path
// without '/', a body or output over the limit, use of the host before activate or after destroy, a failed activation
// without a reason, a reason without a failure, and a struct that is too short.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/log.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/fake_uploads.hpp"
#include "sdk/conformance/host_shape.hpp"
#include "sdk/conformance/lent_bytes.hpp"
#include "sdk/conformance/web_exchange.hpp"

namespace trv::conformance {

class FakeHost final : public FakeUploads {
 public:
  /// Makes an instance of the plugin `id`, or of the first that the library describes.
  explicit FakeHost(const trv_entry& entry, std::string_view id = {}, HostShape shape = {})
      : FakeUploads(shape), entry_(entry) {
    using enum HostShape::Struct;
    extended_call_.known = {
        .struct_size = shape.size_of<trv_host_call>(host_call),
        .complete = [](const trv_host* h, std::uint64_t call_id,
                       trv_bytes output) { of(h).on_complete(call_id, output); },
        .fail = [](const trv_host* h, std::uint64_t call_id, const trv_error* e) { of(h).on_fail(call_id, e); }};
    call_3_service_ = {.struct_size = sizeof(trv_host_call_3),
                       .complete = extended_call_.known.complete,
                       .fail = extended_call_.known.fail,
                       .progress = [](const trv_host* h, std::uint64_t call_id, double fraction,
                                      trv_string text) { of(h).on_progress(call_id, fraction, text_of(text)); },
                       .stream = [](const trv_host* h, std::uint64_t call_id,
                                    trv_string text) { of(h).on_stream(call_id, text_of(text)); }};
    extended_log_.known = {.struct_size = shape.size_of<trv_host_log>(host_log),
                           .write = [](const trv_host* h, std::int32_t level, std::uint64_t call_id,
                                       trv_string message) { of(h).on_log(level, call_id, message); }};
    extended_http_.known = {
        .struct_size = shape.size_of<trv_host_http>(host_http),
        .send = [](const trv_host* h, std::uint64_t call_id, std::uint64_t request_id,
                   const trv_http_request* request) { of(h).on_send(call_id, request_id, request, false); }};
    serve_service_ = {.struct_size = sizeof(trv_host_serve),
                      .respond = [](const trv_host* h, std::uint64_t call_id, const trv_serve_response* response) {
                        of(h).on_respond(call_id, response);
                      }};
    extended_host_.known = {
        .struct_size = shape.size_of<trv_host>(HostShape::Struct::host),
        .abi_major = TRV_ABI_MAJOR,
        .abi_minor = static_cast<std::uint16_t>(TRV_ABI_MINOR + (shape.is_of_later_minor ? 1 : 0)),
        .context = static_cast<FakeCalls*>(this),
        .get_extension = [](const trv_host* h, const char* name) { return of(h).get_extension(name); },
        .fail_activation = [](const trv_host* h, const trv_error* e) { of(h).on_fail_activation(e); }};
    if (entry_.init() != 0) {
      note("init did not return 0");
      return;
    }
    initialised_ = true;
    const auto* factory = static_cast<const trv_factory*>(entry_.get_factory(TRV_FACTORY_ID));
    if (factory == nullptr || factory->count() == 0) {
      note("the library has no trv.factory/1 with a plugin");
      return;
    }
    const std::string wanted = id.empty() ? text_of(factory->describe(0)->id) : std::string(id);
    LentBytes lent;
    plugin_ = factory->create(&extended_host_.known, lent.text(wanted));
    lent.withdraw();
    if (plugin_ == nullptr) {
      note("create returned NULL for \"" + wanted + "\"");
      return;
    }
    if (plugin_->struct_size < TRV_PLUGIN_SIZE_V1) note("trv_plugin is too short");
    http_ = static_cast<const trv_plugin_http*>(plugin_->get_extension(plugin_, TRV_EXT_HTTP));
    if (http_ != nullptr && http_->struct_size < TRV_PLUGIN_HTTP_SIZE_V1) note("trv_plugin_http is too short");
    find_services();
    find_streams();
    plugin_serve_ = static_cast<const trv_plugin_serve*>(plugin_->get_extension(plugin_, TRV_EXT_SERVE));
    retire(std::move(lent));
  }

  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  ~FakeHost() {
    deactivate();
    destroy();
    if (initialised_) entry_.deinit();
  }

  /// Whether the plugin accepted the configuration; activation_error() says why not.
  bool activate(std::string_view configuration = "{}") {
    if (plugin_ == nullptr) return false;
    stage_ = Stage::activating;
    const std::int32_t status =
        on_main([&](LentBytes& lent) { return plugin_->activate(plugin_, lent.bytes(configuration)); });
    if (status != 0 && !activation_error_) note("activate failed without fail_activation");
    if (status == 0 && activation_error_) note("fail_activation was called, yet activate returned 0");
    stage_ = status == 0 ? Stage::active : Stage::created;
    return status == 0;
  }
  [[nodiscard]] const std::optional<CallError>& activation_error() const { return activation_error_; }

  /// Begins a call; returns its id. Only while active.
  std::uint64_t begin(const CallFacts& facts) {
    const std::uint64_t call_id = ++last_call_id_;
    {
      const std::lock_guard lock(mutex_);
      calls_[call_id].facts = facts;
    }
    on_main([&](LentBytes& lent) {
      plugin_->invoke(plugin_, lend(lent, call_id, facts, shape_.size_of<trv_call>(HostShape::Struct::call)));
      return 0;
    });
    return call_id;
  }

  /// Whether the plugin has trv.serve/1.
  [[nodiscard]] bool serves() const noexcept { return plugin_serve_ != nullptr; }
  /// Begins a request over HTTP; returns the id of its call. Only while active, and where serves().
  std::uint64_t begin_request(const WebFacts& facts) {
    const std::uint64_t call_id = ++last_call_id_;
    {
      const std::lock_guard lock(mutex_);
      calls_[call_id].facts = facts.call;
      calls_[call_id].is_request = true;
      if (facts.body_in_parts) keep_body(call_id, facts.body);
    }
    on_main([&](LentBytes& lent) {
      plugin_serve_->serve(plugin_, lend(lent, call_id, facts));
      return 0;
    });
    return call_id;
  }
  /// Makes a request, and answers those that the plugin makes for it as call() does.
  CallOutcome request(const WebFacts& facts, const std::vector<HttpStep>& steps = {}) {
    return answer_all(begin_request(facts), steps);
  }

  /// Makes a call and answers its requests, in the order they were sent, with `steps`. The outcome is empty where the
  /// plugin still waits when the steps are used up, or where it waits without an open request.
  CallOutcome call(const CallFacts& facts, const std::vector<HttpStep>& steps = {}) {
    return answer_all(begin(facts), steps);
  }

  /// How the call ended; nullopt while it is open.
  [[nodiscard]] std::optional<CallOutcome> outcome(std::uint64_t call_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call_id);
    return found == calls_.end() ? std::nullopt : found->second.outcome;
  }

  [[nodiscard]] std::optional<std::uint64_t> first_open_request(std::uint64_t call_id) const {
    const std::lock_guard lock(mutex_);
    for (const SentRequest& request : requests_)
      if (request.open && request.call_id == call_id) return request.request_id;
    return std::nullopt;
  }

  /// Every request in the order sent.
  [[nodiscard]] std::vector<SentRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  void answer(std::uint64_t request_id, const HttpStep& step) {
    if (const auto* response = std::get_if<HttpAnswer>(&step)) return respond(request_id, *response);
    fail(request_id, std::get<CallError>(step));
  }

  /// The request's answer arrives, in parts where it was sent so. Ignored where the request is not open.
  void respond(std::uint64_t request_id, const HttpAnswer& answer) { respond(request_id, answer, answer.body); }

  /// The head of an answer in parts arrives; part() and end_parts() follow. Ignored where the request is not open.
  void respond_in_parts(std::uint64_t request_id, const HttpAnswer& head) { respond(request_id, head, std::nullopt); }

  /// The request ends without an answer. Ignored where the request is not open.
  void fail(std::uint64_t request_id, const CallError& error) {
    if (!close_request(request_id)) return;
    end_upload(request_id);
    on_main([&](LentBytes& lent) {
      http_->on_error(plugin_, request_id, lent.error(error, error_size()));
      return 0;
    });
  }

  /// What a call has streamed, whole; also after its end.
  [[nodiscard]] std::string streamed(std::uint64_t call_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = streamed_.find(call_id);
    return found == streamed_.end() ? std::string() : found->second;
  }
  /// What calls said of how far they are, in that order; outside 0 to 1: not known.
  [[nodiscard]] std::vector<std::pair<double, std::string>> progress() const {
    const std::lock_guard lock(mutex_);
    return progress_;
  }

  /// Any thread. What the plugin may do about it, it does when its next [main] function runs.
  void cancel(std::uint64_t call_id) { plugin_->cancel(plugin_, call_id); }

  /// The store answers, and requests of ended calls end as cancelled, as with a real host. Runs after every [main]
  /// function too.
  void settle() override {
    answer_services();
    answer_arrivals();
    answer_streams();
    answer_uploads();
    while (const std::optional<std::uint64_t> orphan = first_orphan()) {
      if (!close_request(*orphan)) continue;
      run([&](LentBytes& lent) {
        http_->on_error(plugin_, *orphan,
                        lent.error({.code = TRV_ERROR_CANCELLED, .message = "the call has ended"}, error_size()));
        return 0;
      });
    }
  }

  void deactivate() {
    if (stage_ != Stage::active) return;
    on_main([&](LentBytes&) {
      plugin_->deactivate(plugin_);
      return 0;
    });
    stage_ = Stage::created;
  }

  void destroy() {
    if (plugin_ == nullptr) return;
    run([&](LentBytes&) {
      plugin_->destroy(plugin_);
      return 0;
    });
    plugin_ = nullptr;
    stage_ = Stage::destroyed;
  }

  [[nodiscard]] const trv_plugin* plugin() const noexcept { return plugin_; }
  [[nodiscard]] std::vector<LogLine> log() const {
    const std::lock_guard lock(mutex_);
    return log_;
  }

 private:
  static FakeHost& of(const trv_host* host) { return static_cast<FakeHost&>(*static_cast<FakeCalls*>(host->context)); }

  CallOutcome answer_all(std::uint64_t call_id, const std::vector<HttpStep>& steps) {
    for (const HttpStep& step : steps)
      if (const auto open = first_open_request(call_id)) answer(*open, step);
    return outcome(call_id).value_or(CallOutcome{});
  }

  const void* get_extension(const char* name) {
    if (stage_ == Stage::created) note(std::string("get_extension(\"") + name + "\") before activate");
    if (stage_ == Stage::destroyed) note(std::string("get_extension(\"") + name + "\") after destroy");
    const std::string_view id = name;
    if (id == TRV_EXT_CALL) return &extended_call_.known;
    if (id == TRV_EXT_CALL_3) return &call_3_service_;
    if (id == TRV_EXT_LOG && shape_.offers_log) return &extended_log_.known;
    if (id == TRV_EXT_HTTP && shape_.offers_http) return &extended_http_.known;
    if (id == TRV_EXT_SERVE) return &serve_service_;
    if (const void* stream = stream_service(id)) return stream;
    if (const void* stream_2 = stream_2_service(id)) return stream_2;
    return service(id);
  }

  void respond(std::uint64_t request_id, HttpAnswer answer, const std::optional<std::string>& body) {
    const std::optional<SentRequest> request = open_request(request_id);
    if (!close_request(request_id)) return;
    end_upload(request_id);
    if (request->in_parts) answer.body.clear();
    if (request->in_parts) begin_parts(request->call_id, request_id, body);
    on_main([&](LentBytes& lent) {
      http_->on_response(plugin_, request_id,
                         lend(lent, answer, shape_.size_of<trv_http_response>(HostShape::Struct::response)));
      return 0;
    });
  }

  CallError copy(const trv_error* error) {
    std::vector<std::string> faults;
    CallError read = read_error(error, faults);
    for (std::string& fault : faults) note(std::move(fault));
    return read;
  }

  void on_fail_activation(const trv_error* error) {
    if (stage_ != Stage::activating) note("fail_activation outside of activate");
    activation_error_ = copy(error);
  }

  void on_complete(std::uint64_t call_id, trv_bytes output) {
    if (output.size > 1'000'000) note("an output is over 1,000,000 bytes");
    end(call_id, {.output = text_of(output)});
  }
  void on_respond(std::uint64_t call_id, const trv_serve_response* raw) {
    std::vector<std::string> faults;
    CallOutcome outcome = {.response = read_response(raw, faults)};
    for (std::string& fault : faults) note(std::move(fault));
    end(call_id, std::move(outcome));
  }
  void on_fail(std::uint64_t call_id, const trv_error* error) { end(call_id, {.error = copy(error)}); }

  void end(std::uint64_t call_id, CallOutcome outcome) override {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call_id);
    const std::string name = "call " + std::to_string(call_id);
    if (stage_ == Stage::destroyed) faults_.push_back(name + " was answered after destroy");
    if (found == calls_.end()) {
      faults_.push_back(name + " was answered, but never made");
    } else if (found->second.outcome) {
      faults_.push_back(name + " was answered twice");
    } else {
      if (!outcome.error && outcome.response.has_value() != found->second.is_request)
        faults_.push_back(name + (found->second.is_request ? " is a request, and was answered as an operation"
                                                           : " is of an operation, and was answered as a request"));
      found->second.outcome = std::move(outcome);
    }
  }

  void on_progress(std::uint64_t, double fraction, std::string text) {
    const std::lock_guard lock(mutex_);
    progress_.emplace_back(fraction, std::move(text));
  }
  void on_stream(std::uint64_t call_id, const std::string& text) {
    const std::lock_guard lock(mutex_);
    streamed_[call_id] += text;
  }

  void on_log(std::int32_t level, std::uint64_t call_id, trv_string message) {
    const std::lock_guard lock(mutex_);
    if (stage_ == Stage::destroyed) faults_.push_back("a log line was written after destroy");
    if (level < TRV_LOG_DEBUG || level > TRV_LOG_ERROR) faults_.push_back("a log line has an unknown level");
    log_.push_back({level, call_id, text_of(message)});
  }

  void set_body(std::uint64_t request_id, std::string body) override {
    const std::lock_guard lock(mutex_);
    const auto open = std::ranges::find_if(
        requests_, [&](const SentRequest& request) { return request.open && request.request_id == request_id; });
    if (open != requests_.end()) open->body = std::move(body);
  }

  void on_dropped(std::uint64_t request_id) override { static_cast<void>(close_request(request_id)); }

  void on_send(std::uint64_t call_id, std::uint64_t request_id, const trv_http_request* raw, bool in_parts) override {
    const std::lock_guard lock(mutex_);
    const std::string name = "request " + std::to_string(request_id);
    if (stage_ == Stage::destroyed) faults_.push_back(name + " was sent after destroy");
    if (raw == nullptr || raw->struct_size < TRV_HTTP_REQUEST_SIZE_V1) {
      faults_.push_back(name + ": trv_http_request is too short");
      return;
    }
    SentRequest request = read_request(call_id, request_id, *raw);
    request.in_parts = in_parts;
    if (in_parts && plugin_stream_ == nullptr)
      faults_.push_back(name + " is in parts, of a plugin without trv.stream/1");
    check(request, name);
    const auto call = calls_.find(call_id);
    if (call == calls_.end() || call->second.outcome) {
      faults_.push_back(name + " was sent for call " + std::to_string(call_id) + ", which is not open");
    } else if (request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS") {
      const std::uint32_t number = ++call->second.writes;
      request.idempotency_key = call->second.facts.idempotency_key + (number == 1 ? "" : "/" + std::to_string(number));
    }
    // As a kernel does, for a traceparent that is one.
    if (call != calls_.end() && call->second.facts.traceparent.size() == 55 && !request.header("traceparent"))
      request.headers.emplace_back("traceparent", call->second.facts.traceparent);
    requests_.push_back(std::move(request));
  }

  void check(const SentRequest& request, const std::string& name) {
    if (http_ == nullptr) faults_.push_back(name + " was sent by a plugin without trv.http/1");
    for (const std::string& fault : faults_of(request)) faults_.push_back(name + fault);
    for (const SentRequest& other : requests_)
      if (other.open && other.request_id == request.request_id) faults_.push_back(name + ": the id is in use");
  }

  std::optional<SentRequest> open_request(std::uint64_t request_id) const {
    const std::lock_guard lock(mutex_);
    for (const SentRequest& request : requests_)
      if (request.open && request.request_id == request_id) return request;
    return std::nullopt;
  }

  bool close_request(std::uint64_t request_id) {
    const std::lock_guard lock(mutex_);
    for (SentRequest& request : requests_)
      if (request.open && request.request_id == request_id) {
        request.open = false;
        return http_ != nullptr;
      }
    return false;
  }

  std::optional<std::uint64_t> first_orphan() const {
    const std::lock_guard lock(mutex_);
    for (const SentRequest& request : requests_) {
      if (!request.open) continue;
      const auto call = calls_.find(request.call_id);
      if (call == calls_.end() || call->second.outcome) return request.request_id;
    }
    return std::nullopt;
  }

  const trv_entry& entry_;
  // Each with room behind it: where the host says that it is of a later minor version, its structs are larger.
  Extended<trv_host> extended_host_ = {};
  Extended<trv_host_call> extended_call_ = {};
  trv_host_call_3 call_3_service_ = {};
  Extended<trv_host_log> extended_log_ = {};
  Extended<trv_host_http> extended_http_ = {};
  const trv_plugin_http* http_ = nullptr;
  trv_host_serve serve_service_ = {};
  const trv_plugin_serve* plugin_serve_ = nullptr;
  bool initialised_ = false;
  std::optional<CallError> activation_error_;
  std::uint64_t last_call_id_ = 0;

  std::vector<SentRequest> requests_;
  std::vector<LogLine> log_;
  std::map<std::uint64_t, std::string> streamed_;
  std::vector<std::pair<double, std::string>> progress_;
};

}  // namespace trv::conformance
