// How a session reads a body in parts.

#include <algorithm>

#include "kernel/http/session.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {

using base::ErrorCode;
using base::fail;

// The head is there. The handler is called now.
void Session::begin_body() {
  body_ = std::make_shared<RequestBody>(shared_from_this());
  parser_.put_body_into(body_bytes_);
  body_moved_ = environment_.now;
  phase_ = Phase::handling;
  phase_began_ = environment_.now;
  dispatch();
}

// Gives on what there is leave for.
bool Session::pump_body() {
  if (!reads_body()) return false;
  bool progress = false;
  for (;;) {
    const std::size_t room = body_->room();
    if (room > 0 && !body_has_leave_) body_moved_ = environment_.now;
    body_has_leave_ = room > 0;
    const std::size_t waiting = body_bytes_.size() - body_begin_;
    if (waiting == 0 && body_is_parsed_) {
      end_body({});
      return true;
    }
    if (room == 0) return progress;
    if (body_awaits_continue_ && phase_ == Phase::handling) {
      body_awaits_continue_ = false;
      output_.append("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (waiting == 0) {
      body_bytes_.clear();
      body_begin_ = 0;
      if (!parse_body()) return progress;
      progress = true;
      continue;
    }
    const std::size_t size = std::min({waiting, room, body_part_bytes});
    body_->deliver(std::string_view(body_bytes_).substr(body_begin_, size));
    body_begin_ += size;
    progress = true;
  }
}

// False: more has to come first, or nothing more will.
bool Session::parse_body() {
  std::size_t consumed = 0;
  const RequestParser::Outcome outcome = parser_.parse(unparsed(), consumed);
  consume(consumed);
  if (consumed > 0) body_moved_ = environment_.now;
  switch (outcome) {
    case RequestParser::Outcome::done: body_is_parsed_ = true; return true;
    case RequestParser::Outcome::failed: {
      const ParseFailure& failure = parser_.failure();
      break_body(failure.status, failure.code,
                 {failure.status == 413 ? ErrorCode::too_large : ErrorCode::invalid, failure.detail});
      return false;
    }
    default: break;
  }
  if (!body_bytes_.empty()) return true;
  if (input_is_over_) {
    break_body(400, "invalid", {ErrorCode::unavailable, "the client ended the connection within the body"});
  }
  return false;
}

// The rest of the body will not come: the call that reads it ends, and the connection with it.
void Session::break_body(int status, std::string_view code, const base::Error& error) {
  end_body(fail(error));
  tell_gone();
  if (phase_ == Phase::handling) return refuse(status, code, error.message());
  is_cut_ = true;
  unread_ = true;
  if (stream_) std::exchange(stream_, nullptr)->finish();
  phase_ = Phase::closing;
}

void Session::end_body(base::Status status) {
  TRV_EXPECTS(body_ != nullptr);
  body_is_over_ = true;
  body_has_leave_ = false;
  body_bytes_ = {};
  body_begin_ = 0;
  body_->finish(std::move(status));
}

}  // namespace trv::http
