// trav connection: a tenant's named endpoints. Secrets come from files, standard input or the environment; a command
// line can be read by every process of the machine.

#include <fmt/format.h>

#include <optional>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/secret_input.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

struct ConnectionArguments {
  std::string name;
  std::string plugin;
  std::string base_url;
  std::string auth;
  std::string user;
  std::string header;
  std::string secret_file;
  std::string secret_env;
  std::string webhook_secret_file;
  std::string webhook_secret_env;
  bool allow_private_network = false;
  std::string limit;
  std::string cursor;
};

base::Result<ExitCode> set(Session& session, const ConnectionArguments& arguments) {
  if (arguments.secret_file == "-" && arguments.webhook_secret_file == "-") {
    return base::fail(base::ErrorCode::invalid, "standard input holds one secret, not two");
  }
  TRV_TRY_ASSIGN(const auto secret, secret_of(session, "--secret", arguments.secret_file, arguments.secret_env));
  TRV_TRY_ASSIGN(const auto webhook_secret,
                 secret_of(session, "--webhook-secret", arguments.webhook_secret_file, arguments.webhook_secret_env));
  const std::string scheme = !arguments.auth.empty() ? arguments.auth : secret ? "bearer" : "none";
  json::Value auth = {{"scheme", scheme}};
  if (!arguments.user.empty()) auth.set("user", arguments.user);
  if (!arguments.header.empty()) auth.set("header", arguments.header);
  json::Value body = json::Value::object();
  if (!arguments.plugin.empty()) body.set("plugin", arguments.plugin);
  body.set("base_url", arguments.base_url);
  body.set("auth", std::move(auth));
  if (secret) body.set("secret", *secret);
  if (webhook_secret) body.set("webhook_secret", *webhook_secret);
  if (arguments.allow_private_network) body.set("allow_private_network", true);
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/connections/" + percent_encoded(arguments.name)));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.method = "PUT",
                                                                             .target = target,
                                                                             .content_type = "application/json",
                                                                             .body = json::serialize(body)}));
  session.print_object(response, {{"name", "name"},
                                  {"plugin", "plugin"},
                                  {"base URL", "base_url"},
                                  {"authentication", "auth.scheme"},
                                  {"user", "auth.user"},
                                  {"header", "auth.header"},
                                  {"secret", "has_secret"},
                                  {"webhook secret", "has_webhook_secret"},
                                  {"private network", "allow_private_network"}});
  return ExitCode::ok;
}

}  // namespace

void add_connection(CommandTree& tree) {
  Noun noun = tree.noun("connection", "Connections: a tenant's endpoints and their credentials");
  noun.example("trav connection set forge --plugin forge --base-url https://api.example.com --secret-file token.txt")
      .example("pass show forge | trav connection set forge --plugin forge --base-url URL --secret-file -")
      .example("trav connection remove forge");
  const auto arguments = std::make_shared<ConnectionArguments>();
  noun.verb("set", "Make a connection, or replace it")
      .argument("NAME", arguments->name, "How workflows call it")
      .option("--plugin", "ID", arguments->plugin, "The plugin that uses it; without: HTTP calls of workflows")
      .option("--base-url", "URL", arguments->base_url, "What every request begins with", Need::required)
      .choice("--auth", {"none", "bearer", "basic", "header"}, arguments->auth,
              "How the secret is sent (default bearer with a secret, else none)")
      .option("--user", "USER", arguments->user, "User name of basic authentication")
      .option("--header", "NAME", arguments->header, "Header that carries the secret")
      .option("--secret-file", "FILE", arguments->secret_file, "The secret; - is standard input")
      .option("--secret-env", "NAME", arguments->secret_env, "Environment variable with the secret")
      .option("--webhook-secret-file", "FILE", arguments->webhook_secret_file, "What webhooks are signed with")
      .option("--webhook-secret-env", "NAME", arguments->webhook_secret_env, "Environment variable with it")
      .flag("--allow-private-network", arguments->allow_private_network, "The base URL may lead into this network")
      .does([arguments](Session& session) { return set(session, *arguments); });
  noun.verb("list", "List connections, never their secrets")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/connections"));
        return session.print_list(Speaker::member,
                                  {.target = target, .limit = arguments->limit, .cursor = arguments->cursor},
                                  {{"NAME", "name"},
                                   {"PLUGIN", "plugin"},
                                   {"BASE URL", "base_url"},
                                   {"AUTH", "auth.scheme"},
                                   {"SECRET", "has_secret"},
                                   {"WEBHOOK", "has_webhook_secret"}},
                                  "No connections yet: trav connection set NAME --plugin P --base-url URL");
      });
  noun.verb("remove", "Remove a connection and its secrets")
      .argument("NAME", arguments->name, "The connection")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target,
                       session.tenant_target("/connections/" + percent_encoded(arguments->name)));
        TRV_TRY(session.call(Speaker::member, {.method = "DELETE", .target = target}));
        if (!session.as_json()) session.print("Connection " + arguments->name + " is removed.");
        return ExitCode::ok;
      });
}

}  // namespace trv::cli
