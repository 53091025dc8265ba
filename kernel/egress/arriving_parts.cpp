#include "kernel/egress/arriving_parts.hpp"

#include <algorithm>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::egress {

ArrivingParts::ArrivingParts(std::shared_ptr<PartReceiver> receiver) : receiver_(std::move(receiver)) {
  TRV_EXPECTS(receiver_ != nullptr);
}

void ArrivingParts::head(Response head) {
  TRV_EXPECTS(!has_head_ && head.body.empty());
  has_head_ = true;
  receiver_->head(std::move(head));
}

ArrivingParts::Taken ArrivingParts::accept(std::string_view bytes) {
  TRV_EXPECTS(has_head_);
  waits_ = false;
  const std::uint64_t again = std::min<std::uint64_t>(known_, bytes.size());
  std::string_view fresh = bytes.substr(again);
  if (passed_on_ + fresh.size() > stream_bytes_max) return Taken::too_large;
  std::uint64_t passed_on = 0;
  while (!fresh.empty() && room_ > 0) {
    const std::string_view part = fresh.substr(0, std::min(room_, stream_part_bytes));
    receiver_->part(part);
    fresh.remove_prefix(part.size());
    room_ -= part.size();
    passed_on += part.size();
  }
  passed_on_ += passed_on;
  if (fresh.empty()) {
    known_ -= again;
    return Taken::all;
  }
  known_ += passed_on;
  waits_ = true;
  return Taken::waits_for_leave;
}

bool ArrivingParts::take(std::uint64_t byte_count) noexcept {
  room_ = std::min(stream_room_bytes, room_ + std::min(byte_count, stream_room_bytes));
  return waits_ && room_ > 0;
}

}  // namespace trv::egress
