#pragma once
// Server-sent events (HTML Living Standard §9.2), the reading side. One thread; the bytes may be hostile.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::cli {

struct ServerSentEvent {
  std::string id;  ///< the last id that the stream named
  std::string type;
  std::string data;

  friend bool operator==(const ServerSentEvent&, const ServerSentEvent&) = default;
};

class SseParser {
 public:
  static constexpr std::size_t event_bytes_max = std::size_t{8} * 1024 * 1024;

  /// The events that `bytes` complete, in order. Bytes may be cut anywhere. Error: too_large for one event over the
  /// limit; the parser is of no use then.
  [[nodiscard]] base::Result<std::vector<ServerSentEvent>> feed(std::string_view bytes);
  /// Forgets an event that broke off; the last id stays.
  void restart();
  /// For Last-Event-ID: of the last whole event; empty where none came yet.
  [[nodiscard]] const std::string& last_id() const noexcept { return last_id_; }

 private:
  void take_line(std::string_view line, std::vector<ServerSentEvent>& events);

  std::string line_;
  std::string last_id_;
  std::string next_id_;
  std::string type_;
  std::optional<std::string> data_;
  bool skip_line_feed_ = false;
};

}  // namespace trv::cli
