// trav tenant: what the operator does with tenants.

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kernel/cli/nouns.hpp"
#include "kernel/cli/text.hpp"

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

base::Result<ExitCode> create(Session& session, const TenantArguments& arguments) {
  json::object body{{"id", arguments.id}};
  if (!arguments.name.empty()) body["display_name"] = arguments.name;
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::operator_, {.method = "POST",
                                                                                .target = "/v1/tenants",
                                                                                .content_type = "application/json",
                                                                                .body = json::serialize(body)}));
  // The token is in this answer only: it is told before anything can go wrong with the file.
  TRV_TRY_ASSIGN(const json::value answer, parse_json("the answer", response.body));
  const std::string token = member_text(answer, "token.token");
  if (session.as_json()) {
    session.print_json(response.body);
  } else {
    session.print_object(
        response, {{"tenant", "id"}, {"name", "display_name"}, {"created", "created"}, {"owner token", "token.token"}});
  }
  TRV_TRY_ASSIGN(const auto file, session.credentials_file());
  TRV_TRY_ASSIGN(Credentials credentials, Credentials::load(file));
  TRV_TRY_ASSIGN(const std::string url, session.url());
  credentials.put({.url = url, .tenant = arguments.id, .token = token});
  TRV_TRY(credentials.save(file));
  session.note(
      fmt::format("The token is shown once. It is kept in {}; use it with --tenant {}.", file.string(), arguments.id));
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
