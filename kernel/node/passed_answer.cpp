#include "kernel/node/passed_answer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "kernel/node/forwarder.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::node {
namespace {

constexpr std::size_t answer_bytes_max = std::size_t{256} << 20;
constexpr std::size_t room_bytes = 262'144;  // of an answer in parts
constexpr base::Duration look_again_after = std::chrono::milliseconds(200);
/// Of one connection, or made by the client's library or the server.
constexpr std::array<std::string_view, 10> not_passed_on = {"Connection",
                                                            "Content-Length",
                                                            "Date",
                                                            "Expect",
                                                            "Host",
                                                            "Transfer-Encoding",
                                                            "X-Request-Id",
                                                            forwarded_header,
                                                            http::client_address_header,
                                                            http::client_certificate_header};

}  // namespace

bool is_passed_on(std::string_view name) {
  return std::ranges::none_of(not_passed_on,
                              [name](std::string_view one) { return base::equal_ignoring_case(one, name); });
}

PassedAnswer::~PassedAnswer() {
  if (stream_) in_parts_.fetch_sub(1);
}

bool PassedAnswer::take_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  const std::string_view name = line.substr(0, colon);
  line.remove_prefix(colon + 1);
  const std::size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  line = line.substr(begin, line.find_last_not_of(" \t\r\n") + 1 - begin);
  if (base::equal_ignoring_case(name, "Transfer-Encoding")) is_chunked_ = true;
  if (base::equal_ignoring_case(name, "Content-Type")) {
    response_.content_type = line;
  } else if (is_passed_on(name)) {
    response_.headers.emplace_back(name, line);
  }
  return true;
}

bool PassedAnswer::take_status(int status) {
  if (stream_) return true;  // behind the last part
  response_.status = status;
  if (!is_chunked_) return true;
  if (in_parts_.fetch_add(1) >= parts_passed_on_max) {
    in_parts_.fetch_sub(1);
    is_one_too_many_ = true;
    return false;
  }
  stream_.emplace(responder_.parts(std::move(response_)));
  stream_->on_sent([client = client_](std::size_t byte_count) {
    const std::lock_guard lock(client->mutex);
    TRV_ASSERT(byte_count <= client->waiting);
    client->waiting -= byte_count;
    client->changed.notify_all();
  });
  stream_->on_over([client = client_] {
    const std::lock_guard lock(client->mutex);
    client->is_over = true;
    client->changed.notify_all();
  });
  return true;
}

bool PassedAnswer::take_body(std::string_view bytes) {
  if (!stream_) {
    if (response_.body.size() + bytes.size() > answer_bytes_max) return false;
    response_.body.append(bytes);
    return true;
  }
  {
    std::unique_lock lock(client_->mutex);
    const auto has_room = [&] { return client_->is_over || client_->waiting + bytes.size() <= room_bytes; };
    while (!client_->changed.wait_for(lock, look_again_after, has_room)) {
      if (is_ending_()) return false;
    }
    if (client_->is_over) return false;
    client_->waiting += bytes.size();
  }
  stream_->write(bytes);
  return true;
}

bool PassedAnswer::goes_on() const {
  if (!stream_) return true;
  if (is_ending_()) return false;
  const std::lock_guard lock(client_->mutex);
  return !client_->is_over;
}

void PassedAnswer::end() {
  if (stream_) return stream_->close();
  responder_.send(std::move(response_));
}

}  // namespace trv::node
