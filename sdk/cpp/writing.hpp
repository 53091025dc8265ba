#pragma once
// What the calls of one instance write in parts (trv.stream/1 and /2): what the receiver has room for goes out, the
// rest waits here. Authors do not use it; they write to Parts (call.hpp). C++20. [main].

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sdk/abi/ext/stream.h"
#include "sdk/abi/plugin.h"
#include "sdk/cpp/abi_values.hpp"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

class Writing {
 public:
  /// `stream` is nullptr where the host does not have it.
  void bind(const trv_host* host, const trv_host_stream* stream) noexcept {
    host_ = host;
    stream_ = stream;
  }

  void open(std::uint64_t call_id, std::uint64_t stream_id, const Response& head) {
    Open& open = open_[stream_id];
    open.call_id = call_id;
    if (stream_ == nullptr) {
      open.broken = Failure{.code = Code::denied, .message = "this host takes no answers in parts (trv.stream/1)"};
      return;
    }
    std::vector<trv_header> headers;
    for (const Header& header : head.headers) headers.push_back({borrow(header.name), borrow(header.value)});
    const bool fits = head.body.size() <= TRV_STREAM_PART_BYTES;
    const trv_serve_response raw = {.struct_size = sizeof(trv_serve_response),
                                    .status = static_cast<std::uint32_t>(head.status),
                                    .header_count = static_cast<std::uint32_t>(headers.size()),
                                    .reserved = 0,
                                    .headers = headers.data(),
                                    .body = fits ? borrow_bytes(head.body) : trv_bytes{}};
    if (fits) open.room -= head.body.size();
    stream_->respond(host_, call_id, stream_id, &raw);
    if (!fits) (void)write(stream_id, 0, head.body);
  }

  /// The body of a request; `failure`: why it is not taken.
  void open_upload(std::uint64_t call_id, std::uint64_t stream_id, std::optional<Failure> failure) {
    open_[stream_id] = {.call_id = call_id, .broken = std::move(failure)};
  }
  /// What was written, also what waits for room, is the whole body.
  void end_upload(std::uint64_t stream_id) {
    const auto found = open_.find(stream_id);
    if (found == open_.end() || found->second.broken) return;
    found->second.ends = true;
    end_if_sent(stream_id, found->second);
  }

  /// 0 where there is no such answer.
  [[nodiscard]] std::uint64_t call_of(std::uint64_t stream_id) const noexcept {
    const auto found = open_.find(stream_id);
    return found == open_.end() ? 0 : found->second.call_id;
  }

  /// Whether all of it is on its way, or why it never will be; nullopt: it waits for room.
  std::optional<Arrival> write(std::uint64_t stream_id, std::uint64_t request_id, std::string_view bytes) {
    const auto found = open_.find(stream_id);
    if (found == open_.end()) return Failure{.message = "the answer in parts is no longer there"};
    Open& open = found->second;
    if (open.broken) return *open.broken;
    if (open.waiting.empty()) bytes.remove_prefix(send(stream_id, open, bytes));
    if (bytes.empty() && open.waiting.empty()) return Written{};
    open.waiting.push_back({request_id, std::string(bytes), 0});
    return std::nullopt;
  }

  /// The requests whose bytes are all on their way now.
  [[nodiscard]] std::vector<std::uint64_t> room(std::uint64_t stream_id, std::uint64_t byte_count) {
    std::vector<std::uint64_t> done;
    const auto found = open_.find(stream_id);
    if (found == open_.end()) return done;
    Open& open = found->second;
    open.room += byte_count;
    while (!open.waiting.empty()) {
      Waiting& first = open.waiting.front();
      first.sent += send(stream_id, open, std::string_view(first.bytes).substr(first.sent));
      if (first.sent < first.bytes.size()) break;
      done.push_back(first.request_id);
      open.waiting.pop_front();
    }
    end_if_sent(stream_id, open);
    return done;
  }

  /// Nothing more will be taken. The requests that wait for room.
  [[nodiscard]] std::vector<std::uint64_t> broke(std::uint64_t stream_id, const Failure& failure) {
    std::vector<std::uint64_t> waiting;
    const auto found = open_.find(stream_id);
    if (found == open_.end()) return waiting;
    found->second.broken = failure;
    for (const Waiting& one : found->second.waiting) waiting.push_back(one.request_id);
    found->second.waiting.clear();
    return waiting;
  }

  [[nodiscard]] Ended ended(std::uint64_t stream_id) const {
    const auto found = open_.find(stream_id);
    if (found == open_.end()) return {.stream_id = stream_id};
    if (found->second.broken) return {.stream_id = stream_id, .failure = found->second.broken};
    if (found->second.waiting.empty()) return {.stream_id = stream_id};
    return {.stream_id = stream_id,
            .failure = Failure{.message = "an answer in parts was ended before all that was written had been taken; "
                                          "write `co_await written;` for each"}};
  }

  void end(std::uint64_t call_id, std::uint64_t stream_id) const noexcept { stream_->end(host_, call_id, stream_id); }

  void forget(std::uint64_t stream_id) noexcept { open_.erase(stream_id); }

 private:
  struct Waiting {
    std::uint64_t request_id = 0;
    std::string bytes;
    std::size_t sent = 0;
  };
  struct Open {
    std::uint64_t call_id = 0;
    std::uint64_t room = TRV_STREAM_ROOM_BYTES;
    std::deque<Waiting> waiting = {};
    std::optional<Failure> broken = std::nullopt;
    bool ends = false;  // once all of it is on its way
  };

  void end_if_sent(std::uint64_t stream_id, Open& open) const noexcept {
    if (!open.ends || open.broken || !open.waiting.empty()) return;
    open.broken = Failure{.message = "the body has been ended"};
    stream_->end(host_, open.call_id, stream_id);
  }

  /// How much of it there was room for.
  std::size_t send(std::uint64_t stream_id, Open& open, std::string_view bytes) const {
    std::size_t sent = 0;
    while (sent < bytes.size() && open.room > 0) {
      const std::size_t size = std::min<std::uint64_t>({bytes.size() - sent, open.room, TRV_STREAM_PART_BYTES});
      open.room -= size;
      stream_->write(host_, open.call_id, stream_id, borrow_bytes(bytes.substr(sent, size)));
      sent += size;
    }
    return sent;
  }

  const trv_host* host_ = nullptr;
  const trv_host_stream* stream_ = nullptr;
  std::unordered_map<std::uint64_t, Open> open_;
};

}  // namespace trv::sdk
