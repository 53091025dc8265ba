#include "kernel/plugin_run/local_sender.hpp"

#include <algorithm>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::plugin_run {

using base::ErrorCode;

LocalSender::LocalSender() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

LocalSender::~LocalSender() {
  thread_ = {};
  for (Waiting& one : waiting_) one.completion(base::fail(ErrorCode::cancelled, "nothing is answered any more"));
}

egress::RequestId LocalSender::send(egress::Request request, egress::Completion completion) {
  TRV_EXPECTS(completion);
  const std::lock_guard lock(mutex_);
  auto answer = answer_to(request);
  waiting_.push_back({++last_id_, std::move(completion), std::move(answer)});
  changed_.notify_one();
  return last_id_;
}

void LocalSender::cancel(egress::RequestId id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(waiting_, id, &Waiting::id);
  if (found != waiting_.end()) found->answer = base::fail(ErrorCode::cancelled, "the request was cancelled");
}

void LocalSender::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    next.completion(std::move(next.answer));
    lock.lock();
  }
}

}  // namespace trv::plugin_run
