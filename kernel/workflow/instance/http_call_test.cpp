// What `call: http` and `call: openapi` ask the performer for, and what of it events may hold.

#include <fmt/format.h>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

constexpr std::string_view get = "do: [{a: {call: http, with: {method: get, ";

/// The input of the only effect, or the fault's detail.
std::string asked(std::string_view rest, std::string_view input) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(rest)), input);
  const auto effects = kernel.pending();
  if (effects.size() == 1) return effects.front().operation + ' ' + effects.front().input;
  return std::string(good(json::parse(kernel.detail(id).error)).find("detail")->as_string());
}
std::string got(std::string_view with, std::string_view input) {
  return asked(std::string(get) + std::string(with) + "}}}]", input);
}

TEST(HttpCall, the_policy_is_a_part_of_what_is_asked_for) {
  EXPECT_EQ(
      got("endpoint: {uri: 'https://x.org/{id}', authentication: {basic: {username: '${ .u }', password: p}}}",
          R"({"id":7,"u":"ada"})"),
      R"(GET {"endpoint":"https://x.org/7","authentication":{"scheme":"basic","username":"ada","password":"p"}})");
  EXPECT_EQ(asked("use: {secrets: [vault]}\n" + std::string(get) +
                      "endpoint: {uri: 'https://x.org', authentication: {bearer: {use: vault}}}}}}]",
                  "{}"),
            R"(GET {"endpoint":"https://x.org","authentication":{"scheme":"bearer","use":"vault"}})");
  EXPECT_EQ(got("endpoint: {uri: 'https://x.org', authentication: {bearer: {token: '${ .t }'}}}", R"({"t":7})"),
            "'token' of the authentication 'bearer' must be text, and its expression gave number");
}

TEST(HttpCall, an_openapi_call_asks_for_document_operation_and_parameters) {
  EXPECT_EQ(asked("do: [{a: {call: openapi, with: {document: {endpoint: 'https://x.org/{v}.json'}, operationId: find, "
                  "parameters: {status: '${ .s }'}, output: response}}}]",
                  R"({"v":"v2","s":["a"]})"),
            R"(OPENAPI {"document":"https://x.org/v2.json","operationId":"find","parameters":{"status":["a"]},)"
            R"("output":"response"})");
  EXPECT_EQ(asked("do: [{a: {call: openapi, with: {document: {endpoint: 'https://x.org'}, operationId: find, "
                  "parameters: '${ .p }'}}}]",
                  R"({"p":[]})"),
            "'parameters' must be an object, and its expression gave array");
}

TEST(HttpCall, secrets_are_named_and_a_redaction_is_in_their_place) {
  const std::string use = "use: {secrets: [vault, my-key]}\n" + std::string(get);
  EXPECT_EQ(
      asked(use +
                "endpoint: 'https://x.org', headers: {x-key: 'Key ${ $secrets.vault }', x-n: '${ .n }'}, body: {a: [1, "
                "'${ .n } ${ $secrets[\"my-key\"].inner }']}}}}]",
            R"({"n":7})"),
      R"(GET {"endpoint":"https://x.org","headers":{"x-key":"Key [secret vault]","x-n":7},"body":{"a":[1,)"
      R"("7 [secret my-key]"]},"secrets":[{"at":["headers","x-key"],"parts":["Key ",{"name":"vault"}]},)"
      R"({"at":["body","a",1],"parts":["7"," ",{"name":"my-key","path":["inner"]}]}]})");
  EXPECT_EQ(
      asked(use + "endpoint: {uri: 'https://x.org', authentication: {basic: {username: ada, password: '${ "
                  "$secrets.vault.pass }'}}}}}}]",
            "{}"),
      R"(GET {"endpoint":"https://x.org","authentication":{"scheme":"basic","username":"ada","password":)"
      R"("[secret vault]"},"secrets":[{"at":["authentication","password"],"parts":[{"name":"vault","path":["pass"]}]}]})");
  // What data looks like is not what a secret's place is.
  EXPECT_EQ(got("endpoint: 'https://x.org', body: '${ .b }'",
                R"({"b":{"secrets":[{"at":["body"],"parts":[{"name":"vault"}]}]}})"),
            R"(GET {"endpoint":"https://x.org","body":{"secrets":[{"at":["body"],"parts":[{"name":"vault"}]}]}})");
}

TEST(HttpCall, what_an_expression_gives_is_checked) {
  EXPECT_EQ(got("endpoint: 'https://x.org', headers: '${ .h }'", R"({"h":[1]})"),
            "'headers' must be an object, and its expression gave array");
  EXPECT_EQ(got("endpoint: '${ .e }'", "{}"), "the endpoint must be a string, and its expression gave null");
  EXPECT_EQ(got("endpoint: 'https://x.org/{a}'", R"({"a":{}})"),
            "'a' of the endpoint must be text, a number or a boolean, not object");
  // As the specification has it.
  EXPECT_EQ(got("endpoint: 'https://x.org/{missing}/b'", "{}"), R"(GET {"endpoint":"https://x.org//b"})");
}

TEST(HttpCall, authorization_has_the_scheme_and_never_the_credential) {
  TestKernel kernel;
  const InstanceId id = kernel.start(
      kernel.apply_text(document(std::string(get) + "endpoint: {uri: 'https://x.org', authentication: {bearer: {token: "
                                                    "'${ .t }'}}}}, output: {as: '${ $authorization }'}}}]")),
      R"({"t":"s3cret"})");
  (void)good(kernel.answer(kernel.pending().at(0).key, 200, "{}"));
  EXPECT_EQ(kernel.detail(id).output, R"({"scheme":"Bearer","parameter":"[redacted]"})");
}

}  // namespace
}  // namespace trv::instance::testing
