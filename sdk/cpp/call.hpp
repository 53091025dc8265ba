#pragma once
// One call of an operation, as the plugin author sees it. C++20.

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sdk/abi/ext/kv.h"
#include "sdk/abi/ext/metrics.h"
#include "sdk/abi/ext/secret.h"
#include "sdk/abi/plugin.h"
#include "sdk/cpp/abi_values.hpp"
#include "sdk/cpp/values.hpp"
#include "sdk/cpp/web.hpp"

namespace trv::sdk {

enum class Level : std::int32_t { debug = 0, info = 1, warning = 2, error = 3 };

/// A request to the plugin's store. Borrowed texts.
struct StoreRequest {
  enum class Action { get, put, erase, list };
  Action action = Action::get;
  std::string_view key = {};  ///< of list: the prefix
  std::string_view value = {};
  std::uint64_t expected = TRV_KV_ANY;
  std::string_view after = {};
  std::uint32_t count_max = 0;
};

/// A request about the plugin's blobs. Borrowed texts and bytes.
struct BlobRequest {
  enum class Action { write, store, read, erase, list };
  Action action = Action::read;
  std::uint64_t writing_id = 0;
  std::string_view bytes = {};  ///< of write; any number
  std::string_view media_type = {};
  std::string_view name = {};
  std::string_view digest = {};  ///< of list: what comes behind it
  std::uint64_t offset = 0;
  std::uint32_t count_max = 0;  ///< of read: bytes
};

enum class SignatureKind : std::int32_t {
  hmac_sha256 = TRV_SIGNATURE_HMAC_SHA256,
  ed25519 = TRV_SIGNATURE_ED25519,
  rsa_sha256 = TRV_SIGNATURE_RSA_SHA256,
};

/// At most 4, as name and value.
using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

/// At most 8, as name and value.
using Attributes = std::vector<std::pair<std::string_view, std::string_view>>;

/// What a Call needs of the instance that it runs in; Session implements it.
class CallServices {
 public:
  /// Sends at once; returns the id of the request.
  virtual std::uint64_t send(std::uint64_t call_id, const Request& request) = 0;
  /// The same, with the answer in parts: what arrives is its head, and the id is that of the stream.
  virtual std::uint64_t send_in_parts(std::uint64_t call_id, const Request& request) = 0;
  /// Begins to wait for the next part.
  virtual std::uint64_t next_part(std::uint64_t call_id, std::uint64_t stream_id) = 0;
  virtual void drop(std::uint64_t call_id, std::uint64_t stream_id) noexcept = 0;
  /// Begins to wait at once; the answer, once the time has come, is an empty one.
  virtual std::uint64_t wait(std::uint64_t call_id, std::uint64_t after_ms) = 0;
  virtual std::uint64_t ask(std::uint64_t call_id, const StoreRequest& request) = 0;
  virtual std::uint64_t ask(std::uint64_t call_id, const BlobRequest& request) = 0;
  virtual void drop_blob(std::uint64_t call_id, std::uint64_t writing_id) noexcept = 0;
  /// For what the plugin names by a number of its own.
  virtual std::uint64_t new_id() noexcept = 0;
  virtual std::uint64_t sign(std::uint64_t call_id, std::string_view secret, SignatureKind kind,
                             std::string_view data) = 0;
  virtual std::uint64_t emit(std::uint64_t call_id, std::string_view type, std::string_view subject,
                             std::string_view data) = 0;
  /// Sends the head at once; returns the id of the stream.
  virtual std::uint64_t respond_in_parts(std::uint64_t call_id, const Response& head) = 0;
  virtual std::uint64_t write(std::uint64_t stream_id, std::string_view bytes) = 0;
  struct UploadIds {
    std::uint64_t request_id = 0;
    std::uint64_t stream_id = 0;  ///< of the body
  };
  /// Sends the head at once; what is written to the stream is the body.
  virtual UploadIds upload(std::uint64_t call_id, const Request& request, std::optional<std::uint64_t> length,
                           bool answer_in_parts) = 0;
  virtual void end_upload(std::uint64_t stream_id) = 0;
  /// Returns the id of the stream. Once; `whole` is what came already.
  virtual std::uint64_t read_body(std::uint64_t call_id, std::string_view whole) = 0;
  virtual Ended end_parts(std::uint64_t stream_id) const = 0;
  virtual void forget_parts(std::uint64_t stream_id) noexcept = 0;
  virtual bool arrived(std::uint64_t request_id) const noexcept = 0;
  virtual void await(std::uint64_t request_id, std::coroutine_handle<> waiter) noexcept = 0;
  /// Only after it arrived.
  virtual Arrival take(std::uint64_t request_id) = 0;
  /// The answer is not wanted any more.
  virtual void forget(std::uint64_t request_id) noexcept = 0;
  virtual void record(trv_metric metric, std::string_view name, double value, const Labels& labels) const noexcept = 0;
  virtual void progress(std::uint64_t call_id, double fraction, std::string_view text) const noexcept = 0;
  /// Gives the span's id.
  virtual std::uint64_t begin_span(std::uint64_t call_id, std::uint64_t parent_id, std::string_view name,
                                   const Attributes& attributes) const noexcept = 0;
  virtual void end_span(std::uint64_t call_id, std::uint64_t span_id) const noexcept = 0;
  virtual void stream(std::uint64_t call_id, std::string_view text) const noexcept = 0;
  virtual void write_log(Level level, std::uint64_t call_id, std::string_view text) const noexcept = 0;

 protected:
  ~CallServices() = default;
};

/// A named part of a call, whose time the host takes (trv.trace/1), from here to end() or its destruction. Lives no
/// longer than the call. Any thread.
class [[nodiscard]] Span {
 public:
  Span(const CallServices& services, std::uint64_t call_id, std::uint64_t parent_id, std::string_view name,
       const Attributes& attributes) noexcept
      : services_(&services), call_id_(call_id), id_(services.begin_span(call_id, parent_id, name, attributes)) {}
  Span(Span&& other) noexcept
      : services_(std::exchange(other.services_, nullptr)), call_id_(other.call_id_), id_(other.id_) {}
  Span& operator=(Span&&) = delete;
  ~Span() { end(); }

  /// The second time does nothing.
  void end() noexcept {
    if (services_ != nullptr) std::exchange(services_, nullptr)->end_span(call_id_, id_);
  }
  /// A part of this part. Only before end().
  Span span(std::string_view name, const Attributes& attributes = {}) const noexcept {
    return {*services_, call_id_, id_, name, attributes};
  }

 private:
  const CallServices* services_;
  std::uint64_t call_id_;
  std::uint64_t id_;
};

/// A request that was sent, and its answer once it was waited for:
///
///   auto sent = call.http(get("/things"));
///   co_await sent;
///   if (!sent) co_return sent.failure();
///
/// co_await takes a named Asked only and gives nothing back, so that it is always a statement of its own: g++ 12
/// destroys temporaries of a larger expression twice. Several may be on their way at the same time; dropping one means
/// that its answer is not wanted. Lives in a coroutine of the call that sent it.
template <typename T>
class [[nodiscard]] Asked {
 public:
  Asked(CallServices& services, std::uint64_t request_id) noexcept : services_(services), request_id_(request_id) {}
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
  ~Asked() { services_.forget(request_id_); }

  /// Whether an answer arrived, for HTTP whatever its status; false before co_await.
  [[nodiscard]] explicit operator bool() const noexcept { return std::holds_alternative<T>(result_); }
  /// Only where an answer arrived; throws std::bad_variant_access otherwise, which ends the call as internal.
  [[nodiscard]] const T& operator*() const { return std::get<T>(result_); }
  [[nodiscard]] const T* operator->() const { return &std::get<T>(result_); }
  /// Only where none arrived. Before co_await: internal.
  [[nodiscard]] const Failure& failure() const { return std::get<Failure>(result_); }

 private:
  template <typename>
  friend class Awaiter;
  CallServices& services_;
  std::uint64_t request_id_;
  bool is_taken_ = false;
  std::variant<T, Failure> result_ = Failure{.message = "the answer was read before co_await"};
};

/// Of HTTP.
using Exchange = Asked<Response>;

/// Waits for an answer and puts it where it was asked for, which outlives it. A second wait ends at once.
template <typename T>
class Awaiter {
 public:
  explicit Awaiter(Asked<T>& asked) noexcept : asked_(&asked) {}
  bool await_ready() const noexcept { return asked_->is_taken_ || asked_->services_.arrived(asked_->request_id_); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { asked_->services_.await(asked_->request_id_, waiter); }
  void await_resume() {
    if (asked_->is_taken_) return;
    Arrival arrived = asked_->services_.take(asked_->request_id_);
    if (auto* answer = std::get_if<T>(&arrived)) {
      asked_->result_ = std::move(*answer);
    } else if (auto* failure = std::get_if<Failure>(&arrived)) {
      asked_->result_ = std::move(*failure);
    } else {
      asked_->result_ = Failure{.message = "the host answered something else than was asked for"};
    }
    asked_->is_taken_ = true;
  }

 private:
  Asked<T>* asked_;
};
using ExchangeAwaiter = Awaiter<Response>;

/// The plugin's store of the call's tenant (trv.kv/1): what is put there outlives calls, processes and versions.
///
///   auto cursor = call.kv().get("cursor");
///   co_await cursor;
///   if (!cursor) co_return cursor.failure();
///   auto kept = call.kv().put("cursor", next, cursor->revision());
///   co_await kept;
///
/// A key has at most 256 bytes, a value 65,536 bytes of JSON, a store 10 MiB in 10,000 entries. A call may be made
/// again after it was answered: put what is right to put twice, or expect the revision that was read. Each asks now;
/// see Asked for the answer.
class Kv {
 public:
  Kv(CallServices& services, std::uint64_t call_id) noexcept : services_(services), call_id_(call_id) {}

  Asked<Stored> get(std::string_view key) { return ask({.action = StoreRequest::Action::get, .key = key}); }
  /// `value` is JSON text, or a value of a library whose serialize(value) gives it. `expected`: the revision that was
  /// read, or TRV_KV_ABSENT; where another is there, the failure is Code::conflict and nothing is changed.
  template <typename V>
  Asked<Stored> put(std::string_view key, const V& value, std::uint64_t expected = TRV_KV_ANY) {
    if constexpr (std::is_convertible_v<const V&, std::string_view>) {
      return ask({.action = StoreRequest::Action::put, .key = key, .value = value, .expected = expected});
    } else {
      const std::string text = serialize(value);
      return ask({.action = StoreRequest::Action::put, .key = key, .value = text, .expected = expected});
    }
  }
  Asked<Stored> erase(std::string_view key, std::uint64_t expected = TRV_KV_ANY) {
    return ask({.action = StoreRequest::Action::erase, .key = key, .expected = expected});
  }
  /// Keys that begin with `prefix` and come behind `after`, in their order, at most 100.
  Asked<Stored> list(std::string_view prefix, std::string_view after = {}, std::uint32_t count_max = 100) {
    return ask({.action = StoreRequest::Action::list, .key = prefix, .after = after, .count_max = count_max});
  }

 private:
  Asked<Stored> ask(const StoreRequest& request) { return {services_, services_.ask(call_id_, request)}; }

  CallServices& services_;
  std::uint64_t call_id_;
};

class Incoming;
class IncomingBody;
template <typename Answer>
class Uploading;
using Upload = Uploading<Exchange>;
using UploadInParts = Uploading<Incoming>;
class BlobStore;

/// An answer in parts to a request over HTTP (trv.stream/1): the client sees each as it is written, and a client that
/// reads slowly holds up the coroutine that writes.
///
///   auto out = call.respond_in_parts({.status = 200, .headers = {{"content-type", "text/event-stream"}}});
///   for (const std::string& event : events) {
///     auto written = out.write("data: " + event + "\n\n");
///     co_await written;
///     if (!written) co_return written.failure();
///   }
///   co_return out.end();
///
/// Where the call ends in another way the client's connection is cut. Lives in a coroutine of the call.
class [[nodiscard]] Parts {
 public:
  Parts(CallServices& services, std::uint64_t stream_id) noexcept : services_(services), stream_id_(stream_id) {}
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  ~Parts() { services_.forget_parts(stream_id_); }

  /// Of any size. The answer, Written, arrives once the client has taken enough for all of it to be on its way.
  Asked<Written> write(std::string_view bytes) { return {services_, services_.write(stream_id_, bytes)}; }
  /// To be returned: the answer is whole. All that was written has been waited for.
  [[nodiscard]] Ended end() const { return services_.end_parts(stream_id_); }

 private:
  CallServices& services_;
  std::uint64_t stream_id_;
};

/// Lives until the operation's coroutine has ended; the texts too. Only from that coroutine, but for cancelled().
class Call {
 public:
  struct Facts {
    std::uint64_t id = 0;
    std::uint32_t attempt = 1;
    std::uint64_t timeout_ms = 0;
    std::string operation = {};
    std::string tenant = {};
    std::string connection = {};
    std::string idempotency_key = {};
    std::string traceparent = {};
    std::string input = {};
    WebRequest request = {};
  };

  Call(CallServices& services, Facts facts) : services_(services), facts_(std::move(facts)) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] std::uint64_t id() const noexcept { return facts_.id; }
  /// From 1; grows with each retry of the same effect.
  [[nodiscard]] std::uint32_t attempt() const noexcept { return facts_.attempt; }
  /// Time that was left when the call began; 0 = no limit. The host watches it, the plugin need not.
  [[nodiscard]] std::uint64_t timeout_ms() const noexcept { return facts_.timeout_ms; }
  [[nodiscard]] const std::string& operation() const noexcept { return facts_.operation; }
  [[nodiscard]] const std::string& tenant() const noexcept { return facts_.tenant; }
  [[nodiscard]] const std::string& connection() const noexcept { return facts_.connection; }
  /// The same over every retry and restart.
  [[nodiscard]] const std::string& idempotency_key() const noexcept { return facts_.idempotency_key; }
  [[nodiscard]] const std::string& traceparent() const noexcept { return facts_.traceparent; }
  /// JSON text, valid for the operation's input schema where a kernel is the host.
  [[nodiscard]] const std::string& input() const noexcept { return facts_.input; }

  /// What serve() answers; an empty one in an operation.
  [[nodiscard]] const WebRequest& request() const noexcept { return facts_.request; }

  /// Begins to answer a request over HTTP in parts: status, headers and, where there is one, the body as the first part
  /// go out now. Once, and in serve(). Without it on this host (trv.stream/1) what is written has a failure.
  Parts respond_in_parts(const Response& head) { return {services_, services_.respond_in_parts(facts_.id, head)}; }

  /// Sends a request now. See Exchange for the answer.
  Exchange http(const Request& request) { return {services_, services_.send(facts_.id, request)}; }

  /// The same, with an answer of up to 1 GiB that comes in parts (trv.stream/1): see incoming.hpp, which plugin.hpp
  /// includes. timeout_ms of the request is the time until the head.
  Incoming http_in_parts(const Request& request);

  /// Sends a request whose body, of up to 1 GiB, is written in parts (trv.stream/2): see uploading.hpp, which
  /// plugin.hpp includes. Without a length, in bytes, it is sent in chunks. timeout_ms of the request is the time
  /// without progress.
  Upload upload(const Request& request, std::optional<std::uint64_t> length = std::nullopt);
  /// The same, with the answer in parts.
  UploadInParts upload_in_parts(const Request& request, std::optional<std::uint64_t> length = std::nullopt);

  /// The body of the request, in parts where the manifest says `"bodies": "in-parts"`. Once, and in serve().
  IncomingBody read_body();

  /// Lets time pass without holding a thread; the time begins now:
  ///
  ///   auto pause = call.wait(std::chrono::seconds(2));
  ///   co_await pause;
  ///
  /// Without time to wait on this host (trv.timer/1) the pause has a failure.
  Exchange wait(std::chrono::milliseconds time) {
    const auto after_ms = time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
    return {services_, services_.wait(facts_.id, after_ms)};
  }

  /// What the plugin keeps between calls. Without it on this host (trv.kv/1) what is asked of it has a failure.
  [[nodiscard]] Kv kv() noexcept { return {services_, facts_.id}; }

  /// The large things that the plugin keeps between calls: see blob.hpp, which plugin.hpp includes. Without it on this
  /// host (trv.blob/1) what is asked of it has a failure.
  [[nodiscard]] BlobStore blobs() noexcept;

  /// Has the host sign at most 65,536 bytes by a secret that the plugin never sees (trv.secret/1). `secret` is the name
  /// that the configuration gives in a field which its schema marks with "secret": true.
  ///
  ///   auto made = call.sign(secret_name, SignatureKind::hmac_sha256, text);
  ///   co_await made;
  Asked<Signature> sign(std::string_view secret, SignatureKind kind, std::string_view data) {
    return {services_, services_.sign(facts_.id, secret, kind, data)};
  }

  /// Emits an event of the tenant, which starts and wakes workflows (trv.event/1). The type begins with
  /// "com.<plugin>.", `data` is JSON text or a value of a library whose serialize(value) gives it. A call that is made
  /// again does not double what it emits in the same order.
  template <typename V>
  Asked<Emitted> emit(std::string_view type, const V& data, std::string_view subject = {}) {
    if constexpr (std::is_convertible_v<const V&, std::string_view>) {
      return {services_, services_.emit(facts_.id, type, subject, data)};
    } else {
      const std::string text = serialize(data);
      return {services_, services_.emit(facts_.id, type, subject, text)};
    }
  }

  /// Numbers of the plugin among those of the host, of all tenants together (trv.metrics/1): `count` adds, `gauge`
  /// takes the place of the value before, `observe` is for times in seconds. Names are of a-z, 0-9 and _; few labels
  /// with few values, and nothing personal. Ignored where the host does not have it. Any thread.
  void count(std::string_view name, double by = 1, const Labels& labels = {}) const noexcept {
    services_.record(TRV_METRIC_COUNTER, name, by, labels);
  }
  void gauge(std::string_view name, double value, const Labels& labels = {}) const noexcept {
    services_.record(TRV_METRIC_GAUGE, name, value, labels);
  }
  void observe(std::string_view name, double value, const Labels& labels = {}) const noexcept {
    services_.record(TRV_METRIC_HISTOGRAM, name, value, labels);
  }

  /// Says how far the call is, for people who look at its workflow: from 0 to 1, anything else: not known. The last
  /// word counts, and nothing waits for it. Ignored where the host does not have trv.call/2. Any thread.
  void progress(double fraction, std::string_view text = {}) const noexcept {
    services_.progress(facts_.id, fraction, text);
  }

  /// Begins a named part of the call, so that operators see how long what takes:
  ///
  ///   const auto reading = call.span("read page", {{"page", number}});
  ///
  /// It ends with the block, or with reading.end(). Never secrets or personal data. Ignored where the host does not
  /// have trv.trace/1. Any thread.
  Span span(std::string_view name, const Attributes& attributes = {}) const noexcept {
    return {services_, facts_.id, 0, name, attributes};
  }

  /// Adds text to what the call has given so far, for people who look while it runs, as the answer of a model comes
  /// word by word. It is not the output; the last 65,536 bytes are kept until the call ends. Ignored where the host
  /// does not have trv.call/3. Any thread.
  void stream(std::string_view text) const noexcept { services_.stream(facts_.id, text); }

  /// One line for the operator's log. Never secrets or personal data. Any thread.
  void log(Level level, std::string_view text) const noexcept { services_.write_log(level, facts_.id, text); }

  /// Whether the host asked to stop. A coroutine that waits is ended without being asked; only one that computes for
  /// long has to look. Any thread.
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
  void mark_cancelled() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  CallServices& services_;
  Facts facts_;
  std::atomic<bool> cancelled_ = false;
};

[[nodiscard]] inline Call::Facts facts_of(const trv_call& raw) {
  return {.id = raw.call_id,
          .attempt = raw.attempt,
          .timeout_ms = raw.timeout_ms,
          .operation = std::string(view(raw.operation)),
          .tenant = std::string(view(raw.tenant)),
          .connection = std::string(view(raw.connection)),
          .idempotency_key = std::string(view(raw.idempotency_key)),
          .traceparent = std::string(view(raw.traceparent)),
          .input = std::string(view(raw.input))};
}

}  // namespace trv::sdk
