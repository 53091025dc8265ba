#pragma once
// The body of a request to a plugin in tests, which comes under leave.

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "kernel/plugin_host/web_request.hpp"

namespace trv::plugin_host {

/// Gives so many bytes as it has leave for, and then breaks off or ends.
class GivenBody final : public BodySource {
 public:
  GivenBody(std::size_t bytes, base::Status end) : left_(bytes), end_(std::move(end)) {}
  ~GivenBody() override { drop(); }
  void read(std::shared_ptr<BodyReader> reader) override {
    reader_ = std::move(reader);
    thread_ = std::jthread([this](const std::stop_token& stop) {
      std::unique_lock lock(mutex_);
      while (left_ > 0) {
        if (!changed_.wait(lock, stop, [this] { return room_ > 0; })) return;
        const std::size_t size = std::min({left_, room_, stream_part_bytes_max});
        left_ -= size;
        room_ -= size;
        lock.unlock();
        reader_->part(std::string(size, '\xff'));
        lock.lock();
      }
      lock.unlock();
      reader_->end(end_);
    });
  }
  void take(std::uint64_t byte_count) override {
    const std::lock_guard lock(mutex_);
    room_ += byte_count;
    EXPECT_LE(room_, stream_room_bytes);
    changed_.notify_all();
  }
  void drop() override { thread_.request_stop(); }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::shared_ptr<BodyReader> reader_;
  std::size_t left_;
  std::size_t room_ = stream_room_bytes;
  const base::Status end_;
  std::jthread thread_;
};

}  // namespace trv::plugin_host
