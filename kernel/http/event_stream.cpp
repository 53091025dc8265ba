#include "kernel/http/event_stream.hpp"

#include <algorithm>
#include <utility>

#include "kernel/http/stream_queue.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {
namespace {

void append_line(std::string& frame, std::string_view field, std::string_view text) {
  frame.append(field);
  for (const char c : text) {
    if (c != '\r' && c != '\n' && c != '\0') frame.push_back(c);
  }
  frame.push_back('\n');
}

/// One `field` line for every line of `text`; "\r\n", "\n" and "\r" end lines.
void append_lines(std::string& frame, std::string_view field, std::string_view text) {
  for (;;) {
    const std::size_t end = text.find_first_of("\r\n");
    append_line(frame, field, text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(text.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
}

}  // namespace

std::string event_frame(std::string_view id, std::string_view event, std::string_view data) {
  std::string frame;
  frame.reserve(id.size() + event.size() + data.size() + 32);
  if (!id.empty()) append_line(frame, "id: ", id);
  if (!event.empty()) append_line(frame, "event: ", event);
  append_lines(frame, "data: ", data);
  frame.push_back('\n');
  return frame;
}

std::size_t StreamQueue::write(std::string_view bytes) {
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return 0;
    const std::size_t room = bytes_max_ - std::min(bytes_max_, queued_.size());
    if (room < bytes.size()) cut_short_ = true;
    bytes = bytes.substr(0, room);
    // Somebody woken earlier takes this too, or is still sending what it took and will come back.
    if (queued_.empty() && !bytes.empty()) waker = waker_;
    queued_.append(bytes);
  }
  if (waker) waker->wake();
  return bytes.size();
}

void StreamQueue::comment(std::string_view text) {
  std::string frame;
  append_lines(frame, ": ", text);
  frame.push_back('\n');
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    if (queued_.empty()) waker = waker_;
    queued_.append(frame);
  }
  if (waker) waker->wake();
}

void StreamQueue::close() {
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    waker = waker_;
  }
  if (waker) waker->wake();
}

bool StreamQueue::is_open() const {
  const std::lock_guard lock(mutex_);
  return !closed_;
}

std::size_t StreamQueue::queued() const {
  const std::lock_guard lock(mutex_);
  return queued_.size();
}

void StreamQueue::on_ready(std::function<void()> callback) {
  TRV_EXPECTS(callback != nullptr);
  {
    const std::lock_guard lock(mutex_);
    if (!finished_) {
      std::swap(callback_, callback);  // the one before is let go outside the lock
      return;
    }
  }
  callback();
}

bool StreamQueue::take(std::string& bytes) {
  if (of_ == Of::parts) return take_parts(bytes);
  std::function<void()> callback;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    bytes.append(std::exchange(queued_, {}));
    if (std::exchange(cut_short_, false)) callback = callback_;
    more = !closed_;
  }
  if (callback) callback();
  return more;
}

void StreamQueue::finish() {
  std::function<void()> callback;
  PartStream::Sent sent_callback;
  std::shared_ptr<Waker> waker;  // may be the last to hold its owner: let go outside the lock
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = closed_ = true;
    queued_ = {};
    callback = std::exchange(callback_, nullptr);
    sent_callback = std::exchange(sent_callback_, nullptr);
    waker = std::move(waker_);
  }
  if (callback) callback();
}

EventStream::EventStream(std::shared_ptr<StreamQueue> queue) noexcept : queue_(std::move(queue)) {
  TRV_EXPECTS(queue_ != nullptr);
}

EventStream& EventStream::operator=(EventStream&& other) noexcept {
  if (this != &other) {
    if (queue_) queue_->close();
    queue_ = std::move(other.queue_);
  }
  return *this;
}

EventStream::~EventStream() {
  if (queue_) queue_->close();
}

std::size_t EventStream::write(std::string_view bytes) {
  return queue_ ? queue_->write(bytes) : 0;
}

void EventStream::comment(std::string_view text) {
  if (queue_) queue_->comment(text);
}

void EventStream::close() {
  if (queue_) queue_->close();
}

bool EventStream::is_open() const {
  return queue_ && queue_->is_open();
}

void EventStream::on_ready(std::function<void()> callback) {
  TRV_EXPECTS(queue_ != nullptr);
  queue_->on_ready(std::move(callback));
}

}  // namespace trv::http
