#pragma once
// One activated plugin instance between the ABI and the author's class: open calls, exactly one answer for each; what
// they ask of the host is in requests.hpp. Authors do not use it; they write a Plugin (plugin.hpp). C++20.
//
// Threads: as the ABI says. Everything runs serially on [main] but cancel(), which comes from any thread and touches
// only what mutex_ guards. The host is never called with the mutex held. Frames are destroyed on [main] only.

#include <coroutine>
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
#include "sdk/abi/ext/health.h"
#include "sdk/abi/ext/operation.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/ext/state.h"
#include "sdk/abi/plugin.h"
#include "sdk/cpp/abi_values.hpp"
#include "sdk/cpp/call.hpp"
#include "sdk/cpp/requests.hpp"
#include "sdk/cpp/task.hpp"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

inline constexpr std::size_t output_bytes_max = 1'000'000;

class Session : public Requests {
 public:
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  [[nodiscard]] const trv_plugin* plugin() const noexcept { return &plugin_; }

 protected:
  explicit Session(const trv_host* host) noexcept : Requests(host) {
    plugin_ = {.struct_size = sizeof(trv_plugin),
               .instance = static_cast<Requests*>(this),
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
  static Session& of(const trv_plugin* plugin) noexcept {
    return static_cast<Session&>(*static_cast<Requests*>(plugin->instance));
  }

  const void* extension(const char* id) const noexcept {
    static constexpr trv_plugin_operation operation = {
        .struct_size = sizeof(trv_plugin_operation),
        .count = [](const trv_plugin* p) noexcept { return of(p).operation_count(); },
        .name = [](const trv_plugin* p, std::uint32_t index) noexcept { return borrow(of(p).operation_name(index)); }};
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
    if (std::string_view(id) == TRV_EXT_OPERATION) return &operation;
    return answers_extension(id);
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

  std::int32_t activate(trv_bytes configuration) noexcept {
    bind_services();
    call_ = service<trv_host_call>(TRV_EXT_CALL, TRV_HOST_CALL_SIZE_V1);
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
    host()->fail_activation(host(), &error);
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

  void before_main() noexcept final { destroy_cancelled(); }

  void wake(std::uint64_t call_id, std::coroutine_handle<> waiter) noexcept final {
    OpenCall* call = nullptr;
    {
      const std::lock_guard lock(mutex_);
      const auto open = calls_.find(call_id);
      if (open == calls_.end()) return;
      call = open->second.get();
      call->running = true;
    }
    resume(*call, waiter);
  }

  std::string_view connection_of(std::uint64_t call_id) noexcept final {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call_id);
    return found == calls_.end() ? std::string_view() : std::string_view(found->second->call.connection());
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
    if (auto* ended = std::get_if<Ended>(&outcome)) {
      if (ended->failure) return fail(call_id, *ended->failure);
      return writing().end(call_id, ended->stream_id);
    }
    const std::string& output = std::get<std::string>(outcome);
    if (output.size() > output_bytes_max) {
      Failure failure;
      failure.code = Code::too_large;
      failure.message.assign("the output is over 1,000,000 bytes");
      return fail(call_id, failure);
    }
    call_->complete(host(), call_id, borrow_bytes(output));
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
      serve_->respond(host(), call_id, &raw);
    } catch (...) {
      fail(call_id, failure_of_current_exception());
    }
  }

  void fail(std::uint64_t call_id, const Failure& failure) noexcept {
    const trv_error error = borrow(failure);
    call_->fail(host(), call_id, &error);
  }

  void fail_cancelled(std::uint64_t call_id) noexcept {
    const trv_error error = cancelled_error();
    call_->fail(host(), call_id, &error);
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
  const trv_host_call* call_ = nullptr;
  const trv_host_serve* serve_ = nullptr;

  std::string lent_;   // [main] what the host has borrowed
  std::string state_;  // [main] the same

  std::mutex mutex_;
  OpenCalls calls_;      // open, not answered
  OpenCalls cancelled_;  // answered by cancel(); their frames wait for [main] to be destroyed
};

}  // namespace trv::sdk
