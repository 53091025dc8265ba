#include "kernel/cli/commands/event_follower.hpp"

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/patience.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

constexpr base::Duration head_timeout = std::chrono::seconds(10);

}  // namespace

base::Result<HttpResponse> EventFollower::open() {
  TRV_TRY_ASSIGN(HttpClient * client, session_.client(Speaker::member));
  const std::string& last_id = parser_.last_id();
  const std::string after = last_id.empty() ? after_ : last_id;
  TRV_TRY_ASSIGN(
      const std::string target,
      session_.tenant_target("/events/stream" + query_of({{"after", after}, {"lifecycle", lifecycle_ ? "true" : ""}})));
  HttpRequest request{.target = target, .headers = {"Accept: text/event-stream"}};
  TRV_TRY_ASSIGN(HttpStream stream, client->open(request));
  TRV_TRY_ASSIGN(HttpResponse head, stream.head(head_timeout));
  if (head.status < 200 || head.status > 299) return head;
  parser_.restart();
  stream_ = std::move(stream);
  return head;
}

base::Status EventFollower::connect() {
  TRV_TRY_ASSIGN(const HttpResponse head, open());
  if (head.status < 200 || head.status > 299) return base::fail(Session::refusal_of(head));
  return {};
}

base::Status EventFollower::reconnect() {
  TRV_TRY_ASSIGN(const HttpResponse head, ask_patiently(session_, [this] { return open(); }));
  if (head.status < 200 || head.status > 299) return base::fail(Session::refusal_of(head));
  return {};
}

base::Result<std::vector<ServerSentEvent>> EventFollower::next(base::Duration timeout) {
  TRV_EXPECTS(stream_.has_value());
  TRV_TRY_ASSIGN(const std::optional<std::string> bytes, stream_->read(timeout));
  if (bytes) return parser_.feed(*bytes);
  TRV_TRY(reconnect());
  return std::vector<ServerSentEvent>();
}

}  // namespace trv::cli
