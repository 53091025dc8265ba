// trav effect: plugin calls during which the daemon died again and again; they go out no more before they are released.

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"

namespace trv::cli {
namespace {

struct EffectArguments {
  std::string id;
  std::string limit;
  std::string cursor;
};

}  // namespace

void add_effect(CommandTree& tree) {
  Noun noun = tree.noun("effect", "Effects: plugin calls that are parked");
  noun.example("trav effect list").example("trav effect release 5f0c9d21b6a84e7791aa03c4d2e8f617");
  const auto arguments = std::make_shared<EffectArguments>();
  noun.verb("list", "List parked effects")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/effects"));
        return session.print_list(Speaker::member,
                                  {.target = target, .limit = arguments->limit, .cursor = arguments->cursor},
                                  {{.title = "ID", .member = "id", .fit = Fit::id},
                                   {.title = "OPERATION", .member = "{plugin}.{operation}:{version}"},
                                   {.title = "INSTANCE", .member = "instance", .fit = Fit::id},
                                   {.title = "DEATHS", .member = "deaths"},
                                   {.title = "PARKED", .member = "parked", .fit = Fit::time}},
                                  "No parked effects.");
      });
  noun.verb("release", "Let a parked effect go out again")
      .argument("ID", arguments->id, "As `trav effect list` and the daemon's log show it")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target,
                       session.tenant_target("/effects/" + percent_encoded(arguments->id) + "/release"));
        TRV_TRY_ASSIGN(const HttpResponse response,
                       session.call(Speaker::member, {.method = "POST", .target = target}));
        if (session.as_json()) {
          session.print_json(response.body);
        } else {
          session.print("Effect " + arguments->id + " is released.");
        }
        return ExitCode::ok;
      });
}

}  // namespace trv::cli
