#include "installer/steps/sockets.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include "kernel/http/testing/running_server.hpp"
#include "kernel/http/testing/test_authority.hpp"

namespace trv::steps {
namespace {

http::Router ready() {
  http::Router router;
  router.route("GET", "/readyz",
               [](const http::Request&, http::Responder responder) { responder.send(http::text(200, "ready")); });
  return router;
}

TEST(sockets, readiness_is_asked_for_with_tls_and_without) {
  ::signal(SIGPIPE, SIG_IGN);
  constexpr base::Duration patience = std::chrono::seconds(5);
  http::RunningServer plain(ready());
  EXPECT_EQ(status_of("127.0.0.1", plain.port(), Transport::plain, "/readyz", patience), 200);
  EXPECT_FALSE(status_of("127.0.0.1", plain.port(), Transport::tls, "/readyz", patience));
  const http::TestAuthority authority;
  const auto context = http::TlsContext::for_clients(authority.issue());
  http::RunningServer sealed(ready(), {.tls = [&context] { return context; }});
  EXPECT_EQ(status_of("0.0.0.0", sealed.port(), Transport::tls, "/readyz", patience), 200);
  EXPECT_EQ(status_of("127.0.0.1", sealed.port(), Transport::plain, "/readyz", patience), 400);
}

}  // namespace
}  // namespace trv::steps
