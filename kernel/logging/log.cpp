#include "kernel/logging/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "kernel/json/serialize.hpp"
#include "kernel/trace/context.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::logging {
namespace {

const About about_nothing;

/// Sinks are called by the thread that writes, within write().
thread_local const About* current = nullptr;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

const About& current_about() {
  return current == nullptr ? about_nothing : *current;
}

spdlog::level::level_enum to_spdlog(Level level) {
  constexpr std::array levels = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
  return levels[static_cast<std::size_t>(level)];
}
Level of_spdlog(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return Level::debug;
  if (level == spdlog::level::info) return Level::info;
  return level == spdlog::level::warn ? Level::warning : Level::error;
}

base::Timestamp time_of(const spdlog::details::log_msg& line) {
  return base::Timestamp(std::chrono::duration_cast<std::chrono::nanoseconds>(line.time.time_since_epoch()).count());
}

std::string_view view(const spdlog::string_view_t& text) {
  return {text.data(), text.size()};
}

/// As syslog numbers them (RFC 5424 §6.2.1).
std::string_view priority_of(spdlog::level::level_enum level) {
  constexpr std::array<std::string_view, 4> priorities = {"<7>", "<6>", "<4>", "<3>"};
  return priorities[static_cast<std::size_t>(of_spdlog(level))];
}

void append(spdlog::memory_buf_t& to, std::string_view text) {
  to.append(text.data(), text.data() + text.size());
}

class TextFormatter final : public spdlog::formatter {
 public:
  explicit TextFormatter(bool has_priorities) : has_priorities_(has_priorities) {}

  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& to) override {
    std::string text(current_about().in_text);
    text += view(line.payload);
    if (has_priorities_) {
      append(to, priority_of(line.level));
      // journald takes each line of several for one of its own.
      for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
        text.insert(at + 1, priority_of(line.level));
      }
    }
    spdlog::details::log_msg whole(line);
    whole.payload = text;
    pattern_.format(whole, to);
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextFormatter>(has_priorities_);
  }

 private:
  const bool has_priorities_;
  spdlog::pattern_formatter pattern_;
};

class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(bool has_priorities) : has_priorities_(has_priorities) {}

  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& to) override {
    std::string text(has_priorities_ ? priority_of(line.level) : "");
    auto add = [&text, before = '{'](std::string_view name, std::string_view value) mutable {
      if (value.empty()) return;
      text += std::exchange(before, ',');
      json::append_string(text, name);
      text += ':';
      json::append_string(text, base::is_utf8(value) ? value : std::string_view(base::to_valid_utf8(value)));
    };
    add("time", time_of(line).to_rfc3339());
    add("level", level_names[static_cast<std::size_t>(of_spdlog(line.level))]);
    add("room", view(line.logger_name));
    add("message", view(line.payload));
    for (const auto& [name, value] : current_about().fields) add(name, value);
    if (const auto context = trace::Context::parse(current_about().traceparent)) {
      add("trace_id", context->trace_text());
      add("span_id", context->span_text());
    }
    text += "}\n";
    append(to, text);
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>(has_priorities_);
  }

 private:
  const bool has_priorities_;
};

class ListenerSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ListenerSink(Listener listener) : listener_(std::move(listener)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& line) override {
    listener_({.time = time_of(line),
               .level = of_spdlog(line.level),
               .room = view(line.logger_name),
               .message = view(line.payload),
               .about = current_about()});
  }
  void flush_() override {}

  const Listener listener_;
};

}  // namespace

void write(spdlog::logger& logger, Level level, std::string_view message, const About& about) {
  const About* const outer = std::exchange(current, &about);
  logger.log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
  current = outer;
}

Log Log::to_standard_error(Format format, bool has_priorities, const Levels& levels, Listener listener) {
  return {std::make_shared<spdlog::sinks::stderr_color_sink_mt>(), format, has_priorities, levels, std::move(listener)};
}

Log::Log(spdlog::sink_ptr sink, Format format, bool has_priorities, const Levels& levels, Listener listener) {
  if (format == Format::json) {
    sink->set_formatter(std::make_unique<JsonFormatter>(has_priorities));
  } else {
    sink->set_formatter(std::make_unique<TextFormatter>(has_priorities));
  }
  std::vector<spdlog::sink_ptr> sinks = {std::move(sink)};
  if (listener) sinks.push_back(std::make_shared<ListenerSink>(std::move(listener)));
  for (std::size_t room = 0; room < room_names.size(); ++room) {
    loggers_[room] = std::make_shared<spdlog::logger>(std::string(room_names[room]), sinks.begin(), sinks.end());
    loggers_[room]->flush_on(spdlog::level::debug);
  }
  set_levels(levels);
}

void Log::set_levels(const Levels& levels) {
  for (std::size_t room = 0; room < room_names.size(); ++room) loggers_[room]->set_level(to_spdlog(levels[room]));
}

}  // namespace trv::logging
