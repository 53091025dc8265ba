// trav node: the daemons that share the shards.

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"

namespace trv::cli {
namespace {

/// POST of the verb; `done` is what is printed behind the name.
base::Result<ExitCode> ask(Session& session, const std::string& name, const std::string& verb,
                           const std::string& done) {
  const std::string target = "/v1/nodes/" + percent_encoded(name) + "/" + verb;
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::operator_, {.method = "POST", .target = target}));
  if (session.as_json()) {
    session.print_json(response.body);
  } else {
    session.print("Node " + name + " " + done);
  }
  return ExitCode::ok;
}

}  // namespace

void add_node(CommandTree& tree) {
  Noun noun = tree.noun("node", "Nodes: the daemons that share the shards");
  noun.example("trav node list").example("trav node drain node-2");
  const auto name = std::make_shared<std::string>();
  noun.verb("list", "List the nodes, with the shards that each owns")
      .does([](Session& session) -> base::Result<ExitCode> {
        return session.print_list(Speaker::operator_, {.target = "/v1/nodes", .limit = {}, .cursor = {}},
                                  {{.title = "NODE", .member = "node"},
                                   {.title = "ADDRESS", .member = "address"},
                                   {.title = "VERSION", .member = "version"},
                                   {.title = "SHARDS", .member = "shards"}},
                                  "No node owns shards: they are being distributed, which takes seconds, or every "
                                  "node that runs is drained. Then resume one: trav --url ITS-URL node resume NAME");
      });
  noun.verb("drain", "Have a node hand its shards to the others")
      .argument("NAME", *name, "As `trav node list` shows it")
      .does([name](Session& session) {
        return ask(session, *name, "drain", "owns no shard now. It follows them, and sends requests on.");
      });
  noun.verb("resume", "Let a drained node own shards again; ask the node itself")
      .argument("NAME", *name, "Its name")
      .does([name](Session& session) { return ask(session, *name, "resume", "takes its part again."); });
}

}  // namespace trv::cli
