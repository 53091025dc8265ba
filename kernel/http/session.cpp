#include "kernel/http/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <utility>

#include "kernel/logging/log.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::http {
namespace {

constexpr std::size_t input_bytes_initial = 4 * 1024;
constexpr std::size_t input_bytes_max = 64 * 1024;
/// Pipelined answers gather up to this before they are sent.
constexpr std::size_t output_bytes_gathered = 128 * 1024;
constexpr std::size_t request_id_bytes_max = 64;
constexpr int empty_lines_max = 8;
constexpr std::size_t quick_body_bytes_max = 256 * 1024;

bool is_request_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= request_id_bytes_max && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

}  // namespace

Session::Session(SessionEnvironment& environment, std::string_view remote_address)
    : environment_(environment),
      peer_(remote_address),
      large_body_bytes_(environment.large_body_bytes),
      parser_(environment.options->header_bytes_max),
      input_(input_bytes_initial),
      phase_began_(environment.now),
      output_moved_(environment.now) {
  request_.set_remote_address(remote_address);
  request_.set_from_node(environment.options->is_for_nodes);
}

Session::~Session() {
  release_body_memory();
  if (stream_) stream_->finish();
  if (body_) body_->finish(base::fail(base::ErrorCode::unavailable, "the client has gone"));
}

std::span<char> Session::input() {
  input_is_lent_ = true;
  if (input_begin_ == input_end_) {
    input_begin_ = input_end_ = 0;
  } else if (input_begin_ > 0) {
    std::memmove(input_.data(), input_.data() + input_begin_, input_end_ - input_begin_);
    input_end_ -= input_begin_;
    input_begin_ = 0;
  }
  // A full buffer means that more is on its way, or that one line of a header is longer than it.
  if (input_end_ == input_.size()) input_.resize(input_.size() * 2);
  return std::span(input_).subspan(input_end_);
}

void Session::input_arrived(std::size_t size) {
  TRV_EXPECTS(size <= input_.size() - input_end_);
  input_is_lent_ = false;
  input_end_ += size;
  if (input_begin_ == 0 && input_end_ == input_.size() && input_.size() < input_bytes_max) {
    input_.resize(input_.size() * 2);
  }
}

void Session::input_ended() {
  input_is_over_ = true;
}

bool Session::wants_input() const noexcept {
  if (input_is_over_) return false;
  // Of a body in parts nothing is read that nobody has leave for.
  if (reads_body()) return body_has_leave_ && body_begin_ == body_bytes_.size();
  // What a client sends ahead of an answer is kept within bounds.
  const bool watches = (phase_ == Phase::streaming || (phase_ == Phase::handling && watches_client_.load())) &&
                       unparsed().size() < input_bytes_max;
  return phase_ == Phase::idle || phase_ == Phase::head || phase_ == Phase::body || watches;
}

void Session::consume(std::size_t size) noexcept {
  input_begin_ += size;
  TRV_ENSURES(input_begin_ <= input_end_);
}

void Session::output_sent(std::size_t size) {
  TRV_EXPECTS(size <= output_.size() - output_begin_);
  output_begin_ += size;
  output_moved_ = environment_.now;
  if (output_begin_ < output_.size()) return;
  output_begin_ = 0;
  output_.clear();
  if (output_.capacity() > output_bytes_gathered) output_.shrink_to_fit();
}

bool Session::advance() {
  for (;;) {
    bool progress = false;
    switch (phase_) {
      case Phase::idle:
      case Phase::head: progress = read_head(); break;
      case Phase::body: progress = read_body(); break;
      case Phase::handling:
        progress = pump_body();
        if (phase_ != Phase::handling) break;
        progress = take_answer() || progress;
        if (!progress && input_is_over_ && !reads_body()) tell_gone();
        break;
      case Phase::streaming:
        if (pump_stream()) return true;
        progress = phase_ == Phase::idle;
        break;
      case Phase::closing: return false;
    }
    if (!progress) return false;
    if (output().size() >= output_bytes_gathered) return true;
  }
}

bool Session::read_head() {
  if (phase_ == Phase::idle) {
    // RFC 9112 §2.2: empty lines before a request are read over.
    while (unparsed().starts_with("\r\n")) {
      if (++empty_lines_ > empty_lines_max) {
        refuse(400, "invalid", fmt::format("more than {} empty lines come before a request", empty_lines_max));
        return false;
      }
      consume(2);
    }
    if (unparsed().empty() || (unparsed() == "\r" && !input_is_over_)) {
      if (input_is_over_ || draining_) phase_ = Phase::closing;
      return false;
    }
    parser_.start(request_);
    phase_ = Phase::head;
    phase_began_ = request_began_ = environment_.now;
  }
  std::size_t consumed = 0;
  const RequestParser::Outcome outcome = parser_.parse(unparsed(), consumed);
  consume(consumed);
  switch (outcome) {
    case RequestParser::Outcome::need_more:
      if (input_is_over_) refuse(400, "invalid", "the request ends within its head");
      return false;
    case RequestParser::Outcome::failed:
      refuse(parser_.failure().status, parser_.failure().code, parser_.failure().detail);
      return false;
    default: head_complete(); return phase_ != Phase::closing;
  }
}

void Session::head_complete() {
  choose_id();
  if (const auto& begin_trace = environment_.options->begin_trace) request_.set_traceparent(begin_trace(request_));
  keep_alive_ = parser_.keep_alive();
  if (request_.is_from_node()) {
    const auto client = request_.header(client_address_header);
    if (!client) return refuse(400, "invalid", fmt::format("a node names its client in {}", client_address_header));
    request_.set_remote_address(*client);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < request_.header_count(); ++i) {
      const Field field = request_.header_at(i);
      if (base::equal_ignoring_case(field.name, client_certificate_header)) names.emplace_back(field.value);
    }
    request_.set_certificate_names(std::move(names));
  }
  if (const auto& proxies = environment_.options->trusted_proxies; !request_.is_from_node() && !proxies.is_empty()) {
    request_.set_remote_address(client_address(request_, peer_, proxies));
  }
  const Target& target = request_.target();
  if (target.is_asterisk() && request_.method() != "OPTIONS") {
    return refuse(400, "invalid", "the target * is for OPTIONS only");
  }
  match_ = environment_.router->match(request_);
  std::size_t body_bytes_max = environment_.options->body_bytes_max;
  const bool in_parts = match_.route != nullptr && parser_.has_body() && match_.route->options.body_in_parts &&
                        match_.route->options.body_in_parts(request_);
  if (in_parts) {
    body_bytes_max = body_in_parts_bytes_max;
  } else if (match_.route != nullptr) {
    body_bytes_max = match_.route->options.body_bytes_max.value_or(body_bytes_max);
  } else if (request_.method() == "OPTIONS" && (target.is_asterisk() || !match_.allow.empty())) {
    early_answer_ = empty(204);
    if (!match_.allow.empty()) early_answer_->headers.emplace_back("Allow", match_.allow);
  } else if (!match_.allow.empty()) {
    early_answer_ = problem(405, "method_not_allowed",
                            fmt::format("{} is not for this path; it takes {}", request_.method(), match_.allow))
                        .with("Allow", std::string(match_.allow));
  } else {
    early_answer_ = problem(404, "not_found", "nothing is served at this path");
  }
  if (!parser_.set_body_bytes_max(body_bytes_max)) {
    return refuse(parser_.failure().status, parser_.failure().code, parser_.failure().detail);
  }
  phase_ = Phase::body;
  const auto expectation = request_.header("Expect");
  if (!expectation || parser_.is_http_1_0()) {
    if (in_parts) begin_body();
    return;
  }
  if (!base::equal_ignoring_case(*expectation, "100-continue")) {
    return refuse(417, "expectation", "the only expectation that is supported is 100-continue");
  }
  if (in_parts) {
    body_awaits_continue_ = unparsed().empty();
    return begin_body();
  }
  if (!parser_.has_body() || !unparsed().empty()) return;
  if (early_answer_) {
    // The client waits for leave to send its body, which nobody wants.
    keep_alive_ = false;
    unread_ = true;
    phase_ = Phase::handling;
  } else {
    output_.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

bool Session::read_body() {
  std::size_t consumed = 0;
  const RequestParser::Outcome outcome = parser_.parse(unparsed(), consumed);
  consume(consumed);
  if (!claim_body_memory()) {
    refuse(503, "unavailable", "the server holds as many large bodies as it can; try again later");
    return false;
  }
  switch (outcome) {
    case RequestParser::Outcome::need_more:
      if (input_is_over_) refuse(400, "invalid", "the request ends within its body");
      return false;
    case RequestParser::Outcome::failed:
      refuse(parser_.failure().status, parser_.failure().code, parser_.failure().detail);
      return false;
    default: break;
  }
  phase_ = Phase::handling;
  phase_began_ = environment_.now;
  if (!early_answer_) dispatch();
  return true;
}

/// False: the server's large bodies leave no room for this one.
bool Session::claim_body_memory() {
  const ServerOptions& options = *environment_.options;
  const std::size_t needed = request_.body_capacity() > options.body_bytes_max ? request_.body_capacity() : 0;
  if (needed <= claimed_bytes_) return true;
  const std::size_t more = needed - claimed_bytes_;
  const std::size_t before = large_body_bytes_->fetch_add(more);
  claimed_bytes_ = needed;
  return before + more <= options.large_bodies_bytes_max;
}

void Session::release_body_memory() noexcept {
  large_body_bytes_->fetch_sub(std::exchange(claimed_bytes_, 0));
}

void Session::dispatch() {
  TRV_EXPECTS(match_.route != nullptr);
  const RouteOptions& options = match_.route->options;
  if (!options.before_open && !environment_.is_open->load()) {
    return answer(problem_of({base::ErrorCode::unavailable, "the server is starting; /readyz says how far it is"}));
  }
  // Parsing megabytes would delay the other requests of this thread.
  if (!options.may_wait && request_.body().size() <= quick_body_bytes_max) return call_handler();
  const std::shared_ptr<Session> self = shared_from_this();
  if (!environment_.workers.run([self] { self->call_handler(); })) {
    answer(problem_of({base::ErrorCode::unavailable, "too many requests wait for a worker; try again in a moment"}));
  }
}

// Exceptions of a handler end here; its responder, unanswered, then answers 500.
void Session::call_handler() noexcept {
  try {
    match_.route->handler(request_, Responder(shared_from_this()));
  } catch (const std::exception& exception) {
    complain(fmt::format("the handler of {} threw: {}", request_.route(), exception.what()));
  } catch (...) {
    complain(fmt::format("the handler of {} threw", request_.route()));
  }
}

void Session::when_gone(std::move_only_function<void()> tell) {
  bool has_gone = false;
  {
    const std::lock_guard lock(mutex_);
    TRV_ASSERT(!gone_);
    has_gone = abandoned_;
    gone_ = std::move(tell);
  }
  if (has_gone) return tell_gone();
  watches_client_.store(true);
  wake();
}

void Session::tell_gone() {
  std::move_only_function<void()> tell;
  {
    const std::lock_guard lock(mutex_);
    tell = std::exchange(gone_, nullptr);
  }
  if (tell) tell();
}

void Session::answer(Response response) {
  {
    const std::lock_guard lock(mutex_);
    TRV_ASSERT(!answer_ && !opened_stream_);
    answer_ = std::move(response);
  }
  wake();
}

std::shared_ptr<StreamQueue> Session::open_stream(Response head) {
  return open(std::move(head),
              std::make_shared<StreamQueue>(environment_.options->stream_bytes_max, shared_from_this()));
}

std::shared_ptr<StreamQueue> Session::open_parts(Response head) {
  return open(std::move(head), std::make_shared<StreamQueue>(0, shared_from_this(), StreamQueue::Of::parts));
}

std::shared_ptr<StreamQueue> Session::open(Response head, std::shared_ptr<StreamQueue> queue) {
  bool gone = false;
  {
    const std::lock_guard lock(mutex_);
    TRV_ASSERT(!answer_ && !opened_stream_);
    gone = abandoned_;
    if (!gone) {
      answer_ = std::move(head);
      opened_stream_ = queue;
    }
  }
  if (gone) queue->finish();
  wake();
  return queue;
}

void Session::drop() noexcept {
  complain(fmt::format("{} {} was dropped unanswered", request_.method(), request_.route()));
  answer(problem_of(base::Error(base::ErrorCode::internal, "unanswered")));
}

void Session::log_failure(const base::Error& error) noexcept {
  complain(fmt::format("{} {}: {}: {}", request_.method(), request_.route(), to_string(error.code()), error.message()));
}

void Session::complain(std::string_view message) const {
  const std::array<logging::Field, 1> fields = {{{"request", request_.id()}}};
  logging::write(
      *environment_.log, logging::Level::error, message,
      {.fields = fields, .traceparent = request_.traceparent(), .in_text = fmt::format("request {}: ", request_.id())});
}

bool Session::take_answer() {
  std::optional<Response> response = std::exchange(early_answer_, std::nullopt);
  if (!response) {
    const std::lock_guard lock(mutex_);
    if (!answer_) return false;
    response = std::exchange(answer_, std::nullopt);
    stream_ = std::exchange(opened_stream_, nullptr);
    gone_ = nullptr;
  }
  watches_client_.store(false);
  // What is left of a body in parts is not read for the sake of the connection.
  if (draining_ || reads_body()) keep_alive_ = false;
  if (reads_body() && stream_ == nullptr) {
    unread_ = true;
    end_body(base::fail(base::ErrorCode::cancelled, "the request has been answered"));
  }
  is_event_stream_ = stream_ != nullptr && response->content_type.starts_with("text/event-stream");
  write_answer(*response);
  if (stream_) {
    phase_ = Phase::streaming;
    phase_began_ = environment_.now;
    if (request_.method() == "HEAD") {
      std::exchange(stream_, nullptr)->finish();
      begin_next();
    } else if (draining_) {
      drain();
    }
  } else {
    begin_next();
  }
  return true;
}

void Session::begin_next() {
  if (!keep_alive_) {
    phase_ = Phase::closing;
    unread_ = unread_ || !unparsed().empty();
    return;
  }
  request_.clear();
  body_ = nullptr;
  body_is_parsed_ = body_is_over_ = body_awaits_continue_ = false;
  stream_ended_ = false;
  release_body_memory();
  match_ = {};
  empty_lines_ = 0;
  phase_ = Phase::idle;
  phase_began_ = environment_.now;
  if (input_begin_ == input_end_ && input_.size() > input_bytes_initial && !input_is_lent_) {
    input_begin_ = input_end_ = 0;
    input_ = std::vector<char>(input_bytes_initial);
  }
}

bool Session::pump_stream() {
  TRV_EXPECTS(stream_ != nullptr);
  if (reads_body()) {
    static_cast<void>(pump_body());
    if (phase_ != Phase::streaming) return false;
  } else if (!keep_alive_) {
    consume(unparsed().size());  // nothing may follow on this connection
  }
  if (input_is_over_ && !reads_body()) {
    std::exchange(stream_, nullptr)->finish();
    phase_ = Phase::closing;
    return false;
  }
  // Taking only when all is sent keeps what waits for a slow reader in the queue, where it is counted.
  if (!output().empty()) return true;
  if (stream_ended_) {
    std::exchange(stream_, nullptr)->finish();
    if (reads_body()) {
      unread_ = true;
      end_body(base::fail(base::ErrorCode::cancelled, "the request has been answered"));
    }
    if (draining_ || is_cut_) keep_alive_ = false;
    begin_next();
    return false;
  }
  std::string bytes;
  const bool more = stream_->take(bytes);
  if (!bytes.empty()) {
    write_chunk(bytes);
    phase_began_ = environment_.now;
  }
  if (!more) end_stream();
  return !output().empty() || stream_ended_;
}

// A body that is cut has no last chunk; in HTTP/1.0 the end of the connection would pass for its end.
void Session::end_stream() {
  stream_ended_ = true;
  if (stream_->is_cut()) {
    is_cut_ = true;
  } else if (!parser_.is_http_1_0()) {
    output_.append("0\r\n\r\n");
  }
}

bool Session::must_reset() const noexcept {
  const bool is_under_way = phase_ == Phase::streaming && stream_ != nullptr && is_of_parts();
  return parser_.is_http_1_0() && (is_cut_ || is_under_way);
}

void Session::refuse(int status, std::string_view code, std::string_view detail) {
  if (request_.id().empty()) choose_id();
  keep_alive_ = false;
  unread_ = true;
  Response response = problem(status, code, detail);
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  write_answer(response);
  phase_ = Phase::closing;
}

void Session::choose_id() {
  const auto given = request_.header("X-Request-Id");
  if (given && is_request_id(*given)) return request_.set_id(*given);
  char text[40];
  const auto end =
      fmt::format_to_n(text, sizeof text, "{:016x}-{:08x}", environment_.id_prefix, ++environment_.id_count);
  request_.set_id({text, end.size});
}

void Session::tick() {
  const ServerOptions& options = *environment_.options;
  const base::Duration now = environment_.now;
  if (!output().empty() && now - output_moved_ >= options.idle_timeout) stuck_ = true;
  switch (phase_) {
    case Phase::idle:
      if (output().empty() && now - phase_began_ >= options.idle_timeout) phase_ = Phase::closing;
      break;
    case Phase::head:
    case Phase::body:
      if (now - request_began_ >= options.request_timeout) {
        refuse(408, "timeout", "the request did not arrive in time");
      }
      break;
    case Phase::streaming:
      if (is_body_late()) break;
      if (now - phase_began_ >= options.heartbeat_interval && output().empty() && !stream_ended_ && !is_of_parts()) {
        write_chunk(":\n\n");
        phase_began_ = now;
      }
      break;
    case Phase::handling: static_cast<void>(is_body_late()); break;
    case Phase::closing: break;
  }
}

bool Session::is_body_late() {
  if (!reads_body() || !body_has_leave_) return false;
  if (environment_.now - body_moved_ < environment_.options->request_timeout) return false;
  break_body(408, "timeout", {base::ErrorCode::timeout, "the body of the request did not go on in time"});
  return true;
}

void Session::drain() {
  draining_ = true;
  if (phase_ != Phase::streaming || stream_ended_) return;
  // A body in parts is a request in flight, but for events, which would go on.
  if (is_of_parts()) {
    if (is_event_stream_) stream_->cut();
    return;
  }
  std::string bytes;
  stream_->take(bytes);
  if (!bytes.empty()) write_chunk(bytes);
  end_stream();
  std::exchange(stream_, nullptr)->finish();
  phase_ = Phase::closing;
}

void Session::abandon() {
  std::shared_ptr<StreamQueue> opened;
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    opened = std::exchange(opened_stream_, nullptr);
  }
  if (opened) opened->finish();
  if (reads_body()) end_body(base::fail(base::ErrorCode::unavailable, "the client has gone"));
  tell_gone();
  if (stream_) std::exchange(stream_, nullptr)->finish();
  phase_ = Phase::closing;
}

}  // namespace trv::http
