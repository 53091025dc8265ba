// `call: http` and `call: openapi` as they are applied: what they accept, and what they say of what they do not.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "kernel/workflow/definition/definition.hpp"

namespace trv::definition {
namespace {

const std::string head = "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n";

std::string verdict(std::string_view rest) {
  const auto compiled = compile(head + std::string(rest), Format::yaml);
  return compiled ? "compiles" : compiled.error().message();
}
std::string http(std::string_view with) {
  return verdict(fmt::format("do: [{{a: {{call: http, with: {{{}}}}}}}]", with));
}
std::string openapi(std::string_view with) {
  return verdict(fmt::format("do: [{{a: {{call: openapi, with: {{{}}}}}}}]", with));
}
std::string authentication(std::string_view policy, std::string_view use = "") {
  return verdict(
      fmt::format("{}\ndo: [{{a: {{call: http, with: {{method: get, endpoint: {{uri: 'https://x.org', "
                  "authentication: {}}}}}}}}}]",
                  use, policy));
}

TEST(CallTask, what_an_http_call_lacks_or_has_too_much_is_named) {
  EXPECT_EQ(http("method: get, endpoint: 'https://x.org/{id}'"), "compiles");
  EXPECT_EQ(http("method: PROPFIND, endpoint: 'https://x.org'"), "compiles");
  EXPECT_EQ(http("method: '${ .m }', endpoint: 'https://x.org'"), "compiles");
  EXPECT_EQ(http("method: FETCH, endpoint: 'https://x.org'"),
            "'FETCH' of task 'a' is not an HTTP method; write one of GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS");
  EXPECT_EQ(http("method: delte, endpoint: 'https://x.org'"),
            "'delte' of task 'a' is not an HTTP method; did you mean 'DELETE'?");
  EXPECT_EQ(http("method: get, endpoint: 'https://x.org', headers: []"),
            "'headers' of task 'a' must be a mapping or an expression, not a sequence");
  EXPECT_EQ(http("method: get, endpoint: 'https://x.org', query: 7"),
            "'query' of task 'a' must be a mapping or an expression, not an integer");
  EXPECT_EQ(http("method: get"), "'with' of task 'a' needs the property 'endpoint'");
  EXPECT_EQ(http("method: get, endpoint: {url: 'https://x.org'}"),
            "'endpoint' of task 'a' has no property 'url'; did you mean 'uri'?");
  EXPECT_EQ(http("method: get, endpoint: [a]"),
            "'endpoint' of task 'a' must be a URI or an expression, not a sequence");
  EXPECT_EQ(
      http("method: get, endpoint: 'ftp://x.org'"),
      "'endpoint' of task 'a': 'ftp://x.org' is not an endpoint; write an http or https URI, or a path that begins "
      "with '/' for a task with metadata.connection");
}

TEST(CallTask, what_calls_of_mcp_and_a2a_lack_or_have_too_much_is_named) {
  const auto mcp = [](std::string_view with) {
    return verdict(fmt::format("do: [{{a: {{call: mcp, with: {{{}}}}}}}]", with));
  };
  const auto a2a = [](std::string_view with) {
    return verdict(fmt::format("do: [{{a: {{call: a2a, with: {{{}}}}}}}]", with));
  };
  const std::string transport = "transport: {http: {endpoint: 'https://x.org/{id}', headers: {x-a: b}}}";
  EXPECT_EQ(mcp("method: tools/call, parameters: {name: t}, timeout: PT5S, protocolVersion: '2025-06-18', "
                "client: {name: c, version: '1'}, " +
                transport),
            "compiles");
  EXPECT_EQ(mcp("method: tools/list, transport: {http: {endpoint: {uri: '${ .server }'}}}"), "compiles");
  EXPECT_EQ(verdict("do: [{a: {call: mcp}}]"), "task 'a' needs the property 'with'");
  EXPECT_EQ(mcp("method: tools/list"), "'with' of task 'a' needs the property 'transport'");
  EXPECT_EQ(mcp("method: tools/cal, " + transport),
            "'method' of 'with' of task 'a' must be one of tools/list, tools/call, prompts/list, prompts/get, "
            "resources/list, resources/read, resources/templates/list, not 'tools/cal'; did you mean 'tools/call'?");
  EXPECT_EQ(
      mcp("method: tools/list, transport: {stdio: {command: npx}}"),
      "'stdio' in 'transport' of 'with' of task 'a' (no program is started beside a workflow; name a server that is "
      "reached by HTTP: 'http: {endpoint: …}') is not supported yet");
  EXPECT_EQ(mcp("method: tools/list, transport: {http: {endpoint: {uri: 'https://x.org', authentication: {basic: "
                "{username: u, password: p}}}}}"),
            "'endpoint' of 'transport.http' of task 'a' cannot have an 'authentication': a plugin gets no credentials "
            "of a workflow; keep them in a connection of the plugin 'mcp', and name it in 'metadata.connection'");
  EXPECT_EQ(mcp("method: tools/list, transport: {http: {endpoint: 'https://x.org', headers: {n: 1}}}"),
            "'n' in 'headers' of 'transport.http' of task 'a' must be a string, not an integer");
  EXPECT_EQ(mcp("method: tools/list, client: {name: c}, " + transport),
            "'client' of 'with' of task 'a' needs the property 'version'");
  EXPECT_EQ(mcp("method: tools/list, parameters: [1], " + transport),
            "'parameters' of 'with' of task 'a' must be a mapping or an expression, not a sequence");

  EXPECT_EQ(a2a("method: message/send, server: 'https://x.org', parameters: {message: {}}"), "compiles");
  EXPECT_EQ(a2a("method: tasks/get, agentCard: {name: n, endpoint: 'https://x.org/card'}, parameters: '${ . }'"),
            "compiles");
  EXPECT_EQ(a2a("server: 'https://x.org'"), "'with' of task 'a' needs the property 'method'");
  EXPECT_EQ(a2a("method: tasks/get, agentCard: {name: n}"), "'agentCard' of task 'a' needs the property 'endpoint'");
  EXPECT_EQ(a2a("method: tasks/get, parameters: {}"),
            "'parameters' of 'with' of task 'a' must not be empty; leave it out instead");
  EXPECT_EQ(a2a("method: tasks/get, sever: 'https://x.org'"),
            "'with' of task 'a' has no property 'sever'; did you mean 'server'?");
}

TEST(CallTask, what_an_openapi_call_lacks_is_named) {
  const std::string document = "document: {endpoint: 'https://x.org/openapi.json'}";
  EXPECT_EQ(openapi(document + ", operationId: findPets, parameters: {status: '${ .status }'}, redirect: true"),
            "compiles");
  EXPECT_EQ(openapi("document: {endpoint: {uri: 'https://x.org/{name}'}}, operationId: findPets"), "compiles");
  EXPECT_EQ(openapi(document), "'with' of task 'a' needs the property 'operationId'");
  EXPECT_EQ(openapi("operationId: findPets"), "'with' of task 'a' needs the property 'document'");
  EXPECT_EQ(openapi(document + ", operationid: a"),
            "'with' of task 'a' has no property 'operationid'; did you mean 'operationId'?");
  EXPECT_EQ(openapi(document + ", operationId: a, parameters: [b]"),
            "'parameters' of task 'a' must be a mapping or an expression, not a sequence");
  EXPECT_EQ(openapi("document: {endpoint: /openapi.json}, operationId: a"),
            "'endpoint' of 'document' of task 'a': '/openapi.json' is not an endpoint; write an http or https URI, for "
            "example https://example.com/openapi.json");
  EXPECT_EQ(openapi("document: {endpoint: {uri: 'https://x.org', authentication: {use: a}}}, operationId: a"),
            "'use.authentications' has no policy 'a'");
}

TEST(CallTask, an_authentication_is_checked_when_it_is_applied) {
  EXPECT_EQ(authentication("{basic: {username: '${ .u }', password: '${ .p }'}}"), "compiles");
  EXPECT_EQ(authentication("{bearer: {token: '${ .t }'}}"), "compiles");
  EXPECT_EQ(authentication("{digest: {username: a, password: b}}"), "compiles");
  const std::string client = "client: {id: a, secret: b}";
  EXPECT_EQ(authentication("{oauth2: {authority: 'https://x.org', grant: client_credentials, " + client + "}}"),
            "compiles");
  EXPECT_EQ(authentication("{oidc: {authority: 'https://x.org', grant: client_credentials, " + client + "}}"),
            "compiles");
  EXPECT_EQ(authentication("{basic: {username: a}}"),
            "'basic' of 'authentication' of task 'a' needs the property 'password'");
  EXPECT_EQ(authentication("{basc: {username: a}}"),
            "'authentication' of task 'a' has no property 'basc'; did you mean 'basic'?");
  EXPECT_EQ(authentication("{}"),
            "'authentication' of task 'a' needs exactly one of basic, bearer, digest, oauth2, oidc");
  EXPECT_EQ(authentication("{certificate: {}}"), "'certificate' of 'authentication' of task 'a' is not supported yet");
  EXPECT_EQ(authentication("{oauth2: {authority: 'https://x.org', grant: authorization_code, " + client + "}}"),
            "the grant 'authorization_code' of 'oauth2' of 'authentication' of task 'a' is not supported yet");
  EXPECT_EQ(authentication("{oauth2: {authority: keycloak, grant: client_credentials, " + client + "}}"),
            "'authority' of 'oauth2' of 'authentication' of task 'a' must be an http or https URI, not 'keycloak'");
  const auto client_of = [](const std::string& rest) {
    return authentication("{oauth2: {authority: 'https://x.org', grant: client_credentials, client: {id: a, " + rest +
                          "}}}");
  };
  EXPECT_EQ(client_of("secret: b, authentication: client_secret_jwt"), "compiles");
  EXPECT_EQ(client_of("assertion: '${ .jwt }', authentication: client_secret_jwt"), "compiles");
  EXPECT_EQ(client_of("assertion: '${ .jwt }', authentication: private_key_jwt"), "compiles");
  EXPECT_EQ(client_of("secret: b, authentication: private_key_jwt"),
            "'client' of 'oauth2' of 'authentication' of task 'a' needs the property 'assertion'");
  EXPECT_EQ(client_of("secret: b, assertion: c"),
            "'assertion' of 'client' of 'oauth2' of 'authentication' of task 'a' is for the authentications "
            "client_secret_jwt and private_key_jwt");
  EXPECT_EQ(authentication("{oauth2: {authority: 'https://x.org', grant: password, " + client + "}}"),
            "'oauth2' of 'authentication' of task 'a' needs the property 'username'");
}

TEST(CallTask, a_policy_and_a_secret_are_found_by_their_names) {
  const std::string policies = "use: {secrets: [vault], authentications: {store: {bearer: {token: '${ .t }'}}}}";
  EXPECT_EQ(authentication("{use: store}", policies), "compiles");
  EXPECT_EQ(authentication("{use: stor}", policies),
            "'use.authentications' has no policy 'stor'; did you mean 'store'?");
  EXPECT_EQ(authentication("{oauth2: {use: vault}}", policies), "compiles");
  EXPECT_EQ(authentication("{basic: {use: valt}}", policies),
            "'use.secrets' does not declare 'valt'; did you mean 'vault'?");
  EXPECT_EQ(
      authentication("{basic: {use: vault}}"),
      "'use.secrets' does not declare 'vault'; declare it there, and make a connection of that name with the secret");
  EXPECT_EQ(verdict("use: {authentications: {store: {bearer: {}}}}\ndo: [{a: {set: {x: 1}}}]"),
            "'bearer' of the authentication 'store' needs the property 'token'");
  EXPECT_EQ(verdict("do: [{a: {call: http, metadata: {connection: c}, with: {method: get, endpoint: {uri: /a, "
                    "authentication: {bearer: {token: t}}}}}}]"),
            "task 'a' has a connection, which brings its own credentials; remove 'authentication' or "
            "'metadata.connection'");
}

}  // namespace
}  // namespace trv::definition
