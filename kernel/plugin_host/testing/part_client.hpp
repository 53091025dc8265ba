#pragma once
// A client that is answered in parts, for tests.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/plugin_host/web_request.hpp"

namespace trv::plugin_host {

/// A client that reads at once, or what it is asked to.
class PartClient final : public PartReceiver {
 public:
  explicit PartClient(bool reads) : reads_(reads) {}
  void begin(WebResponse head, Taken taken) override {
    {
      const std::lock_guard lock(mutex_);
      head_ = std::move(head);
      body_ = head_->body;
      waiting_ = body_.size();
      taken_ = std::move(taken);
      changed_.notify_all();
    }
    if (reads_) read();
  }
  void part(std::string_view part) override {
    {
      const std::lock_guard lock(mutex_);
      body_ += part;
      waiting_ += part.size();
      most_waiting_ = std::max(most_waiting_, waiting_);
      changed_.notify_all();
    }
    if (reads_) read();
  }
  void read() {
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      count = std::exchange(waiting_, 0);
    }
    if (count > 0) taken_(count);
  }
  [[nodiscard]] bool await(const std::string& body) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return body_ == body; });
  }
  [[nodiscard]] bool await_bytes(std::size_t size) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return body_.size() >= size; });
  }
  [[nodiscard]] std::string body() {
    const std::lock_guard lock(mutex_);
    return body_;
  }
  [[nodiscard]] std::size_t most_waiting() {
    const std::lock_guard lock(mutex_);
    return most_waiting_;
  }
  [[nodiscard]] std::optional<WebResponse> head() {
    const std::lock_guard lock(mutex_);
    return head_;
  }

 private:
  const bool reads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<WebResponse> head_;
  std::string body_;
  std::size_t waiting_ = 0;
  std::size_t most_waiting_ = 0;
  Taken taken_;
};

}  // namespace trv::plugin_host
