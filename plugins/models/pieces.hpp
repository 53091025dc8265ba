#pragma once
// The pieces of an answer as it comes: the data of its server-sent events, or, where it is one JSON object in their
// place, that. C++20; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sdk/cpp/event_reader.hpp"

namespace models {

class Pieces {
 public:
  void add(std::string_view bytes) {
    if (!is_known_) {
      begin_ += bytes;
      const std::size_t first = begin_.find_first_not_of(" \t\r\n");
      if (first == std::string::npos) return;
      is_known_ = true;
      is_object_ = begin_[first] == '{';
      if (!is_object_) events_.add(std::exchange(begin_, {}));
    } else if (is_object_) {
      begin_ += bytes;
    } else {
      events_.add(bytes);
    }
  }

  /// The data of the next event.
  [[nodiscard]] std::optional<std::string> next() {
    if (!is_known_ || is_object_) return std::nullopt;
    auto event = events_.next();
    if (!event) return std::nullopt;
    return std::move(event->data);
  }

  /// Once nothing follows: the object.
  [[nodiscard]] std::optional<std::string> object() {
    if (!is_object_) return std::nullopt;
    return std::exchange(begin_, {});
  }

 private:
  std::string begin_;  // all of an object
  trv::sdk::EventReader events_;
  bool is_known_ = false;
  bool is_object_ = false;
};

}  // namespace models
