#include "kernel/http/router.hpp"

#include <gtest/gtest.h>

#include <string>

namespace trv::http {
namespace {

Handler nothing() {
  return [](const Request&, Responder) {};
}

Request request_of(std::string_view method, std::string_view target) {
  Request request;
  request.set_method(method);
  const base::Status parsed = request.set_target(target);
  EXPECT_TRUE(parsed) << parsed.error().message();
  return request;
}

TEST(target, is_split_and_decoded) {
  Target target;
  ASSERT_TRUE(target.parse("/v1/a%20b/caf%C3%A9?limit=5&q=a+b%26c&flag&limit=6"));
  ASSERT_EQ(target.segment_count(), 3u);
  EXPECT_EQ(target.segment(1), "a b");
  EXPECT_EQ(target.segment(2), "caf\xc3\xa9");
  EXPECT_EQ(target.path(), "/v1/a%20b/caf%C3%A9");
  EXPECT_EQ(target.query("limit"), "5");
  EXPECT_EQ(target.query("q"), "a b&c");
  EXPECT_EQ(target.query("flag"), "");
  EXPECT_EQ(target.query("none"), std::nullopt);
}

TEST(target, an_absolute_form_gives_up_its_authority) {
  Target target;
  ASSERT_TRUE(target.parse("http://host:80/v1/x?a=1"));
  EXPECT_EQ(target.path(), "/v1/x");
  EXPECT_EQ(target.query("a"), "1");
  ASSERT_TRUE(target.parse("http://host"));
  ASSERT_EQ(target.segment_count(), 1u);
  EXPECT_EQ(target.segment(0), "");
  ASSERT_TRUE(target.parse("http://host?a=2"));
  EXPECT_EQ(target.query("a"), "2");
}

TEST(target, hostile_targets_are_refused_and_leave_nothing) {
  const std::string many_segments(segments_max + 1, '/');
  std::string many_parameters = "/?";
  for (std::size_t i = 0; i <= query_parameters_max; ++i) many_parameters += "a&";
  for (const std::string& raw : {std::string("/%00"),
                                 std::string("/a%"),
                                 std::string("/a%4"),
                                 std::string("/%zz"),
                                 std::string("/a/../b"),
                                 std::string("/a/%2e%2E/b"),
                                 std::string("/./a"),
                                 std::string("/a%0Ab"),
                                 std::string("/%ff"),
                                 std::string("/%c0%af"),
                                 std::string("/%ed%a0%80"),
                                 std::string("/a?x=%00"),
                                 std::string("/a?x=%"),
                                 std::string("/a?x=%fe"),
                                 std::string("/a#b"),
                                 std::string("a/b"),
                                 std::string(""),
                                 std::string("host:443"),
                                 std::string("ftp://host/a"),
                                 std::string("http://"),
                                 many_segments,
                                 many_parameters}) {
    Target target;
    const base::Status parsed = target.parse(raw);
    ASSERT_FALSE(parsed) << raw;
    EXPECT_EQ(parsed.error().code(), base::ErrorCode::invalid);
    EXPECT_EQ(target.segment_count(), 0u);
    EXPECT_EQ(target.query("a"), std::nullopt);
  }
}

TEST(router, finds_the_route_and_its_parameters) {
  Router router;
  router.route("GET", "/v1/tenants/{tenant}/instances/{id}", nothing());
  router.route("POST", "/v1/tenants/{tenant}/instances/{id}", nothing());
  router.route("GET", "/", nothing());
  Request request = request_of("POST", "/v1/tenants/acme/instances/a%2Fb");
  const Router::Match match = router.match(request);
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.route->method, "POST");
  EXPECT_EQ(request.route(), "/v1/tenants/{tenant}/instances/{id}");
  EXPECT_EQ(request.parameter("tenant"), "acme");
  EXPECT_EQ(request.parameter("id"), "a/b");
  Request root = request_of("GET", "/");
  EXPECT_NE(router.match(root).route, nullptr);
}

TEST(router, an_unknown_path_and_an_unknown_method_are_distinguished) {
  Router router;
  router.route("GET", "/v1/things/{id}", nothing()).route("PUT", "/v1/things/{id}", nothing());
  for (const char* target : {"/v1/things", "/v1/things/", "/v1/things/a/", "/v1//things/a", "/v1/things/a/b",
                             "/V1/things/a", "/", "//", "/v1%2Fthings/a"}) {
    Request request = request_of("GET", target);
    const Router::Match match = router.match(request);
    EXPECT_EQ(match.route, nullptr) << target;
    EXPECT_EQ(match.allow, "") << target;
  }
  Request request = request_of("DELETE", "/v1/things/a");
  const Router::Match match = router.match(request);
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.allow, "GET, HEAD, OPTIONS, PUT");
}

TEST(router, head_finds_get_unless_it_has_its_own_route) {
  Router router;
  router.route("GET", "/a", nothing()).route("GET", "/b", nothing()).route("HEAD", "/b", nothing());
  Request a = request_of("HEAD", "/a");
  EXPECT_EQ(router.match(a).route->method, "GET");
  Request b = request_of("HEAD", "/b");
  EXPECT_EQ(router.match(b).route->method, "HEAD");
}

TEST(router, a_literal_beats_a_parameter_and_a_dead_end_turns_back) {
  Router router;
  router.route("GET", "/a/{x}/c", nothing()).route("GET", "/a/b/d", nothing()).route("GET", "/a/b", nothing());
  router.route("GET", "/a/{x}", nothing());
  Request literal = request_of("GET", "/a/b");
  EXPECT_EQ(router.match(literal).route->pattern, "/a/b");
  Request turned = request_of("GET", "/a/b/c");
  EXPECT_EQ(router.match(turned).route->pattern, "/a/{x}/c");
  EXPECT_EQ(turned.parameter("x"), "b");
}

TEST(router, a_rest_parameter_takes_all_that_is_left) {
  Router router;
  router.route("GET", "/tile/{path...}", nothing());
  Request request = request_of("GET", "/tile/0/x001/067");
  ASSERT_NE(router.match(request).route, nullptr);
  EXPECT_EQ(request.parameter("path"), "0/x001/067");
  for (const char* target : {"/tile", "/tile/", "/tile/a//b", "/tile/a%2Fb"}) {
    Request other = request_of("GET", target);
    EXPECT_EQ(router.match(other).route, nullptr) << target;
  }
}

TEST(router, lists_every_route_by_pattern_and_method) {
  Router router;
  router.route("PUT", "/b/{x}", nothing()).route("GET", "/b/{x}", nothing()).route("GET", "/a/{y...}", nothing());
  std::vector<std::string> routes;
  for (const Route* route : router.routes()) routes.push_back(route->method + " " + route->pattern);
  EXPECT_EQ(routes, (std::vector<std::string>{"GET /a/{y...}", "GET /b/{x}", "PUT /b/{x}"}));
}

TEST(router, bad_patterns_and_conflicts_are_refused) {
  Router router;
  for (const char* pattern :
       {"", "a", "/a b", "/{", "/{}", "/{A}", "/{a}b", "/{a...}/b", "/a?b", "/..", "/%61", "/{...}"}) {
    const base::Status added = router.add("GET", pattern, nothing());
    ASSERT_FALSE(added) << pattern;
    EXPECT_EQ(added.error().code(), base::ErrorCode::invalid) << pattern;
  }
  EXPECT_FALSE(router.add("get", "/a", nothing()));
  ASSERT_TRUE(router.add("GET", "/a/{x}", nothing()));
  EXPECT_EQ(router.add("GET", "/a/{x}", nothing()).error().code(), base::ErrorCode::conflict);
  EXPECT_EQ(router.add("PUT", "/a/{y}", nothing()).error().code(), base::ErrorCode::conflict);
}

}  // namespace
}  // namespace trv::http
