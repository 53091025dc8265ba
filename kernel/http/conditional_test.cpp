#include "kernel/http/conditional.hpp"

#include <gtest/gtest.h>

#include <string>

namespace trv::http {
namespace {

bool has_it(std::initializer_list<const char*> fields) {
  Request request;
  for (const char* field : fields) request.add_header("if-none-match", field);
  return has_already(request, "\"abc\"");
}

TEST(Conditional, a_list_a_star_and_a_weak_tag_match) {
  for (const char* field :
       {"\"abc\"", "*", "W/\"abc\"", "\"x\", \"abc\"", "\"x\",W/\"abc\" , \"y\"", "\"a,b\", \"abc\"", ", \"abc\",,"}) {
    EXPECT_TRUE(has_it({field})) << field;
  }
  EXPECT_TRUE(has_it({"\"x\"", "\"abc\""})) << "a field on two lines";
}

TEST(Conditional, another_tag_and_what_is_no_list_do_not) {
  for (const char* field : {"", "\"x\"", "abc", "\"abc", "\"ABC\"", "w/\"abc\"", "\"x\" \"abc\"", "\"abc\" x",
                            "\"x,\"abc\"", "**", "*, \"x\""}) {
    EXPECT_FALSE(has_it({field})) << field;
  }
  EXPECT_FALSE(has_it({}));
}

TEST(Conditional, who_has_it_is_reported_so_without_the_body) {
  Request request;
  EXPECT_EQ(tagged(request, "\"abc\"", text(200, "body")).status, 200);
  request.add_header("If-None-Match", "\"abc\"");
  const Response response = tagged(request, "\"abc\"", text(200, "body"));
  EXPECT_EQ(response.status, 304);
  EXPECT_EQ(response.body, "");
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0], (std::pair<std::string, std::string>("ETag", "\"abc\"")));
}

}  // namespace
}  // namespace trv::http
