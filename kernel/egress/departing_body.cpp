#include "kernel/egress/departing_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace trv::egress {

void DepartingBody::write(std::string_view part) {
  const std::lock_guard lock(mutex_);
  if (is_closed_ || has_ended_ || part.empty()) return;
  // What was taken goes where it would take more memory than what waits.
  if (begin_ > waiting_.size() / 2) waiting_.erase(0, std::exchange(begin_, 0));
  const bool was_empty = begin_ == waiting_.size();
  waiting_.append(part);
  if (was_empty && more_) more_();
}

void DepartingBody::end() {
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  if (begin_ == waiting_.size() && more_) more_();
}

void DepartingBody::on_more(std::function<void()> more) {
  const std::lock_guard lock(mutex_);
  more_ = std::move(more);
}

base::Result<std::optional<std::size_t>> DepartingBody::take(char* to, std::size_t bytes_max) {
  std::size_t size = 0;
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return std::size_t{0};
    size = std::min(bytes_max, waiting_.size() - begin_);
    if (size == 0 && !has_ended_) return std::nullopt;
    const bool is_wrong = length_ && (taken_ + size > *length_ || (size == 0 && taken_ != *length_));
    if (is_wrong) {
      return base::fail(base::ErrorCode::invalid, fmt::format("the body has {} bytes, and its length was given as {}",
                                                              size == 0 ? std::to_string(taken_) : "more", *length_));
    }
    if (size == 0) {
      is_closed_ = true;
      return std::size_t{0};
    }
    std::memcpy(to, waiting_.data() + begin_, size);
    taken_ += size;
    begin_ += size;
    if (begin_ == waiting_.size()) {
      waiting_.clear();
      begin_ = 0;
    }
    // With a length the sender does not come again for the end.
    if (has_ended_ && begin_ == waiting_.size() && length_ == taken_) is_closed_ = true;
  }
  if (sees_) sees_({to, size});
  if (writer_.taken) writer_.taken(size);
  return size;
}

void DepartingBody::watch(std::function<void(std::string_view)> sees) {
  const std::lock_guard lock(mutex_);
  sees_ = std::move(sees);
}

void DepartingBody::close() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_closed_, true)) return;
    waiting_ = {};
    begin_ = 0;
    if (more_) more_();
    // All of it may be with the sender, and its writer yet to say so.
    if (length_ == taken_) return;
  }
  if (writer_.over) writer_.over();
}

}  // namespace trv::egress
