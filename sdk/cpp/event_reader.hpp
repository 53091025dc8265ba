#pragma once
// Server-sent events (HTML Living Standard §9.2.6) out of the parts of an answer. C++20; any thread.
//
//   EventReader events;
//   …
//     events.add(part->bytes);
//     while (auto event = events.next()) use(*event);

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace trv::sdk {

struct ServerEvent {
  std::string event = {};  ///< empty: "message"
  std::string data = {};   ///< lines, apart by '\n'
  std::string id = {};     ///< the last that the stream named
};

/// Comments and retry times are left out; an event that an empty line does not end never arrived. What has not ended
/// yet is kept: who reads a stream that is not trusted looks at held_bytes().
class EventReader {
 public:
  void add(std::string_view bytes) {
    searched_ -= std::min(searched_, at_);
    buffer_.erase(0, at_);
    at_ = 0;
    buffer_ += bytes;
  }

  /// The next event that is whole; nullopt: more has to be added.
  [[nodiscard]] std::optional<ServerEvent> next() {
    for (;;) {
      if (is_behind_cr_ && at_ < buffer_.size()) {
        if (buffer_[at_] == '\n') ++at_;
        is_behind_cr_ = false;
      }
      const std::size_t end = buffer_.find_first_of("\r\n", std::max(at_, searched_));
      if (end == std::string::npos) {
        searched_ = buffer_.size();
        return std::nullopt;
      }
      const std::string_view line = std::string_view(buffer_).substr(at_, end - at_);
      is_behind_cr_ = buffer_[end] == '\r';
      at_ = end + 1;
      searched_ = at_;
      if (!line.empty()) {
        take(line);
      } else if (auto event = dispatch()) {
        return event;
      }
    }
  }

  /// Of an event that is not whole.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return buffer_.size() - at_ + event_.data.size(); }

 private:
  std::optional<ServerEvent> dispatch() {
    std::optional<ServerEvent> whole;
    if (std::exchange(has_data_, false)) whole = event_;
    event_.event.clear();
    event_.data.clear();
    return whole;
  }

  void take(std::string_view line) {
    if (std::exchange(is_first_, false) && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") {
      event_.event = value;
    } else if (field == "id") {
      if (value.find('\0') == std::string_view::npos) event_.id = value;
    } else if (field == "data") {
      if (has_data_) event_.data += '\n';
      event_.data += value;
      has_data_ = true;
    }
  }

  std::string buffer_;
  std::size_t at_ = 0;        // in the buffer: what is not read
  std::size_t searched_ = 0;  // no line ends before
  ServerEvent event_;
  bool has_data_ = false;
  bool is_first_ = true;
  bool is_behind_cr_ = false;
};

}  // namespace trv::sdk
