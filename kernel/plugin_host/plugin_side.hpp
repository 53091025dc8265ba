#pragma once
// The two halves of a running plugin, with the plugin ABI or a socket between them.
//
// PluginSide is the plugin's code as the kernel sees it; HostSide is the kernel as the plugin's code sees it. Each
// function is one message in one direction, so a plugin in this process and one in a process of its own differ in
// nothing but who carries the messages.

#include <cstdint>
#include <string_view>

#include "kernel/egress/request.hpp"
#include "kernel/plugin_host/metric_table.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "kernel/plugin_host/service_request.hpp"
#include "kernel/plugin_host/span_board.hpp"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

/// [main] functions are called one at a time; [any] on any thread at any time. Arguments are borrowed.
class PluginSide {
 public:
  virtual ~PluginSide() = default;
  /// [main] Begins a call. `timeout_ms` is what is left of its time; 0 = no end.
  virtual void invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) = 0;
  /// [main] Begins a call that is a request over HTTP: `request.web`.
  virtual void serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) = 0;
  /// [any] Asks to end a call that invoke or serve has begun.
  virtual void cancel(CallId call) = 0;
  /// [main] What became of a request that HostSide::send_http was given.
  virtual void http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) = 0;
  /// [main] The time of a timer that HostSide::set_timer was given has come.
  virtual void time_came(std::uint64_t timer_id) = 0;
  /// [main] What became of a request that HostSide::ask was given.
  virtual void served(Service service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) = 0;
  // trv.stream/1
  /// [main] The next part of an answer that comes in parts.
  virtual void part_arrived(std::uint64_t stream_id, std::string_view part) = 0;
  /// [main] A stream has ended: an answer is whole, or why the rest of it, or of what the plugin writes, is not
  /// carried.
  virtual void stream_ended(std::uint64_t stream_id, const base::Status& end) = 0;
  /// [main] So many bytes of what the plugin writes were taken.
  virtual void room(std::uint64_t stream_id, std::uint64_t byte_count) = 0;
  /// [any] Whether it has trv.state/1. Known once it takes calls.
  [[nodiscard]] virtual bool keeps_state() const = 0;
  /// [main] Asks for what it keeps in memory. Answered once through HostSide::saved, perhaps from inside here.
  virtual void save() = 0;
  /// [main] Ends the plugin. Nothing follows.
  virtual void end() = 0;
};

/// [any] for every function, also from inside those of PluginSide. None throws or blocks; arguments are borrowed.
class HostSide {
 public:
  virtual ~HostSide() = default;
  virtual void answer(CallId call, std::string_view output) noexcept = 0;
  virtual void answer_failed(CallId call, OperationError error) noexcept = 0;
  /// Ends a call that serve has begun. A response that could not be read carries why.
  virtual void respond(CallId call, base::Result<WebResponse> response) noexcept = 0;
  // trv.stream/1
  /// Answers a call that serve has begun; the body of `head` is the first part. write and end_stream follow. A head
  /// that could not be read carries why.
  virtual void respond_in_parts(CallId call, std::uint64_t stream_id, base::Result<WebResponse> head) noexcept = 0;
  virtual void write(CallId call, std::uint64_t stream_id, std::string_view part) noexcept = 0;
  /// What respond_in_parts began is whole, which ends the call; or the body that send_http began.
  virtual void end_stream(CallId call, std::uint64_t stream_id) noexcept = 0;
  /// So many bytes more of an answer, or of a body, in parts may come.
  virtual void take(CallId call, std::uint64_t stream_id, std::uint64_t byte_count) noexcept = 0;
  /// The body of a request that serve has begun is to come in parts.
  virtual void read_body(CallId call, std::uint64_t stream_id) noexcept = 0;
  /// The rest of an answer, or of a body, in parts is not wanted.
  virtual void drop(CallId call, std::uint64_t stream_id) noexcept = 0;
  virtual void log(LogLevel level, CallId call, std::string_view message) noexcept = 0;
  /// Connection, method, path, headers, body and timeout_ms of the request are the plugin's; the rest is for the host
  /// to fill. A request that could not be read carries why. Its end comes through http_arrived, never from inside here.
  virtual void send_http(CallId call, std::uint64_t request_id, base::Result<egress::Request> request) noexcept = 0;
  /// Its end comes through time_came, never from inside here, and not after the call has ended.
  virtual void set_timer(CallId call, std::uint64_t timer_id, std::uint64_t after_ms) noexcept = 0;
  /// A request that could not be read carries why. Its end comes through served, never from inside here.
  virtual void ask(CallId call, std::uint64_t request_id, Service service,
                   base::Result<ServiceRequest> request) noexcept = 0;
  /// A number that is recorded. One that could not be read carries why.
  virtual void measure(base::Result<Measurement> measurement) noexcept = 0;
  /// How far an open call is; `fraction` outside 0 to 1: not known.
  virtual void progress(CallId call, double fraction, std::string_view text) noexcept = 0;
  /// A part of an open call begins now, and ends. Times are the host's.
  virtual void begin_span(CallId call, Span span) noexcept = 0;
  virtual void end_span(CallId call, std::uint64_t span_id) noexcept = 0;
  /// Text that an open call gives as it comes.
  virtual void stream(CallId call, std::string_view text) noexcept = 0;
  /// The answer to PluginSide::save: the bytes, or the plugin's sentence why there are none.
  virtual void saved(base::Result<std::string> state) noexcept = 0;
};

}  // namespace trv::plugin_host
