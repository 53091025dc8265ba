#pragma once
// Threads for handlers that wait: for a plugin, a file, a scan. The server's own threads never do.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trv::http {

class Workers {
 public:
  Workers(std::size_t threads, std::size_t waiting_max);
  /// Waits for the work in hand; what still waits is destroyed undone.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// False, and nothing done, where so much waits already. Any thread.
  [[nodiscard]] bool run(std::move_only_function<void()> work);

 private:
  void serve();

  const std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace trv::http
