// An Idempotency-Key identifies one request.

#include <tuple>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class IdempotencyTest : public ApiTest {
 protected:
  static Answer start(const std::string& name, const std::string& body, const std::string& key) {
    return call(acme(), "POST", "/v1/tenants/acme/workflows/demo/" + name, body, {{"Idempotency-Key", key}});
  }
  static std::string version(const std::string& name, const std::string& version) {
    return "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: " + name + "\n  version: '" + version +
           "'\ndo:\n  - keep:\n      set:\n        kept: true\n";
  }
};

TEST_F(IdempotencyTest, an_empty_key_and_two_keys_are_refused) {
  ASSERT_EQ(apply_workflow(acme(), "acme", version("one", "1.0.0")).status, 201);
  const Answer empty = start("one/instances", "{}", "");
  EXPECT_EQ(empty.status, 400) << empty.body;
  EXPECT_NE(empty.text("detail").find("1 to 200 bytes"), std::string::npos) << empty.body;
  const Answer two = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/one/instances", "{}",
                          {{"Idempotency-Key", "a"}, {"Idempotency-Key", "b"}});
  EXPECT_EQ(two.status, 400) << two.body;
  EXPECT_NE(two.text("detail").find("more than one Idempotency-Key"), std::string::npos) << two.body;
  EXPECT_EQ(count_instances(acme(), "acme"), 0U);
}

TEST_F(IdempotencyTest, the_key_of_another_request_is_a_conflict_that_names_both) {
  for (const auto& [name, number] : {std::pair("one", "1.0.0"), std::pair("one", "1.1.0"), std::pair("two", "1.0.0")}) {
    ASSERT_EQ(apply_workflow(acme(), "acme", version(name, number)).status, 201);
  }
  const Answer first = start("one/instances?version=1.0.0", R"({"a":1,"b":[1.5]})", "the-key");
  ASSERT_EQ(first.status, 201) << first.body;
  const std::tuple<const char*, const char*, const char*> others[] = {
      {"two/instances", R"({"a":1,"b":[1.5]})", "workflow"},
      {"one/instances?version=1.1.0", R"({"a":1,"b":[1.5]})", "version"},
      {"one/instances?version=1.0.0", R"({"a":2,"b":[1.5]})", "input"},
      {"one/instances", "", "input"}};
  const std::size_t before = events(acme(), "acme").size();
  for (const auto& [path, body, what] : others) {
    const Answer answer = start(path, body, "the-key");
    EXPECT_EQ(answer.status, 409) << path << answer.body;
    EXPECT_EQ(answer.text("code"), "conflict");
    for (const std::string& part : {std::string("'the-key'"), first.text("id"), std::string("another ") + what}) {
      EXPECT_NE(answer.text("detail").find(part), std::string::npos) << part << answer.body;
    }
  }
  // The same request, however it is written.
  for (const char* path : {"one/instances?version=1.0.0", "one/instances"}) {
    const Answer again = start(path, "{ \"b\": [15e-1], \"a\": 1 }", "the-key");
    EXPECT_EQ(again.status, 200) << again.body;
    EXPECT_EQ(again.text("id"), first.text("id"));
  }
  EXPECT_EQ(events(acme(), "acme").size(), before);
  EXPECT_EQ(start("two/instances", "", "no-input").status, 201);
  EXPECT_EQ(start("two/instances", "{}", "no-input").status, 200) << "no input is an empty one";
}

}  // namespace
}  // namespace trv::api
