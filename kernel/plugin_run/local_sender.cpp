#include "kernel/plugin_run/local_sender.hpp"

#include <algorithm>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::plugin_run {

using base::ErrorCode;

namespace {

constexpr std::size_t collected_bytes_max = std::size_t{64} << 20;  // as a cassette holds

}  // namespace

LocalSender::LocalSender() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

LocalSender::~LocalSender() {
  thread_ = {};
  for (Waiting& one : waiting_) {
    if (one.writing) one.writing->departing->on_more({});
  }
  for (Waiting& one : waiting_) one.completion(base::fail(ErrorCode::cancelled, "nothing is answered any more"));
}

egress::RequestId LocalSender::send(egress::Request request, egress::Completion completion) {
  TRV_EXPECTS(completion);
  return add(std::move(request), std::move(completion), nullptr);
}

egress::RequestId LocalSender::send_in_parts(egress::Request request, std::shared_ptr<egress::PartReceiver> receiver) {
  TRV_EXPECTS(receiver != nullptr);
  egress::Completion completion = [receiver](base::Result<egress::Response> answer) {
    receiver->end(answer ? base::Status() : base::fail(std::move(answer).error()));
  };
  return add(std::move(request), std::move(completion), std::move(receiver));
}

egress::RequestId LocalSender::add(egress::Request request, egress::Completion completion,
                                   std::shared_ptr<egress::PartReceiver> receiver) {
  const std::shared_ptr<egress::DepartingBody> body = request.departing;
  const egress::RequestId id = add_waiting(std::move(request), std::move(completion), std::move(receiver));
  // Not under the lock, which this takes under that of the body.
  if (body != nullptr) {
    body->on_more([this, id] {
      const std::lock_guard lock(mutex_);
      if (Waiting* waiting = find(id)) waiting->can_go_on = true;
      changed_.notify_one();
    });
    const std::lock_guard lock(mutex_);
    if (Waiting* waiting = find(id)) waiting->can_go_on = true;
    changed_.notify_one();
  }
  return id;
}

egress::RequestId LocalSender::add_waiting(egress::Request request, egress::Completion completion,
                                           std::shared_ptr<egress::PartReceiver> receiver) {
  const std::lock_guard lock(mutex_);
  Waiting& added = waiting_.emplace_back();
  added.id = ++last_id_;
  added.completion = std::move(completion);
  if (receiver != nullptr) added.parts.emplace(receiver);
  added.receiver = std::move(receiver);
  if (request.departing != nullptr) {
    added.writing = std::move(request);
  } else {
    added.answer = answer_to(request);
  }
  changed_.notify_one();
  return added.id;
}

LocalSender::Waiting* LocalSender::find(egress::RequestId id) {
  const auto found = std::ranges::find(waiting_, id, &Waiting::id);
  return found == waiting_.end() ? nullptr : &*found;
}

void LocalSender::take(egress::RequestId id, std::uint64_t byte_count) {
  const std::lock_guard lock(mutex_);
  Waiting* waiting = find(id);
  if (waiting == nullptr) return;
  waiting->taken += std::min(byte_count, egress::stream_room_bytes);
  waiting->can_go_on = true;
  changed_.notify_one();
}

void LocalSender::cancel(egress::RequestId id) {
  const std::lock_guard lock(mutex_);
  Waiting* waiting = find(id);
  if (waiting == nullptr) return;
  waiting->is_cancelled = true;
  waiting->can_go_on = true;
  changed_.notify_one();
}

bool LocalSender::collect(egress::Request& request) {
  std::string bytes(egress::stream_part_bytes, ' ');
  for (;;) {
    const auto taken = request.departing->take(bytes.data(), bytes.size());
    if (taken && !taken->has_value()) return false;
    if (!taken || **taken == 0) return true;
    if (request.body.size() < collected_bytes_max) request.body.append(bytes, 0, **taken);
  }
}

// False: what is left of the answer waits for leave.
bool LocalSender::go_on(Waiting& waiting, std::uint64_t taken, bool is_cancelled) {
  if (is_cancelled) waiting.answer = base::fail(ErrorCode::cancelled, "the request was cancelled");
  if (!waiting.parts || !waiting.answer) {
    waiting.completion(std::move(waiting.answer));
    return true;
  }
  egress::Response& answer = *waiting.answer;
  if (!waiting.parts->has_head()) {
    waiting.parts->head({.status = answer.status, .headers = answer.headers, .body = {}});
  }
  static_cast<void>(waiting.parts->take(taken));
  if (waiting.parts->accept(answer.body) == egress::ArrivingParts::Taken::waits_for_leave) return false;
  waiting.completion(egress::Response{});
  return true;
}

void LocalSender::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  auto next = waiting_.end();
  const auto is_there = [&] {
    next = std::ranges::find(waiting_, true, &Waiting::can_go_on);
    return next != waiting_.end();
  };
  while (changed_.wait(lock, stop, is_there)) {
    next->can_go_on = false;
    const std::uint64_t taken = std::exchange(next->taken, 0);
    const bool is_cancelled = next->is_cancelled;
    lock.unlock();
    if (next->writing && !is_cancelled) {
      if (!collect(*next->writing)) {
        lock.lock();
        continue;
      }
      next->writing->departing->on_more({});
      const egress::Request whole = *std::exchange(next->writing, std::nullopt);
      lock.lock();
      next->answer = answer_to(whole);
      lock.unlock();
    } else if (next->writing) {
      next->writing->departing->on_more({});
      next->writing.reset();
    }
    const bool has_ended = go_on(*next, taken, is_cancelled);
    lock.lock();
    if (has_ended) waiting_.erase(next);
  }
}

}  // namespace trv::plugin_run
