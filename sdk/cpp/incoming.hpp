#pragma once
// Answers that come in parts (trv.stream/1), as the plugin author sees them. C++20.
//
//   auto answer = call.http_in_parts(get("/export"));
//   co_await answer;
//   if (!answer) co_return answer.failure();
//   if (!answer->ok()) co_return failure_of_status(*answer, "export");
//   for (;;) {
//     auto part = answer.next();
//     co_await part;
//     if (!part) co_return part.failure();
//     if (part->is_last()) break;
//     use(part->bytes);
//   }
//
// Of what was not asked for with next() at most 262,144 bytes are held here; behind them the service has to wait.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "sdk/cpp/call.hpp"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

/// The head of an answer, which co_await brings, and its parts, one after the other. Where it is let go before its end,
/// the rest is not wanted. On a host without trv.stream/1 the answer comes whole, within the limits of that, as one
/// part.
class [[nodiscard]] Incoming : public Asked<Response> {
 public:
  Incoming(CallServices& services, std::uint64_t call_id, std::uint64_t stream_id) noexcept
      : Asked<Response>(services, stream_id), streams_(services), call_id_(call_id), stream_id_(stream_id) {}
  ~Incoming() { streams_.drop(call_id_, stream_id_); }

  /// What has come since the part before, at most 262,144 bytes; one at a time. Is a failure where the rest will not
  /// come, and from then on; Part::is_last() where the answer is whole.
  Asked<Part> next() { return {streams_, streams_.next_part(call_id_, stream_id_)}; }

 private:
  CallServices& streams_;
  std::uint64_t call_id_;
  std::uint64_t stream_id_;
};

inline Incoming Call::http_in_parts(const Request& request) {
  return {services_, facts_.id, services_.send_in_parts(facts_.id, request)};
}

/// One answer on its way to its coroutine.
class ArrivingParts {
 public:
  explicit ArrivingParts(bool comes_whole) noexcept : comes_whole_(comes_whole) {}

  /// The host has no trv.stream/1.
  [[nodiscard]] bool comes_whole() const noexcept { return comes_whole_; }
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

  void add(std::string_view bytes) { buffer_ += bytes; }
  /// Of what came whole, and is nobody's to take.
  void hold(std::string_view bytes) { whole_ = bytes; }
  void end() noexcept { has_ended_ = true; }
  void fail(Failure why) {
    has_ended_ = true;
    failure_ = std::move(why);
  }
  /// What next() gives; nullopt where it has to wait.
  [[nodiscard]] std::optional<Arrival> take() {
    if (!whole_.empty()) return Part{std::exchange(whole_, {})};
    if (!buffer_.empty()) {
      untaken_ += buffer_.size();
      return Part{std::exchange(buffer_, {})};
    }
    if (!has_ended_) return std::nullopt;
    if (failure_) return *failure_;
    return Part{};
  }
  /// How much the host is to know as taken now: not each part for itself.
  [[nodiscard]] std::uint64_t to_report() noexcept {
    constexpr std::uint64_t reported_from = 32'768;
    return has_ended_ || comes_whole_ || untaken_ < reported_from ? 0 : std::exchange(untaken_, 0);
  }

  std::uint64_t waiting = 0;  ///< id of the next() that waits; 0: none

 private:
  std::string buffer_;
  std::string whole_;
  std::optional<Failure> failure_;
  std::uint64_t untaken_ = 0;
  bool comes_whole_;
  bool has_ended_ = false;
};

}  // namespace trv::sdk
