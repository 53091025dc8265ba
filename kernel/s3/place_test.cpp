#include "kernel/s3/place.hpp"

#include <gtest/gtest.h>

#include "kernel/s3/answer_text.hpp"
#include "kernel/s3/credentials.hpp"

namespace trv::s3 {
namespace {

TEST(Place, is_a_bucket_and_perhaps_a_prefix) {
  EXPECT_EQ(parse_place("s3://backups")->bucket, "backups");
  EXPECT_EQ(parse_place("s3://backups")->prefix, "");
  EXPECT_EQ(parse_place("s3://backups/")->prefix, "");
  EXPECT_EQ(parse_place("s3://backups/acme/one/")->prefix, "acme/one");
  for (const char* bad : {"s3://", "s3:///x", "s3://ab", "s3://Upper", "s3://a_b_c", "s3://-ab", "gs://backups",
                          "s3://backups//x", "s3://backups/../x", "s3://backups/a/./b", "s3://backups/a\nb"}) {
    const auto refused = parse_place(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code(), base::ErrorCode::invalid);
    EXPECT_NE(refused.error().message().find("write s3://bucket/prefix"), std::string::npos);
  }
}

TEST(Place, of_a_storage_is_a_host_and_perhaps_a_port) {
  EXPECT_EQ(parse_endpoint("https://s3.example")->url(), "https://s3.example");
  EXPECT_EQ(parse_endpoint("https://s3.example:443/")->authority, "s3.example") << "as it is signed";
  EXPECT_EQ(parse_endpoint("http://127.0.0.1:7070")->authority, "127.0.0.1:7070");
  EXPECT_EQ(parse_endpoint("http://[::1]:7070")->authority, "[::1]:7070");
  EXPECT_FALSE(parse_endpoint("http://[::1]:7070")->is_tls);
  for (const char* bad : {"", "s3.example", "ftp://s3.example", "https://", "https://s3.example/path",
                          "https://user@s3.example", "https://s3.example:x", "https://s3.example:70000"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
}

TEST(Credentials, are_those_of_the_default_section) {
  const auto read = parse_credentials(
      "# of the backups\n[other]\naws_access_key_id = theirs\n[default]\r\n aws_access_key_id=ours\n"
      "aws_secret_access_key = a=b/c+d \nregion = x\n[third]\naws_secret_access_key = theirs\n");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->key_id, "ours");
  EXPECT_EQ(read->secret, "a=b/c+d");
  EXPECT_EQ(read->token, "");
  EXPECT_EQ(parse_credentials("aws_access_key_id=a\naws_secret_access_key=b\naws_session_token=c")->token, "c");
  const auto refused = parse_credentials("[default]\naws_access_key_id = ours\nsecret = sesame");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("aws_secret_access_key"), std::string::npos);
  EXPECT_EQ(refused.error().message().find("sesame"), std::string::npos) << "nothing of the file is shown";
}

TEST(AnswerText, is_read_without_escapes) {
  EXPECT_EQ(texts_of("<a><Key>x&amp;y</Key><Key>z</Key><Key>cut", "Key"), (std::vector<std::string>{"x&y", "z"}));
  EXPECT_EQ(text_of("<Code>SlowDown</Code>", "Code"), "SlowDown");
  EXPECT_EQ(text_of("no XML", "Code"), "");
  EXPECT_EQ(unescaped_url("a%2Fb+c"), "a/b c");
  EXPECT_FALSE(unescaped_url("a%2"));
}

}  // namespace
}  // namespace trv::s3
