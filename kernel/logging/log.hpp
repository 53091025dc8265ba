#pragma once
// The log of the daemon: one logger for each room, all to standard error and to a listener.
//
// A line is text, or one JSON object. A logger is a spdlog logger, so that those who write need no more of this module
// than write(), for lines about something.

#include <spdlog/logger.h>

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/logging/levels.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::logging {

enum class Format : std::uint8_t { text, json };

/// What a line is about, under the names that docs/guides/watching.md lists.
using Field = std::pair<std::string_view, std::string_view>;

struct About {
  std::span<const Field> fields = {};  ///< those with an empty value are left out
  std::string_view traceparent = {};   ///< W3C trace context of what the line is about; empty or wrong: none
  std::string_view in_text = {};       ///< what a line of text has before its message; it has no fields
};

/// A line that is being written. Borrowed for the call that has it.
struct Line {
  base::Timestamp time;
  Level level;
  std::string_view room;
  std::string_view message;
  const About& about;
};
/// Any thread, one at a time; must not block and must not write to the log.
using Listener = std::function<void(const Line&)>;

/// Writes a line with what it is about. Any thread.
void write(spdlog::logger& logger, Level level, std::string_view message, const About& about);

class Log {
 public:
  /// To standard error. `has_priorities`: each line begins with "<3>" and the like, as journald takes it.
  static Log to_standard_error(Format format, bool has_priorities, const Levels& levels, Listener listener = {});
  /// To any sink, whose formatter is replaced.
  Log(spdlog::sink_ptr sink, Format format, bool has_priorities, const Levels& levels, Listener listener = {});

  /// The same one for each call. Any thread.
  [[nodiscard]] const std::shared_ptr<spdlog::logger>& of(Room room) const {
    return loggers_[static_cast<std::size_t>(room)];
  }
  /// Any thread.
  void set_levels(const Levels& levels);

 private:
  std::array<std::shared_ptr<spdlog::logger>, room_names.size()> loggers_;
};

}  // namespace trv::logging
