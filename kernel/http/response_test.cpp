#include "kernel/http/response.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "kernel/http/session.hpp"

namespace trv::http {
namespace {

using base::Error;
using base::ErrorCode;

TEST(problem, has_the_members_of_rfc_9457) {
  const Response response = problem(422, "bad_input", "the input \"x\"");
  EXPECT_EQ(response.content_type, "application/problem+json");
  const auto body = boost::json::parse(response.body).as_object();
  EXPECT_EQ(body.at("type"), "urn:travertine:problem:bad_input");
  EXPECT_EQ(body.at("code"), "bad_input");
  EXPECT_EQ(body.at("status"), 422);
  EXPECT_EQ(body.at("title"), "Unprocessable Content");
  EXPECT_EQ(body.at("detail"), "the input \"x\"");
}

TEST(problem, quotes_no_bytes_that_are_not_text) {
  const Response response = problem(400, "invalid", "name \xff\xfe");
  EXPECT_EQ(boost::json::parse(response.body).at("detail"), "name \ufffd\ufffd");
}

TEST(problem, every_error_code_has_its_status) {
  const std::pair<ErrorCode, int> table[] = {{ErrorCode::invalid, 400},   {ErrorCode::unauthenticated, 401},
                                             {ErrorCode::denied, 403},    {ErrorCode::not_found, 404},
                                             {ErrorCode::conflict, 409},  {ErrorCode::too_large, 413},
                                             {ErrorCode::exhausted, 429}, {ErrorCode::unavailable, 503},
                                             {ErrorCode::timeout, 504},   {ErrorCode::cancelled, 409},
                                             {ErrorCode::lost, 503},      {ErrorCode::corrupt, 500},
                                             {ErrorCode::internal, 500}};
  for (const auto& [code, status] : table) {
    EXPECT_EQ(problem_of(Error(code, "why")).status, status) << to_string(code);
  }
}

TEST(problem, every_status_that_is_answered_with_has_its_reason) {
  EXPECT_EQ(reason_phrase(502), "Bad Gateway");
  for (const int status : {400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 501, 502, 503, 504, 505}) {
    EXPECT_NE(reason_phrase(status), "Unknown") << status;
  }
}

TEST(problem, tells_who_may_try_again_when) {
  using Headers = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(problem_of(Error(ErrorCode::unauthenticated, "")).headers, (Headers{{"WWW-Authenticate", "Bearer"}}));
  EXPECT_EQ(problem_of(Error(ErrorCode::exhausted, ""), 7).headers, (Headers{{"Retry-After", "7"}}));
  EXPECT_EQ(problem_of(Error(ErrorCode::lost, "")).headers, (Headers{{"Retry-After", "1"}}));
}

TEST(problem, shows_the_place_but_not_our_defects) {
  const auto placed = boost::json::parse(problem_of(Error(ErrorCode::invalid, "no").at(3, 14)).body).as_object();
  EXPECT_EQ(placed.at("line"), 3);
  EXPECT_EQ(placed.at("column"), 14);
  const Response hidden = problem_of(Error(ErrorCode::corrupt, "file /secret/place"));
  EXPECT_EQ(hidden.body.find("secret"), std::string::npos);
  EXPECT_FALSE(boost::json::parse(hidden.body).as_object().contains("line"));
}

TEST(response, that_would_forge_a_head_is_not_sendable) {
  EXPECT_TRUE(is_sendable(json_text(200, "{}").with("Location", "/v1/x")));
  EXPECT_FALSE(is_sendable(json_text(200, "{}").with("Location", "/v1/x\r\nSet-Cookie: a=b")));
  EXPECT_FALSE(is_sendable(json_text(200, "{}").with("Bad Name", "x")));
  EXPECT_FALSE(is_sendable(json_text(200, "{}").with("content-length", "5")));
  EXPECT_FALSE(is_sendable(empty(99)));
}

}  // namespace
}  // namespace trv::http
