// Finding instances over HTTP, by what they have in common.

#include <fmt/format.h>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class SearchTest : public ApiTest {
 protected:
  static std::vector<std::string> found(const std::string& token, const std::string& tenant, const std::string& query) {
    const Answer answer = call(token, "GET", fmt::format("/v1/tenants/{}/instances?{}", tenant, query));
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<std::string> ids;
    const json::value page = answer.value();
    for (const json::value& one : page.at("items").as_array()) ids.emplace_back(one.at("id").as_string());
    return ids;
  }
  static std::string start(const std::string& path, const std::string& query, const std::string& key = {}) {
    const Headers headers = key.empty() ? Headers{} : Headers{{"Idempotency-Key", key}};
    const Answer started =
        call(acme(), "POST", "/v1/tenants/acme/workflows/" + path + "/instances" + query, "{}", headers);
    EXPECT_TRUE(started.status == 200 || started.status == 201) << started.body;
    return started.text("id");
  }
};

TEST_F(SearchTest, instances_are_found_by_key_error_and_time_in_their_tenant_only) {
  ASSERT_EQ(
      apply_workflow(acme(), "acme",
                     "document: {dsl: '1.0.3', namespace: find, name: sold, version: '1.0.0'}\n"
                     "do: [{a: {raise: {error: {type: 'https://example.com/sold-out', status: 409, title: Sold}}}}]\n")
          .status,
      201);
  const std::string id = start("find/sold", "?key=ORDER-17");
  const std::string other = start("find/sold", "");
  EXPECT_EQ(found(acme(), "acme", "key=ORDER-17"), std::vector<std::string>{id});
  EXPECT_EQ(found(acme(), "acme", "error=sold-out&since=1h"), (std::vector<std::string>{other, id}));
  EXPECT_EQ(found(acme(), "acme", "error=sold-out&until=2020-01-01T00:00:00Z"), std::vector<std::string>{});
  EXPECT_EQ(found(acme(), "acme", "workflow=find/sold&status=faulted&key=ORDER-17"), std::vector<std::string>{id});
  EXPECT_EQ(found(beta(), "beta", "key=ORDER-17"), std::vector<std::string>{});
  EXPECT_EQ(call(beta(), "GET", "/v1/tenants/acme/instances?key=ORDER-17").status, 404);
  const json::value listed = call(acme(), "GET", "/v1/tenants/acme/instances?key=ORDER-17").value().at("items").at(0);
  EXPECT_EQ(listed.at("key"), "ORDER-17");
  EXPECT_EQ(listed.at("error").at("type"), "https://example.com/sold-out");
  EXPECT_EQ(listed.at("error").at("status"), 409);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + id).value().at("key"), "ORDER-17");
}

TEST_F(SearchTest, an_idempotent_start_with_another_key_is_another_request) {
  ASSERT_EQ(apply_workflow(
                acme(), "acme",
                "document: {dsl: '1.0.3', namespace: find, name: once, version: '1.0.0'}\ndo: [{a: {set: {x: 1}}}]\n")
                .status,
            201);
  const std::string id = start("find/once", "?key=A", "once");
  EXPECT_EQ(start("find/once", "?key=A", "once"), id);
  const Answer refused =
      call(acme(), "POST", "/v1/tenants/acme/workflows/find/once/instances?key=B", "{}", {{"Idempotency-Key", "once"}});
  EXPECT_EQ(refused.status, 409) << refused.body;
}

TEST_F(SearchTest, what_a_search_cannot_mean_is_refused_with_what_it_can) {
  for (const auto& [query, words] :
       std::vector<std::pair<std::string, std::string>>{{"since=yesterday", "90s, 15m, 2h or 7d"},
                                                        {"until=5", "is not a time"},
                                                        {"since=h", "is not a time"},
                                                        {"since=99999999999h", "is not a time"},
                                                        {"key=", "1 to 200 bytes"},
                                                        {"key=" + std::string(201, 'x'), "1 to 200 bytes"},
                                                        {"correlation=order", "NAME=VALUE"},
                                                        {"error=x&status=running", "faulted"},
                                                        {"workflow=x", "NAMESPACE/NAME"}}) {
    const Answer answer = call(acme(), "GET", "/v1/tenants/acme/instances?" + query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_NE(answer.body.find(words), std::string::npos) << answer.body;
  }
  EXPECT_EQ(call(acme(), "POST", "/v1/tenants/acme/workflows/demo/hello/instances?key=%01", "{}").status, 400);
}

}  // namespace
}  // namespace trv::api
