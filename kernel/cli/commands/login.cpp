// trav login: checks a token and keeps it.

#include <fmt/format.h>

#include <string>

#include "kernel/cli/commands/nouns.hpp"

namespace trv::cli {
namespace {

base::Result<ExitCode> login(Session& session, const Globals& globals) {
  std::string token = globals.token;
  if (token.empty()) token = session.world().variable("TRAV_TOKEN").value_or("");
  if (token.empty() || token == "-") {
    if (session.world().err_is_terminal) session.world().err << "Token: " << std::flush;
    std::getline(session.world().in, token);
  }
  if (token.empty())
    return base::fail(base::ErrorCode::invalid, "no token: give --token, TRAV_TOKEN or standard input");
  // The given token speaks for itself, whatever is in the file.
  Globals as = globals;
  as.token = token;
  Session speaker(session.world(), as);
  TRV_TRY_ASSIGN(const HttpResponse response, speaker.call(Speaker::anybody, {.target = "/v1/whoami"}));
  TRV_TRY_ASSIGN(const auto answer, parse_json("the answer", response.body));
  const std::string tenant = member_text(answer, "tenant");
  if (tenant.empty()) return base::fail(base::ErrorCode::internal, "the server did not say whose token it is");
  if (!globals.tenant.empty() && globals.tenant != tenant) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("the token belongs to tenant '{}', not to '{}'", tenant, globals.tenant));
  }
  TRV_TRY_ASSIGN(const auto file, session.credentials_file());
  TRV_TRY_ASSIGN(Credentials credentials, Credentials::load(file));
  TRV_TRY_ASSIGN(const std::string url, speaker.url());
  credentials.put({.url = url, .tenant = tenant, .token = token});
  TRV_TRY(credentials.save(file));
  if (session.as_json()) {
    session.print_json(response.body);
  } else {
    session.print(fmt::format("Logged in at {} as {} of tenant '{}'. Kept in {}.", url, member_text(answer, "role"),
                              tenant, file.string()));
  }
  return ExitCode::ok;
}

}  // namespace

void add_login(CommandTree& tree) {
  tree.verb("login", "Check a token and keep it for later commands")
      .example("trav login --url http://127.0.0.1:8400 --token trv_…")
      .example("trav login < token.txt                   the token from standard input")
      .does([&globals = tree.globals()](Session& session) { return login(session, globals); });
}

}  // namespace trv::cli
