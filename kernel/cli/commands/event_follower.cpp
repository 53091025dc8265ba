#include "kernel/cli/commands/event_follower.hpp"

#include <poll.h>

#include "kernel/cli/commands/nouns.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

constexpr base::Duration head_timeout = std::chrono::seconds(10);
constexpr int pause_ms = 500;

}  // namespace

base::Status EventFollower::connect() {
  TRV_TRY_ASSIGN(HttpClient * client, session_.client(Speaker::member));
  const std::string& last_id = parser_.last_id();
  const std::string after = last_id.empty() ? after_ : last_id;
  TRV_TRY_ASSIGN(
      const std::string target,
      session_.tenant_target("/events/stream" + query_of({{"after", after}, {"lifecycle", lifecycle_ ? "true" : ""}})));
  HttpRequest request{.target = target, .headers = {"Accept: text/event-stream"}};
  TRV_TRY_ASSIGN(HttpStream stream, client->open(request));
  TRV_TRY_ASSIGN(const HttpResponse head, stream.head(head_timeout));
  if (head.status < 200 || head.status > 299) return base::fail(Session::refusal_of(head));
  parser_.restart();
  stream_ = std::move(stream);
  return {};
}

base::Status EventFollower::reconnect() {
  const base::Duration began = session_.world().clock.monotonic();
  for (;;) {
    base::Status connected = connect();
    const bool away = !connected && connected.error().code() == base::ErrorCode::unavailable;
    if (!away || session_.world().clock.monotonic() - began > patience) return connected;
    // There is nothing to wait on: nobody tells when a server is back.
    static_cast<void>(::poll(nullptr, 0, pause_ms));
  }
}

base::Result<std::vector<ServerSentEvent>> EventFollower::next(base::Duration timeout) {
  TRV_EXPECTS(stream_.has_value());
  TRV_TRY_ASSIGN(const std::optional<std::string> bytes, stream_->read(timeout));
  if (bytes) return parser_.feed(*bytes);
  TRV_TRY(reconnect());
  return std::vector<ServerSentEvent>();
}

}  // namespace trv::cli
