// What a plugin may ask for: lines in the log and, as part of a call, HTTP, time and what services give.

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "kernel/plugin_host/instance_core.hpp"
#include "kernel/plugin_host/no_connection.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "kernel/trace/context.hpp"

namespace trv::plugin_host {
namespace {

using base::Duration;
using base::ErrorCode;

constexpr std::size_t http_open_per_call_max = 64;
constexpr std::size_t timers_open_per_call_max = 64;
constexpr std::uint32_t asked_per_call_max = 64;
constexpr std::uint32_t written_per_call_max = 1'000;
constexpr std::size_t log_bytes_max = 4'096;

bool is_safe_method(std::string_view method) noexcept {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

void InstanceCore::log(LogLevel level, CallId call, std::string_view message) noexcept {
  base::TenantId tenant;
  std::string key;
  std::string traceparent;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::ended || state_ == State::abandoned) return;
    if (const OpenCall* open = calls_.find(call)) {
      tenant = open->request.tenant;
      key = open->request.idempotency_key;
      traceparent = open->request.traceparent;
    }
  }
  if (!services_.log) return;
  services_.log({.level = level,
                 .plugin = plugin_,
                 .version = version_,
                 .call = call,
                 .message = printable(message, log_bytes_max),
                 .tenant = std::move(tenant),
                 .key = std::move(key),
                 .traceparent = std::move(traceparent)});
}

void InstanceCore::measure(base::Result<Measurement> measurement) noexcept {
  if (services_.metrics == nullptr) return;
  const base::Status recorded =
      measurement ? services_.metrics->record(*std::move(measurement)) : base::fail(std::move(measurement).error());
  if (recorded) return;
  const std::uint64_t count = ++measurements_dropped_;
  // Powers of two: a plugin that is wrong for ever does not fill the log.
  if (!std::has_single_bit(count)) return;
  log(LogLevel::warning, 0, fmt::format("a number was dropped ({} so far): {}", count, recorded.error().message()));
}

void InstanceCore::progress(CallId id, double fraction, std::string_view text) noexcept {
  if (services_.progress == nullptr) return;
  std::optional<double> known;
  if (fraction >= 0 && fraction <= 1) known = fraction;
  std::string says = printable(text, progress_text_bytes_max);
  const std::lock_guard lock(mutex_);
  OpenCall* call = calls_.find(id);
  if (call == nullptr || call->request.idempotency_key.empty()) return;
  call->has_progress = true;
  services_.progress->put(call->request.tenant, call->request.idempotency_key, known, std::move(says),
                          services_.clock.now());
}

void InstanceCore::stream(CallId id, std::string_view text) noexcept {
  if (services_.progress == nullptr || text.empty()) return;
  const std::lock_guard lock(mutex_);
  OpenCall* call = calls_.find(id);
  if (call == nullptr || call->request.idempotency_key.empty()) return;
  call->has_progress = true;
  services_.progress->append(call->request.tenant, call->request.idempotency_key, text, services_.clock.now());
}

base::Status InstanceCore::permits(const base::TenantId& tenant, const package::Permission& wanted) const {
  return services_.permissions == nullptr ? base::Status() : services_.permissions->check(tenant, wanted);
}

// The lock is not held. Takes a slot of the call, and counts the key as used.
base::Result<egress::Request> InstanceCore::admit(CallId id, std::uint64_t request_id, egress::Request request,
                                                  std::shared_ptr<ArrivingAnswer> parts) {
  if (request.connection.empty()) return base::fail(ErrorCode::invalid, std::string(no_connection_given));
  TRV_TRY(base::check_label("connection", request.connection));
  const std::lock_guard lock(mutex_);
  OpenCall* call = calls_.find(id);
  if (call == nullptr || state_ == State::abandoned) {
    return base::fail(ErrorCode::cancelled, "the call that the request belongs to is not open");
  }
  if (call->http.size() >= http_open_per_call_max) {
    return base::fail(ErrorCode::exhausted,
                      fmt::format("the call has {} requests under way, its limit", call->http.size()));
  }
  request.plugin = plugin_;
  request.tenant = call->request.tenant;
  if (request.written) TRV_TRY(begin_upload(*call, request_id, request));
  // Taken before the request is sent: its answer may come first, and frees it.
  call->http.push_back({request_id, egress::RequestId{}, std::move(parts)});
  if (call->deadline != base::Duration::max()) {
    const base::Duration left = call->deadline - services_.clock.monotonic();
    const auto left_ms = std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(left).count());
    const auto bound = static_cast<std::uint64_t>(left_ms);
    request.timeout_ms = request.timeout_ms == 0 ? bound : std::min(request.timeout_ms, bound);
  }
  const std::string& traceparent = call->request.traceparent;
  if (trace::Context::parse(traceparent) && request.headers.size() < egress::request_headers_max &&
      !egress::has_header(request.headers, "traceparent")) {
    request.headers.push_back({"traceparent", traceparent});
  }
  if (!is_safe_method(request.method)) {
    ++call->keys_used;
    request.idempotency_key = call->keys_used == 1
                                  ? call->request.idempotency_key
                                  : fmt::format("{}/{}", call->request.idempotency_key, call->keys_used);
    if (call->request.idempotency_key.empty()) request.idempotency_key.clear();
  }
  return request;
}

void InstanceCore::send_http(CallId id, std::uint64_t request_id, base::Result<egress::Request> request) noexcept {
  base::Result<egress::Request> admitted = std::move(request);
  std::shared_ptr<ArrivingAnswer> parts;
  const std::optional<egress::WrittenBody> written = admitted ? admitted->written : std::nullopt;
  if (admitted && admitted->in_parts)
    parts = std::make_shared<ArrivingAnswer>(ArrivingAnswer{.request_id = request_id});
  if (admitted) admitted = admit(id, request_id, *std::move(admitted), parts);
  ++http_requests_;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::abandoned) return;
    ++requests_open_;
  }
  if (!admitted) {
    if (written) refuse_upload(id, *written, admitted.error());
    return http_arrived(id, request_id, base::fail(std::move(admitted).error()));
  }
  // Where it goes is known once the connection is.
  admitted->permits = [alive = shared_from_this(), tenant = admitted->tenant](
                          std::string_view method, std::string_view host, std::string_view path) {
    return alive->permits(tenant, package::permission_of_request(method, host, path));
  };
  const egress::RequestId sent =
      parts != nullptr ? send_in_parts(id, *std::move(admitted), parts)
                       : services_.http.send(*std::move(admitted), [alive = shared_from_this(), id,
                                                                    request_id](base::Result<egress::Response> result) {
                           alive->http_arrived(id, request_id, std::move(result));
                         });
  bool is_wanted = false;
  std::uint64_t taken = 0;
  {
    const std::lock_guard lock(mutex_);
    if (OpenCall* call = calls_.find(id)) {
      is_wanted = parts == nullptr || !parts->is_dropped;
      if (parts != nullptr) taken = std::exchange(parts->taken_early, 0);
      for (OpenRequest& open : call->http) {
        if (open.request_id == request_id && open.parts == parts) open.sent = sent;
      }
    }
  }
  if (!is_wanted) services_.http.cancel(sent);
  if (taken > 0) services_.http.take(sent, taken);
}

void InstanceCore::http_arrived(CallId id, std::uint64_t request_id, base::Result<egress::Response> result) {
  {
    const std::lock_guard lock(mutex_);
    if (OpenCall* call = calls_.find(id)) {
      std::erase_if(call->http, [request_id](const OpenRequest& open) {
        return open.request_id == request_id && open.parts == nullptr;
      });
    }
  }
  end_upload(id, request_id, result ? nullptr : &result.error());
  enqueue([this, request_id, answer = std::move(result)] { deliver_http(request_id, answer); });
}

void InstanceCore::deliver_http(std::uint64_t request_id, const base::Result<egress::Response>& result) {
  bool is_alive = false;
  {
    const std::lock_guard lock(mutex_);
    is_alive = state_ == State::running || state_ == State::draining;
  }
  if (is_alive) side_->http_arrived(request_id, result);
  const std::lock_guard lock(mutex_);
  --requests_open_;
  notify_if_stopping();
}

void InstanceCore::set_timer(CallId id, std::uint64_t timer_id, std::uint64_t after_ms) noexcept {
  constexpr std::uint64_t after_ms_max = std::uint64_t{1} << 40;  // no call lives so long
  const Duration due = services_.clock.monotonic() +
                       std::chrono::milliseconds(static_cast<std::int64_t>(std::min(after_ms, after_ms_max)));
  bool is_too_many = false;
  bool is_earliest = false;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr || state_ == State::abandoned) return;
    is_too_many = call->timers.size() >= timers_open_per_call_max;
    if (!is_too_many) {
      call->timers.push_back({timer_id, due});
      is_earliest = due < told_deadline_;
      if (is_earliest) told_deadline_ = due;
    }
  }
  if (is_earliest) services_.threads.tell(due);
  if (!is_too_many) return;
  log(LogLevel::warning, id,
      fmt::format("more than {} timers of one call: this one waits no time", timers_open_per_call_max));
  enqueue([this, id, timer_id] { deliver_time(id, timer_id); });
}

// Returns when the next one is due.
Duration InstanceCore::fire_timers(Duration now) {
  std::vector<std::pair<CallId, std::uint64_t>> due;
  Duration next = Duration::max();
  {
    const std::lock_guard lock(mutex_);
    calls_.for_each([&](OpenCall& call) {
      std::erase_if(call.timers, [&](const OpenTimer& timer) {
        if (timer.due <= now) {
          due.emplace_back(call.id, timer.timer_id);
          return true;
        }
        next = std::min(next, timer.due);
        return false;
      });
    });
  }
  for (const auto& [id, timer_id] : due) {
    enqueue([this, id, timer_id] { deliver_time(id, timer_id); });
  }
  return next;
}

void InstanceCore::deliver_time(CallId id, std::uint64_t timer_id) {
  {
    const std::lock_guard lock(mutex_);
    if (calls_.find(id) == nullptr || (state_ != State::running && state_ != State::draining)) return;
  }
  side_->time_came(timer_id);
}

// The lock is not held. Takes a slot of the call.
base::Result<ServiceCall> InstanceCore::admit(CallId id, ServiceRequest request) {
  TRV_TRY(check_request(request));
  if (!services_.serve) return base::fail(ErrorCode::denied, "this host does not offer that");
  const auto not_open = [] {
    return base::fail(ErrorCode::cancelled, "the call that the request belongs to is not open");
  };
  base::TenantId tenant;
  {
    const std::lock_guard lock(mutex_);
    const OpenCall* call = calls_.find(id);
    if (call == nullptr) return not_open();
    tenant = call->request.tenant;
  }
  const auto* event = std::get_if<EmitEvent>(&request);
  const std::string own = fmt::format("com.{}.", plugin_);
  if (event != nullptr && (!event->type.starts_with(own) || event->type.size() == own.size())) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("the event's type is \"{}\"; plugin '{}' emits events whose types "
                                  "begin with \"{}\"",
                                  printable(event->type, 80), plugin_, own));
  }
  TRV_TRY(permits(tenant, permission_for(request)));
  const std::lock_guard lock(mutex_);
  OpenCall* call = calls_.find(id);
  if (call == nullptr || state_ == State::abandoned) return not_open();
  if (call->asked >= asked_per_call_max) {
    return base::fail(ErrorCode::exhausted, fmt::format("the call has {} requests under way, its limit", call->asked));
  }
  if (is_write(request) && ++call->written > written_per_call_max) {
    return base::fail(ErrorCode::exhausted,
                      fmt::format("the call has written {} times, its limit", written_per_call_max));
  }
  TRV_TRY_ASSIGN(std::shared_ptr<BlobWriting> writing, admit_blob(*call, request));
  ++call->asked;
  if (event != nullptr) ++call->emitted;
  return ServiceCall{.tenant = std::move(tenant),
                     .plugin = plugin_,
                     .version = version_,
                     .key = call->request.idempotency_key,
                     .traceparent = call->request.traceparent,
                     .emitted = call->emitted,
                     .request = std::move(request),
                     .writing = std::move(writing)};
}

void InstanceCore::ask(CallId id, std::uint64_t request_id, Service service,
                       base::Result<ServiceRequest> request) noexcept {
  const auto* part = request ? std::get_if<WriteBlob>(&*request) : nullptr;
  const auto writing_id = part != nullptr ? std::optional(part->writing_id) : std::nullopt;
  base::Result<ServiceCall> admitted =
      request ? admit(id, *std::move(request)) : base::fail(std::move(request).error());
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::abandoned) return;
    ++requests_open_;
    OpenCall* call = writing_id && !admitted ? calls_.find(id) : nullptr;
    if (call != nullptr) part_written(*call, *writing_id, base::fail(admitted.error()), false);
  }
  if (!admitted) {
    return answer_arrived(0, request_id, service, std::nullopt, base::fail(std::move(admitted).error()));
  }
  services_.serve(*std::move(admitted), [alive = shared_from_this(), id, request_id, service,
                                         writing_id](base::Result<ServiceAnswer> answer) {
    alive->answer_arrived(id, request_id, service, writing_id, std::move(answer));
  });
}

// `id` 0: no slot of a call was taken.
void InstanceCore::answer_arrived(CallId id, std::uint64_t request_id, Service service,
                                  std::optional<std::uint64_t> writing_id, base::Result<ServiceAnswer> answer) {
  {
    const std::lock_guard lock(mutex_);
    if (OpenCall* call = calls_.find(id)) {
      --call->asked;
      const base::Status written = answer ? base::Status() : base::fail(answer.error());
      if (writing_id) part_written(*call, *writing_id, written, true);
    }
  }
  enqueue([this, request_id, service, answer = std::move(answer)] {
    bool is_alive = false;
    {
      const std::lock_guard lock(mutex_);
      is_alive = state_ == State::running || state_ == State::draining;
    }
    if (is_alive) side_->served(service, request_id, answer);
    const std::lock_guard lock(mutex_);
    --requests_open_;
    notify_if_stopping();
  });
}

}  // namespace trv::plugin_host
