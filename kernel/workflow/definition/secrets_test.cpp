// Where `$secrets` may be, and what is said where it may not.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/workflow/definition/definition.hpp"

namespace trv::definition {
namespace {

std::string problem(const std::string& tasks) {
  const auto definition = compile(
      "document: {dsl: '1.0.3', namespace: test, name: hush, version: '1.0.0'}\nuse: {secrets: [vault]}\n" + tasks,
      Format::yaml);
  if (definition) return "compiles";
  const base::Error& error = definition.error();
  return fmt::format("{}:{} {}", error.line(), error.column(), error.message());
}

std::string call(const std::string& with) {
  return problem("do: [{a: {call: http, with: {method: post, " + with + "}}}]\n");
}

TEST(Secrets, go_straight_into_what_is_sent) {
  EXPECT_EQ(
      call("endpoint: 'https://x.org', headers: {x-key: 'Key ${ $secrets.vault }'}, body: {a: ['${ $secrets.vault.b "
           "}', '${ $secrets[\"vault\"][\"c\"] } and ${ .x }']}"),
      "compiles");
  EXPECT_EQ(call("endpoint: {uri: 'https://x.org', authentication: {bearer: {token: '${ $secrets.vault }'}}}"),
            "compiles");
  EXPECT_EQ(
      problem("do: [{a: {call: openapi, with: {document: {endpoint: 'https://x.org'}, operationId: f, authentication: "
              "{basic: {username: u, password: '${ $secrets.vault }'}}}}}]\n"),
      "compiles");
}

TEST(Secrets, are_refused_where_they_would_be_recorded) {
  for (const std::string tasks : {
           "do: [{a: {set: {x: '${ $secrets.vault }'}}}]\n",
           "do: [{a: {set: {x: 1}, output: {as: '$secrets.vault'}}}]\n",
           "do: [{a: {set: {x: 1}, export: {as: '$secrets'}}}]\n",
           "do: [{a: {if: '$secrets.vault == \"x\"', set: {x: 1}}}]\n",
           "do: [{a: {set: {x: 1}, input: {from: '$secrets.vault'}}}]\n",
           "do: [{a: {raise: {error: {type: t, status: 400, detail: '${ $secrets.vault }'}}}}]\n",
           "do: [{a: {emit: {event: {with: {type: t, data: '${ $secrets.vault }'}}}}}]\n",
           "do: [{a: {call: 'a.b:1.0.0@default', with: {x: '${ $secrets.vault }'}}}]\n",
           "do: [{a: {call: http, with: {method: get, endpoint: 'https://x.org/${ $secrets.vault }'}}}]\n",
           "do: [{a: {call: http, with: {method: get, endpoint: 'https://x.org', query: {k: '${ $secrets.vault "
           "}'}}}}]\n",
           "do: [{a: {run: {workflow: {namespace: n, name: w, version: latest, input: {k: '${ $secrets.vault "
           "}'}}}}}]\n",
           "output: {as: '$secrets.vault'}\ndo: [{a: {set: {x: 1}}}]\n",
       }) {
    EXPECT_NE(problem(tasks).find("'$secrets' can be used only in 'headers', 'body' and 'authentication'"),
              std::string::npos)
        << tasks << problem(tasks);
  }
}

TEST(Secrets, are_alone_in_their_expression) {
  for (const std::string expression :
       {"$secrets", "$secrets.vault | @base64", "\"Key \\($secrets.vault)\"", "$secrets[.x]", "$secrets.vault-x",
        "$secrets.vault // 1", "{a: $secrets.vault}", "$secrets[0]"}) {
    EXPECT_NE(
        call("endpoint: 'https://x.org', body: {a: '${ " + expression + " }'}").find("no expression can work with it"),
        std::string::npos)
        << expression << call("endpoint: 'https://x.org', body: {a: '${ " + expression + " }'}");
  }
}

TEST(Secrets, are_declared) {
  EXPECT_EQ(call("endpoint: 'https://x.org', body: '${ $secrets.valt }'"),
            "3:77 'use.secrets' does not declare 'valt'; did you mean 'vault'?");
  EXPECT_NE(
      call("endpoint: 'https://x.org', body: '${ $secrets.other }'").find("declare it there, and make a connection"),
      std::string::npos);
}

}  // namespace
}  // namespace trv::definition
