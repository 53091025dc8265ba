#pragma once
// Server-sent events that have arrived whole (HTML Living Standard §9.2.6). C++20; any thread.

#include <string>
#include <string_view>
#include <utility>

namespace models {

/// Calls `take(event, data)` for each event of the stream in turn, until it returns false. Comments, ids and retry
/// times are left out; an event that an empty line does not end never arrived.
template <typename Take>
void for_each_event(std::string_view stream, Take&& take) {
  std::string event;
  std::string data;
  bool has_data = false;
  while (!stream.empty()) {
    const std::size_t end = stream.find_first_of("\r\n");
    if (end == std::string_view::npos) return;
    const std::string_view line = stream.substr(0, end);
    stream.remove_prefix(stream.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
    if (line.empty()) {
      if (has_data && !take(std::string_view(event), std::string_view(data))) return;
      event.clear();
      data.clear();
      has_data = false;
      continue;
    }
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") {
      event = value;
    } else if (field == "data") {
      if (has_data) data += '\n';
      data += value;
      has_data = true;
    }
  }
}

/// Whether a body is one JSON object or more, in place of a stream of events.
[[nodiscard]] inline bool is_json(std::string_view body) noexcept {
  const std::size_t begin = body.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && body[begin] == '{';
}

}  // namespace models
