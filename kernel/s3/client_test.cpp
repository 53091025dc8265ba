// What a storage may answer. That the requests are right is shown by a real one: tests/s3.

#include "kernel/s3/client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"

namespace trv::s3 {
namespace {

using base::ErrorCode;
using namespace std::chrono_literals;

std::string answer(const std::string& status, const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}
std::string refusal(const std::string& status, const std::string& code, const std::string& more = "") {
  return answer(status, "<Error><Code>" + code + "</Code><Message>of the test</Message></Error>", more);
}

class ClientTest : public testing::Test {
 protected:
  Client client(const std::string& url, std::stop_token stop = {}) {
    const auto endpoint = parse_endpoint(url);
    EXPECT_TRUE(endpoint);
    return Client({.endpoint = *endpoint,
                   .region = "us-east-1",
                   .bucket = "backups",
                   .is_path_style = true,
                   .ca_file = {},
                   .credentials = {.key_id = "AKID", .secret = "sesame", .token = {}},
                   .credentials_from = "/etc/storage.ini",
                   .tries = {.count = 4, .first_pause = 1ms, .pause_max = 5ms}},
                  clock_, random_, std::move(stop));
  }
  /// Of a get that is answered like this.
  base::Result<base::Bytes> got(const std::string& text) {
    http::LoopbackServer server([&](const std::string&) { return text; });
    return client(server.url()).get("a/b", 100);
  }

  base::SystemClock clock_;
  base::SystemRandom random_;
};

TEST_F(ClientTest, tries_again_what_may_pass) {
  for (const char* status :
       {"500 Internal Server Error", "503 Slow Down", "429 Too Many Requests", "502 Bad Gateway"}) {
    std::atomic<int> asked = 0;
    http::LoopbackServer server(
        [&](const std::string&) { return ++asked < 4 ? refusal(status, "SlowDown") : answer("200 OK", "text"); });
    const auto bytes = client(server.url()).get("a/b", 100);
    ASSERT_TRUE(bytes) << bytes.error().message();
    EXPECT_EQ(base::as_text(*bytes), "text");
    EXPECT_EQ(asked, 4);
  }
}

TEST_F(ClientTest, gives_up_after_so_many_tries_and_says_what_came) {
  std::atomic<int> asked = 0;
  http::LoopbackServer server([&](const std::string&) {
    ++asked;
    return refusal("503 Slow Down", "SlowDown");
  });
  const auto refused = client(server.url()).get("a/b", 100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_NE(refused.error().message().find("503 SlowDown"), std::string::npos) << refused.error().message();
  EXPECT_EQ(asked, 4);
}

TEST_F(ClientTest, tries_again_what_was_cut_off_and_does_not_take_it_for_whole) {
  std::atomic<int> asked = 0;
  http::LoopbackServer server([&](const std::string&) -> std::string {
    if (++asked == 1) return "";  // closes the connection
    if (asked == 2) return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nte";
    return answer("200 OK", "text");
  });
  const auto bytes = client(server.url()).get("a/b", 100);
  ASSERT_TRUE(bytes) << bytes.error().message();
  EXPECT_EQ(base::as_text(*bytes), "text");
  const auto cut = got("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nte");
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code(), ErrorCode::unavailable);
  EXPECT_NE(cut.error().message().find("was cut off"), std::string::npos) << cut.error().message();
}

TEST_F(ClientTest, says_of_each_refusal_what_to_do_and_asks_once) {
  struct Case {
    const char* status;
    const char* code;
    const char* more;
    const char* says;
  };
  for (const Case& one : {
           Case{"403 Forbidden", "InvalidAccessKeyId", "", "put one that is valid into /etc/storage.ini"},
           Case{"403 Forbidden", "SignatureDoesNotMatch", "", "the secret in /etc/storage.ini is another one"},
           Case{"403 Forbidden", "AccessDenied", "", "allow it s3:GetObject"},
           Case{"403 Forbidden", "RequestTimeTooSkewed", "Date: Sun, 01 Jan 2017 00:00:00 GMT\r\n",
                "that of the storage Sun, 01 Jan 2017 00:00:00 GMT; set this machine's clock"},
           Case{"404 Not Found", "NoSuchBucket", "", "has no bucket 'backups'; create it"},
           Case{"301 Moved Permanently", "PermanentRedirect", "x-amz-bucket-region: eu-west-1\r\n",
                "but for 'eu-west-1'; mend backup.region"},
           Case{"501 Not Implemented", "NotImplemented", "", "answered 501 NotImplemented"},
           Case{"400 Bad Request", "Odd", "", "answered 400 Odd to GET of s3://backups/a/b: of the test"},
       }) {
    std::atomic<int> asked = 0;
    http::LoopbackServer server([&](const std::string&) {
      ++asked;
      return refusal(one.status, one.code, one.more);
    });
    const auto refused = client(server.url()).get("a/b", 100);
    ASSERT_FALSE(refused) << one.code;
    EXPECT_EQ(refused.error().code(), ErrorCode::denied) << one.code;
    EXPECT_NE(refused.error().message().find(one.says), std::string::npos) << refused.error().message();
    EXPECT_EQ(refused.error().message().find("sesame"), std::string::npos) << "no secret";
    EXPECT_EQ(asked, 1) << one.code;
  }
}

TEST_F(ClientTest, tells_an_object_that_is_missing_from_one_that_is_too_large) {
  EXPECT_EQ(got(refusal("404 Not Found", "NoSuchKey")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(got(answer("200 OK", std::string(101, 'x'))).error().code(), ErrorCode::too_large);
  EXPECT_EQ(got(answer("200 OK", std::string(100, 'x')))->size(), 100U);
}

TEST_F(ClientTest, of_a_place_that_does_not_answer_says_so) {
  const auto refused = client("http://127.0.0.1:1").get("a/b", 100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_NE(refused.error().message().find("http://127.0.0.1:1 does not answer"), std::string::npos)
      << refused.error().message();
}

TEST_F(ClientTest, a_put_only_of_what_is_new_has_the_condition_and_sends_its_digest) {
  http::LoopbackServer server([&](const std::string& request) {
    return request.find("If-None-Match: *") != std::string::npos
               ? refusal("412 Precondition Failed", "PreconditionFailed")
               : answer("200 OK", "");
  });
  Client one = client(server.url());
  const std::string_view text = "text";
  const base::Digest digest = base::sha256(base::as_bytes(text));
  EXPECT_FALSE(*one.put("a/b", base::as_bytes(text), digest, Put::only_new));
  EXPECT_TRUE(*one.put("a/b", base::as_bytes(text), digest, Put::replace));
  for (const std::string& request : server.requests()) {
    EXPECT_TRUE(request.starts_with("PUT /backups/a/b HTTP/1.1")) << request;
    EXPECT_NE(request.find("X-Amz-Content-Sha256: " + base::to_hex(digest)), std::string::npos) << request;
    EXPECT_NE(request.find("SignedHeaders=host;"), std::string::npos) << request;
  }
}

TEST_F(ClientTest, a_list_goes_on_where_the_answer_before_ended) {
  http::LoopbackServer server([&](const std::string& request) {
    const bool is_second = request.find("continuation-token=more%2B1") != std::string::npos;
    return answer("200 OK", is_second ? "<R><IsTruncated>false</IsTruncated><Key>p%2F3</Key></R>"
                                      : "<R><IsTruncated>true</IsTruncated><Key>p%2F1</Key><Key>p%2F2</Key>"
                                        "<NextContinuationToken>more+1</NextContinuationToken></R>");
  });
  const auto keys = client(server.url()).list("p/");
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_EQ(*keys, (std::vector<std::string>{"p/1", "p/2", "p/3"}));
  http::LoopbackServer other([&](const std::string&) { return answer("200 OK", "<html>A page</html>"); });
  EXPECT_EQ(client(other.url()).list("p/").error().code(), ErrorCode::corrupt);
}

TEST_F(ClientTest, a_stop_ends_what_waits) {
  std::stop_source stop;
  http::LoopbackListener silent;
  std::jthread later([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(client(silent.url(), stop.get_token()).get("a/b", 100).error().code(), ErrorCode::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
}

}  // namespace
}  // namespace trv::s3
