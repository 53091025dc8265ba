#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/smtp/message.hpp"
#include "sdk/conformance/fake_host.hpp"

namespace smtp {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

class SmtpTest : public testing::Test {
 protected:
  SmtpTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override { EXPECT_THAT(host.faults(), testing::IsEmpty()); }

  CallOutcome send(const std::string& input, const HttpAnswer& answer = {250, "queued as 7"}) {
    return host.call({.operation = "send", .input = input.c_str()}, {answer});
  }
  [[nodiscard]] std::string message() const { return host.requests().back().body; }
  [[nodiscard]] std::string envelope() const {
    const auto request = host.requests().back();
    std::string out = request.method;
    for (const auto& header : request.headers) out += " " + header.first + ":" + header.second;
    return out;
  }
  FakeHost host;
};

TEST_F(SmtpTest, a_text_goes_to_all_who_are_named_and_hides_the_blind_ones) {
  const CallOutcome outcome = send(
      R"({"from":"ci@example.com","to":["a@x.org","b@x.org"],"cc":["c@x.org"],"bcc":["d@x.org"],"subject":"Hi","text":"one\ntwo"})");
  EXPECT_THAT(outcome.output.value_or(""), HasSubstr(R"("recipients":4,"reply":"queued as 7")"));
  EXPECT_THAT(outcome.output.value_or(""), HasSubstr("@example.com>"));
  EXPECT_EQ(envelope(),
            "MAIL Mail-From:ci@example.com Rcpt-To:a@x.org Rcpt-To:b@x.org Rcpt-To:c@x.org Rcpt-To:d@x.org");
  EXPECT_THAT(message(), HasSubstr("\r\nFrom: ci@example.com\r\n"));
  EXPECT_THAT(message(), HasSubstr("\r\nTo: a@x.org,\r\n b@x.org\r\nCc: c@x.org\r\n"));
  EXPECT_THAT(message(), HasSubstr("\r\nSubject: Hi\r\n"));
  EXPECT_THAT(message(), HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(message(), HasSubstr("\r\n\r\nb25lDQp0d28=\r\n")) << "one CR LF two";
  EXPECT_THAT(message(), Not(HasSubstr("d@x.org")));
}

TEST_F(SmtpTest, the_same_call_again_has_the_same_id) {
  const std::string input = R"({"from":"ci@example.com","to":["a@x.org"],"subject":"Hi"})";
  const auto once = send(input).output;
  EXPECT_EQ(send(input).output, once);
}

TEST_F(SmtpTest, a_server_that_refuses_is_a_failure_with_what_it_said) {
  const std::string input = R"({"from":"ci@example.com","to":["a@x.org"],"subject":"Hi"})";
  const auto code = [&](int status) { return send(input, {status, "no"}).code(); };
  EXPECT_EQ(code(550), TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(code(535), TRV_ERROR_UNAUTHENTICATED);
  EXPECT_EQ(code(552), TRV_ERROR_TOO_LARGE);
  EXPECT_EQ(code(554), TRV_ERROR_DENIED);
  const CallOutcome later = send(input, {451, "greylisted"});
  EXPECT_EQ(later.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(later.error->retry, TRV_RETRY_SAFE);
  EXPECT_THAT(later.error->message, HasSubstr("451 greylisted"));
}

TEST_F(SmtpTest, nothing_of_the_input_becomes_a_header_of_its_own) {
  for (const char* field : {"subject", "from_name", "reply_to", "in_reply_to"}) {
    json::object input = {{"from", "ci@example.com"}, {"to", {"a@x.org"}}, {"subject", "Hi"}};
    input[field] = "x\r\nBcc: evil@x.org";
    const CallOutcome refused = send(json::serialize(input));
    EXPECT_EQ(refused.code(), TRV_ERROR_INVALID) << field;
  }
  EXPECT_EQ(send(R"({"from":"ci@example.com","subject":"Hi"})").code(), TRV_ERROR_INVALID);
  EXPECT_EQ(send(R"({"from":"ci","to":["a@x.org"],"subject":"Hi"})").code(), TRV_ERROR_INVALID);
  EXPECT_TRUE(host.requests().empty());
}

TEST_F(SmtpTest, what_is_too_large_is_not_sent) {
  json::object input = {{"from", "ci@example.com"}, {"to", {"a@x.org"}}, {"subject", "Hi"}};
  input["text"] = std::string(800'000, 'x');
  EXPECT_EQ(send(json::serialize(input)).code(), TRV_ERROR_TOO_LARGE);
  EXPECT_TRUE(host.requests().empty());
}

TEST(Message, lines_are_short_and_plain_whatever_is_in_it) {
  Message message{.from = "ci@example.com",
                  .from_name = "Bücher \"und\" mehr",
                  .to = {"a@x.org"},
                  .cc = {},
                  .reply_to = "r@x.org",
                  .in_reply_to = "<1@x.org>",
                  .subject = std::string(70, 'x') + " größer 🙂 als eine Zeile, und noch etwas länger",
                  .text = std::string(500, 'y') + "\n.\nFrom here\r\nend\r",
                  .html = "<p>ü</p>",
                  .attachments = {{"Zeugnis für Ada.pdf", "application/pdf", std::string("\0\xff\n", 3)},
                                  {"plain \"x\".txt", "text/plain", "hi"}},
                  .key = "acme/1/do/0/mail/1",
                  .time_s = 1'762'992'000};
  const std::string bytes = to_bytes(message);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find("\r\n", at);
    ASSERT_NE(end, std::string::npos);
    const std::string line = bytes.substr(at, end - at);
    EXPECT_LE(line.size(), 100U) << line;
    for (const char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
    at = end + 2;
  }
  EXPECT_TRUE(bytes.starts_with("Date: Thu, 13 Nov 2025 00:00:00 +0000\r\n")) << bytes;
  EXPECT_THAT(bytes, HasSubstr("multipart/mixed"));
  EXPECT_THAT(bytes, HasSubstr("multipart/alternative"));
  EXPECT_THAT(bytes, HasSubstr("filename*=UTF-8''Zeugnis%20f%C3%BCr%20Ada.pdf"));
  EXPECT_THAT(bytes, HasSubstr("filename=\"plain \\\"x\\\".txt\""));
  EXPECT_THAT(bytes, HasSubstr("AP8K\r\n"));
}

TEST(Message, dates_are_those_of_the_calendar) {
  const auto date = [](std::int64_t time_s) {
    Message message;
    message.from = "a@b";
    message.time_s = time_s;
    const std::string bytes = to_bytes(message);
    return bytes.substr(6, bytes.find("\r\n") - 6);
  };
  EXPECT_EQ(date(0), "Thu, 1 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(date(951'782'400), "Tue, 29 Feb 2000 00:00:00 +0000");
  EXPECT_EQ(date(1'000'000'000), "Sun, 9 Sep 2001 01:46:40 +0000");
  EXPECT_EQ(date(4'102'444'799), "Thu, 31 Dec 2099 23:59:59 +0000");
}

}  // namespace
}  // namespace smtp
