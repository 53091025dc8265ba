// How a session writes answers.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "kernel/http/session.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::http {
namespace {

bool is_ours(std::string_view name) noexcept {
  constexpr std::string_view ours[] = {"Connection", "Content-Length", "Content-Type",
                                       "Date",       "X-Request-Id",   "Transfer-Encoding"};
  return std::ranges::any_of(ours, [&](std::string_view one) { return base::equal_ignoring_case(one, name); });
}

bool has_body(int status) noexcept {
  return status != 204 && status != 304;
}

}  // namespace

bool is_sendable(const Response& response) noexcept {
  if (response.status < 200 || response.status > 599 || !base::is_field_value(response.content_type)) return false;
  if (response.add_instance && !response.body.starts_with('{')) return false;
  return std::ranges::all_of(response.headers, [](const auto& header) {
    return base::is_token(header.first) && base::is_field_value(header.second) && !is_ours(header.first);
  });
}

void Session::write_answer(Response& response) {
  if (!is_sendable(response)) {
    complain(fmt::format("the answer of {} to {} has a status or header that cannot be sent", request_.route(),
                         request_.method()));
    response = problem_of(base::Error(base::ErrorCode::internal, "unsendable"));
  }
  if (stream_ && has_body(response.status)) {
    // What is not in chunks ends with its connection, and events of the kernel do.
    if (!is_of_parts() || parser_.is_http_1_0()) keep_alive_ = false;
    std::string framing = is_of_parts() ? "" : "Cache-Control: no-store\r\n";
    if (!parser_.is_http_1_0()) framing += "Transfer-Encoding: chunked\r\n";
    write_head(response, framing);
  } else {
    std::string instance;
    if (response.add_instance) instance = fmt::format("{{\"instance\":\"{}\",", request_.id());
    const std::size_t skipped = instance.empty() ? 0 : 1;
    char framing[48] = "";
    if (has_body(response.status)) {
      const auto end = fmt::format_to_n(framing, sizeof framing, "Content-Length: {}\r\n",
                                        instance.size() + response.body.size() - skipped);
      write_head(response, {framing, end.size});
      if (request_.method() != "HEAD") {
        output_.append(instance).append(response.body, skipped);
      }
    } else {
      write_head(response, {});
    }
  }
  const auto& on_answered = environment_.options->on_answered;
  if (on_answered) on_answered(request_, response.status, environment_.clock.monotonic() - request_began_);
}

void Session::write_head(const Response& response, std::string_view framing) {
  // A stalled reader is timed from the moment it first has something to read.
  if (output().empty()) output_moved_ = environment_.now;
  output_.append("HTTP/1.1 ");
  fmt::format_to(std::back_inserter(output_), "{}", response.status);
  output_.append(" ").append(reason_phrase(response.status)).append("\r\nDate: ").append(environment_.date);
  output_.append("\r\nX-Request-Id: ").append(request_.id()).append("\r\n");
  if (!response.content_type.empty()) output_.append("Content-Type: ").append(response.content_type).append("\r\n");
  for (const auto& [name, value] : response.headers) {
    output_.append(name).append(": ").append(value).append("\r\n");
  }
  output_.append(framing);
  if (!keep_alive_) {
    output_.append("Connection: close\r\n");
  } else if (parser_.is_http_1_0()) {
    output_.append("Connection: keep-alive\r\n");
  }
  output_.append("\r\n");
}

void Session::write_chunk(std::string_view bytes) {
  TRV_EXPECTS(!bytes.empty());
  if (output().empty()) output_moved_ = environment_.now;
  if (parser_.is_http_1_0()) {
    output_.append(bytes);
    return;
  }
  fmt::format_to(std::back_inserter(output_), "{:x}\r\n", bytes.size());
  output_.append(bytes).append("\r\n");
}

}  // namespace trv::http
