#include "kernel/s3/signature.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "kernel/s3/answer_text.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::s3 {
namespace {

namespace json = boost::json;
using std::filesystem::path;

path vectors() {
  const char* const folder = std::getenv("TRV_CONFORMANCE_DIR");
  return path(folder != nullptr ? folder : TRV_SOURCE_DIR "/../shared/conformance") / "sigv4/v4";
}

std::string read(const path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string text_of(const json::object& object, std::string_view name) {
  const auto* const found = object.if_contains(name);
  return found == nullptr ? std::string() : std::string(found->as_string());
}

/// "name=value&name" as pairs, without escapes.
Fields query_of(std::string_view text) {
  Fields query;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const std::size_t equals = std::min(one.find('='), one.size());
    query.emplace_back(unescaped_url(one.substr(0, equals)).value_or("?"),
                       unescaped_url(one.substr(std::min(equals + 1, one.size()))).value_or("?"));
  }
  return query;
}

/// A request as HTTP/1.1 writes it, with lines that go on in the next one.
SignedRequest request_of(std::string_view text) {
  SignedRequest request;
  const std::string_view head = text.substr(0, text.find("\n\n"));
  const std::string_view body = head.size() < text.size() ? text.substr(head.size() + 2) : std::string_view();
  std::string_view rest = head;
  const std::string_view first = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), first.size() + 1));
  request.method = first.substr(0, first.find(' '));
  const std::string_view target = first.substr(request.method.size() + 1, first.rfind(' ') - request.method.size() - 1);
  request.path = unescaped_url(target.substr(0, target.find('?'))).value_or("?");
  if (target.find('?') != std::string_view::npos) request.query = query_of(target.substr(target.find('?') + 1));
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with(' ')) {
      request.headers.back().second += "\n" + std::string(line);
    } else {
      request.headers.emplace_back(line.substr(0, line.find(':')), line.substr(line.find(':') + 1));
    }
  }
  request.payload_sha256 = base::to_hex(base::sha256(base::as_bytes(body)));
  return request;
}

bool is_normalised(std::string_view text) {
  const std::string_view path = text.substr(0, text.find_first_of("?\n"));
  return path.find("//") != std::string_view::npos || path.find("/.") != std::string_view::npos;
}

TEST(Signature, is_that_of_the_official_vectors) {
  if (!std::filesystem::is_directory(vectors())) GTEST_SKIP() << "no vectors in " << vectors();
  std::size_t seen = 0;
  std::size_t left_out = 0;
  for (const auto& folder : std::filesystem::directory_iterator(vectors())) {
    const json::object context = json::parse(read(folder.path() / "context.json")).as_object();
    const std::string text = read(folder.path() / "request.txt");
    // Only services that are not S3 normalise paths.
    if (context.at("normalize").as_bool() && is_normalised(text)) {
      ++left_out;
      continue;
    }
    SignedRequest request = request_of(text);
    const auto time = base::Timestamp::from_rfc3339(text_of(context, "timestamp"));
    ASSERT_TRUE(time);
    const json::object& given = context.at("credentials").as_object();
    const Credentials credentials{.key_id = text_of(given, "access_key_id"),
                                  .secret = text_of(given, "secret_access_key"),
                                  .token = text_of(given, "token")};
    request.headers.emplace_back("X-Amz-Date", amz_date(*time));
    // Of two vectors the token is added behind the signature.
    const bool is_behind = context.contains("omit_session_token") && context.at("omit_session_token").as_bool();
    if (!credentials.token.empty() && !is_behind)
      request.headers.emplace_back("X-Amz-Security-Token", credentials.token);
    if (context.at("sign_body").as_bool()) {
      request.headers.emplace_back("x-amz-content-sha256", request.payload_sha256);
    }
    const Scope scope{.region = text_of(context, "region"), .service = text_of(context, "service"), .time = *time};
    EXPECT_EQ(canonical_request(request), read(folder.path() / "header-canonical-request.txt")) << folder.path();
    EXPECT_EQ(string_to_sign(request, scope), read(folder.path() / "header-string-to-sign.txt")) << folder.path();
    const std::string header = authorization(request, scope, credentials);
    EXPECT_TRUE(header.ends_with("Signature=" + read(folder.path() / "header-signature.txt")))
        << folder.path() << ": " << header;
    EXPECT_NE(read(folder.path() / "header-signed-request.txt").find("Authorization:" + header), std::string::npos)
        << folder.path() << ": " << header;
    ++seen;
  }
  EXPECT_GE(seen, 30U);
  EXPECT_LE(left_out, 8U);
}

/// "GET Object" of "Examples: Signature Calculations in AWS Signature Version 4" of the documentation of S3.
TEST(Signature, is_that_of_the_documentation_of_s3) {
  const std::string empty = base::to_hex(base::sha256({}));
  const SignedRequest request{.method = "GET",
                              .path = "/test.txt",
                              .query = {},
                              .headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                                          {"Range", "bytes=0-9"},
                                          {"x-amz-content-sha256", empty},
                                          {"x-amz-date", "20130524T000000Z"}},
                              .payload_sha256 = empty};
  const Scope scope{
      .region = "us-east-1", .service = "s3", .time = *base::Timestamp::from_rfc3339("2013-05-24T00:00:00Z")};
  EXPECT_EQ(authorization(
                request, scope,
                {.key_id = "AKIAIOSFODNN7EXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", .token = {}}),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Signature, escapes_paths_and_queries_once) {
  EXPECT_EQ(escaped_path("/a b/c+d/%/ü~"), "/a%20b/c%2Bd/%25/%C3%BC~");
  EXPECT_EQ(escaped_path("/"), "/");
  EXPECT_EQ(escaped_query({{"prefix", "a/b c"}, {"list-type", "2"}, {"a", ""}}), "a=&list-type=2&prefix=a%2Fb%20c");
}

}  // namespace
}  // namespace trv::s3
