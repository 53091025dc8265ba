// trav login: checks a token and keeps it.

#include <fmt/format.h>

#include <string>

#include "kernel/cli/commands/nouns.hpp"

namespace trv::cli {
namespace {

base::Result<ExitCode> login(Session& session, const Globals& globals) {
  std::string token = globals.token;
  if (token.empty()) token = session.world().variable("TRAV_TOKEN").value_or("");
  const bool shows_certificate =
      !globals.tls.certificate.empty() || !session.world().variable("TRAV_CERTIFICATE").value_or("").empty();
  if (token == "-" || (token.empty() && !shows_certificate)) {
    if (session.world().err_is_terminal) session.world().err << "Token: " << std::flush;
    std::getline(session.world().in, token);
  }
  if (token.empty() && !shows_certificate)
    return base::fail(base::ErrorCode::invalid, "no token: give --token, TRAV_TOKEN or standard input");
  // The given token speaks for itself, whatever is in the file.
  Globals as = globals;
  as.token = token;
  Session speaker(session.world(), as);
  HttpRequest request{.target = "/v1/whoami"};
  if (token.empty()) {
    if (session.tenant_named().empty()) {
      return base::fail(base::ErrorCode::invalid,
                        "which tenant? A certificate may speak in several: name one with --tenant or TRAV_TENANT");
    }
    request.headers.push_back("Travertine-Tenant: " + session.tenant_named());
  }
  TRV_TRY_ASSIGN(const HttpResponse response,
                 speaker.call(token.empty() ? Speaker::nobody : Speaker::anybody, request));
  TRV_TRY_ASSIGN(const auto answer, parse_json("the answer", response.body));
  const std::string tenant = member_text(answer, "tenant");
  if (tenant.empty()) return base::fail(base::ErrorCode::internal, "the server did not say whose token it is");
  if (!globals.tenant.empty() && globals.tenant != tenant) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("the token belongs to tenant '{}', not to '{}'", tenant, globals.tenant));
  }
  TRV_TRY_ASSIGN(const std::string url, speaker.url());
  TRV_TRY_ASSIGN(const auto file, speaker.keep(tenant, token));
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
      .example("trav login --url https://travertine.example.com:8400 --certificate-authority authority.pem")
      .example("trav login --certificate me.pem --certificate-key me.key --tenant acme     without a token")
      .does([&globals = tree.globals()](Session& session) { return login(session, globals); });
}

}  // namespace trv::cli
