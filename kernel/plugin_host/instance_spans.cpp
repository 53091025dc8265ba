// Spans of calls (trv.trace/1): on the board while the call is open, and a line of the log each, once it has ended.

#include <fmt/format.h>

#include <chrono>

#include "kernel/plugin_host/instance_core.hpp"
#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_host {
namespace {

constexpr std::size_t line_bytes_max = 4'096;

/// Quotes end nothing.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void make_fit(Span& span) {
  span.name = printable(span.name, span_name_bytes_max);
  if (span.attributes.size() > span_attributes_max) span.attributes.resize(span_attributes_max);
  for (auto& [name, value] : span.attributes) {
    name = printable(name, span_name_bytes_max);
    value = printable(value, span_attribute_bytes_max);
  }
}

}  // namespace

void InstanceCore::begin_span(CallId id, Span span) noexcept {
  if (services_.spans == nullptr) return;
  make_fit(span);
  span.time = services_.clock.now();
  span.began = services_.clock.monotonic();
  bool is_first_drop = false;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr || call->request.idempotency_key.empty()) return;
    if (services_.spans->begin(call->request.tenant, call->request.idempotency_key, std::move(span))) {
      call->has_spans = true;
    } else {
      is_first_drop = !std::exchange(call->drops_spans, true);
    }
  }
  if (!is_first_drop) return;
  log(LogLevel::warning, id,
      fmt::format("a span was dropped, as will be others: the call has {}, or one with this id", spans_max));
}

void InstanceCore::end_span(CallId id, std::uint64_t span_id) noexcept {
  if (services_.spans == nullptr) return;
  CallRequest about;
  std::optional<Span> ended;
  {
    const std::lock_guard lock(mutex_);
    const OpenCall* call = calls_.find(id);
    if (call == nullptr || !call->has_spans) return;
    ended =
        services_.spans->end(call->request.tenant, call->request.idempotency_key, span_id, services_.clock.monotonic());
    about.tenant = call->request.tenant;
    about.idempotency_key = call->request.idempotency_key;
    about.traceparent = call->request.traceparent;
  }
  if (ended) log_span(about, id, *ended);
}

void InstanceCore::log_span(const CallRequest& request, CallId call, const Span& span) const noexcept {
  if (!services_.log) return;
  const double took_ms = std::chrono::duration<double, std::milli>(span.took.value_or(base::Duration())).count();
  std::string line = fmt::format("span name={} took_ms={:.3f} began={} id={} parent={}", quoted(span.name), took_ms,
                                 span.time.to_rfc3339(), span.id, span.parent);
  if (!request.traceparent.empty()) line += " traceparent=" + quoted(request.traceparent);
  for (const auto& [name, value] : span.attributes) line += fmt::format(" {}={}", quoted(name), quoted(value));
  services_.log({.level = LogLevel::debug,
                 .plugin = plugin_,
                 .version = version_,
                 .call = call,
                 .message = printable(line, line_bytes_max),
                 .tenant = request.tenant,
                 .key = request.idempotency_key,
                 .traceparent = request.traceparent,
                 .span = &span});
}

}  // namespace trv::plugin_host
