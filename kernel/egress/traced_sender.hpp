#pragma once
// A sender whose requests are pieces of distributed traces.
//
// A request that has the `traceparent` of a sampled trace gets a place of its own in it: the service sees that place,
// and the sink gets the span when the answer is there. Every other request goes as it is. Threads as the sender's.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "kernel/egress/http_sender.hpp"
#include "kernel/trace/span.hpp"
#include "sdk/base/clock.hpp"

namespace trv::egress {

class TracedSender final : public HttpSender {
 public:
  /// The sender and the clock outlive it.
  TracedSender(HttpSender& sender, trace::SpanSink spans, const base::Clock& clock)
      : sender_(sender), spans_(std::move(spans)), clock_(clock) {}

  RequestId send(Request request, Completion completion) override;
  RequestId send_in_parts(Request request, std::shared_ptr<PartReceiver> receiver) override;
  void take(RequestId id, std::uint64_t byte_count) override { sender_.take(id, byte_count); }
  void cancel(RequestId id) override { sender_.cancel(id); }

 private:
  class Receiver;
  [[nodiscard]] std::optional<trace::Span> begin(Request& request);

  HttpSender& sender_;
  const trace::SpanSink spans_;
  const base::Clock& clock_;
  std::atomic<std::uint64_t> count_ = 0;
};

}  // namespace trv::egress
