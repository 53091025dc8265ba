#include "kernel/plugin_host/plugin_threads.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

constexpr base::Duration hang_after = std::chrono::seconds(1);
constexpr std::size_t handler_stack_bytes = std::size_t{64} << 10;

}  // namespace

// Owned by the pool and by each of its threads, so that a thread that hangs can be left behind.
struct PluginThreads::Shared {
  explicit Shared(const base::Clock& c) : clock(c), last_progress(c.monotonic()) {}

  const base::Clock& clock;
  std::mutex mutex;
  std::condition_variable posted;
  std::condition_variable left;
  std::deque<std::move_only_function<void()>> tasks;
  std::vector<std::thread> workers;
  std::size_t idle = 0;
  std::size_t running = 0;
  base::Duration last_progress;
  bool stopping = false;

  std::mutex time_mutex;
  std::condition_variable time_changed;
  std::vector<std::weak_ptr<Expiring>> watched;
  base::Duration next_deadline = base::Duration::max();
  bool time_stopping = false;
  std::thread timekeeper;

  static void work(const std::shared_ptr<Shared>& shared);
  static void keep_time(const std::shared_ptr<Shared>& shared);
  static void add_worker(const std::shared_ptr<Shared>& shared);
};

void PluginThreads::Shared::add_worker(const std::shared_ptr<Shared>& shared) {
  shared->workers.emplace_back([shared] { work(shared); });
  ++shared->running;
}

void PluginThreads::Shared::work(const std::shared_ptr<Shared>& shared) {
  // Where a plugin recurses without end, the handler of the signal has room to note the crash.
  std::vector<char> room(handler_stack_bytes);
  const stack_t handler_stack{.ss_sp = room.data(), .ss_flags = 0, .ss_size = room.size()};
  const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  TRV_ASSERT(::sigaltstack(&handler_stack, nullptr) == 0);
  std::unique_lock lock(shared->mutex);
  for (;;) {
    ++shared->idle;
    shared->posted.wait(lock, [&] { return shared->stopping || !shared->tasks.empty(); });
    --shared->idle;
    if (shared->tasks.empty()) break;
    auto task = std::move(shared->tasks.front());
    shared->tasks.pop_front();
    shared->last_progress = shared->clock.monotonic();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
  --shared->running;
  shared->left.notify_all();
  TRV_ASSERT(::sigaltstack(&none, nullptr) == 0);
}

void PluginThreads::Shared::keep_time(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock(shared->time_mutex);
  while (!shared->time_stopping) {
    if (shared->next_deadline == base::Duration::max()) {
      shared->time_changed.wait(
          lock, [&] { return shared->time_stopping || shared->next_deadline != base::Duration::max(); });
      continue;
    }
    const base::Duration left = shared->next_deadline - shared->clock.monotonic();
    if (left.count() > 0) {
      shared->time_changed.wait_for(lock, std::min<base::Duration>(left, std::chrono::hours(1)));
      continue;
    }
    shared->next_deadline = base::Duration::max();
    std::erase_if(shared->watched, [](const auto& expiring) { return expiring.expired(); });
    const std::vector<std::weak_ptr<Expiring>> watched = shared->watched;
    lock.unlock();
    base::Duration next = base::Duration::max();
    for (const std::weak_ptr<Expiring>& weak : watched) {
      if (const auto expiring = weak.lock()) next = std::min(next, expiring->expire(shared->clock.monotonic()));
    }
    lock.lock();
    shared->next_deadline = std::min(shared->next_deadline, next);
  }
}

base::Result<std::unique_ptr<PluginThreads>> PluginThreads::start(std::size_t workers, const base::Clock& clock) {
  TRV_EXPECTS(workers > 0 && workers <= workers_max);
  std::unique_ptr<PluginThreads> threads(new PluginThreads(std::make_shared<Shared>(clock)));
  const std::shared_ptr<Shared>& shared = threads->shared_;
  try {
    const std::lock_guard lock(shared->mutex);
    for (std::size_t i = 0; i < workers; ++i) Shared::add_worker(shared);
    shared->timekeeper = std::thread([shared] { Shared::keep_time(shared); });
  } catch (const std::system_error& error) {
    return base::fail(base::ErrorCode::unavailable, fmt::format("no thread for plugins: {}", error.what()));
  }
  return threads;
}

PluginThreads::PluginThreads(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

PluginThreads::~PluginThreads() {
  {
    const std::lock_guard lock(shared_->time_mutex);
    shared_->time_stopping = true;
  }
  shared_->time_changed.notify_all();
  if (shared_->timekeeper.joinable()) shared_->timekeeper.join();

  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->posted.notify_all();
  const bool all_left = shared_->left.wait_for(lock, hang_after, [this] { return shared_->running == 0; });
  // Who is left behind finds nothing to do when it comes back; what it would run may be gone by then.
  std::deque<std::move_only_function<void()>> dropped;
  if (!all_left) dropped.swap(shared_->tasks);
  lock.unlock();
  for (std::thread& worker : shared_->workers) {
    if (all_left) {
      worker.join();
    } else {
      worker.detach();
    }
  }
}

void PluginThreads::post(std::move_only_function<void()> task) {
  TRV_EXPECTS(task);
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->tasks.push_back(std::move(task));
    const bool all_hang =
        shared_->idle == 0 && shared_->clock.monotonic() - shared_->last_progress > hang_after && !shared_->stopping;
    if (all_hang && shared_->workers.size() < workers_max) {
      try {
        Shared::add_worker(shared_);
      } catch (const std::system_error&) {
        // The task waits for one of the workers that there are.
      }
    }
  }
  shared_->posted.notify_one();
}

void PluginThreads::watch(std::weak_ptr<Expiring> expiring) {
  const std::lock_guard lock(shared_->time_mutex);
  shared_->watched.push_back(std::move(expiring));
}

void PluginThreads::tell(base::Duration deadline) {
  {
    const std::lock_guard lock(shared_->time_mutex);
    if (deadline >= shared_->next_deadline) return;
    shared_->next_deadline = deadline;
  }
  shared_->time_changed.notify_one();
}

}  // namespace trv::plugin_host
