// What comes to plugins in parts: the answers to what they send (trv.stream/1), and the bodies of the requests over
// HTTP that they answer (trv.stream/2).

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

// The lock is held. nullptr: that stream is not the body of the call, which the plugin reads.
std::shared_ptr<BodySource> InstanceCore::find_body(CallId id, std::uint64_t stream_id) {
  const OpenCall* call = calls_.find(id);
  const bool is_body =
      call != nullptr && call->body != nullptr && call->body->request_id == stream_id && !call->body->is_dropped;
  return is_body ? call->request.web->body : nullptr;
}

void InstanceCore::take(CallId id, std::uint64_t stream_id, std::uint64_t byte_count) noexcept {
  egress::RequestId sent = 0;
  std::uint64_t taken = 0;
  std::shared_ptr<BodySource> body;
  {
    const std::lock_guard lock(mutex_);
    body = find_body(id, stream_id);
    if (body != nullptr) {
      OpenCall& call = *calls_.find(id);
      taken = std::min(byte_count, call.body->given);
      call.body->given -= taken;
      renew_deadline(call);
    }
  }
  if (body != nullptr) return body->take(taken);
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
  std::shared_ptr<BodySource> body;
  {
    const std::lock_guard lock(mutex_);
    body = find_body(id, stream_id);
    if (body != nullptr) {
      const OpenCall& call = *calls_.find(id);
      call.body->is_dropped = true;
      call.body->waiting = {};
    }
  }
  if (body != nullptr) return body->drop();
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
  end_upload(id, answer->request_id, status ? nullptr : &status.error());
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

// ---- bodies

/// Carries the body of a request from the client's side to the plugin.
class InstanceCore::Body final : public BodyReader {
 public:
  Body(std::shared_ptr<InstanceCore> core, CallId call, std::shared_ptr<ArrivingAnswer> body)
      : core_(std::move(core)), call_(call), body_(std::move(body)) {}

  void part(std::string_view part) override {
    core_->keep_in_time(call_);
    core_->part_arrived(body_, part);
  }
  void end(base::Status status) override { core_->body_ended(call_, body_, std::move(status)); }

 private:
  std::shared_ptr<InstanceCore> core_;
  CallId call_;
  std::shared_ptr<ArrivingAnswer> body_;
};

void InstanceCore::read_body(CallId id, std::uint64_t stream_id) noexcept {
  base::Status begun;
  std::shared_ptr<BodySource> source;
  std::optional<base::Duration> deadline;
  const auto body = std::make_shared<ArrivingAnswer>(ArrivingAnswer{.request_id = stream_id});
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr) return;
    if (call->request.web == nullptr) {
      begun = base::fail(base::ErrorCode::internal, "the plugin read the body of a call of an operation");
    } else if (call->body != nullptr || find_stream(id, stream_id) != nullptr) {
      begun =
          base::fail(base::ErrorCode::internal, "the plugin read a body twice, or as a stream that is open already");
    } else {
      call->body = body;
      source = call->request.web->body;
      if (source != nullptr) renew_deadline(*call);
      if (call->deadline < told_deadline_) deadline = told_deadline_ = call->deadline;
    }
  }
  if (!begun) return break_off(id, begun.error());
  if (deadline) services_.threads.tell(*deadline);
  if (source == nullptr) return body_ended(id, body, {});
  source->read(std::make_shared<Body>(shared_from_this(), id, body));
}

void InstanceCore::keep_in_time(CallId id) {
  const std::lock_guard lock(mutex_);
  if (OpenCall* call = calls_.find(id)) renew_deadline(*call);
}

void InstanceCore::body_ended(CallId id, const std::shared_ptr<ArrivingAnswer>& body, base::Status status) {
  enqueue([this, id, body, status = std::move(status)] {
    {
      const std::lock_guard lock(mutex_);
      OpenCall* call = calls_.find(id);
      if (call == nullptr || !is_wanted(*body)) return;
      body->is_dropped = true;
      if (call->request.web->body != nullptr) renew_deadline(*call);
    }
    side_->stream_ended(body->request_id, status);
  });
}

}  // namespace trv::plugin_host
