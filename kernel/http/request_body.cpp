#include "kernel/http/request_body.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::http {

void RequestBody::read(Part part, End end) {
  TRV_EXPECTS(part != nullptr && end != nullptr);
  std::shared_ptr<Waker> waker;
  std::optional<base::Status> over;
  {
    const std::lock_guard lock(mutex_);
    TRV_EXPECTS(part_ == nullptr);
    waker = waker_;
    if (is_over_) {
      over = status_;
    } else {
      part_ = std::make_shared<const Part>(std::move(part));
      end_ = std::exchange(end, nullptr);
      room_ = body_room_bytes;
    }
  }
  if (over) return end(*std::move(over));
  if (waker) waker->wake();
}

void RequestBody::take(std::uint64_t byte_count) {
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (is_over_ || byte_count == 0) return;
    if (room_ == 0) waker = waker_;
    room_ = std::min<std::uint64_t>(body_room_bytes, room_ + std::min<std::uint64_t>(byte_count, body_room_bytes));
  }
  if (waker) waker->wake();
}

void RequestBody::drop() {
  const std::lock_guard lock(mutex_);
  room_ = 0;
  part_ = nullptr;
  end_ = nullptr;
}

std::size_t RequestBody::room() const {
  const std::lock_guard lock(mutex_);
  return room_;
}

void RequestBody::deliver(std::string_view part) {
  std::shared_ptr<const Part> to;
  {
    const std::lock_guard lock(mutex_);
    // It may have been dropped meanwhile.
    room_ -= std::min(room_, part.size());
    to = part_;
  }
  if (to) (*to)(part);
}

void RequestBody::finish(base::Status status) {
  End end;
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_over_, true)) return;
    room_ = 0;
    status_ = status;
    end = std::exchange(end_, nullptr);
    part_ = nullptr;
    waker = std::move(waker_);
  }
  if (end) end(std::move(status));
}

}  // namespace trv::http
