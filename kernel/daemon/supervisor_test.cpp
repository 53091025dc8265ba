#include "kernel/daemon/supervisor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <filesystem>

namespace trv::daemon {
namespace {

using config::Environment;
using testing::HasSubstr;
using namespace std::chrono_literals;

TEST(Supervisor, nobody_listens_without_its_variables) {
  const auto supervisor = Supervisor::of(Environment{}, 7);
  ASSERT_TRUE(supervisor);
  supervisor->say("READY=1");
  EXPECT_FALSE(supervisor->sign_of_life_every());
  EXPECT_FALSE(supervisor->socket());
}

TEST(Supervisor, what_is_said_arrives_at_a_file_or_a_name) {
  const std::string file = (std::filesystem::path(testing::TempDir()) / "supervisor_test.socket").string();
  std::filesystem::remove(file);
  for (const std::string& name : {file, std::string("@supervisor_test-") + std::to_string(::getpid())}) {
    const base::OpenFile ear(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    ASSERT_EQ(::bind(ear.number(), reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
    const auto supervisor = Supervisor::of(Environment{{"NOTIFY_SOCKET", name}}, 7);
    ASSERT_TRUE(supervisor);
    supervisor->say("READY=1\nSTATUS=it works");
    char heard[100] = {};
    ASSERT_GT(::recv(ear.number(), heard, sizeof heard - 1, MSG_DONTWAIT), 0) << name;
    EXPECT_STREQ(heard, "READY=1\nSTATUS=it works");
  }
  std::filesystem::remove(file);
}

TEST(Supervisor, variables_of_another_process_are_not_its_own) {
  const auto own = Supervisor::of(Environment{{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "7"}}, 7);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->sign_of_life_every(), 10s);
  const auto others = Supervisor::of(
      Environment{{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "8"}, {"LISTEN_FDS", "1"}, {"LISTEN_PID", "8"}}, 7);
  ASSERT_TRUE(others);
  EXPECT_FALSE(others->sign_of_life_every());
  EXPECT_FALSE(others->socket());
  const auto socket = Supervisor::of(Environment{{"LISTEN_FDS", "1"}, {"LISTEN_PID", "7"}}, 7);
  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->socket(), 3);
}

TEST(Supervisor, what_makes_no_sense_is_refused_with_its_name) {
  for (const auto& [environment, why] :
       {std::pair(Environment{{"LISTEN_FDS", "2"}, {"LISTEN_PID", "7"}}, "LISTEN_FDS: 2 sockets"),
        std::pair(Environment{{"WATCHDOG_USEC", "soon"}}, "WATCHDOG_USEC: 'soon' is not a number"),
        std::pair(Environment{{"NOTIFY_SOCKET", std::string(200, 'x')}}, "NOTIFY_SOCKET: too long")}) {
    const auto supervisor = Supervisor::of(environment, 7);
    ASSERT_FALSE(supervisor);
    EXPECT_THAT(supervisor.error().message(), HasSubstr(why));
  }
}

}  // namespace
}  // namespace trv::daemon
