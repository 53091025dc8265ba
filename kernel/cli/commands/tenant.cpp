// trav tenant: what the operator does with tenants.

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"

namespace trv::cli {
namespace {

namespace json = boost::json;

const std::vector<Field> fields = {{"ID", "id"}, {"NAME", "display_name"}, {"CREATED", "created", Fit::time}};

struct TenantArguments {
  std::string id;
  std::string name;
  std::string limit;
  std::string cursor;
};

// Into the credentials file; returns which one that is.
base::Result<std::filesystem::path> keep_token(Session& session, const std::string& tenant, const std::string& token) {
  TRV_TRY_ASSIGN(std::filesystem::path file, session.credentials_file());
  TRV_TRY_ASSIGN(Credentials credentials, Credentials::load(file));
  TRV_TRY_ASSIGN(const std::string url, session.url());
  credentials.put({.url = url, .tenant = tenant, .token = token});
  TRV_TRY(credentials.save(file));
  return file;
}

base::Result<ExitCode> create(Session& session, const TenantArguments& arguments) {
  json::object body{{"id", arguments.id}};
  if (!arguments.name.empty()) body["display_name"] = arguments.name;
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::operator_, {.method = "POST",
                                                                                .target = "/v1/tenants",
                                                                                .content_type = "application/json",
                                                                                .body = json::serialize(body)}));
  // The token is in this answer only: it is printed before anything can go wrong with the file.
  TRV_TRY_ASSIGN(const json::value answer, parse_json("the answer", response.body));
  const std::string token = member_text(answer, "token.token");
  if (session.as_json()) {
    session.print_json(response.body);
  } else {
    session.print_object(
        response, {{"tenant", "id"}, {"name", "display_name"}, {"created", "created"}, {"owner token", "token.token"}});
  }
  const auto kept = keep_token(session, arguments.id, token);
  if (!kept) {
    return base::fail(
        base::Error(kept.error())
            .in(fmt::format("tenant {} is made, but its token, shown above for the only time, is not kept",
                            arguments.id)));
  }
  session.note(
      fmt::format("The token is shown once. It is kept in {}; use it with --tenant {}.", kept->string(), arguments.id));
  return ExitCode::ok;
}

}  // namespace

void add_tenant(CommandTree& tree) {
  Noun noun = tree.noun("tenant", "Tenants: the organisations on a server");
  noun.example("trav tenant create acme --name 'Acme Ltd.'").example("trav tenant list --output json");
  const auto arguments = std::make_shared<TenantArguments>();
  noun.verb("create", "Make a tenant and its first owner token (operator)")
      .argument("ID", arguments->id, "A DNS label: a-z, 0-9 and '-'")
      .option("--name", "TEXT", arguments->name, "How people call it")
      .does([arguments](Session& session) { return create(session, *arguments); });
  noun.verb("list", "List tenants (operator)")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) {
        return session.print_list(Speaker::operator_,
                                  {.target = "/v1/tenants", .limit = arguments->limit, .cursor = arguments->cursor},
                                  fields, "No tenants yet: trav tenant create ID");
      });
  noun.verb("show", "Show one tenant")
      .argument("ID", arguments->id, "The tenant")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const HttpResponse response,
                       session.call(Speaker::anybody, {.target = "/v1/tenants/" + percent_encoded(arguments->id)}));
        session.print_object(response, {{"id", "id"}, {"name", "display_name"}, {"created", "created"}});
        return ExitCode::ok;
      });
}

}  // namespace trv::cli
