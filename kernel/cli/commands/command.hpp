#pragma once
// The tree of commands: nouns, their verbs, and what each takes. Built once, parsed once; one thread.
//
// Nouns and verbs are handles into the tree that made them. What an argument is read into is owned by the caller and
// must live as long as the tree; an action holds it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/cli/commands/session.hpp"

namespace CLI {
class App;
}

namespace trv::cli {

/// What a verb does once its arguments are read.
using Action = std::function<base::Result<ExitCode>(Session&)>;

enum class Need { optional, required };

class Verb {
 public:
  /// The next positional argument.
  Verb& argument(const std::string& name, std::string& into, const std::string& help, Need need = Need::required);
  /// All positional arguments from here.
  Verb& arguments(const std::string& name, std::vector<std::string>& into, const std::string& help);
  /// "--name" and what its value is called.
  Verb& option(const std::string& name, const std::string& value, std::string& into, const std::string& help,
               Need need = Need::optional);
  /// An option, or an argument where the name has no dashes, that takes one of these words.
  Verb& choice(const std::string& name, const std::vector<std::string>& words, std::string& into,
               const std::string& help, Need need = Need::optional);
  /// An option that can be given several times, or with several values.
  Verb& options(const std::string& name, const std::string& value, std::vector<std::string>& into,
                const std::string& help);
  Verb& flag(const std::string& name, bool& into, const std::string& help);
  /// --limit and --cursor, as the query of a list; call once, before anything reads `query`.
  Verb& paging(std::string& limit, std::string& cursor);
  Verb& example(const std::string& text);
  Verb& does(Action action);

 private:
  friend class CommandTree;
  friend class Noun;
  Verb(CLI::App& app, Action& chosen) : app_(app), chosen_(chosen) {}
  CLI::App& app_;
  Action& chosen_;
};

class Noun {
 public:
  [[nodiscard]] Verb verb(const std::string& name, const std::string& help);
  Noun& example(const std::string& text);

 private:
  friend class CommandTree;
  Noun(CLI::App& app, Action& chosen) : app_(app), chosen_(chosen) {}
  CLI::App& app_;
  Action& chosen_;
};

/// The tree as data, for completion scripts and reference pages.
struct CommandDescription {
  struct Option {
    std::string name = {};  ///< "--limit"
    std::string help = {};
    bool takes_value = false;
    bool takes_file = false;
    std::vector<std::string> words = {};  ///< empty = any value
  };
  std::string name = {};
  std::string help = {};
  std::string page = {};  ///< as `--help` prints it
  std::vector<Option> options = {};
  bool takes_file = false;              ///< a positional argument is a file
  std::vector<std::string> words = {};  ///< what a positional argument may be; empty = anything
  std::vector<CommandDescription> subcommands = {};
};

class CommandTree {
 public:
  CommandTree();
  CommandTree(const CommandTree&) = delete;
  CommandTree& operator=(const CommandTree&) = delete;
  ~CommandTree();

  [[nodiscard]] Noun noun(const std::string& name, const std::string& help);
  /// A verb without a noun.
  [[nodiscard]] Verb verb(const std::string& name, const std::string& help);

  [[nodiscard]] const Globals& globals() const noexcept { return globals_; }

  /// The help of a command; of the whole program for an empty path. Error: invalid, with a suggestion.
  [[nodiscard]] base::Result<std::string> help(const std::vector<std::string>& path) const;
  [[nodiscard]] CommandDescription describe() const;

  /// The action that the arguments choose; asking for help is one. Error: invalid, with a suggestion.
  [[nodiscard]] base::Result<Action> parse(const std::vector<std::string>& arguments);

 private:
  [[nodiscard]] std::string explain(const std::vector<std::string>& arguments, const std::string& complaint) const;

  Globals globals_;
  std::unique_ptr<CLI::App> root_;
  Action chosen_;
  bool show_version_ = false;
};

/// The number that decimal digits alone make; nothing for any other text and beyond 64 bits.
[[nodiscard]] std::optional<std::uint64_t> whole_number(std::string_view text);

}  // namespace trv::cli
