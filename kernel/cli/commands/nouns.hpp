#pragma once
// What `trav` knows, one function for each noun; each adds its verbs to the tree.

#include "kernel/cli/commands/command.hpp"

namespace trv::cli {

void add_login(CommandTree& tree);
void add_tenant(CommandTree& tree);
void add_token(CommandTree& tree);
void add_member(CommandTree& tree);
void add_connection(CommandTree& tree);
void add_plugin(CommandTree& tree);
/// The verbs of trav plugin that configure, upgrade and uninstall.
void add_plugin_life(Noun& noun);
/// trav plugin generate.
void add_plugin_generate(Noun& noun);
/// trav plugin fuzz.
void add_plugin_fuzz(Noun& noun);
/// trav plugin run.
void add_plugin_run(Noun& noun);
/// trav plugin validate.
void add_plugin_validate(Noun& noun);
/// trav plugin build.
void add_plugin_build(Noun& noun);
/// trav plugin dev.
void add_plugin_dev(Noun& noun);
/// Those that write what a tenant has enabled into a file, and make such a file true.
void add_plugin_lock(Noun& noun);
void add_workflow(CommandTree& tree);
void add_run(CommandTree& tree);
void add_instance(CommandTree& tree);
void add_effect(CommandTree& tree);
void add_events(CommandTree& tree);
void add_webhook(CommandTree& tree);
void add_audit(CommandTree& tree);
void add_backup(CommandTree& tree);
void add_node(CommandTree& tree);
void add_snapshot(CommandTree& tree);
void add_support(CommandTree& tree);
void add_cluster(CommandTree& tree);
void add_config(CommandTree& tree);
void add_log(CommandTree& tree);
void add_mirror(CommandTree& tree);
/// version, completion, help
void add_program(CommandTree& tree);

/// `?name=value&…` of the pairs whose value is not empty, percent-encoded; empty where all are.
[[nodiscard]] std::string query_of(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace trv::cli
