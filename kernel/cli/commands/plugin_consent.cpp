#include "kernel/cli/commands/plugin_consent.hpp"

#include <fmt/format.h>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

struct PermissionArguments {
  std::string id;
  std::vector<std::string> permissions;
};

json::Value array_of(const std::vector<std::string>& texts) {
  json::Value array = json::Value::array();
  for (const std::string& text : texts) array.push_back(text);
  return array;
}

HttpRequest with_body(HttpRequest request, const json::Value& body) {
  request.content_type = "application/json";
  request.body = json::serialize(body);
  return request;
}

/// nullopt where nobody can be asked.
std::optional<bool> is_agreed(Session& session, const json::Value& refusal) {
  World& world = session.world();
  if (!world.err_is_terminal) return std::nullopt;
  const json::Value* missing = refusal.find("missing");
  const json::Value& asked = *refusal.find("asked");
  const bool has_some = missing != nullptr && missing->is_array() && missing->items().size() < asked.items().size();
  world.err << (has_some ? "It asks for more than it may do now:\n" : "It asks for:\n");
  for (const json::Value& one : (has_some ? *missing : asked).items()) {
    world.err << "  " << printable(one.as_string()) << '\n';
  }
  world.err << "Grant all of it? Type yes: " << std::flush;
  std::string answer;
  std::getline(world.in, answer);
  return answer == "yes";
}

base::Result<ExitCode> print_permissions(Session& session, const PermissionArguments& arguments,
                                         const HttpResponse& response) {
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
  const std::string granted = joined(answer, "granted");
  session.print(fmt::format("Plugin {} may do for tenant {}: {}", arguments.id, tenant,
                            granted.empty() ? "nothing but answer" : granted));
  Table table({{.title = "VERSION"}, {.title = "ASKS FOR"}, {.title = "ALLOWED HERE"}, {.title = "NOT GRANTED"}});
  if (const json::Value* versions = answer.find("versions"); versions != nullptr && versions->is_array()) {
    for (const json::Value& one : versions->items()) {
      table.add(
          {member_text(one, "version"), joined(one, "asked"), joined(one, "allowed_here"), joined(one, "missing")});
    }
  }
  session.world().out << '\n' << table.render(session.style()) << std::flush;
  return ExitCode::ok;
}

base::Result<ExitCode> change(Session& session, const PermissionArguments& arguments, std::string_view member) {
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target("/plugins/" + percent_encoded(arguments.id) + "/permissions"));
  HttpRequest request{.target = target};
  if (!member.empty()) {
    if (arguments.permissions.empty()) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("which permission? `trav plugin {} {} PERMISSION`; `trav plugin permissions {}` "
                                    "shows what the plugin asks for and has",
                                    member, arguments.id, arguments.id));
    }
    request.method = "POST";
    json::Value body = json::Value::object();
    body.set(std::string(member), array_of(arguments.permissions));
    request = with_body(std::move(request), body);
  }
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, request));
  return print_permissions(session, arguments, response);
}

}  // namespace

void add_consent_options(Verb& verb, const std::shared_ptr<ConsentArguments>& arguments) {
  verb.flag("--yes", arguments->is_sure, "Grant everything that it asks for")
      .options("--grant", "PERMISSION", arguments->grant, "Grant this, and nothing else that it asks for");
}

base::Result<HttpResponse> send_with_consent(Session& session, HttpRequest request, const std::string& version,
                                             const ConsentArguments& arguments) {
  if (arguments.is_sure && !arguments.grant.empty()) {
    return base::fail(base::ErrorCode::invalid, "--yes grants everything: give it without --grant, or --grant alone");
  }
  json::Value body = {{"version", version}};
  if (!arguments.grant.empty()) body.set("permissions", array_of(arguments.grant));
  request = with_body(std::move(request), body);
  TRV_TRY_ASSIGN(HttpResponse response, session.send(Speaker::member, request));
  if (response.status >= 200 && response.status <= 299) return response;
  const base::Error refusal = Session::refusal_of(response);
  const auto problem = parse_json("the answer", response.body);
  const json::Value* asked = problem ? problem->find("asked") : nullptr;
  if (response.status != 409 || asked == nullptr || !asked->is_array()) return base::fail(refusal);
  if (!arguments.is_sure) {
    const auto agreed = is_agreed(session, *problem);
    if (!agreed) return base::fail(refusal);
    if (!*agreed) return base::fail(base::ErrorCode::denied, "nothing was granted, so nothing was enabled");
  }
  body.set("permissions", *asked);
  return session.call(Speaker::member, with_body(std::move(request), body));
}

base::Status say_what_was_left_out(Session& session, const std::string& id, const std::string& version,
                                   const ConsentArguments& arguments) {
  if (arguments.grant.empty()) return {};
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins/" + percent_encoded(id) + "/permissions"));
  TRV_TRY_ASSIGN(const json::Value answer, session.call_json(Speaker::member, {.target = target}));
  const json::Value* versions = answer.find("versions");
  if (versions == nullptr || !versions->is_array()) return {};
  for (const json::Value& one : versions->items()) {
    const std::string missing = joined(one, "missing");
    if (member_text(one, "version") != version || missing.empty()) continue;
    session.print(
        fmt::format("It also asks for {}, which is not granted: what needs it fails. `trav plugin grant {} PERMISSION` "
                    "grants it later.",
                    missing, id));
  }
  return {};
}

void add_permission_verbs(Noun& noun) {
  const auto arguments = std::make_shared<PermissionArguments>();
  noun.verb("permissions", "Show what a plugin asks for and what the tenant lets it do")
      .argument("ID", arguments->id, "The plugin")
      .does([arguments](Session& session) { return change(session, *arguments, {}); });
  noun.verb("grant", "Let a plugin do more of what it asks for")
      .argument("ID", arguments->id, "The plugin")
      .arguments("PERMISSION", arguments->permissions, "Such as http:api.example.com or webhooks")
      .does([arguments](Session& session) { return change(session, *arguments, "grant"); });
  noun.verb("withdraw", "Stop a plugin from doing something, at once")
      .argument("ID", arguments->id, "The plugin")
      .arguments("PERMISSION", arguments->permissions, "One that was granted, or one that includes several")
      .does([arguments](Session& session) { return change(session, *arguments, "withdraw"); });
}

}  // namespace trv::cli
