#include "kernel/http/event_stream.hpp"

#include <utility>

#include "kernel/http/stream_queue.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {
namespace {

constexpr std::string_view overflow_comment = ": too slow, ends here; resume with Last-Event-ID\n\n";

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

bool StreamQueue::send(std::string_view id, std::string_view event, std::string_view data) {
  std::string frame;
  frame.reserve(id.size() + event.size() + data.size() + 32);
  if (!id.empty()) append_line(frame, "id: ", id);
  if (!event.empty()) append_line(frame, "event: ", event);
  append_lines(frame, "data: ", data);
  frame.push_back('\n');
  return append(frame);
}

bool StreamQueue::comment(std::string_view text) {
  std::string frame;
  append_lines(frame, ": ", text);
  frame.push_back('\n');
  return append(frame);
}

bool StreamQueue::append(std::string_view frame) {
  std::shared_ptr<Waker> waker;
  bool accepted = true;
  {
    const std::lock_guard lock(mutex_);
    if (end_) return false;
    // Somebody woken earlier takes this too, or is still sending what it took and will come back.
    if (queued_.empty()) waker = waker_;
    if (queued_.size() + frame.size() > bytes_max_) {
      queued_.append(overflow_comment);
      end_ = StreamEnd::by_overflow;
      waker = waker_;
      accepted = false;
    } else {
      queued_.append(frame);
    }
  }
  if (waker) waker->wake();
  return accepted;
}

void StreamQueue::close() {
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    if (end_) return;
    end_ = StreamEnd::by_us;
    waker = waker_;
  }
  if (waker) waker->wake();
}

bool StreamQueue::is_open() const {
  const std::lock_guard lock(mutex_);
  return !end_;
}

void StreamQueue::on_closed(std::function<void(StreamEnd)> callback) {
  TRV_EXPECTS(callback != nullptr);
  StreamEnd end{};
  {
    const std::lock_guard lock(mutex_);
    TRV_EXPECTS(callback_ == nullptr);
    if (!finished_) {
      callback_ = std::move(callback);
      return;
    }
    end = *end_;
  }
  callback(end);
}

bool StreamQueue::take(std::string& bytes) {
  const std::lock_guard lock(mutex_);
  bytes.append(queued_);
  queued_.clear();
  return !end_;
}

void StreamQueue::finish(StreamEnd reason) {
  std::function<void(StreamEnd)> callback;
  std::shared_ptr<Waker> waker;  // may be the last to hold its owner: let go outside the lock
  StreamEnd end{};
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
    if (!end_) end_ = reason;
    end = *end_;
    queued_ = {};
    callback = std::exchange(callback_, nullptr);
    waker = std::move(waker_);
  }
  if (callback) callback(end);
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

bool EventStream::send(std::string_view id, std::string_view event, std::string_view data) {
  return queue_ && queue_->send(id, event, data);
}

bool EventStream::comment(std::string_view text) {
  return queue_ && queue_->comment(text);
}

void EventStream::close() {
  if (queue_) queue_->close();
}

bool EventStream::is_open() const {
  return queue_ && queue_->is_open();
}

void EventStream::on_closed(std::function<void(StreamEnd)> callback) {
  TRV_EXPECTS(queue_ != nullptr);
  queue_->on_closed(std::move(callback));
}

}  // namespace trv::http
