#include "kernel/cli/client/sse.hpp"

#include <fmt/format.h>

#include <utility>

namespace trv::cli {

base::Result<std::vector<ServerSentEvent>> SseParser::feed(std::string_view bytes) {
  std::vector<ServerSentEvent> events;
  while (!bytes.empty()) {
    if (std::exchange(skip_line_feed_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (line_.size() + (data_ ? data_->size() : 0) > event_bytes_max) {
      return base::fail(base::ErrorCode::too_large,
                        fmt::format("the server sent an event of more than {} bytes", event_bytes_max));
    }
    if (end == std::string_view::npos) break;
    skip_line_feed_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    take_line(line_, events);
    line_.clear();
  }
  return events;
}

void SseParser::restart() {
  line_.clear();
  next_id_ = last_id_;
  type_.clear();
  data_.reset();
  skip_line_feed_ = false;
}

void SseParser::take_line(std::string_view line, std::vector<ServerSentEvent>& events) {
  if (line.empty()) {
    last_id_ = next_id_;
    if (data_) events.push_back({.id = last_id_, .type = type_, .data = *std::move(data_)});
    data_.reset();
    type_.clear();
    return;
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    if (data_) {
      data_->append("\n").append(value);
    } else {
      data_ = std::string(value);
    }
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    next_id_ = value;
  }
}

}  // namespace trv::cli
