#include <fmt/format.h>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/world.hpp"
#include "kernel/cli/terminal/text.hpp"

namespace trv::cli {

ExitCode run(const std::vector<std::string>& arguments, World& world) {
  CommandTree tree;
  add_login(tree);
  add_tenant(tree);
  add_token(tree);
  add_member(tree);
  add_connection(tree);
  add_plugin(tree);
  add_workflow(tree);
  add_run(tree);
  add_instance(tree);
  add_effect(tree);
  add_events(tree);
  add_webhook(tree);
  add_audit(tree);
  add_backup(tree);
  add_node(tree);
  add_snapshot(tree);
  add_support(tree);
  add_cluster(tree);
  add_config(tree);
  add_log(tree);
  add_mirror(tree);
  add_program(tree);

  Session session(world, tree.globals());
  const auto done = [&]() -> base::Result<ExitCode> {
    TRV_TRY_ASSIGN(const Action action, tree.parse(arguments));
    return action(session);
  }();
  if (done && *done == ExitCode::ok && !world.out.flush()) {
    session.complain("standard output cannot be written");
    return ExitCode::refused;
  }
  if (done) return *done;
  session.complain(done.error().message());
  return exit_code_of(done.error());
}

std::string query_of(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string query;
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) query += fmt::format("{}{}={}", query.empty() ? '?' : '&', name, percent_encoded(value));
  }
  return query;
}

}  // namespace trv::cli
