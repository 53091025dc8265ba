#pragma once
// An answer on its way to who receives it in parts, under the leave that the receiver gives. Used by the broker's
// thread only.

#include <cstdint>
#include <memory>
#include <string_view>

#include "kernel/egress/http_sender.hpp"

namespace trv::egress {

class ArrivingParts {
 public:
  explicit ArrivingParts(std::shared_ptr<PartReceiver> receiver);

  enum class Taken : std::uint8_t { all, waits_for_leave, too_large };

  [[nodiscard]] bool has_head() const noexcept { return has_head_; }
  void head(Response head);
  /// The next bytes of the body. Where they wait for leave, what was passed on of them is remembered: they come here
  /// again from their first byte, with others behind them.
  [[nodiscard]] Taken accept(std::string_view bytes);
  /// True: bytes wait, and may come now.
  [[nodiscard]] bool take(std::uint64_t byte_count) noexcept;
  [[nodiscard]] std::uint64_t bytes_passed_on() const noexcept { return passed_on_; }

 private:
  std::shared_ptr<PartReceiver> receiver_;
  std::uint64_t room_ = stream_room_bytes;
  std::uint64_t known_ = 0;  ///< bytes that come again and were passed on
  std::uint64_t passed_on_ = 0;
  bool has_head_ = false;
  bool waits_ = false;
};

}  // namespace trv::egress
