// travd under a service manager: it says when it is ready and that it lives, and takes the socket that it is given.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "sdk/base/open_file.hpp"
#include "tests/support/api/daemon.hpp"
#include "tests/support/processes/http_client.hpp"

namespace trv::api {
namespace {

using testing::HasSubstr;

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() : ear_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    address_ = (scratch_.path() / "notify").string();
    std::memcpy(address.sun_path, address_.data(), address_.size());
    EXPECT_EQ(::bind(ear_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  /// Everything that was said until `word` was; what came in 10 s where it was not.
  std::string heard_until(std::string_view word) const {
    std::string all;
    for (pollfd wait{ear_.number(), POLLIN, 0}; ::poll(&wait, 1, 10'000) > 0;) {
      std::array<char, 500> text{};
      const ssize_t size = ::recv(ear_.number(), text.data(), text.size(), 0);
      if (size <= 0) break;
      all.append(text.data(), static_cast<std::size_t>(size)).append("\n");
      if (all.find(word) != std::string::npos) break;
    }
    return all;
  }
  static long status_of(const std::string& url) {
    processes::HttpClient client;
    const auto answer = client.send({.url = url + "/readyz"});
    return answer ? answer->status : 0;
  }

  ScratchFolder scratch_;
  base::OpenFile ear_;
  std::string address_;
};

TEST_F(SupervisorTest, it_hears_of_each_step_and_that_travd_lives) {
  const auto daemon =
      Daemon::start(scratch_, {}, {.variables = {{"NOTIFY_SOCKET", address_}, {"WATCHDOG_USEC", "300000"}}});
  ASSERT_TRUE(daemon) << daemon.error().message();
  EXPECT_THAT(heard_until("READY=1"), HasSubstr("EXTEND_TIMEOUT_USEC="));
  EXPECT_THAT(heard_until("WATCHDOG=1"), HasSubstr("WATCHDOG=1"));
  ASSERT_EQ(::kill((*daemon)->id(), SIGHUP), 0);
  EXPECT_THAT(heard_until("READY=1"), HasSubstr("RELOADING=1"));
  EXPECT_EQ((*daemon)->stop(), 0);
  EXPECT_THAT(heard_until("STOPPING=1"), HasSubstr("STOPPING=1"));
}

TEST_F(SupervisorTest, a_request_waits_in_the_socket_that_travd_is_given_while_it_restarts) {
  const http::LoopbackListener listener;
  ASSERT_EQ(::fcntl(listener.socket(), F_SETFD, 0), 0);
  const Surroundings given{.variables = {{"LISTEN_FDS", "1"}},
                           .limits = "-n 1024 && export LISTEN_PID=$$ && exec 3<&" + std::to_string(listener.socket())};
  long waited = 0;
  {
    const auto first = Daemon::start(scratch_, {}, given);
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ((*first)->url(), listener.url());
    EXPECT_EQ(status_of(listener.url()), 200);
    EXPECT_EQ((*first)->stop(), 0);
  }
  std::thread client([&] { waited = status_of(listener.url()); });
  const auto second = Daemon::start(scratch_, {}, given);
  client.join();
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(waited, 200) << "it waited until the second travd served";
}

TEST_F(SupervisorTest, a_variable_that_makes_no_sense_ends_the_start) {
  const Ended ended = run_daemon(scratch_, {"--data", (scratch_.path() / "data").string(), "--port", "0"},
                                 {{"LISTEN_FDS", "3"}, {"LISTEN_PID", "1"}, {"NOTIFY_SOCKET", std::string(200, 'x')}});
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("NOTIFY_SOCKET: too long"));
}

}  // namespace
}  // namespace trv::api
