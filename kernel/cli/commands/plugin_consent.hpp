#pragma once
// What a user lets a plugin do, when it is enabled or upgraded and later.

#include "kernel/cli/commands/command.hpp"
#include "kernel/cli/commands/session.hpp"

namespace trv::cli {

struct ConsentArguments {
  std::vector<std::string> grant;
  bool is_sure = false;
};

/// --yes and --grant.
void add_consent_options(Verb& verb, const std::shared_ptr<ConsentArguments>& arguments);

/// Enables or upgrades: sends the version, and where it asks for more than the tenant has granted, what the user
/// grants: by --yes, by --grant, or asked on the terminal. Error: the server's refusal, with what is asked for.
[[nodiscard]] base::Result<HttpResponse> send_with_consent(Session& session, HttpRequest request,
                                                           const std::string& version,
                                                           const ConsentArguments& arguments);

/// After --grant: prints what the version asks for beyond that, if anything. Errors as Session::call.
[[nodiscard]] base::Status say_what_was_left_out(Session& session, const std::string& id, const std::string& version,
                                                 const ConsentArguments& arguments);

/// trav plugin grant, withdraw and permissions.
void add_permission_verbs(Noun& noun);

}  // namespace trv::cli
