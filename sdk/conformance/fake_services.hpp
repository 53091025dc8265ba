#pragma once
// The services of a FakeHost (fake_host.hpp): time, store, blobs, signatures, events and spans. Header-only; C++20 and
// the standard library.

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/abi/ext/blob.h"
#include "sdk/abi/ext/event.h"
#include "sdk/abi/ext/kv.h"
#include "sdk/abi/ext/secret.h"
#include "sdk/abi/ext/timer.h"
#include "sdk/abi/ext/trace.h"
#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/fake_blobs.hpp"
#include "sdk/conformance/fake_calls.hpp"
#include "sdk/conformance/fake_store.hpp"
#include "sdk/conformance/host_shape.hpp"
#include "sdk/conformance/lent_bytes.hpp"

namespace trv::conformance {

class FakeServices : public FakeCalls {
 public:
  /// Timers of open calls whose time has not come, in the order they were set.
  [[nodiscard]] std::vector<SetTimer> timers() const {
    const std::lock_guard lock(mutex_);
    std::vector<SetTimer> open;
    for (const SetTimer& timer : timers_) {
      const auto call = calls_.find(timer.call_id);
      if (call != calls_.end() && !call->second.outcome) open.push_back(timer);
    }
    return open;
  }

  /// The time of a timer has come. Ignored where it is not open.
  void time_comes(std::uint64_t timer_id) {
    bool is_open = false;
    for (const SetTimer& timer : timers()) is_open = is_open || timer.timer_id == timer_id;
    if (!is_open || plugin_timer_ == nullptr) return;
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(timers_, [&](const SetTimer& timer) { return timer.timer_id == timer_id; });
    }
    on_main([&](LentBytes&) {
      plugin_timer_->on_time(plugin_, timer_id);
      return 0;
    });
  }

  /// What the plugin had signed, in that order. The signature is the text "signed".
  [[nodiscard]] std::vector<SignAsked> signatures() const {
    const std::lock_guard lock(mutex_);
    return signatures_;
  }
  /// What the plugin emitted, in that order. Its id is the call's idempotency key, '/' and how many the call emitted.
  [[nodiscard]] std::vector<EmittedEvent> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

  /// Every span, in the order in which they began.
  [[nodiscard]] std::vector<SpanFacts> spans() const {
    const std::lock_guard lock(mutex_);
    return spans_;
  }

  /// From here on store, blobs, signatures and events fail with this; nullopt: none does.
  void refuse_services(std::optional<CallError> error) { store_.fail_with(std::move(error)); }
  /// What the plugin has in its stores, and why they fail where a test wants that.
  [[nodiscard]] FakeStore& store() noexcept { return store_; }
  /// What the plugin keeps in blobs.
  [[nodiscard]] FakeBlobs& blobs() noexcept { return blobs_; }

 protected:
  explicit FakeServices(HostShape shape) : FakeCalls(shape) {
    timer_service_ = {.struct_size = sizeof(trv_host_timer),
                      .set = [](const trv_host* h, std::uint64_t call_id, std::uint64_t timer_id,
                                std::uint64_t after_ms) { of(h).on_set(call_id, timer_id, after_ms); }};
    kv_service_ = store_service<[](const trv_host* h, StoreAsked asked) { of(h).on_ask(std::move(asked)); }>();
    blob_service_ = blob_service<[](const trv_host* h, BlobAsked asked) { of(h).on_blob(std::move(asked)); }>();
    secret_service_ = {.struct_size = sizeof(trv_host_secret),
                       .sign = [](const trv_host* h, std::uint64_t call_id, std::uint64_t request_id, trv_string secret,
                                  std::int32_t kind, trv_bytes data) {
                         of(h).on_sign(request_id, {call_id, text_of(secret), kind, text_of(data)});
                       }};
    event_service_ = {.struct_size = sizeof(trv_host_event),
                      .emit = [](const trv_host* h, std::uint64_t call_id, std::uint64_t request_id,
                                 const trv_event* event) { of(h).on_emit(call_id, request_id, event); }};
    trace_service_ = {
        .struct_size = sizeof(trv_host_trace),
        .begin = [](const trv_host* h, std::uint64_t call_id, const trv_span* span) { of(h).on_begin(call_id, span); },
        .end = [](const trv_host* h, std::uint64_t call_id, std::uint64_t span_id) { of(h).on_end(call_id, span_id); }};
  }
  ~FakeServices() = default;

  /// Those of the plugin, once it is made.
  void find_services() {
    plugin_timer_ = static_cast<const trv_plugin_timer*>(plugin_->get_extension(plugin_, TRV_EXT_TIMER));
    plugin_kv_ = static_cast<const trv_plugin_kv*>(plugin_->get_extension(plugin_, TRV_EXT_KV));
    if (plugin_kv_ != nullptr && plugin_kv_->struct_size < TRV_PLUGIN_KV_SIZE_V1) note("trv_plugin_kv is too short");
    plugin_blob_ = static_cast<const trv_plugin_blob*>(plugin_->get_extension(plugin_, TRV_EXT_BLOB));
    if (plugin_blob_ != nullptr && plugin_blob_->struct_size < TRV_PLUGIN_BLOB_SIZE_V1)
      note("trv_plugin_blob is too short");
    plugin_secret_ = static_cast<const trv_plugin_secret*>(plugin_->get_extension(plugin_, TRV_EXT_SECRET));
    plugin_event_ = static_cast<const trv_plugin_event*>(plugin_->get_extension(plugin_, TRV_EXT_EVENT));
  }

  /// Those of the host; nullptr for any other id, and what the host does not offer.
  const void* service(std::string_view id) const noexcept {
    if (id == TRV_EXT_TIMER && shape_.offers_timer) return &timer_service_;
    if (id == TRV_EXT_KV && shape_.offers_kv) return &kv_service_;
    if (id == TRV_EXT_BLOB && shape_.offers_blob) return &blob_service_;
    if (id == TRV_EXT_SECRET && shape_.offers_secret) return &secret_service_;
    if (id == TRV_EXT_EVENT && shape_.offers_event) return &event_service_;
    if (id == TRV_EXT_TRACE && shape_.offers_trace) return &trace_service_;
    return nullptr;
  }

  /// The store, signatures and events answer what was asked since.
  void answer_services() {
    while (const std::function<void()> answer = next_answer()) answer();
  }

  template <typename F>
  std::int32_t on_main(F&& main_function) {
    const std::int32_t status = run(main_function);
    settle();
    return status;
  }

  /// Runs after every [main] function.
  virtual void settle() = 0;

 private:
  static FakeServices& of(const trv_host* host) {
    return static_cast<FakeServices&>(*static_cast<FakeCalls*>(host->context));
  }

  void on_ask(StoreAsked asked) {
    const std::lock_guard lock(mutex_);
    const OpenCall* call = check_asked(asked.call_id, asked.request_id, TRV_EXT_KV, plugin_kv_ != nullptr);
    if (call != nullptr) asked.tenant = call->facts.tenant;
    for (const std::string& fault : FakeStore::faults_of(asked))
      faults_.push_back("request " + std::to_string(asked.request_id) + ": " + fault);
    answers_.emplace_back([this, asked = std::move(asked)] { answer(asked); });
  }

  void on_blob(BlobAsked asked) {
    const std::lock_guard lock(mutex_);
    const OpenCall* call = check_asked(asked.call_id, asked.request_id, TRV_EXT_BLOB, plugin_blob_ != nullptr);
    if (call != nullptr) asked.tenant = call->facts.tenant;
    for (const std::string& fault : FakeBlobs::faults_of(asked))
      faults_.push_back("request " + std::to_string(asked.request_id) + ": " + fault);
    answers_.emplace_back([this, asked = std::move(asked)] { answer(asked); });
  }

  void on_sign(std::uint64_t request_id, SignAsked asked) {
    const std::lock_guard lock(mutex_);
    (void)check_asked(asked.call_id, request_id, TRV_EXT_SECRET, plugin_secret_ != nullptr);
    signatures_.push_back(std::move(asked));
    answers_.emplace_back([this, request_id] {
      give(plugin_secret_, request_id,
           [&](LentBytes& lent) { plugin_secret_->on_signature(plugin_, request_id, lent.bytes("signed")); });
    });
  }

  void on_emit(std::uint64_t call_id, std::uint64_t request_id, const trv_event* raw) {
    const std::lock_guard lock(mutex_);
    if (raw == nullptr || raw->struct_size < TRV_EVENT_SIZE_V1) {
      faults_.push_back("request " + std::to_string(request_id) + ": trv_event is too short");
      return;
    }
    EmittedEvent event = {call_id, {}, text_of(raw->type), text_of(raw->subject), text_of(raw->data)};
    if (OpenCall* call = check_asked(call_id, request_id, TRV_EXT_EVENT, plugin_event_ != nullptr))
      event.id = call->facts.idempotency_key + "/" + std::to_string(++call->events);
    if (!event.type.starts_with("com.")) faults_.push_back("an event's type does not begin with com.<plugin>.");
    answers_.emplace_back([this, request_id, id = event.id] {
      give(plugin_event_, request_id,
           [&](LentBytes& lent) { plugin_event_->on_emitted(plugin_, request_id, lent.text(id)); });
    });
    events_.push_back(std::move(event));
  }

  /// What a service answers, or why it refuses.
  template <typename Extension, typename Answer>
  void give(const Extension* extension, std::uint64_t request_id, Answer&& answer) {
    if (extension == nullptr) return;
    run([&](LentBytes& lent) {
      if (!store_.failure()) return answer(lent), 0;
      return extension->on_error(plugin_, request_id, lent.error(*store_.failure(), error_size())), 0;
    });
  }

  std::function<void()> next_answer() {
    const std::lock_guard lock(mutex_);
    if (answers_.empty()) return nullptr;
    std::function<void()> answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }

  void answer(const StoreAsked& asked) {
    if (plugin_kv_ == nullptr) return;
    const StoreAnswer answer = store_.answer(asked);
    run([&](LentBytes& lent) {
      if (answer.error) {
        plugin_kv_->on_error(plugin_, asked.request_id, lent.error(*answer.error, error_size()));
        return 0;
      }
      auto* entries = lent.array<trv_kv_entry>(answer.entries.size());
      for (std::size_t i = 0; i < answer.entries.size(); ++i)
        entries[i] = {lent.text(answer.entries[i].key), lent.bytes(answer.entries[i].value),
                      answer.entries[i].revision};
      auto* raw = lent.extended<trv_kv_answer>();
      *raw = {.struct_size = sizeof(trv_kv_answer),
              .entry_count = static_cast<std::uint32_t>(answer.entries.size()),
              .entries = entries,
              .has_more = answer.has_more ? 1U : 0U,
              .reserved = 0};
      plugin_kv_->on_answer(plugin_, asked.request_id, raw);
      return 0;
    });
  }

  void answer(const BlobAsked& asked) {
    give(plugin_blob_, asked.request_id, [&](LentBytes& lent) {
      const BlobAnswer answer = blobs_.answer(asked);
      if (answer.error)
        return plugin_blob_->on_error(plugin_, asked.request_id, lent.error(*answer.error, error_size()));
      auto* entries = lent.array<trv_blob_entry>(answer.entries.size());
      for (std::size_t i = 0; i < answer.entries.size(); ++i) {
        const BlobFacts& one = answer.entries[i];
        entries[i] = {lent.text(one.digest), one.bytes.size(), lent.text(one.media_type), lent.text(one.name)};
      }
      auto* raw = lent.extended<trv_blob_answer>();
      *raw = {.struct_size = sizeof(trv_blob_answer),
              .entry_count = static_cast<std::uint32_t>(answer.entries.size()),
              .entries = entries,
              .part = lent.bytes(answer.part),
              .has_more = answer.has_more ? 1U : 0U,
              .reserved = 0};
      plugin_blob_->on_answer(plugin_, asked.request_id, raw);
    });
  }

  void on_set(std::uint64_t call_id, std::uint64_t timer_id, std::uint64_t after_ms) {
    const std::lock_guard lock(mutex_);
    const std::string name = "timer " + std::to_string(timer_id);
    if (stage_ == Stage::destroyed) faults_.push_back(name + " was set after destroy");
    if (plugin_timer_ == nullptr) faults_.push_back(name + " was set by a plugin without trv.timer/1");
    const auto call = calls_.find(call_id);
    if (call == calls_.end() || call->second.outcome)
      faults_.push_back(name + " was set for call " + std::to_string(call_id) + ", which is not open");
    timers_.push_back({.call_id = call_id, .timer_id = timer_id, .after_ms = after_ms});
  }

  void on_begin(std::uint64_t call_id, const trv_span* raw) {
    const std::lock_guard lock(mutex_);
    if (stage_ == Stage::destroyed) faults_.push_back("a span was begun after destroy");
    if (raw == nullptr || raw->struct_size < TRV_SPAN_SIZE_V1) {
      faults_.push_back("call " + std::to_string(call_id) + ": trv_span is too short");
      return;
    }
    SpanFacts span = {call_id, raw->span_id, raw->parent_id, text_of(raw->name)};
    for (std::uint32_t i = 0; i < raw->attribute_count; ++i)
      span.attributes.emplace_back(text_of(raw->attributes[i].name), text_of(raw->attributes[i].value));
    for (const SpanFacts& other : spans_)
      if (other.call_id == call_id && other.span_id == span.span_id)
        faults_.push_back("span " + std::to_string(span.span_id) + " was begun twice");
    spans_.push_back(std::move(span));
  }

  void on_end(std::uint64_t call_id, std::uint64_t span_id) {
    const std::lock_guard lock(mutex_);
    if (stage_ == Stage::destroyed) faults_.push_back("a span was ended after destroy");
    for (SpanFacts& span : spans_)
      if (span.call_id == call_id && span.span_id == span_id) span.has_ended = true;
  }

  trv_host_timer timer_service_ = {};
  trv_host_trace trace_service_ = {};
  trv_host_kv kv_service_ = {};
  trv_host_blob blob_service_ = {};
  trv_host_secret secret_service_ = {};
  trv_host_event event_service_ = {};
  const trv_plugin_timer* plugin_timer_ = nullptr;
  const trv_plugin_kv* plugin_kv_ = nullptr;
  const trv_plugin_blob* plugin_blob_ = nullptr;
  const trv_plugin_secret* plugin_secret_ = nullptr;
  const trv_plugin_event* plugin_event_ = nullptr;
  FakeStore store_;
  FakeBlobs blobs_;
  std::vector<SetTimer> timers_;
  std::deque<std::function<void()>> answers_;
  std::vector<SignAsked> signatures_;
  std::vector<EmittedEvent> events_;
  std::vector<SpanFacts> spans_;
};

}  // namespace trv::conformance
