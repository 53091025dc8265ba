#pragma once
// The answer of another node on its way to a client of this one: whole, or, where it comes in parts, part by part.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "kernel/http/responder.hpp"

namespace trv::node {

inline constexpr std::size_t parts_passed_on_max = 8;  ///< answers in parts at a time: each holds a thread

/// Used by the thread that reads the answer; only its client's side comes from others.
class PassedAnswer {
 public:
  /// `in_parts`: how many answers in parts there are. `is_ending`: this node stops, and passes no parts on.
  PassedAnswer(http::Responder& responder, std::atomic<std::size_t>& in_parts, std::function<bool()> is_ending)
      : responder_(responder), in_parts_(in_parts), is_ending_(std::move(is_ending)) {}
  ~PassedAnswer();
  PassedAnswer(const PassedAnswer&) = delete;
  PassedAnswer& operator=(const PassedAnswer&) = delete;

  // Each false: nothing more of it is wanted.
  [[nodiscard]] bool take_header(std::string_view line);
  [[nodiscard]] bool take_status(int status);  ///< behind the last header
  [[nodiscard]] bool take_body(std::string_view bytes);
  /// Whether the client, or this node, has not given up.
  [[nodiscard]] bool goes_on() const;

  /// Parts are under way: the client has its head.
  [[nodiscard]] bool is_in_parts() const noexcept { return stream_.has_value(); }
  /// There are as many answers in parts as there may be.
  [[nodiscard]] bool is_one_too_many() const noexcept { return is_one_too_many_; }
  /// The answer is whole.
  void end();

 private:
  struct Client {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t waiting = 0;  ///< bytes that it has not taken
    bool is_over = false;
  };

  http::Responder& responder_;
  std::atomic<std::size_t>& in_parts_;
  const std::function<bool()> is_ending_;
  http::Response response_;
  bool is_chunked_ = false;
  bool is_one_too_many_ = false;
  std::optional<http::PartStream> stream_;
  std::shared_ptr<Client> client_ = std::make_shared<Client>();
};

/// Whether a header of a request or an answer is passed on, and not one of the connection.
[[nodiscard]] bool is_passed_on(std::string_view name);

}  // namespace trv::node
