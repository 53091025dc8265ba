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
    EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + id).value().at("output").at("n"), i);
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

}  // namespace
}  // namespace trv::api
