#include "kernel/http/part_stream.hpp"

#include <algorithm>
#include <utility>

#include "kernel/http/stream_queue.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {
namespace {

constexpr std::size_t taken_bytes_max = 65'536;  // at once: so often a feeder hears of room

}  // namespace

void StreamQueue::put(std::string_view part) {
  TRV_EXPECTS(of_ == Of::parts);
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || part.empty()) return;
    if (queued_.empty()) waker = waker_;
    // What was taken goes where it would take more memory than what waits.
    if (begin_ > queued_.size() / 2) queued_.erase(0, std::exchange(begin_, 0));
    queued_.append(part);
  }
  if (waker) waker->wake();
}

void StreamQueue::cut() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    cut_ = true;
  }
  close();
}

bool StreamQueue::is_cut() const {
  const std::lock_guard lock(mutex_);
  return cut_;
}

void StreamQueue::on_sent(PartStream::Sent callback) {
  TRV_EXPECTS(of_ == Of::parts && callback != nullptr);
  const std::lock_guard lock(mutex_);
  TRV_EXPECTS(sent_callback_ == nullptr);
  if (!finished_) sent_callback_ = std::move(callback);
}

bool StreamQueue::take_parts(std::string& bytes) {
  PartStream::Sent callback;
  std::size_t sent = 0;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    sent = std::exchange(sending_, std::min(queued_.size() - begin_, taken_bytes_max));
    if (sent > 0) callback = sent_callback_;
    bytes.append(queued_, begin_, sending_);
    begin_ += sending_;
    if (begin_ == queued_.size()) {
      queued_.clear();
      begin_ = 0;
    }
    more = !closed_ || !queued_.empty();
  }
  if (callback) callback(sent);
  return more;
}

PartStream::PartStream(std::shared_ptr<StreamQueue> queue) noexcept : queue_(std::move(queue)) {
  TRV_EXPECTS(queue_ != nullptr && queue_->of() == StreamQueue::Of::parts);
}

PartStream& PartStream::operator=(PartStream&& other) noexcept {
  if (this != &other) {
    if (queue_) queue_->cut();
    queue_ = std::move(other.queue_);
  }
  return *this;
}

PartStream::~PartStream() {
  if (queue_) queue_->cut();
}

void PartStream::write(std::string_view part) {
  if (queue_) queue_->put(part);
}

void PartStream::close() {
  if (queue_) queue_->close();
}

void PartStream::cut() {
  if (queue_) queue_->cut();
}

void PartStream::on_sent(Sent sent) {
  TRV_EXPECTS(queue_ != nullptr);
  queue_->on_sent(std::move(sent));
}

void PartStream::on_over(std::function<void()> over) {
  TRV_EXPECTS(queue_ != nullptr);
  queue_->on_ready(std::move(over));
}

}  // namespace trv::http
