// Mail as it is on the wire. The server here says what the test wants it to say; a real one is in tests/mail.

#include "kernel/egress/mail.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "kernel/egress/broker.hpp"
#include "kernel/http/testing/loopback_server.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;
using base::TenantId;
using testing::HasSubstr;

/// One SMTP session: greets, answers each line, and keeps what it was sent.
class MailServer {
 public:
  /// `reply` to a line that begins so, or to the message where that is "."; anything else is taken.
  MailServer(std::string begins, std::string reply)
      : begins_(std::move(begins)), reply_(std::move(reply)), thread_([this] { serve(); }) {}
  ~MailServer() { thread_.join(); }

  [[nodiscard]] std::string url() const { return fmt::format("smtp://127.0.0.1:{}", listener_.port()); }
  /// Once the session is over.
  [[nodiscard]] const std::string& received() {
    ended_.get_future().wait();
    return received_;
  }

 private:
  static bool readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 20'000) > 0;
  }
  static void say(int fd, const std::string& line) {
    EXPECT_EQ(::send(fd, (line + "\r\n").data(), line.size() + 2, MSG_NOSIGNAL), static_cast<ssize_t>(line.size() + 2));
  }
  std::string reply_to(std::string_view line) const {
    if (line.starts_with(begins_)) return reply_;
    if (line.starts_with("QUIT")) return "221 bye";
    return line.starts_with("DATA") ? "354 go on" : "250 ok";
  }
  void serve() {
    if (!readable(listener_.socket())) return ended_.set_value();
    const int fd = ::accept(listener_.socket(), nullptr, nullptr);
    say(fd, "220 mail.example.com");
    std::string line;
    bool is_message = false;
    char byte = 0;
    while (readable(fd) && ::recv(fd, &byte, 1, 0) == 1) {
      received_ += byte;
      line += byte;
      if (byte != '\n') continue;
      if (is_message && line == ".\r\n") {
        is_message = false;
        say(fd, reply_to("."));
      } else if (!is_message) {
        say(fd, reply_to(line));
        is_message = line.starts_with("DATA") && reply_to(line).starts_with("354");
        if (line.starts_with("QUIT")) break;
      }
      line.clear();
    }
    ::close(fd);
    ended_.set_value();
  }

  const std::string begins_;
  const std::string reply_;
  http::LoopbackListener listener_;
  std::string received_;
  std::promise<void> ended_;
  std::thread thread_;
};

class MailSources final : public ConnectionSource, public SecretSource {
 public:
  base::Result<Connection> find(const TenantId&, std::string_view) override { return connection; }
  base::Result<std::string> reveal(const TenantId&, std::string_view) override { return std::string("s3cret"); }
  Connection connection{.tenant = TenantId("acme"),
                        .name = "mail",
                        .plugin = "smtp",
                        .base_url = {},
                        .authentication = {},
                        .limits = {},
                        .allow_private_network = true};
};

class MailTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Broker::start({}, sources_, sources_, clock_);
    ASSERT_TRUE(started) << started.error().message();
    broker_ = *std::move(started);
  }
  static Request mail() {
    Request request;
    request.tenant = TenantId("acme");
    request.plugin = "smtp";
    request.connection = "mail";
    request.method = mail_method;
    request.headers = {{"Mail-From", "ada@example.com"}, {"Rcpt-To", "ben@example.org"}, {"rcpt-to", "cleo@x.org"}};
    request.body = "Subject: hello\r\n\r\n.hidden\r\nbye\r\n";
    return request;
  }
  base::Result<Response> send(const std::string& base_url, Request request) {
    sources_.connection.base_url = base_url;
    std::promise<base::Result<Response>> promise;
    broker_->send(std::move(request),
                  [&promise](base::Result<Response> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }

  base::SystemClock clock_;
  MailSources sources_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(MailTest, a_message_goes_to_all_its_recipients_as_it_is) {
  MailServer server(".", "250 kept as 7");
  const auto answer = send(server.url(), mail());
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 250U);
  EXPECT_EQ(answer->body, "kept as 7");
  const std::string& received = server.received();
  EXPECT_TRUE(received.starts_with("EHLO example.com\r\n")) << received;
  EXPECT_THAT(received, HasSubstr("MAIL FROM:<ada@example.com>"));
  EXPECT_THAT(received, HasSubstr("RCPT TO:<ben@example.org>\r\n"));
  EXPECT_THAT(received, HasSubstr("RCPT TO:<cleo@x.org>\r\n"));
  EXPECT_THAT(received, HasSubstr("Subject: hello\r\n\r\n..hidden\r\nbye\r\n.\r\n")) << "a dot is said twice";
}

TEST_F(MailTest, a_server_that_refuses_has_answered) {
  MailServer unknown("RCPT", "550 no such user here");
  const auto refused = send(unknown.url(), mail());
  ASSERT_TRUE(refused) << refused.error().message();
  EXPECT_EQ(refused->status, 550U);
  EXPECT_THAT(unknown.received(), testing::Not(HasSubstr("DATA")));
  MailServer later("MAIL", "451 try again later");
  EXPECT_EQ(send(later.url(), mail())->status, 451U);
  MailServer spam(".", "554 not wanted");
  const auto unwanted = send(spam.url(), mail());
  ASSERT_TRUE(unwanted) << unwanted.error().message();
  EXPECT_EQ(unwanted->status, 554U);
}

TEST_F(MailTest, a_password_goes_over_tls_or_not_at_all) {
  sources_.connection.authentication = {AuthenticationScheme::basic, "ada", "", "ref"};
  MailServer plain("EHLO", "250-mail.example.com\r\n250 AUTH PLAIN LOGIN");
  const auto refused = send(plain.url(), mail());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(plain.received(), testing::Not(HasSubstr("AUTH ")));
}

TEST_F(MailTest, what_could_be_read_as_something_else_is_refused_before_it_is_sent) {
  const auto refusal = [&](const std::function<void(Request&)>& change) {
    Request request = mail();
    change(request);
    const auto answer = send("smtp://127.0.0.1:9", std::move(request));
    EXPECT_FALSE(answer);
    return answer ? std::string() : answer.error().message();
  };
  EXPECT_THAT(refusal([](Request& r) { r.method = "GET"; }), HasSubstr("is for mail"));
  EXPECT_THAT(refusal([](Request& r) { r.path = "/x"; }), HasSubstr("is for mail"));
  EXPECT_THAT(refusal([](Request& r) { r.headers.push_back({"X-A", "b"}); }), HasSubstr("not 'X-A'"));
  EXPECT_THAT(refusal([](Request& r) { r.headers.push_back({"Mail-From", "a@b"}); }), HasSubstr("one Mail-From"));
  EXPECT_THAT(refusal([](Request& r) { r.headers.resize(1); }), HasSubstr("at least one Rcpt-To"));
  EXPECT_THAT(refusal([](Request& r) { r.headers.erase(r.headers.begin()); }), HasSubstr("needs a header Mail-From"));
  for (const char* odd : {"", "a", "a@", "@b", "a@b@c", "a b@c", "<a@b>", "a@b>, <c@d", "a@b\tc", "\"a\"@b", "ä@b"}) {
    EXPECT_THAT(refusal([&](Request& r) { r.headers[1].value = odd; }), HasSubstr("not an address")) << odd;
  }
  for (const char* odd : {"", "x", "x\n", "x\r", "x\r\n\n", "a\rb\r\n"}) {
    EXPECT_THAT(refusal([&](Request& r) { r.body = odd; }), HasSubstr("CR LF")) << odd;
  }
  EXPECT_THAT(refusal([](Request& r) { r.headers[1].value = std::string(250, 'a') + "@b.org"; }),
              HasSubstr("not an address"));
  sources_.connection.authentication = {AuthenticationScheme::bearer, "", "", "ref"};
  EXPECT_THAT(refusal([](Request&) {}), HasSubstr("auth basic"));
}

TEST_F(MailTest, a_private_network_is_as_far_as_for_http) {
  sources_.connection.allow_private_network = false;
  const auto refused = send("smtp://127.0.0.1:9", mail());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::denied) << refused.error().message();
  const auto path = send("smtp://127.0.0.1:9/path", mail());
  ASSERT_FALSE(path);
  EXPECT_THAT(path.error().message(), HasSubstr("must not have a path"));
}

}  // namespace
}  // namespace trv::egress
