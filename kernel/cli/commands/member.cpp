// trav member: the people of a tenant.

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

struct MemberArguments {
  std::string user;
  std::string role;
  std::string limit;
  std::string cursor;
};

}  // namespace

void add_member(CommandTree& tree) {
  Noun noun = tree.noun("member", "Members: the people of a tenant");
  noun.example("trav member add ada@example.com --role owner").example("trav member list");
  const auto arguments = std::make_shared<MemberArguments>();
  noun.verb("add", "Make a user a member, or change the role")
      .argument("USER", arguments->user, "The user's name")
      .choice("--role", {"viewer", "owner"}, arguments->role, "What the member may do", Need::required)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/members"));
        const json::Value body = {{"user", arguments->user}, {"role", arguments->role}};
        TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.method = "POST",
                                                                                   .target = target,
                                                                                   .content_type = "application/json",
                                                                                   .body = json::serialize(body)}));
        session.print_object(response, {{"user", "user"}, {"role", "role"}});
        return ExitCode::ok;
      });
  noun.verb("list", "List members")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/members"));
        return session.print_list(
            Speaker::member, {.target = target, .limit = arguments->limit, .cursor = arguments->cursor},
            {{"USER", "user"}, {"ROLE", "role"}}, "No members yet: trav member add USER --role viewer");
      });
}

}  // namespace trv::cli
