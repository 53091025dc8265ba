#pragma once
// The spans of what this process does: requests, effects and their tries, and what plugins say of their calls.
//
// Ids are made of what is being done, so that nothing has to be remembered between its beginning and its end.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/http/request.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "kernel/trace/span.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::daemon {

/// Any thread.
class Tracing {
 public:
  /// `percent`: of the requests that come without a trace, how many begin a sampled one. 0 to 100. `clock` outlives it.
  Tracing(trace::SpanSink spans, std::uint64_t percent, const base::Clock& clock, base::Random& random);

  /// The place of a request that has come, within the trace of its client or one that begins with it. Empty: none, or
  /// that of the client as it is.
  [[nodiscard]] std::string begin(const http::Request& request);
  /// Such a request was answered. Returns its place where its trace is sampled.
  std::optional<trace::Context> answered(const http::Request& request, int status, base::Duration took) const;
  /// A span that a plugin has named (trv.trace/1); `line` has one.
  void ended(const plugin_host::LogLine& line) const;
  /// The same ports, with a span for each try of an effect, and one for the effect. The tracing outlives them.
  [[nodiscard]] effects::DispatcherPorts traced(effects::DispatcherPorts ports) const;

  [[nodiscard]] const trace::SpanSink& spans() const noexcept { return spans_; }

 private:
  const trace::SpanSink spans_;
  const std::uint64_t percent_;
  const base::Clock& clock_;
  const std::string prefix_;  ///< of this process alone
  std::atomic<std::uint64_t> count_ = 0;
};

}  // namespace trv::daemon
