#pragma once
// Sends spans, metrics and lines of the log to a receiver over OTLP/HTTP.
//
// Who has something to export puts it into a bounded queue and goes on; one thread sends. Where the receiver is away or
// asks to wait (429, 502, 503, 504), what is queued is sent later; where it refuses, or takes a part, the rest is
// dropped. Where the queue is full the oldest goes. Everything that goes is counted. Nothing is durable.

#include <prometheus/metric_family.h>
#include <spdlog/fwd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/logging/log.hpp"
#include "kernel/otlp/payload.hpp"
#include "kernel/trace/span.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::otlp {

struct ExporterOptions {
  std::string endpoint;                   ///< http or https, without the paths of the signals
  std::vector<std::string> headers = {};  ///< of each request: "name: value"
  std::string authority_file = {};        ///< PEM; empty: the system's
  Exporting from = {};
  base::Duration interval = std::chrono::seconds(10);  ///< between metrics, and the longest that spans and lines wait
  base::Duration request_max = std::chrono::seconds(10);
  base::Duration retry_first = std::chrono::seconds(1);  ///< doubled for each further failure, with jitter
  base::Duration retry_max = std::chrono::seconds(60);
  base::Duration stop_max = std::chrono::seconds(2);  ///< how long the last of them may take
  std::size_t queue_max = 8'192;                      ///< spans, and likewise lines
  std::size_t batch_max = 512;                        ///< of a request
};

enum class Signal : std::uint8_t { traces, metrics, logs };
inline constexpr std::array<std::string_view, 3> signal_names = {"traces", "metrics", "logs"};

/// Of one signal, since the start: spans, points of metrics, lines.
struct SignalFigures {
  std::uint64_t taken = 0;     ///< by the receiver
  std::uint64_t refused = 0;   ///< by the receiver, or a part of what it took
  std::uint64_t overflow = 0;  ///< the queue was full, or the process ended
  std::uint64_t failures = 0;  ///< requests that were not answered 2xx
};
using ExportFigures = std::array<SignalFigures, signal_names.size()>;

using MetricSource = std::function<telemetry::Metrics()>;

class Exporter {
 public:
  /// `clock` and `random` outlive it. Error: invalid for an endpoint that is not a URL of http or https.
  [[nodiscard]] static base::Result<std::unique_ptr<Exporter>> make(ExporterOptions options, const base::Clock& clock,
                                                                    base::Random& random);
  /// Stops first.
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  /// Any thread; also before start(). Takes one lock for a moment.
  void add(trace::Span span);
  void add(const logging::Line& line);

  /// Begins to send. `metrics` is asked on the exporter's thread, once an interval, until stop(). `logger` has a line
  /// when sending begins to fail and when it succeeds again.
  void start(MetricSource metrics, std::shared_ptr<spdlog::logger> logger);
  /// Sends what is queued, for at most stop_max, and joins the thread. May be called again.
  void stop();

  /// Any thread.
  [[nodiscard]] ExportFigures figures() const;

 private:
  class Sending;
  explicit Exporter(std::unique_ptr<Sending> sending);
  const std::unique_ptr<Sending> sending_;
};

}  // namespace trv::otlp
