#include "kernel/cli/commands/patience.hpp"

#include <poll.h>

namespace trv::cli {
namespace {

constexpr int pause_ms = 500;
constexpr int starting = 503;

}  // namespace

base::Result<HttpResponse> ask_patiently(Session& session, const std::function<base::Result<HttpResponse>()>& ask) {
  const base::Clock& clock = session.world().clock;
  base::Duration heard = clock.monotonic();
  for (;;) {
    auto response = ask();
    const base::Duration now = clock.monotonic();
    if (response) {
      if (response->status != starting) return response;
      heard = now;
    } else if (response.error().code() != base::ErrorCode::unavailable || now - heard > patience) {
      return response;
    }
    if (session.out_is_gone()) return response;
    // There is nothing to wait on: nothing reports that a server is back.
    static_cast<void>(::poll(nullptr, 0, pause_ms));
  }
}

}  // namespace trv::cli
