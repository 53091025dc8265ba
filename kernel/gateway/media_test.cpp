#include "kernel/gateway/media.hpp"

#include <gtest/gtest.h>

namespace trv::gateway {
namespace {

http::Request request_with(std::initializer_list<std::pair<const char*, const char*>> headers,
                           const char* body = "{}") {
  http::Request request;
  for (const auto& [name, value] : headers) request.add_header(name, value);
  request.append_body(body);
  return request;
}

int status_of(std::initializer_list<std::pair<const char*, const char*>> headers, const char* body = "{}") {
  const auto refusal = refuse_media(request_with(headers, body), {"application/json"});
  return refusal ? refusal->status : 0;
}

TEST(Media, json_in_utf_8_is_taken_however_it_is_written) {
  for (const char* type :
       {"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=\"UTF-8\"",
        "application/merge-patch+json", "application/json ; a=b ; Charset = UTF-8", "application/json;"}) {
    EXPECT_EQ(status_of({{"Content-Type", type}}), 0) << type;
  }
  EXPECT_EQ(status_of({}), 0);
  EXPECT_EQ(status_of({{"Content-Type", ""}}), 0);
  EXPECT_EQ(status_of({{"Content-Type", "text/plain"}}, ""), 0) << "there is no body";
  EXPECT_EQ(status_of({{"Content-Encoding", "Identity"}}), 0);
}

TEST(Media, another_type_charset_or_encoding_is_415) {
  for (const char* type :
       {"text/plain", "application/cbor", "application/jsonx", "json", "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1", "application/x-www-form-urlencoded", ";"}) {
    EXPECT_EQ(status_of({{"Content-Type", type}}), 415) << type;
  }
  EXPECT_EQ(status_of({{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}), 415);
  const auto refusal = refuse_media(request_with({{"Content-Type", "text/html"}}), {"application/yaml", "text/yaml"});
  ASSERT_TRUE(refusal);
  EXPECT_NE(refusal->body.find("'text/html'; taken here: application/yaml, text/yaml"), std::string::npos);
}

}  // namespace
}  // namespace trv::gateway
