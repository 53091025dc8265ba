// trav version, completion, help.

#include <fmt/format.h>

#include "kernel/cli/commands/completion.hpp"
#include "kernel/cli/commands/nouns.hpp"

namespace trv::cli {
namespace {

struct ProgramArguments {
  std::string shell;
  std::vector<std::string> path;
  bool markdown = false;
};

// The version of trav is printed whether or not the server answers.
base::Result<ExitCode> version(Session& session) {
  TRV_TRY_ASSIGN(const std::string url, session.url());
  const auto server = session.call_json(Speaker::nobody, {.target = "/v1/version"});
  if (session.as_json()) {
    session.print_value({{"trav", TRV_VERSION}, {"server", server ? *server : json::Value()}});
  } else {
    session.print("trav " TRV_VERSION);
  }
  if (!server) return base::fail(server.error());
  if (!session.as_json()) {
    session.print(fmt::format("{} {} at {}, plugin ABI {}.{}", member_text(*server, "name"),
                              member_text(*server, "version"), url, member_text(*server, "abi.major"),
                              member_text(*server, "abi.minor")));
  }
  return ExitCode::ok;
}

void append_markdown(const CommandDescription& command, const std::string& parent, std::string& out) {
  const std::string name = parent.empty() ? command.name : parent + " " + command.name;
  out += fmt::format("{} {}\n\n```text\n{}```\n\n",
                     parent.empty()     ? "#"
                     : parent == "trav" ? "##"
                                        : "###",
                     name, command.page.substr(command.page.find_first_not_of('\n')));
  for (const CommandDescription& sub : command.subcommands) append_markdown(sub, name, out);
}

}  // namespace

void add_program(CommandTree& tree) {
  tree.verb("version", "Print the versions of trav and of the server").does(version);
  const auto arguments = std::make_shared<ProgramArguments>();
  tree.verb("completion", "Print the completion script of a shell")
      .choice("SHELL", {"bash", "zsh", "fish"}, arguments->shell, "The shell", Need::required)
      .example("source <(trav completion bash)")
      .example("trav completion zsh > ~/.zfunc/_trav")
      .example("trav completion fish > ~/.config/fish/completions/trav.fish")
      .does([arguments, &tree](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string script, completion_script(arguments->shell, tree.describe()));
        session.world().out << script << std::flush;
        return ExitCode::ok;
      });
  tree.verb("help", "Explain a command")
      .arguments("COMMAND", arguments->path, "A noun, or a noun and a verb")
      .flag("--markdown", arguments->markdown, "Everything, as a page of Markdown")
      .example("trav help workflow")
      .example("trav help connection set")
      .does([arguments, &tree](Session& session) -> base::Result<ExitCode> {
        std::string text;
        if (arguments->markdown) {
          append_markdown(tree.describe(), "", text);
          text.pop_back();
        } else {
          TRV_TRY_ASSIGN(text, tree.help(arguments->path));
        }
        session.print(text);
        return ExitCode::ok;
      });
}

}  // namespace trv::cli
