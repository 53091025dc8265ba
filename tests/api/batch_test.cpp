// Many instances in one request.

#include <fmt/format.h>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class BatchTest : public ApiTest {
 protected:
  static void apply(const std::string& name) {
    const Answer applied =
        apply_workflow(acme(), "acme",
                       fmt::format("document: {{dsl: '1.0.3', namespace: batch, name: {}, version: '1.0.0'}}\n"
                                   "do: [{{a: {{set: {{n: '${{ .n }}'}}}}}}]\n",
                                   name));
    ASSERT_EQ(applied.status, 201) << applied.body;
  }
  static Answer send(const std::string& token, const std::string& name, const std::string& lines,
                     const std::string& key) {
    Headers headers = {{"Content-Type", "application/x-ndjson"}};
    if (!key.empty()) headers.emplace_back("Idempotency-Key", key);
    return call(token, "POST", fmt::format("/v1/tenants/acme/workflows/batch/{}/batches", name), lines, headers);
  }
  static std::string lines(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += fmt::format("{{\"n\":{}}}\n", i);
    return out;
  }
};

TEST_F(BatchTest, each_line_starts_an_instance_once_however_often_the_batch_is_sent) {
  apply("once");
  const Answer first = send(acme(), "once", lines(3), "monday");
  ASSERT_EQ(first.status, 201) << first.body;
  const json::value started = first.value();
  ASSERT_EQ(started.at("ids").as_array().size(), 3U);
  EXPECT_EQ(started.at("existed"), 0);
  for (int i = 0; i < 3; ++i) {
    const std::string id(started.at("ids").at(static_cast<std::size_t>(i)).as_string());
    const Answer shown = call(acme(), "GET", "/v1/tenants/acme/instances/" + id);
    EXPECT_EQ(shown.value().at("output").at("n"), i);
    EXPECT_EQ(shown.text("trigger"), fmt::format("key:monday #{}", i + 1));
  }
  const Answer again = send(acme(), "once", lines(3), "monday");
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.value().at("ids"), started.at("ids"));
  EXPECT_EQ(again.value().at("existed"), 3);
  // What one before began is ended: as after a cut connection.
  const Answer more = send(acme(), "once", lines(130), "monday");
  EXPECT_EQ(more.status, 201) << more.body;
  EXPECT_EQ(more.value().at("existed"), 3);
  EXPECT_EQ(count_instances(acme(), "acme"), 130U);
  EXPECT_EQ(send(acme(), "once", "{\"n\":9}\n", "monday").status, 409);
  EXPECT_EQ(send(acme(), "once", "{\"n\":9}", "monday-2").status, 201);
}

TEST_F(BatchTest, nothing_starts_where_a_line_is_no_input_and_every_such_line_is_named) {
  apply("checked");
  const std::size_t before = count_instances(acme(), "acme");
  const Answer refused = send(acme(), "checked", "{}\n{\n\n{\"a\":1,\"a\":2}\n[1]\n", "k");
  EXPECT_EQ(refused.status, 400) << refused.body;
  const json::value problem = refused.value();
  std::vector<std::int64_t> at;
  for (const json::value& one : problem.at("errors").as_array()) at.push_back(one.at("line").as_int64());
  EXPECT_EQ(at, (std::vector<std::int64_t>{2, 3, 4})) << refused.body;
  EXPECT_EQ(problem.at("error_count"), 3);
  EXPECT_EQ(send(acme(), "checked", lines(10'001), "k").status, 400);
  EXPECT_EQ(send(acme(), "checked", "", "k").status, 400);
  EXPECT_EQ(send(acme(), "checked", "{}", "").status, 400);
  EXPECT_EQ(send(acme(), "absent", "{}", "k").status, 404);
  EXPECT_EQ(send(beta(), "checked", "{}", "k").status, 404);
  EXPECT_EQ(send(issue(acme(), "acme", "viewer").second, "checked", "{}", "k").status, 403);
  EXPECT_EQ(count_instances(acme(), "acme"), before);
}

TEST_F(BatchTest, lines_are_held_against_the_schema_of_the_workflow_before_any_starts) {
  const Answer applied = apply_workflow(
      acme(), "acme",
      "document: {dsl: '1.0.3', namespace: batch, name: schema, version: '1.0.0'}\n"
      "input: {schema: {document: {type: object, required: [n], properties: {n: {type: integer, minimum: 1}}}}}\n"
      "do: [{a: {set: {n: '${ .n }'}}}]\n");
  ASSERT_EQ(applied.status, 201) << applied.body;
  const std::size_t before = count_instances(acme(), "acme");
  const Answer refused = send(acme(), "schema", "{\"n\":1}\n{\"n\":0}\n{}\n[\n{\"n\":2}\n", "k-schema");
  EXPECT_EQ(refused.status, 400) << refused.body;
  const json::value problem = refused.value();
  ASSERT_EQ(problem.at("error_count"), 3) << refused.body;
  EXPECT_EQ(problem.at("errors").at(0).at("line"), 2);
  EXPECT_EQ(problem.at("errors").at(0).at("detail"),
            "the input does not match its schema: /n: 0 is less than the minimum, 1");
  EXPECT_EQ(problem.at("errors").at(1).at("line"), 3);
  EXPECT_EQ(problem.at("errors").at(2).at("line"), 4);
  // All are counted, and a bounded number is named.
  std::string many;
  for (int i = 0; i < 150; ++i) many += "{}\n";
  const json::value all = send(acme(), "schema", many, "k-schema").value();
  EXPECT_EQ(all.at("error_count"), 150);
  EXPECT_EQ(all.at("errors").as_array().size(), 100U);
  EXPECT_EQ(count_instances(acme(), "acme"), before);
  EXPECT_EQ(send(acme(), "schema", "{\"n\":1}\n{\"n\":2}\n", "k-schema").status, 201);
}

TEST_F(BatchTest, a_line_may_have_a_business_key_and_an_idempotency_key_of_its_own) {
  apply("keys");
  const std::string path = "/v1/tenants/acme/workflows/batch/keys/batches?lines=starts";
  const auto start = [&](const std::string& body, const std::string& key = {}) {
    Headers headers = {{"Content-Type", "application/x-ndjson"}};
    if (!key.empty()) headers.emplace_back("Idempotency-Key", key);
    return call(acme(), "POST", path, body, headers);
  };
  const std::string two =
      "{\"input\":{\"n\":1},\"key\":\"ORDER-1\",\"idempotency_key\":\"o-1\"}\n"
      "{\"input\":{\"n\":2},\"idempotency_key\":\"o-2\"}\n";
  const Answer first = start(two);
  ASSERT_EQ(first.status, 201) << first.body;
  const json::value ids = first.value().at("ids");
  const json::value found = call(acme(), "GET", "/v1/tenants/acme/instances?key=ORDER-1").value();
  ASSERT_EQ(found.at("items").as_array().size(), 1U);
  EXPECT_EQ(found.at("items").at(0).at("id"), ids.at(0));
  const Answer again = start(two);
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.value().at("ids"), ids);
  // It is the key that a single start would give.
  const Answer single = call(acme(), "POST", "/v1/tenants/acme/workflows/batch/keys/instances", "{\"n\":2}",
                             {{"Content-Type", "application/json"}, {"Idempotency-Key", "o-2"}});
  EXPECT_EQ(single.status, 200) << single.body;
  EXPECT_EQ(single.value().at("id"), ids.at(1));

  const Answer other = start("{\"input\":{\"n\":9},\"idempotency_key\":\"o-2\"}\n");
  EXPECT_EQ(other.status, 409) << other.body;
  EXPECT_NE(other.text("detail").find("idempotency_key 'o-2' belongs to another start: line 1"), std::string::npos)
      << other.body;
  const Answer refused = start(two + two + "{\"input\":{}}\n{\"key\":7}\n{\"inputs\":{}}\n{}\n");
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(refused.value().at("error_count"), 6) << refused.body;
  EXPECT_EQ(refused.value().at("errors").at(0).at("detail"), "it has the idempotency_key of line 1");
  EXPECT_EQ(start("{}\n{}\n", "k-keys").status, 201);
  EXPECT_EQ(call(acme(), "POST", path + "x", "{}", {{"Content-Type", "application/x-ndjson"}}).status, 400);
}

}  // namespace
}  // namespace trv::api
