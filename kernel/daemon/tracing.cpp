#include "kernel/daemon/tracing.hpp"

#include <fmt/format.h>

#include <array>

#include "kernel/plugin_host/span_board.hpp"
#include "sdk/base/contract.hpp"

namespace trv::daemon {
namespace {

using trace::Context;
using trace::Span;
using trace::SpanKind;

constexpr std::string_view traced_paths = "/v1/";

/// The context of a sampled trace.
std::optional<Context> sampled(std::string_view traceparent) {
  auto context = Context::parse(traceparent);
  return context && context->is_sampled ? context : std::nullopt;
}

Context context_of(const Context& parent, const shard::Effect& effect) {
  return parent.child("effect " + effect.key);
}

std::string name_of(const shard::Effect& effect) {
  if (effect.kind == "plugin") return fmt::format("{}.{}", effect.plugin, effect.operation);
  return effect.kind == "http" ? "call: http" : effect.kind;
}

trace::Attributes attributes_of(const shard::Effect& effect) {
  trace::Attributes out = {{"tenant", effect.tenant.value()},
                           {effect.stream_kind, effect.owner},
                           {"task", effect.task},
                           {"effect", effect.key}};
  if (effect.plugin.empty()) return out;
  out.add("plugin", effect.plugin);
  if (!effect.version.empty()) out.add("version", effect.version);
  return out;
}

// The code, and not the sentence: what a service answered is of the tenant.
void add_outcome(Span& span, const shard::Outcome& outcome) {
  span.is_failed = !outcome.ok;
  if (!outcome.ok) span.problem = outcome.code;
}

}  // namespace

Tracing::Tracing(trace::SpanSink spans, std::uint64_t percent, const base::Clock& clock, base::Random& random)
    : spans_(std::move(spans)), percent_(percent), clock_(clock), prefix_(fmt::format("{:016x}", random.next())) {
  TRV_EXPECTS(spans_ && percent <= 100);
}

std::string Tracing::begin(const http::Request& request) {
  if (!request.path().starts_with(traced_paths)) return {};
  const auto header = request.header("traceparent");
  const auto parent = header ? Context::parse(*header) : std::nullopt;
  if (parent ? !parent->is_sampled : percent_ == 0) return {};
  const std::string name = fmt::format("{}-{}", prefix_, ++count_);
  if (parent) return parent->child(name).to_traceparent();
  // The ids are as good as random, and so is their share.
  Context context = Context::begin(name, true);
  const std::uint64_t share =
      (std::uint64_t{context.trace[0]} << 16U) + (std::uint64_t{context.trace[1]} << 8U) + context.trace[2];
  return share * 100 < percent_ << 24U ? context.to_traceparent() : std::string();
}

std::optional<Context> Tracing::answered(const http::Request& request, int status, base::Duration took) const {
  if (!request.path().starts_with(traced_paths)) return std::nullopt;
  const auto context = sampled(request.traceparent());
  if (!context) return std::nullopt;
  const auto header = request.header("traceparent");
  const auto parent = header ? Context::parse(*header) : std::nullopt;
  const base::Timestamp now = clock_.now();
  Span span{.context = *context,
            .parent = parent ? parent->span : std::array<std::uint8_t, 8>{},
            .kind = SpanKind::server,
            .name = fmt::format("{} {}", request.method(), request.route()),
            .began = now + -took,
            .ended = now,
            .attributes = {{"http.request.method", request.method()},
                           {"http.route", request.route()},
                           {"request", request.id()}},
            .is_failed = status >= 500};
  span.attributes.add("http.response.status_code", status);
  if (request.route().starts_with("/v1/tenants/{tenant}")) {
    span.attributes.add("tenant", request.parameter("tenant"));
  }
  spans_(std::move(span));
  return context;
}

void Tracing::ended(const plugin_host::LogLine& line) const {
  TRV_EXPECTS(line.span != nullptr);
  const auto call = sampled(line.traceparent);
  if (!call) return;
  const plugin_host::Span& from = *line.span;
  const auto context_of_span = [&](std::uint64_t id) { return call->child(fmt::format("span {}", id)); };
  Span span{
      .context = context_of_span(from.id),
      .parent = from.parent == 0 ? call->span : context_of_span(from.parent).span,
      .name = from.name,
      .began = from.time,
      .ended = from.time + from.took.value_or(base::Duration(0)),
      .attributes = {
          {"tenant", line.tenant.value()}, {"effect", line.key}, {"plugin", line.plugin}, {"version", line.version}}};
  for (const auto& [name, value] : from.attributes) span.attributes.add(name, value);
  spans_(std::move(span));
}

effects::DispatcherPorts Tracing::traced(effects::DispatcherPorts ports) const {
  ports.perform = [this, perform = std::move(ports.perform)](const shard::Effect& effect, std::uint32_t try_number,
                                                             base::Duration left, effects::TryDone done) {
    const auto parent = sampled(effect.traceparent);
    if (!parent) return perform(effect, try_number, left, std::move(done));
    const Context whole = context_of(*parent, effect);
    Span span{.context = whole.child(fmt::format("try {}", try_number)),
              .parent = whole.span,
              .kind = SpanKind::client,
              .name = name_of(effect),
              .began = clock_.now(),
              .attributes = attributes_of(effect)};
    span.attributes.add("try", try_number);
    shard::Effect of_try = effect;
    of_try.traceparent = span.context.to_traceparent();
    return perform(of_try, try_number, left,
                   [this, span = std::move(span), done = std::move(done)](effects::TryResult result) mutable {
                     span.ended = clock_.now();
                     add_outcome(span, result.outcome);
                     spans_(std::move(span));
                     done(std::move(result));
                   });
  };
  ports.settle = [this, settle = std::move(ports.settle)](const shard::Effect& effect,
                                                          std::shared_ptr<const shard::Outcome> outcome,
                                                          effects::DispatcherPorts::Recorded done) {
    const auto parent = sampled(effect.traceparent);
    if (!parent) return settle(effect, std::move(outcome), std::move(done));
    Span span{.context = context_of(*parent, effect),
              .parent = parent->span,
              .name = "effect " + name_of(effect),
              .began = effect.requested,
              .attributes = attributes_of(effect)};
    span.attributes.add("tries", outcome->tries);
    add_outcome(span, *outcome);
    settle(effect, std::move(outcome),
           [this, span = std::move(span), done = std::move(done)](base::Status recorded) mutable {
             // One that is not is offered again.
             if (recorded) {
               span.ended = clock_.now();
               spans_(std::move(span));
             }
             done(std::move(recorded));
           });
  };
  return ports;
}

}  // namespace trv::daemon
