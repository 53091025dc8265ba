// trav tenant: what the operator does with tenants.

#include <fmt/ranges.h>

#include <set>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/progress_line.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

const std::vector<Field> fields = {
    {"ID", "id"}, {"NAME", "display_name"}, {"SHARD", "shard"}, {"CREATED", "created", Fit::time}};

struct TenantArguments {
  std::string id;
  std::string name;
  std::string limit;
  std::string cursor;
  std::string instances_days;
  std::string events_days;
  std::string shard;
};

/// The server answers after some seconds while a tenant moves.
constexpr int move_requests_max = 360;

base::Result<std::int64_t> days_of(std::string_view option, const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
  if (digits) return std::stoll(text);
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("{} '{}' is not a number of days; 0 keeps for ever", option, text));
}

base::Result<ExitCode> set_retention(Session& session, const TenantArguments& arguments) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/retention"));
  TRV_TRY_ASSIGN(json::Value retention, session.call_json(Speaker::member, {.target = target}));
  if (!retention.is_object()) return base::fail(base::ErrorCode::internal, "the server's answer is not an object");
  for (const auto& [option, member, text] :
       {std::tuple("--instances-days", "instances_days", &arguments.instances_days),
        std::tuple("--events-days", "events_days", &arguments.events_days)}) {
    if (text->empty()) continue;
    TRV_TRY_ASSIGN(const std::int64_t days, days_of(option, *text));
    retention.set(member, days);
  }
  const bool changes = !arguments.instances_days.empty() || !arguments.events_days.empty();
  HttpRequest request{.target = target};
  if (changes) {
    request = {
        .method = "PUT", .target = target, .content_type = "application/json", .body = json::serialize(retention)};
  }
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, request));
  session.print_object(response,
                       {{"instances are kept, days", "instances_days"}, {"event ids are kept, days", "events_days"}});
  return ExitCode::ok;
}

base::Result<ExitCode> create(Session& session, const TenantArguments& arguments) {
  json::Value body = {{"id", arguments.id}};
  if (!arguments.name.empty()) body.set("display_name", arguments.name);
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::operator_, {.method = "POST",
                                                                                .target = "/v1/tenants",
                                                                                .content_type = "application/json",
                                                                                .body = json::serialize(body)}));
  // The token is in this answer only: it is printed before anything can go wrong with the file.
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  const std::string token = member_text(answer, "token.token");
  if (session.as_json()) {
    session.print_json(response.body);
  } else {
    session.print_object(
        response, {{"tenant", "id"}, {"name", "display_name"}, {"created", "created"}, {"owner token", "token.token"}});
  }
  const auto kept = session.keep(arguments.id, token);
  if (!kept) {
    return base::fail(
        base::Error(kept.error())
            .in(fmt::format("tenant {} is created, but its token, shown above for the only time, could not be stored",
                            arguments.id)));
  }
  session.note(
      fmt::format("The token is shown once. It is kept in {}; use it with --tenant {}.", kept->string(), arguments.id));
  return ExitCode::ok;
}

/// For a person who did not say where to: the shards that there are, as far as they are known.
base::Error where_to(Session& session, const std::string& tenant) {
  std::string there_are = "from 1 to the number of shards, minus one";
  std::set<std::int64_t> shards;
  const auto nodes = session.call_json(Speaker::operator_, {.target = "/v1/nodes"});
  const auto items = nodes ? items_of(*nodes) : base::Result<std::span<const json::Value>>();
  for (const json::Value& node : items.value_or(std::span<const json::Value>())) {
    const json::Value* owned = node.find("shards");
    if (owned == nullptr || !owned->is_array()) continue;
    for (const json::Value& shard : owned->items()) {
      if (shard.is_int() && shard.as_int() > 0) shards.insert(shard.as_int());
    }
  }
  if (!shards.empty()) there_are = fmt::format("one of {}", fmt::join(shards, ", "));
  return {base::ErrorCode::invalid,
          fmt::format("--shard is missing: say where tenant '{}' moves to, {}; `trav tenant list` shows where each is",
                      tenant, there_are)};
}

base::Result<ExitCode> move(Session& session, const TenantArguments& arguments) {
  const std::string& text = arguments.shard;
  if (text.empty()) return base::fail(where_to(session, arguments.id));
  const bool digits = !text.empty() && text.size() <= 3 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) {
    return base::fail(base::ErrorCode::invalid, fmt::format("--shard '{}' is not the number of a shard", text));
  }
  const HttpRequest request{.method = "POST",
                            .target = "/v1/tenants/" + percent_encoded(arguments.id) + "/move",
                            .content_type = "application/json",
                            .body = json::serialize(json::Value{{"shard", std::stoi(text)}})};
  ProgressLine progress(session.world());
  for (int i = 0; i < move_requests_max; ++i) {
    TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::operator_, request));
    if (response.status != 202) {
      progress.clear();
      session.print_object(response, {{"id", "id"}, {"shard", "shard"}});
      return ExitCode::ok;
    }
    progress.show(fmt::format("tenant {} moves to shard {}: calls under way end first", arguments.id, text));
  }
  return base::fail(base::ErrorCode::unavailable,
                    fmt::format("tenant '{}' is not in shard {} yet; it goes on moving: see `trav tenant show {}`",
                                arguments.id, text, arguments.id));
}

}  // namespace

void add_tenant(CommandTree& tree) {
  Noun noun = tree.noun("tenant", "Tenants: the organisations on a server");
  noun.example("trav tenant create acme --name 'Acme Ltd.'")
      .example("trav tenant list --output json")
      .example("trav tenant retention --instances-days 365")
      .example("trav tenant move acme --shard 3");
  const auto arguments = std::make_shared<TenantArguments>();
  noun.verb("create", "Make a tenant and its first owner token (operator)")
      .argument("ID", arguments->id, "A DNS label: a-z, 0-9 and '-'")
      .option("--name", "TEXT", arguments->name, "The name that people read")
      .does([arguments](Session& session) { return create(session, *arguments); });
  noun.verb("list", "List tenants (operator)")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) {
        return session.print_list(Speaker::operator_,
                                  {.target = "/v1/tenants", .limit = arguments->limit, .cursor = arguments->cursor},
                                  fields, "No tenants yet: trav tenant create ID");
      });
  noun.verb("move", "Move a tenant to another shard while its work goes on (operator)")
      .argument("TENANT", arguments->id, "The tenant")
      .option("--shard", "N", arguments->shard, "From 1 to the number of shards, minus one")
      .does([arguments](Session& session) { return move(session, *arguments); });
  noun.verb("retention", "Show or set how long what has ended is kept")
      .option("--instances-days", "N", arguments->instances_days,
              "Instances that ended, their steps, idempotency keys and outcomes; 0 = for ever")
      .option("--events-days", "N", arguments->events_days, "Ids of events that were taken; 0 = for ever")
      .does([arguments](Session& session) { return set_retention(session, *arguments); });
  noun.verb("show", "Show one tenant")
      .argument("ID", arguments->id, "The tenant")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const HttpResponse response,
                       session.call(Speaker::anybody, {.target = "/v1/tenants/" + percent_encoded(arguments->id)}));
        session.print_object(response, {{"id", "id"},
                                        {"name", "display_name"},
                                        {"created", "created"},
                                        {"shard", "shard"},
                                        {"moves to", "moves_to"}});
        return ExitCode::ok;
      });
}

}  // namespace trv::cli
