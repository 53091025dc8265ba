#pragma once
// What is exported, as OTLP/HTTP has it in JSON (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding"):
// lowerCamelCase names, hexadecimal ids, enums as integers, 64-bit integers as strings. Any thread.

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernel/logging/levels.hpp"
#include "kernel/telemetry/metrics.hpp"
#include "kernel/trace/span.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::otlp {

using Attributes = std::vector<std::pair<std::string, std::string>>;

/// A line of the log that outlives the one who wrote it.
struct LogRecord {
  base::Timestamp time;
  logging::Level level = logging::Level::info;
  std::string room = {};
  std::string message = {};
  Attributes attributes = {};
  std::string traceparent = {};  ///< empty or none: the line is of no trace
};

/// Who exports: the attributes of its resource, and the version of the program.
struct Exporting {
  Attributes resource;
  std::string version;
};

/// The body of `POST /v1/traces`.
[[nodiscard]] std::string traces_payload(const Exporting& from, std::span<const trace::Span> spans);
/// The body of `POST /v1/logs`.
[[nodiscard]] std::string logs_payload(const Exporting& from, std::span<const LogRecord> lines);
/// The body of `POST /v1/metrics`: cumulative, since `began`.
[[nodiscard]] std::string metrics_payload(const Exporting& from, const telemetry::Metrics& metrics,
                                          base::Timestamp began, base::Timestamp now);

}  // namespace trv::otlp
