#include "sdk/package/permission.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trv::package {
namespace {

bool covers_text(const char* wide, const char* narrow) {
  return covers(*Permission::parse(wide), *Permission::parse(narrow));
}

bool lets(const char* permission, const char* method, const char* host, const char* path) {
  return covers(*Permission::parse(permission), permission_of_request(method, host, path));
}

std::string refusal(const char* text) {
  const auto parsed = Permission::parse(text);
  return parsed ? "" : parsed.error().message();
}

TEST(PermissionTest, a_permission_is_written_as_it_was_read) {
  for (const char* text : {"http", "http-read:*.example.com/v1/*", "http:api.example.com/a", "http:*/v1/*", "webhooks",
                           "kv", "blobs", "events:com.acme.*", "events", "secrets", "serve", "http:[::1]/x"}) {
    const auto parsed = Permission::parse(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message();
    EXPECT_EQ(parsed->text(), text);
  }
}

TEST(PermissionTest, what_is_no_permission_is_refused_with_a_reason) {
  EXPECT_THAT(refusal("htp"), testing::HasSubstr("is not known: it is http, http-read, webhooks"));
  EXPECT_THAT(refusal(""), testing::HasSubstr("is not known"));
  EXPECT_THAT(refusal("http:"), testing::HasSubstr("has nothing after ':'"));
  EXPECT_THAT(refusal("http:https://a.example.com"), testing::Not(testing::IsEmpty()));
  EXPECT_THAT(refusal("http:A.example.com"), testing::HasSubstr("small letters"));
  EXPECT_THAT(refusal("http:a.*.com"), testing::HasSubstr("small letters"));
  EXPECT_THAT(refusal("http:*"), testing::HasSubstr("leave the scope out"));
  EXPECT_THAT(refusal("http:a.com/*/b"), testing::HasSubstr("at its end only"));
  EXPECT_THAT(refusal("http:a.com/a/../b"), testing::HasSubstr("steps upwards"));
  EXPECT_THAT(refusal("http:a.com/a?b"), testing::HasSubstr("without query"));
  EXPECT_THAT(refusal("kv:x"), testing::HasSubstr("must be \"kv\" alone"));
  EXPECT_THAT(refusal("events:*"), testing::HasSubstr("leave the scope out"));
  EXPECT_THAT(refusal(std::string(301, 'x').c_str()), testing::HasSubstr("longer than 300 bytes"));
}

TEST(PermissionTest, a_wide_permission_covers_a_narrow_one_and_not_the_other_way_round) {
  EXPECT_TRUE(covers_text("http", "http:a.com"));
  EXPECT_FALSE(covers_text("http:a.com", "http"));
  EXPECT_TRUE(covers_text("http", "http-read:a.com"));
  EXPECT_FALSE(covers_text("http-read", "http:a.com"));
  EXPECT_TRUE(covers_text("http:*.a.com", "http:b.a.com"));
  EXPECT_TRUE(covers_text("http:*.a.com", "http:*.b.a.com"));
  EXPECT_FALSE(covers_text("http:*.a.com", "http:a.com"));
  EXPECT_FALSE(covers_text("http:*.a.com", "http:evila.com"));
  EXPECT_TRUE(covers_text("http:a.com", "http:a.com/x"));
  EXPECT_FALSE(covers_text("http:a.com/x", "http:a.com"));
  EXPECT_TRUE(covers_text("http:a.com/x/*", "http:a.com/x/y/*"));
  EXPECT_FALSE(covers_text("http:a.com/x/y*", "http:a.com/x/*"));
  EXPECT_TRUE(covers_text("events", "events:com.acme.made"));
  EXPECT_TRUE(covers_text("events:com.acme.*", "events:com.acme.made"));
  EXPECT_FALSE(covers_text("events:com.acme.*", "events:com.acmex"));
  EXPECT_FALSE(covers_text("kv", "secrets"));
}

TEST(PermissionTest, a_request_needs_its_method_host_and_path) {
  EXPECT_TRUE(lets("http-read:a.com/x/*", "GET", "A.com", "/x/y?z=/../"));
  EXPECT_FALSE(lets("http-read:a.com/x/*", "POST", "a.com", "/x/y"));
  EXPECT_TRUE(lets("http:a.com/x/*", "DELETE", "a.com", "/x/y"));
  EXPECT_FALSE(lets("http:a.com/x/*", "GET", "a.com", "/xy"));
  EXPECT_FALSE(lets("http:a.com/x/*", "GET", "a.com", "/x/..%2Fy"));
  EXPECT_FALSE(lets("http:a.com/x/*", "GET", "a.com", "/x/%2e%2E/y"));
  EXPECT_FALSE(lets("http:a.com/x/*", "GET", "a.com", "/x/..%5cy"));
  EXPECT_TRUE(lets("http:a.com/x/*", "GET", "a.com", "/x/group%2Fproject"));
  EXPECT_FALSE(lets("http:a.com/x", "GET", "a.com", "/x/"));
  EXPECT_TRUE(lets("http:*/x", "GET", "b.com", "/x"));
  EXPECT_FALSE(lets("http:a.com", "GET", "a.com.evil.org", "/"));
  EXPECT_FALSE(lets("webhooks", "GET", "a.com", "/"));
}

TEST(PermissionTest, what_is_in_both_is_what_each_of_them_permits) {
  const auto both = [](const std::vector<std::string>& one, const std::vector<std::string>& other) {
    const auto left = texts_of(common(*parse_permissions(one), *parse_permissions(other)));
    EXPECT_THAT(texts_of(common(*parse_permissions(other), *parse_permissions(one))),
                testing::UnorderedElementsAreArray(left));
    return left;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(both({"http", "kv"}, {"http", "webhooks"}), (Texts{"http"}));
  EXPECT_EQ(both({"http-read"}, {"http:a.com"}), (Texts{"http-read:a.com"}));
  EXPECT_EQ(both({"http:*.a.com"}, {"http-read:b.a.com/x/*", "http:c.com"}), (Texts{"http-read:b.a.com/x/*"}));
  EXPECT_EQ(both({"http:*/x/*"}, {"http:a.com"}), (Texts{"http:a.com/x/*"}));
  EXPECT_EQ(both({"events:a.*"}, {"events:a.b", "events:b"}), (Texts{"events:a.b"}));
  EXPECT_EQ(both({"http:a.com", "http-read:a.com"}, {"http"}), (Texts{"http:a.com"}));
  EXPECT_EQ(both({}, {"http"}), (Texts{}));
}

TEST(PermissionTest, lists_hold_each_once_and_not_too_many) {
  EXPECT_EQ(texts_of(*parse_permissions({"kv", "kv", "http"})), (std::vector<std::string>{"kv", "http"}));
  EXPECT_FALSE(parse_permissions({"kv", "nothing"}));
  EXPECT_EQ(parse_permissions(std::vector<std::string>(65, "kv")).error().code(), base::ErrorCode::too_large);
}

}  // namespace
}  // namespace trv::package
