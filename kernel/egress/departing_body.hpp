#pragma once
// The body of a request that is written while it is sent. Between who writes it (any thread) and the sender (one
// thread); holds what was written and not taken, which the writer keeps within bounds.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sdk/base/result.hpp"

namespace trv::egress {

/// Takes what somebody writes in parts. Any thread; no function blocks.
class PartSink {
 public:
  virtual ~PartSink() = default;
  virtual void write(std::string_view part) = 0;
  /// What was written is whole. Last.
  virtual void end() = 0;
};

class DepartingBody final : public PartSink {
 public:
  /// Of who writes; called by the sender, without a lock. Must not block.
  struct Writer {
    std::function<void(std::uint64_t byte_count)> taken;
    std::function<void()> over;  ///< at most once: no more is taken, although the body was not whole
  };

  /// `length`: bytes of the whole; nullopt: not known.
  DepartingBody(std::optional<std::uint64_t> length, Writer writer) : length_(length), writer_(std::move(writer)) {}
  DepartingBody(const DepartingBody&) = delete;
  DepartingBody& operator=(const DepartingBody&) = delete;

  // Who writes.
  void write(std::string_view part) override;
  void end() override;

  // The sender.
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept { return length_; }
  /// `more` is called where something to take has come, under the lock: it must not call back. Empty: nobody is.
  void on_more(std::function<void()> more);
  /// How many bytes were put into `to`, of which 0 is the end; nullopt: none are there now. Error: invalid, where the
  /// end has come before the length, or behind it.
  [[nodiscard]] base::Result<std::optional<std::size_t>> take(char* to, std::size_t bytes_max);
  /// No more is taken.
  void close();
  /// What is taken is shown to `sees` first, on the sender's thread. Before anything is.
  void watch(std::function<void(std::string_view)> sees);

 private:
  const std::optional<std::uint64_t> length_;
  const Writer writer_;
  std::mutex mutex_;
  std::string waiting_;
  std::size_t begin_ = 0;  ///< of what waits
  std::uint64_t taken_ = 0;
  bool has_ended_ = false;
  bool is_closed_ = false;
  std::function<void()> more_;
  std::function<void(std::string_view)> sees_;
};

}  // namespace trv::egress
