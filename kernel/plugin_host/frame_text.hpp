#pragma once
// Frames as lines of JSON, for plugins that are programs: docs/protocols/plugin-frames.md. Pure; any thread.

#include <string>
#include <string_view>
#include <variant>

#include "kernel/plugin_host/frame.hpp"

namespace trv::plugin_host {

/// Of a line that a program sends, its end not counted.
inline constexpr std::size_t line_bytes_max = 4 * output_bytes_max;

// To the program, each with its line's end.
[[nodiscard]] std::string begin_line(const ProcessPurpose& purpose);
[[nodiscard]] std::string invoke_line(const CallRequest& request, CallId call, std::uint64_t timeout_ms);
[[nodiscard]] std::string serve_line(const CallRequest& request, CallId call, std::uint64_t timeout_ms);
[[nodiscard]] std::string cancel_line(CallId call);
[[nodiscard]] std::string http_line(std::uint64_t request_id, const base::Result<egress::Response>& result);
[[nodiscard]] std::string served_line(std::uint64_t request_id, const base::Result<ServiceAnswer>& answer);
[[nodiscard]] std::string part_line(std::uint64_t stream_id, std::string_view part);
[[nodiscard]] std::string stream_ended_line(std::uint64_t stream_id, const base::Status& end);
[[nodiscard]] std::string room_line(std::uint64_t stream_id, std::uint64_t byte_count);
[[nodiscard]] std::string save_line();
[[nodiscard]] std::string ping_line(std::uint64_t number);
[[nodiscard]] std::string end_line();

// From the program.
struct ReadyLine {
  std::optional<std::vector<std::string>> operations = std::nullopt;  ///< that it has, where it says so
  bool keeps_state = false;
};
struct ProgressLine {
  CallId call = 0;
  double fraction = -1;
  std::string text;
};
struct StreamLine {
  CallId call = 0;
  std::string text;
};
struct MeasureLine {
  Measurement measurement;
};
struct BeginSpanLine {
  CallId call = 0;
  Span span;
};
struct EndSpanLine {
  CallId call = 0;
  std::uint64_t span = 0;
};
struct SavedLine {
  base::Result<std::string> state;
};
struct RefusedLine {
  std::string message;
};
struct AnswerLine {
  CallId call = 0;
  std::string output;  ///< JSON
};
struct RespondLine {
  CallId call = 0;
  WebResponse response;
};
struct RespondInPartsLine {
  CallId call = 0;
  std::uint64_t stream = 0;
  WebResponse head;
};
struct WriteLine {
  CallId call = 0;
  std::uint64_t stream = 0;
  std::string part;
};
struct EndStreamLine {
  CallId call = 0;
  std::uint64_t stream = 0;
};
struct TakeLine {
  CallId call = 0;
  std::uint64_t stream = 0;
  std::uint64_t byte_count = 0;
};
struct DropLine {
  CallId call = 0;
  std::uint64_t stream = 0;
};
struct ReadBodyLine {
  CallId call = 0;
  std::uint64_t stream = 0;
};
struct FailedLine {
  CallId call = 0;
  OperationError error;
};
struct LogLineOut {
  LogLevel level = LogLevel::info;
  CallId call = 0;
  std::string message;
};
struct HttpLine {
  CallId call = 0;
  std::uint64_t request_id = 0;
  base::Result<egress::Request> request;
};
struct ServiceLine {
  CallId call = 0;
  std::uint64_t request_id = 0;
  Service service = Service::store;
  base::Result<ServiceRequest> request;
};
struct PongLine {
  std::uint64_t number = 0;
};
using ProgramLine =
    std::variant<ReadyLine, RefusedLine, AnswerLine, RespondLine, FailedLine, LogLineOut, HttpLine, ServiceLine,
                 PongLine, SavedLine, ProgressLine, StreamLine, MeasureLine, BeginSpanLine, EndSpanLine,
                 RespondInPartsLine, WriteLine, EndStreamLine, TakeLine, DropLine, ReadBodyLine>;

/// Error: invalid; says what is wrong with the line, and where.
[[nodiscard]] base::Result<ProgramLine> read_line(std::string_view line);

}  // namespace trv::plugin_host
