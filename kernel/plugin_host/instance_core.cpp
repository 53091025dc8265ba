#include "kernel/plugin_host/instance_core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::Duration;
using base::ErrorCode;

constexpr Duration plugin_answer_grace = std::chrono::seconds(1);
constexpr Duration end_grace = std::chrono::seconds(1);
constexpr Duration save_within = std::chrono::seconds(20);  // an isolated plugin that hangs is killed before
constexpr int works_per_turn = 64;

OperationError host_error(ErrorCode code, std::string message, bool may_retry = false) {
  return {.code = code, .may_retry = may_retry, .message = std::move(message), .detail = {}};
}

}  // namespace

InstanceCore::InstanceCore(std::string plugin, std::string version, InstanceServices services)
    : plugin_(std::move(plugin)), version_(std::move(version)), services_(std::move(services)) {}

void InstanceCore::begin(std::shared_ptr<PluginSide> side) {
  TRV_EXPECTS(side != nullptr);
  std::unique_lock lock(mutex_);
  TRV_EXPECTS(side_ == nullptr);
  side_ = std::move(side);
  leave_strand(lock);
}

// ---- the strand

CallId InstanceCore::invoke(CallRequest request, CallCompletion completion) {
  TRV_EXPECTS(completion);
  const std::uint64_t timeout_ms = request.timeout_ms;
  const Duration deadline =
      timeout_ms == 0 ? Duration::max() : services_.clock.monotonic() + std::chrono::milliseconds(timeout_ms);
  const std::shared_ptr<InstanceCore> alive = shared_from_this();  // longer than the lock
  std::unique_lock lock(mutex_);
  if (state_ != State::running || calls_.size() >= open_calls_max) {
    const bool is_full = state_ == State::running;
    lock.unlock();
    ++failed_;
    completion(std::unexpected(
        is_full
            ? host_error(ErrorCode::exhausted, fmt::format("plugin '{}' has {} open calls", plugin_, open_calls_max),
                         true)
            : host_error(ErrorCode::unavailable, fmt::format("plugin '{}' {} is stopping", plugin_, version_), true)));
    return 0;
  }
  OpenCall& call = calls_.open(std::move(request), std::move(completion), deadline);
  const CallId id = call.id;
  const std::uint32_t place = CallTable::place_of(id);
  const bool is_earliest = deadline < told_deadline_;
  if (is_earliest) told_deadline_ = deadline;
  // The thread of a client's connection is not the plugin's.
  const bool runs_here = services_.run_on_caller && !strand_is_busy_ && call.request.web == nullptr;
  if (runs_here) {
    strand_is_busy_ = true;
    call.is_delivered = true;
  } else {
    queue_.push_back([this, &call, place] { run_queued(call, place); });
    if (!strand_is_busy_) {
      strand_is_busy_ = true;
      services_.threads.post([alive = shared_from_this()] { alive->drain(); });
    }
  }
  lock.unlock();
  if (is_earliest) services_.threads.tell(deadline);
  if (runs_here) {
    side_->invoke(call.request, id, timeout_ms);
    lock.lock();
    finish_run(lock, call, place, id);
    leave_strand(lock);
  }
  return id;
}

void InstanceCore::run_queued(OpenCall& call, std::uint32_t place) {
  std::unique_lock lock(mutex_);
  const CallId id = call.id;
  if (id != 0) {
    call.is_delivered = true;
    lock.unlock();
    std::uint64_t left_ms = 0;
    if (call.request.timeout_ms != 0) {
      const Duration left = call.deadline - services_.clock.monotonic();
      left_ms = static_cast<std::uint64_t>(
          std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(left).count()));
    }
    hand_over(call.request, id, left_ms);
    lock.lock();
  }
  finish_run(lock, call, place, id);
}

void InstanceCore::hand_over(const CallRequest& request, CallId id, std::uint64_t left_ms) {
  request.web == nullptr ? side_->invoke(request, id, left_ms) : side_->serve(request, id, left_ms);
}

void InstanceCore::finish_run(std::unique_lock<std::mutex>& lock, OpenCall& call, std::uint32_t place, CallId id) {
  const bool tell_again = id != 0 && call.cancel_requested;
  calls_.unpin(call, place);
  if (!tell_again) return;
  // A cancel that came before the plugin knew the call went unheard, also that of a deadline that has ended the call.
  lock.unlock();
  side_->cancel(id);
  lock.lock();
}

void InstanceCore::leave_strand(std::unique_lock<std::mutex>& lock) {
  TRV_ASSERT(strand_is_busy_);
  if (state_ == State::abandoned) {
    // The threads may be gone: what is left, the plugin's end included, runs here.
    std::deque<Work> rest;
    rest.swap(queue_);
    lock.unlock();
    for (Work& work : rest) work();
    lock.lock();
    strand_is_busy_ = false;
  } else if (queue_.empty()) {
    strand_is_busy_ = false;
  } else {
    services_.threads.post([alive = shared_from_this()] { alive->drain(); });
  }
}

void InstanceCore::drain() {
  std::unique_lock lock(mutex_);
  for (int i = 0; i < works_per_turn && !queue_.empty(); ++i) {
    Work work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
  leave_strand(lock);
}

void InstanceCore::enqueue(Work work) {
  const std::lock_guard lock(mutex_);
  // Beyond the end there is no plugin, and the threads may be gone.
  if (state_ == State::ended || state_ == State::abandoned) return;
  queue_.push_back(std::move(work));
  if (strand_is_busy_) return;
  strand_is_busy_ = true;
  services_.threads.post([alive = shared_from_this()] { alive->drain(); });
}

// ---- ends of calls

bool InstanceCore::conclude(CallId id, CallOutcome outcome, EndedBy ended_by, WebResponse response) {
  std::pair<CallCompletion, std::vector<OpenRequest>> rest;
  std::shared_ptr<BodySource> body;
  std::vector<OpenBlob> open_blobs;  // their files go outside the lock
  std::vector<Span> open_spans;
  std::optional<CallRequest> about;  // of them; a call without spans pays nothing for it
  if (!outcome && outcome.error().code != ErrorCode::cancelled && answers_in_parts(id)) {
    // The client sees no more than that it was cut.
    log(LogLevel::warning, id, "an answer in parts was broken off: " + outcome.error().message);
  }
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr) return false;
    if (call->request.web != nullptr) {
      call->request.web->response = std::move(response);
      body = call->request.web->body;
    }
    if (call->has_progress) services_.progress->erase(call->request.tenant, call->request.idempotency_key);
    if (call->has_spans) {
      about.emplace();
      about->tenant = call->request.tenant;
      about->idempotency_key = call->request.idempotency_key;
      about->traceparent = call->request.traceparent;
      open_spans = services_.spans->erase(about->tenant, about->idempotency_key, services_.clock.monotonic());
    }
    blobs_open_ -= call->blobs.size();
    open_blobs.swap(call->blobs);
    rest = calls_.end(*call);
    notify_if_stopping();
  }
  for (const Span& span : open_spans) log_span(*about, id, span);
  // Counted first: who has the outcome finds it in the metrics.
  ++(outcome ? succeeded_ : failed_);
  if (ended_by == EndedBy::deadline) ++timed_out_;
  for (const OpenRequest& request : rest.second) services_.http.cancel(request.sent);
  if (body != nullptr) body->drop();
  rest.first(std::move(outcome));
  return true;
}

void InstanceCore::answer(CallId id, std::string_view text) noexcept {
  CallOutcome outcome;
  if (text.size() > output_bytes_max) {
    outcome = std::unexpected(host_error(
        ErrorCode::internal,
        fmt::format("the plugin's output has {} bytes, at most {} are allowed", text.size(), output_bytes_max)));
  } else if (is_web(id)) {
    outcome = std::unexpected(
        host_error(ErrorCode::internal,
                   "the plugin answered a request over HTTP as an operation; trv.serve/1 has what answers it"));
  } else if (!is_json(text)) {
    outcome = std::unexpected(host_error(ErrorCode::internal, "the plugin's output is not JSON"));
  } else {
    outcome = std::string(text);
  }
  if (!conclude(id, std::move(outcome))) ignore_answer(id);
}

bool InstanceCore::is_web(CallId id) {
  const std::lock_guard lock(mutex_);
  const OpenCall* call = calls_.find(id);
  return call != nullptr && call->request.web != nullptr;
}

bool InstanceCore::answers_in_parts(CallId id) {
  const std::lock_guard lock(mutex_);
  const OpenCall* call = calls_.find(id);
  return call != nullptr && call->answer.has_value();
}

void InstanceCore::respond(CallId id, base::Result<WebResponse> response) noexcept {
  base::Status fits;
  if (!response) {
    fits = base::fail(response.error());
  } else if (!is_web(id)) {
    fits = base::fail(ErrorCode::internal, "trv.serve/1 answered a call of an operation");
  } else if (answers_in_parts(id)) {
    fits = base::fail(ErrorCode::internal, "it has begun to answer in parts");
  } else {
    fits = check_response(*response);
  }
  const bool is_open =
      fits ? conclude(id, std::string(), EndedBy::answer, *std::move(response))
           : conclude(id, std::unexpected(host_error(
                              ErrorCode::internal, "the plugin's response cannot be sent: " + fits.error().message())));
  if (!is_open) ignore_answer(id);
}

void InstanceCore::answer_failed(CallId id, OperationError error) noexcept {
  if (!conclude(id, std::unexpected(std::move(error)))) ignore_answer(id);
}

void InstanceCore::ignore_answer(CallId id) {
  const std::uint64_t count = ++answers_ignored_;
  // Powers of two: a plugin that answers for ever does not fill the log.
  if (std::has_single_bit(count)) {
    log(LogLevel::warning, id, fmt::format("an answer to a call that is not open was ignored ({} so far)", count));
  }
}

void InstanceCore::cancel(CallId id) {
  bool is_delivered = false;
  std::optional<std::uint64_t> stream_id;
  {
    const std::lock_guard lock(mutex_);
    OpenCall* call = calls_.find(id);
    if (call == nullptr) return;
    call->cancel_requested = true;
    is_delivered = call->is_delivered;
    if (is_delivered) ++cancels_running_;
    if (call->answer) stream_id = call->answer->stream_id;
  }
  if (stream_id) end_answer(*stream_id, {ErrorCode::cancelled, "the client has gone, or the plugin is to stop"});
  if (is_delivered) {
    tell_plugin_to_cancel(id);
  } else {
    static_cast<void>(conclude(id, std::unexpected(host_error(ErrorCode::cancelled, "cancelled before it began"))));
  }
}

// cancels_running_ has been raised: the plugin is not destroyed before it falls.
void InstanceCore::tell_plugin_to_cancel(CallId id) {
  services_.threads.post([alive = shared_from_this(), id] {
    alive->side_->cancel(id);
    const std::lock_guard lock(alive->mutex_);
    --alive->cancels_running_;
    alive->notify_if_stopping();
  });
}

Duration InstanceCore::expire(Duration now) {
  std::vector<CallId> due;
  Duration next = fire_timers(now);
  {
    const std::lock_guard lock(mutex_);
    calls_.for_each([&](OpenCall& call) {
      if (call.deadline <= now && !waits_for_client(call, now)) {
        due.push_back(call.id);
      } else {
        next = std::min(next, call.deadline);
      }
    });
    told_deadline_ = next;
  }
  for (const CallId id : due) {
    bool tell_plugin = false;
    std::string why;
    bool may_retry = false;
    std::optional<std::uint64_t> stream_id;
    {
      const std::lock_guard lock(mutex_);
      OpenCall* call = calls_.find(id);
      if (call == nullptr) continue;
      why = why_late(*call, now);
      may_retry = call->request.idempotent && !call->answer;
      if (call->answer) stream_id = call->answer->stream_id;
      tell_plugin = call->is_delivered && state_ != State::abandoned;
      if (tell_plugin) ++cancels_running_;
      call->cancel_requested = true;
    }
    if (stream_id) end_answer(*stream_id, {ErrorCode::timeout, why});
    static_cast<void>(
        conclude(id, std::unexpected(host_error(ErrorCode::timeout, std::move(why), may_retry)), EndedBy::deadline));
    if (tell_plugin) tell_plugin_to_cancel(id);
  }
  return next;
}

void InstanceCore::conclude_all(const OperationError& why) {
  std::vector<CallId> open;
  {
    const std::lock_guard lock(mutex_);
    calls_.for_each([&](const OpenCall& call) { open.push_back(call.id); });
  }
  for (const CallId id : open) static_cast<void>(conclude(id, std::unexpected(why)));
}

void InstanceCore::lost(const std::string& why, LostBy by) {
  struct Open {
    CallId id;
    bool is_delivered;
    bool may_retry;
  };
  std::vector<Open> open;
  {
    const std::lock_guard lock(mutex_);
    state_ = State::ended;
    why_lost_ = why;
    calls_.for_each([&](const OpenCall& call) {
      open.push_back({call.id, call.is_delivered, call.request.idempotent || !call.is_delivered});
    });
    changed_.notify_all();
  }
  for (const Open& one : open) {
    OperationError error = host_error(ErrorCode::unavailable, why, one.may_retry);
    error.has_died = by == LostBy::plugin && one.is_delivered;
    static_cast<void>(conclude(one.id, std::unexpected(std::move(error))));
  }
}

void InstanceCore::notify_if_stopping() noexcept {
  if (state_ != State::running || saving_ != Saving::no) changed_.notify_all();
}

base::Status InstanceCore::stop(Duration grace) {
  std::unique_lock lock(mutex_);
  if (state_ != State::running) return {};
  state_ = State::draining;
  changed_.wait_for(lock, grace, [this] { return calls_.size() == 0; });
  if (calls_.size() != 0) {
    std::vector<CallId> open;
    calls_.for_each([&](const OpenCall& call) { open.push_back(call.id); });
    lock.unlock();
    for (const CallId id : open) cancel(id);
    lock.lock();
    changed_.wait_for(lock, plugin_answer_grace, [this] { return calls_.size() == 0; });
    lock.unlock();
    conclude_all(host_error(ErrorCode::cancelled, fmt::format("plugin '{}' has been stopped", plugin_)));
    lock.lock();
  }
  if (changed_.wait_for(lock, plugin_answer_grace, [this] { return is_quiet(); })) {
    lock.unlock();
    enqueue([this] {
      side_->end();
      const std::lock_guard inner(mutex_);
      state_ = State::ended;
      kept_.reset();
      changed_.notify_all();
    });
    lock.lock();
    if (changed_.wait_for(lock, end_grace, [this] { return state_ == State::ended; })) return {};
  }
  // The plugin may still call the host; what is left of its work ends it should it come back.
  state_ = State::abandoned;
  kept_ = shared_from_this();
  return base::fail(ErrorCode::timeout, fmt::format("plugin '{}' {} hangs and was given up", plugin_, version_));
}

// ---- trv.state/1

bool InstanceCore::keeps_state() const {
  std::shared_ptr<PluginSide> side;
  {
    const std::lock_guard lock(mutex_);
    side = side_;
  }
  return side != nullptr && side->keeps_state();
}

base::Result<std::string> InstanceCore::save(Duration grace) {
  const std::string name = fmt::format("plugin '{}' {}", plugin_, version_);
  std::unique_lock lock(mutex_);
  if (saving_ != Saving::no) return base::fail(ErrorCode::conflict, fmt::format("{} is being saved already", name));
  const auto has_ended = [this] { return state_ != State::running; };
  const auto over = [&](base::Result<std::string> result) {
    saving_ = Saving::no;
    return result;
  };
  const auto lost = [&] {
    return base::fail(ErrorCode::unavailable, why_lost_.empty() ? fmt::format("{} is stopping", name) : why_lost_);
  };
  saving_ = Saving::waits_for_calls;
  changed_.wait_for(lock, grace, [&] { return has_ended() || is_quiet(); });
  if (has_ended()) return over(lost());
  if (!is_quiet()) {
    return over(
        base::fail(ErrorCode::conflict, fmt::format("{} calls of {} are still open after {} s", calls_.size(), name,
                                                    std::chrono::duration_cast<std::chrono::seconds>(grace).count())));
  }
  saving_ = Saving::asked;
  saved_.reset();
  lock.unlock();
  enqueue([this] { side_->save(); });
  lock.lock();
  changed_.wait_for(lock, save_within, [&] { return saved_.has_value() || has_ended(); });
  if (saved_) {
    base::Result<std::string> state = *std::exchange(saved_, std::nullopt);
    if (!state) return over(base::fail(std::move(state).error().in(fmt::format("{} cannot save its state", name))));
    if (state->size() <= state_bytes_max) return over(std::move(state));
    return over(base::fail(ErrorCode::too_large, fmt::format("{}: its state has {} bytes, at most {} are handed over",
                                                             name, state->size(), state_bytes_max)));
  }
  if (has_ended()) return over(lost());
  return over(base::fail(ErrorCode::unavailable,
                         fmt::format("{} did not save its state within {} s", name,
                                     std::chrono::duration_cast<std::chrono::seconds>(save_within).count())));
}

void InstanceCore::saved(base::Result<std::string> state) noexcept {
  const std::lock_guard lock(mutex_);
  if (saving_ != Saving::asked || saved_) return;
  saved_ = std::move(state);
  changed_.notify_all();
}

InstanceMetrics InstanceCore::metrics() const {
  const std::lock_guard lock(mutex_);
  return {.in_flight = calls_.size(),
          .succeeded = succeeded_,
          .failed = failed_,
          .timed_out = timed_out_,
          .answers_ignored = answers_ignored_,
          .http_requests = http_requests_};
}

}  // namespace trv::plugin_host
