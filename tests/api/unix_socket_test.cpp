// The API on a Unix socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class UnixSocketTest : public testing::Test {
 protected:
  void start(const Variables& more = {}) {
    Variables variables = more;
    variables["TRAV_HTTP_SOCKET"] = path_;
    auto started = Daemon::start(scratch_, {}, {.variables = variables, .limits = "-n 1024 && umask 077"});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!daemon_->operator_token().empty()) token_ = daemon_->operator_token();
  }
  /// What the server answers over the socket; empty where nobody listens.
  [[nodiscard]] std::string ask(const std::string& method, const std::string& target,
                                const std::string& headers = "") const {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    std::string answer;
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      const std::string request =
          method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n";
      EXPECT_EQ(::send(socket, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
      char bytes[4096];
      for (ssize_t size = 0; (size = ::recv(socket, bytes, sizeof bytes, 0)) > 0;) {
        answer.append(bytes, static_cast<std::size_t>(size));
      }
    }
    ::close(socket);
    return answer;
  }
  [[nodiscard]] std::string bearer() const { return "Authorization: Bearer " + token_ + "\r\n"; }

  ScratchFolder scratch_;
  const std::string path_ = scratch_.path() / "api.sock";
  std::unique_ptr<Daemon> daemon_;
  std::string token_;
};

TEST_F(UnixSocketTest, trav_and_others_are_served_and_need_a_token_all_the_same) {
  start();
  struct stat about{};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0660U);
  EXPECT_THAT(ask("GET", "/v1/whoami"), HasSubstr("401 Unauthorized"));
  EXPECT_THAT(ask("GET", "/v1/whoami", bearer()), HasSubstr("200 OK"));
  auto trav = processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav",
                                             {"tenant", "list", "--url", "unix:" + path_, "--token", token_});
  ASSERT_TRUE(trav);
  EXPECT_EQ(trav->wait(30s), 0);
  EXPECT_EQ(daemon_->stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(path_)) << "a stop in order leaves none behind";
}

TEST_F(UnixSocketTest, who_connected_is_the_source_in_the_trail) {
  start();
  const std::string viewer = create_tenant(*daemon_, "acme");
  EXPECT_THAT(ask("GET", "/v1/tenants/system/plugins", "Authorization: Bearer " + viewer + "\r\n"), HasSubstr("404"));
  const Answer events = api::ask(*daemon_, viewer, "GET", "/v1/tenants/acme/events?limit=100");
  EXPECT_THAT(events.body, HasSubstr("\"unix:" + std::to_string(::geteuid()) + "\""));
}

TEST_F(UnixSocketTest, one_that_a_killed_process_left_is_replaced) {
  start();
  ::kill(daemon_->id(), SIGKILL);
  (void)daemon_->stop();
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(ask("GET", "/livez"), "");
  start();
  EXPECT_THAT(ask("GET", "/livez"), HasSubstr("200 OK"));
}

TEST_F(UnixSocketTest, one_that_is_listened_on_and_a_file_are_left_alone) {
  start();
  const ScratchFolder other;
  const auto refused = [&](const std::string& path) {
    const Ended ended =
        run_daemon(other, {"--data", (other.path() / "data").string(), "--port", "0"}, {{"TRAV_HTTP_SOCKET", path}});
    EXPECT_EQ(ended.code, 2);
    return ended.err;
  };
  EXPECT_THAT(refused(path_), HasSubstr("a process listens on " + path_));
  EXPECT_THAT(ask("GET", "/livez"), HasSubstr("200 OK"));
  const std::string file = scratch_.path() / "file";
  std::ofstream(file) << "kept";
  EXPECT_THAT(refused(file), HasSubstr(file + " exists and is not a socket"));
  EXPECT_EQ(contents_of(file), "kept");
  EXPECT_THAT(refused("relative"), HasSubstr("TRAV_HTTP_SOCKET: 'relative' cannot be a Unix socket"));
}

TEST_F(UnixSocketTest, a_proxy_behind_it_may_say_who_its_client_is) {
  start({{"TRAV_HTTP_TRUSTED_PROXIES", "unix"}});
  const std::string acme = create_tenant(*daemon_, "acme");
  EXPECT_THAT(ask("GET", "/v1/tenants/system/plugins",
                  "Authorization: Bearer " + acme + "\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n"),
              HasSubstr("404"));
  EXPECT_THAT(api::ask(*daemon_, acme, "GET", "/v1/tenants/acme/events?limit=100").body, HasSubstr("\"192.0.2.7\""));
}

}  // namespace
}  // namespace trv::api
