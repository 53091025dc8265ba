// trv.stream/1: answers in parts to what plugins send.

#include <algorithm>

#include "kernel/plugin_host/instance_core.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {

/// Carries one answer from the sender's thread to the plugin. Parts that come while the plugin is busy go on together.
class InstanceCore::Arrival final : public egress::PartReceiver {
 public:
  Arrival(std::shared_ptr<InstanceCore> core, CallId call, std::shared_ptr<ArrivingAnswer> answer)
      : core_(std::move(core)), call_(call), answer_(std::move(answer)) {}

  void head(egress::Response head) override { core_->head_arrived(answer_, std::move(head)); }
  void part(std::string_view bytes) override { core_->part_arrived(answer_, bytes); }
  void end(base::Status status) override { core_->answer_ended(call_, answer_, std::move(status)); }

 private:
  std::shared_ptr<InstanceCore> core_;
  CallId call_;
  std::shared_ptr<ArrivingAnswer> answer_;
};

egress::RequestId InstanceCore::send_in_parts(CallId id, egress::Request request,
                                              const std::shared_ptr<ArrivingAnswer>& answer) {
  return services_.http.send_in_parts(std::move(request), std::make_shared<Arrival>(shared_from_this(), id, answer));
}

// The lock is held. An answer that was dropped is not one any more.
OpenRequest* InstanceCore::find_stream(CallId id, std::uint64_t stream_id) {
  OpenCall* call = calls_.find(id);
  if (call == nullptr) return nullptr;
  const auto found = std::ranges::find_if(call->http, [stream_id](const OpenRequest& open) {
    return open.parts != nullptr && open.request_id == stream_id && !open.parts->is_dropped;
  });
  return found == call->http.end() ? nullptr : &*found;
}

void InstanceCore::take(CallId id, std::uint64_t stream_id, std::uint64_t byte_count) noexcept {
  egress::RequestId sent = 0;
  std::uint64_t taken = 0;
  {
    const std::lock_guard lock(mutex_);
    OpenRequest* open = find_stream(id, stream_id);
    if (open == nullptr) return;
    // Only of what the plugin was given: so no more than the room of a stream is on its way to it.
    taken = std::min(byte_count, open->parts->given);
    open->parts->given -= taken;
    sent = open->sent;
    if (sent == 0) open->parts->taken_early += taken;
  }
  if (taken > 0 && sent != 0) services_.http.take(sent, taken);
}

void InstanceCore::drop(CallId id, std::uint64_t stream_id) noexcept {
  egress::RequestId sent = 0;
  {
    const std::lock_guard lock(mutex_);
    OpenRequest* open = find_stream(id, stream_id);
    if (open == nullptr) return;
    open->parts->is_dropped = true;
    open->parts->waiting = {};
    sent = open->sent;
  }
  if (sent != 0) services_.http.cancel(sent);
}

// The lock is held. Whether the plugin is to have more of it.
bool InstanceCore::is_wanted(const ArrivingAnswer& answer) const {
  return !answer.is_dropped && (state_ == State::running || state_ == State::draining);
}

void InstanceCore::head_arrived(const std::shared_ptr<ArrivingAnswer>& answer, egress::Response head) {
  answer->has_head = true;
  enqueue([this, answer, head = base::Result<egress::Response>(std::move(head))] {
    {
      const std::lock_guard lock(mutex_);
      if (!is_wanted(*answer)) return;
    }
    side_->http_arrived(answer->request_id, head);
  });
}

void InstanceCore::part_arrived(const std::shared_ptr<ArrivingAnswer>& answer, std::string_view bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_wanted(*answer)) return;
    answer->waiting.append(bytes);
    TRV_ASSERT(answer->waiting.size() <= egress::stream_room_bytes);
    if (answer->is_queued) return;
    answer->is_queued = true;
  }
  enqueue([this, answer] { deliver_parts(*answer); });
}

void InstanceCore::deliver_parts(ArrivingAnswer& answer) {
  std::string bytes;
  {
    const std::lock_guard lock(mutex_);
    answer.is_queued = false;
    bytes.swap(answer.waiting);
  }
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::string_view part = rest.substr(0, egress::stream_part_bytes);
    {
      const std::lock_guard lock(mutex_);
      if (!is_wanted(answer)) return;
      answer.given += part.size();
    }
    side_->part_arrived(answer.request_id, part);
    rest.remove_prefix(part.size());
  }
}

void InstanceCore::answer_ended(CallId id, const std::shared_ptr<ArrivingAnswer>& answer, base::Status status) {
  enqueue([this, id, answer, status = std::move(status)] {
    bool is_told = false;
    {
      const std::lock_guard lock(mutex_);
      is_told = is_wanted(*answer);
      answer->is_dropped = true;
      if (OpenCall* call = calls_.find(id)) {
        std::erase_if(call->http, [&](const OpenRequest& open) { return open.parts == answer; });
      }
    }
    if (is_told && answer->has_head) side_->stream_ended(answer->request_id, status);
    if (is_told && !answer->has_head) side_->http_arrived(answer->request_id, base::fail(status.error()));
    const std::lock_guard lock(mutex_);
    --requests_open_;
    notify_if_stopping();
  });
}

}  // namespace trv::plugin_host
