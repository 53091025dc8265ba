#pragma once
// A running plugin, wherever it runs: the port between the kernel and a plugin's code.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/plugin_host/web_request.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t input_bytes_max = 1'000'000;
inline constexpr std::size_t output_bytes_max = 1'000'000;
inline constexpr std::size_t json_depth_max = 100;
inline constexpr std::size_t state_bytes_max = 1'000'000;

/// Of answers in parts.
struct StreamLimits {
  base::Duration silence = std::chrono::seconds(30);  ///< without a part, while nothing waits for the client
  base::Duration whole = std::chrono::hours(1);
  std::uint64_t bytes_max = std::uint64_t{1} << 30;
};

/// One call of an operation, or a request over HTTP. Input is JSON that has been held against the operation's schema.
struct CallRequest {
  base::TenantId tenant;
  std::string operation;
  std::string connection;        ///< may be empty
  std::string idempotency_key;   ///< the same over every retry and restart
  std::string traceparent;       ///< W3C trace context; may be empty
  std::uint32_t attempt = 1;     ///< from 1
  std::uint64_t timeout_ms = 0;  ///< 0 = none
  bool idempotent = false;       ///< a call that timed out may be made again
  std::string input;
  /// A request that the plugin serves, instead of an operation with its input; the outcome is then an empty text, and
  /// the response here.
  std::shared_ptr<WebExchange> web = nullptr;
};

/// Why a call failed, as the plugin or the host said it.
struct OperationError {
  base::ErrorCode code = base::ErrorCode::internal;
  bool may_retry = false;            ///< the same call, with the same idempotency key, may be made again
  bool has_died = false;             ///< the plugin's process ended while it had the call
  std::uint64_t retry_after_ms = 0;  ///< 0 = the caller decides
  std::uint32_t status = 0;          ///< HTTP status of the service; 0 = none
  std::string message = {};
  std::string detail = {};  ///< JSON object or empty
};

/// The output, valid JSON of at most output_bytes_max, or why there is none.
using CallOutcome = std::expected<std::string, OperationError>;
/// Called exactly once per call, on any thread, possibly before invoke returns. Must not block.
using CallCompletion = std::move_only_function<void(CallOutcome)>;
using CallId = std::uint64_t;

struct Span;

enum class LogLevel { debug, info, warning, error };

/// A line that a plugin wrote, or the host about it. Message: at most 4,096 bytes of UTF-8 before escaping, no control
/// characters after.
struct LogLine {
  LogLevel level = LogLevel::info;
  std::string_view plugin;
  std::string_view version;
  CallId call = 0;  ///< 0 = not about a call
  std::string message = {};
  base::TenantId tenant = {};  ///< of the call; empty where there is none, or it has ended
  std::string key = {};        ///< idempotency key of the call, which names its instance and task
  std::string traceparent = {};
  /// Set: the line is that of a span (trv.trace/1) that ended; borrowed for the call that has the line.
  const Span* span = nullptr;
};
/// Any thread; must not block for long and must not throw.
using LogSink = std::function<void(const LogLine&)>;

/// What an instance kept in memory (trv.state/1).
struct SavedState {
  std::string version;  ///< of the plugin that saved it
  std::string bytes;    ///< at most state_bytes_max
};

/// How an instance begins, beyond its configuration.
struct StartWith {
  std::optional<SavedState> state = std::nullopt;
  bool checks_health = false;  ///< it has to say that it is well (trv.health/1)
};

/// Counters since the start, but for in_flight.
struct InstanceMetrics {
  std::uint64_t in_flight = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;  ///< answered with an error, time-outs included
  std::uint64_t timed_out = 0;
  std::uint64_t answers_ignored = 0;  ///< second, late or unknown
  std::uint64_t http_requests = 0;

  InstanceMetrics& operator+=(const InstanceMetrics& other) noexcept {
    in_flight += other.in_flight;
    succeeded += other.succeeded;
    failed += other.failed;
    timed_out += other.timed_out;
    answers_ignored += other.answers_ignored;
    http_requests += other.http_requests;
    return *this;
  }
};

/// Any thread.
class PluginInstance {
 public:
  virtual ~PluginInstance() = default;

  /// Begins a call. The completion is called once: with the plugin's answer, with timeout when timeout_ms have passed,
  /// or with cancelled or unavailable when the instance stops.
  virtual CallId invoke(CallRequest request, CallCompletion completion) = 0;

  /// Asks the plugin to end a call early; the completion still comes once. Unknown or finished ids are ignored.
  virtual void cancel(CallId call) = 0;

  /// Refuses new calls, waits for open ones until `grace` has passed, cancels the rest, and ends the plugin. The second
  /// call does nothing. Error: timeout (the plugin hangs; its memory is given up, the process is well).
  [[nodiscard]] virtual base::Status stop(base::Duration grace) = 0;

  /// Whether it has trv.state/1; waits until it takes calls.
  [[nodiscard]] virtual bool keeps_state() = 0;
  /// What it keeps in memory, once no call is open. The caller sees to it that none begins. Errors: conflict (calls are
  /// open after `grace`); internal, with the plugin's sentence; unavailable (it crashed or hangs, or is stopping).
  [[nodiscard]] virtual base::Result<std::string> save(base::Duration grace) = 0;

  [[nodiscard]] virtual InstanceMetrics metrics() const = 0;
};

}  // namespace trv::plugin_host
