#pragma once
// One activated plugin instance between the ABI and the author's class: open calls, open requests, exactly one answer
// for each call. Authors do not use it; they write a Plugin (plugin.hpp). C++20.
//
// Threads: as the ABI says. Everything runs serially on [main] but cancel(), which comes from any thread and touches
// only what mutex_ guards. The host is never called with the mutex held. Frames are destroyed on [main] only.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/event.h"
#include "sdk/abi/ext/health.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/kv.h"
#include "sdk/abi/ext/log.h"
#include "sdk/abi/ext/operation.h"
#include "sdk/abi/ext/secret.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/ext/state.h"
#include "sdk/abi/ext/timer.h"
#include "sdk/abi/plugin.h"
#include "sdk/cpp/abi_values.hpp"
#include "sdk/cpp/call.hpp"
#include "sdk/cpp/task.hpp"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

inline constexpr std::size_t output_bytes_max = 1'000'000;

class Session : public CallServices {
 public:
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  [[nodiscard]] const trv_plugin* plugin() const noexcept { return &plugin_; }

  std::uint64_t send(std::uint64_t call_id, const Request& request) final {
    std::vector<trv_header> headers;
    for (const Header& header : request.headers()) headers.push_back({borrow(header.name), borrow(header.value)});
    const std::uint64_t request_id = ++last_request_id_;
    Waiting& waiting = requests_[request_id];
    waiting.call_id = call_id;
    if (http_ == nullptr) {
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
    http_->send(host_, call_id, request_id, &raw);
    return request_id;
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

  void forget(std::uint64_t request_id) noexcept final { requests_.erase(request_id); }

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

  void write_log(Level level, std::uint64_t call_id, std::string_view text) const noexcept final {
    if (log_ != nullptr) log_->write(host_, static_cast<std::int32_t>(level), call_id, borrow(text));
  }

 protected:
  explicit Session(const trv_host* host) noexcept : host_(host) {
    plugin_ = {.struct_size = sizeof(trv_plugin),
               .instance = this,
               .activate = [](const trv_plugin* p, trv_bytes config) noexcept { return of(p).activate(config); },
               .invoke = [](const trv_plugin* p, const trv_call* call) noexcept { of(p).invoke(*call); },
               .cancel = [](const trv_plugin* p, std::uint64_t call_id) noexcept { of(p).cancel(call_id); },
               .deactivate = [](const trv_plugin* p) noexcept { of(p).deactivate(); },
               .destroy =
                   [](const trv_plugin* p) noexcept {
                     Session* session = &of(p);
                     session->end_all_calls();
                     delete session;
                   },
               .get_extension = [](const trv_plugin* p, const char* id) noexcept { return of(p).extension(id); }};
  }

  /// The author's side. All may throw.
  virtual std::optional<Failure> on_activate(std::string_view configuration) = 0;
  virtual void on_deactivate() = 0;
  virtual Outcome on_save() = 0;
  virtual std::optional<Failure> on_restore(std::string_view version, std::string_view state) = 0;
  virtual std::optional<Failure> on_check() = 0;
  /// The coroutine of the operation, not yet running; nullopt for an unknown operation.
  virtual std::optional<Task> start(Call& call) = 0;
  /// The same for a request over HTTP; nullopt where the author's class serves none.
  virtual std::optional<Task> start_serving(Call& call) = 0;
  /// What follows does not throw. Whether the class has trv.serve/1, trv.state/1, trv.health/1.
  virtual bool serves() const noexcept = 0;
  virtual bool keeps_state() const noexcept = 0;
  virtual bool checks_health() const noexcept = 0;
  virtual std::uint32_t operation_count() const noexcept = 0;
  virtual std::string_view operation_name(std::uint32_t index) const noexcept = 0;

 private:
  struct OpenCall {
    OpenCall(CallServices& services, Call::Facts facts) : call(services, std::move(facts)) {}
    Call call;
    std::optional<Task> task;
    bool running = true;  // its coroutine is on the stack of [main], or about to be
  };
  using OpenCalls = std::unordered_map<std::uint64_t, std::unique_ptr<OpenCall>>;
  struct Waiting {
    std::uint64_t call_id = 0;
    std::coroutine_handle<> waiter = nullptr;
    std::optional<Arrival> result = std::nullopt;
  };

  static Session& of(const trv_plugin* plugin) noexcept { return *static_cast<Session*>(plugin->instance); }

  const void* extension(const char* id) const noexcept {
    static constexpr trv_plugin_http http = {
        .struct_size = sizeof(trv_plugin_http),
        .on_response = [](const trv_plugin* p, std::uint64_t request_id,
                          const trv_http_response* response) noexcept { of(p).on_response(request_id, *response); },
        .on_error = [](const trv_plugin* p, std::uint64_t request_id,
                       const trv_error* error) noexcept { of(p).on_error(request_id, *error); }};
    static constexpr trv_plugin_operation operation = {
        .struct_size = sizeof(trv_plugin_operation),
        .count = [](const trv_plugin* p) noexcept { return of(p).operation_count(); },
        .name = [](const trv_plugin* p, std::uint32_t index) noexcept { return borrow(of(p).operation_name(index)); }};
    static constexpr trv_plugin_timer timer = {
        .struct_size = sizeof(trv_plugin_timer),
        .on_time = [](const trv_plugin* p, std::uint64_t timer_id) noexcept { of(p).deliver(timer_id, Response{}); }};
    static constexpr trv_plugin_kv kv = {
        .struct_size = sizeof(trv_plugin_kv),
        .on_answer = [](const trv_plugin* p, std::uint64_t request_id,
                        const trv_kv_answer* answer) noexcept { of(p).on_answer(request_id, *answer); },
        .on_error = http.on_error};
    static constexpr trv_plugin_secret secret = {
        .struct_size = sizeof(trv_plugin_secret),
        .on_signature = [](const trv_plugin* p, std::uint64_t request_id,
                           trv_bytes bytes) noexcept { of(p).on_text<Signature>(request_id, view(bytes)); },
        .on_error = http.on_error};
    static constexpr trv_plugin_event event = {
        .struct_size = sizeof(trv_plugin_event),
        .on_emitted = [](const trv_plugin* p, std::uint64_t request_id,
                         trv_string text) noexcept { of(p).on_text<Emitted>(request_id, view(text)); },
        .on_error = http.on_error};
    static constexpr trv_plugin_serve serve = {
        .struct_size = sizeof(trv_plugin_serve),
        .serve = [](const trv_plugin* p, const trv_serve_request* request) noexcept { of(p).serve(*request); }};
    static constexpr trv_plugin_state state = {
        .struct_size = sizeof(trv_plugin_state),
        .save = [](const trv_plugin* p, trv_bytes* bytes) noexcept { return of(p).save(bytes); },
        .restore =
            [](const trv_plugin* p, trv_string version, trv_bytes bytes) noexcept {
              return of(p).said([&](Session& s) { return s.on_restore(view(version), view(bytes)); });
            }};
    static constexpr trv_plugin_health health = {
        .struct_size = sizeof(trv_plugin_health),
        .check = [](const trv_plugin* p) noexcept { return of(p).said([](Session& s) { return s.on_check(); }); }};
    if (std::string_view(id) == TRV_EXT_STATE) return keeps_state() ? &state : nullptr;
    if (std::string_view(id) == TRV_EXT_HEALTH) return checks_health() ? &health : nullptr;
    if (std::string_view(id) == TRV_EXT_SERVE) return serves() ? &serve : nullptr;
    if (std::string_view(id) == TRV_EXT_SECRET) return &secret;
    if (std::string_view(id) == TRV_EXT_EVENT) return &event;
    if (std::string_view(id) == TRV_EXT_TIMER) return &timer;
    if (std::string_view(id) == TRV_EXT_OPERATION) return &operation;
    if (std::string_view(id) == TRV_EXT_KV) return &kv;
    return std::string_view(id) == TRV_EXT_HTTP ? &http : nullptr;
  }

  /// What the author's side says is wrong, kept for the host; empty: nothing.
  template <typename Ask>
  trv_string said(Ask ask) noexcept {
    destroy_cancelled();
    std::optional<Failure> failure;
    try {
      failure = ask(*this);
    } catch (...) {
      failure = failure_of_current_exception();
    }
    lent_.clear();
    if (failure) lent_ = failure->message.empty() ? "it does not say why" : std::move(failure->message);
    return borrow(std::string_view(lent_));
  }

  trv_string save(trv_bytes* bytes) noexcept {
    state_.clear();
    const trv_string problem = said([this](Session& s) -> std::optional<Failure> {
      Outcome outcome = s.on_save();
      if (auto* failure = std::get_if<Failure>(&outcome)) return std::move(*failure);
      state_ = std::move(std::get<std::string>(outcome));
      return std::nullopt;
    });
    *bytes = borrow_bytes(state_);
    return problem;
  }

  /// nullptr where the host does not have it, or has it smaller than version 1.
  template <typename T>
  const T* service(const char* id, std::uint32_t size_v1) const noexcept {
    const auto* table = static_cast<const T*>(host_->get_extension(host_, id));
    return table != nullptr && table->struct_size >= size_v1 ? table : nullptr;
  }

  std::int32_t activate(trv_bytes configuration) noexcept {
    call_ = service<trv_host_call>(TRV_EXT_CALL, TRV_HOST_CALL_SIZE_V1);
    call_2_ = service<trv_host_call_2>(TRV_EXT_CALL_2, TRV_HOST_CALL_2_SIZE_V1);
    log_ = service<trv_host_log>(TRV_EXT_LOG, TRV_HOST_LOG_SIZE_V1);
    metrics_ = service<trv_host_metrics>(TRV_EXT_METRICS, TRV_HOST_METRICS_SIZE_V1);
    http_ = service<trv_host_http>(TRV_EXT_HTTP, TRV_HOST_HTTP_SIZE_V1);
    timer_ = service<trv_host_timer>(TRV_EXT_TIMER, TRV_HOST_TIMER_SIZE_V1);
    kv_ = service<trv_host_kv>(TRV_EXT_KV, TRV_HOST_KV_SIZE_V1);
    secret_ = service<trv_host_secret>(TRV_EXT_SECRET, TRV_HOST_SECRET_SIZE_V1);
    event_ = service<trv_host_event>(TRV_EXT_EVENT, TRV_HOST_EVENT_SIZE_V1);
    serve_ = service<trv_host_serve>(TRV_EXT_SERVE, TRV_HOST_SERVE_SIZE_V1);
    std::optional<Failure> failure;
    if (call_ == nullptr) {
      failure.emplace();
      failure->message.assign("this host offers no trv.call/1");
    } else {
      try {
        failure = on_activate(view(configuration));
      } catch (...) {
        failure = failure_of_current_exception();
      }
    }
    if (!failure) return 0;
    const trv_error error = borrow(*failure);
    host_->fail_activation(host_, &error);
    return 1;
  }

  void invoke(const trv_call& raw) noexcept {
    if (raw.struct_size < TRV_CALL_SIZE_V1) return too_short(raw.call_id, "trv_call");
    run(raw.call_id, [&] { return sdk::facts_of(raw); }, [this](Call& call) { return start(call); });
  }

  void serve(const trv_serve_request& raw) noexcept {
    if (raw.struct_size < TRV_SERVE_REQUEST_SIZE_V1) return too_short(raw.call_id, "trv_serve_request");
    run(raw.call_id, [&] { return facts_of(raw); }, [this](Call& call) { return start_serving(call); });
  }

  void too_short(std::uint64_t call_id, const char* what) noexcept {
    if (call_ == nullptr) return;
    Failure failure;
    failure.message.assign("the host's ").append(what).append(" is too short");
    fail(call_id, failure);
  }

  template <typename Facts, typename Start>
  void run(std::uint64_t call_id, Facts facts, Start start_call) noexcept {
    destroy_cancelled();
    if (call_ == nullptr) return;
    std::unique_ptr<OpenCall> open;
    try {
      open = std::make_unique<OpenCall>(*this, facts());
      OpenCall& call = *open;
      if (!insert(call_id, open))
        return write_log(Level::error, call_id, "the host used the id of an open call again; the second is ignored");
      call.task = start_call(call.call);
      if (call.task) return resume(call, call.task->frame());
      open = release(call_id);
      fail(call_id, {.code = Code::not_found, .message = "no operation \"" + call.call.operation() + "\""});
    } catch (...) {
      open = release(call_id);
      fail(call_id, failure_of_current_exception());
    }
  }

  void cancel(std::uint64_t call_id) noexcept {
    {
      const std::lock_guard lock(mutex_);
      const auto found = calls_.find(call_id);
      if (found == calls_.end()) return;
      found->second->call.mark_cancelled();
      if (found->second->running) return;
      cancelled_.insert(calls_.extract(found));
    }
    fail_cancelled(call_id);
  }

  void deactivate() noexcept {
    end_all_calls();
    try {
      on_deactivate();
    } catch (...) {
      write_log(Level::error, 0, failure_of_current_exception().message);
    }
  }

  void on_response(std::uint64_t request_id, const trv_http_response& raw) noexcept {
    try {
      if (raw.struct_size < TRV_HTTP_RESPONSE_SIZE_V1)
        return deliver(request_id, Failure{.message = "the host's trv_http_response is too short"});
      deliver(request_id, copy(raw));
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

  template <typename Answer>
  void on_text(std::uint64_t request_id, std::string_view text) noexcept {
    try {
      deliver(request_id, Answer{std::string(text)});
    } catch (...) {
      deliver(request_id, failure_of_current_exception());
    }
  }

  void on_error(std::uint64_t request_id, const trv_error& raw) noexcept {
    try {
      deliver(request_id, copy(raw));
    } catch (...) {
      deliver(request_id, failure_of_current_exception());
    }
  }

  void deliver(std::uint64_t request_id, Arrival result) noexcept {
    destroy_cancelled();
    const auto found = requests_.find(request_id);
    if (found == requests_.end() || found->second.result) return;
    found->second.result = std::move(result);
    const std::coroutine_handle<> waiter = found->second.waiter;
    if (!waiter) return;
    OpenCall* call = nullptr;
    {
      const std::lock_guard lock(mutex_);
      const auto open = calls_.find(found->second.call_id);
      if (open == calls_.end()) return;
      call = open->second.get();
      call->running = true;
    }
    resume(*call, waiter);
  }

  /// Runs the call's coroutine on from `frame`, which is its own or that of a part, and answers where it ended.
  void resume(OpenCall& call, std::coroutine_handle<> frame) noexcept {
    const std::uint64_t call_id = call.call.id();
    frame.resume();
    if (call.task->done()) {
      Outcome outcome = call.task->take_outcome();
      release(call_id).reset();
      answer(call_id, std::move(outcome));
      return;
    }
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      call.running = false;
      cancelled = call.call.cancelled();
    }
    if (!cancelled) return;
    release(call_id).reset();
    fail_cancelled(call_id);
  }

  /// Takes the call over, unless one of that id is open.
  bool insert(std::uint64_t call_id, std::unique_ptr<OpenCall>& call) {
    const std::lock_guard lock(mutex_);
    return calls_.try_emplace(call_id, std::move(call)).second;
  }

  std::unique_ptr<OpenCall> release(std::uint64_t call_id) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call_id);
    if (found == calls_.end()) return nullptr;
    std::unique_ptr<OpenCall> call = std::move(found->second);
    calls_.erase(found);
    return call;
  }

  /// Frees the frames of calls that cancel() answered.
  void destroy_cancelled() noexcept {
    OpenCalls dead;
    const std::lock_guard lock(mutex_);
    dead.swap(cancelled_);
  }

  void end_all_calls() noexcept {
    destroy_cancelled();
    OpenCalls open;
    {
      const std::lock_guard lock(mutex_);
      open.swap(calls_);
    }
    for (auto& [call_id, call] : open) {
      call.reset();
      fail_cancelled(call_id);
    }
  }

  void answer(std::uint64_t call_id, Outcome outcome) noexcept {
    if (auto* failure = std::get_if<Failure>(&outcome)) return fail(call_id, *failure);
    if (auto* response = std::get_if<Response>(&outcome)) return respond(call_id, *response);
    const std::string& output = std::get<std::string>(outcome);
    if (output.size() > output_bytes_max) {
      Failure failure;
      failure.code = Code::too_large;
      failure.message.assign("the output is over 1,000,000 bytes");
      return fail(call_id, failure);
    }
    call_->complete(host_, call_id, borrow_bytes(output));
  }

  void respond(std::uint64_t call_id, const Response& response) noexcept {
    try {
      if (serve_ == nullptr) return fail(call_id, {.message = "this host takes no responses (trv.serve/1)"});
      std::vector<trv_header> headers;
      for (const Header& header : response.headers) headers.push_back({borrow(header.name), borrow(header.value)});
      const trv_serve_response raw = {.struct_size = sizeof(trv_serve_response),
                                      .status = static_cast<std::uint32_t>(response.status),
                                      .header_count = static_cast<std::uint32_t>(headers.size()),
                                      .reserved = 0,
                                      .headers = headers.data(),
                                      .body = borrow_bytes(response.body)};
      serve_->respond(host_, call_id, &raw);
    } catch (...) {
      fail(call_id, failure_of_current_exception());
    }
  }

  void fail(std::uint64_t call_id, const Failure& failure) noexcept {
    const trv_error error = borrow(failure);
    call_->fail(host_, call_id, &error);
  }

  void fail_cancelled(std::uint64_t call_id) noexcept {
    const trv_error error = cancelled_error();
    call_->fail(host_, call_id, &error);
  }

  std::string_view connection_of(std::uint64_t call_id) {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call_id);
    return found == calls_.end() ? std::string_view() : std::string_view(found->second->call.connection());
  }

  static Call::Facts facts_of(const trv_serve_request& raw) {
    Call::Facts facts;
    facts.id = raw.call_id;
    facts.timeout_ms = raw.timeout_ms;
    facts.tenant = view(raw.tenant);
    facts.idempotency_key = view(raw.idempotency_key);
    facts.traceparent = view(raw.traceparent);
    facts.request = {.principal = std::string(view(raw.principal)),
                     .principal_name = std::string(view(raw.principal_name)),
                     .role = std::string(view(raw.role)),
                     .method = std::string(view(raw.method)),
                     .path = std::string(view(raw.path)),
                     .query = std::string(view(raw.query)),
                     .headers = {},
                     .body = std::string(view(raw.body))};
    for (std::uint32_t i = 0; i < raw.header_count; ++i)
      facts.request.headers.push_back(
          {std::string(view(raw.headers[i].name)), std::string(view(raw.headers[i].value))});
    return facts;
  }

  trv_plugin plugin_ = {};
  const trv_host* host_;
  const trv_host_call* call_ = nullptr;
  const trv_host_call_2* call_2_ = nullptr;
  const trv_host_log* log_ = nullptr;
  const trv_host_metrics* metrics_ = nullptr;
  const trv_host_http* http_ = nullptr;
  const trv_host_timer* timer_ = nullptr;
  const trv_host_kv* kv_ = nullptr;
  const trv_host_secret* secret_ = nullptr;
  const trv_host_event* event_ = nullptr;
  const trv_host_serve* serve_ = nullptr;

  std::string lent_;   // [main] what the host has borrowed
  std::string state_;  // [main] the same

  std::uint64_t last_request_id_ = 0;                    // [main]
  std::unordered_map<std::uint64_t, Waiting> requests_;  // [main]

  std::mutex mutex_;
  OpenCalls calls_;      // open, not answered
  OpenCalls cancelled_;  // answered by cancel(); their frames wait for [main] to be destroyed
};

}  // namespace trv::sdk
