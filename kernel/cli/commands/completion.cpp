#include "kernel/cli/commands/completion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace trv::cli {
namespace {

using Option = CommandDescription::Option;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// A text between single quotes, safe in all three shells.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c != '\n') {
      out += c;
    } else {
      out += ' ';
    }
  }
  return out + "'";
}

// Calls `visit(path, command)` for every command; the path is "" for the program, then "tenant", "tenant create".
void walk(const CommandDescription& command, const std::string& path,
          const std::function<void(const std::string&, const CommandDescription&)>& visit) {
  visit(path, command);
  for (const CommandDescription& sub : command.subcommands) {
    walk(sub, path.empty() ? sub.name : path + " " + sub.name, visit);
  }
}

// The options that a command knows: its own, and those of the program that say whom to talk to and how.
std::vector<Option> options_of(const CommandDescription& command, const CommandDescription& root) {
  std::vector<Option> options = command.options;
  const bool is_root = &command == &root;
  for (const Option& option : root.options) {
    const auto same = [&](const Option& own) { return own.name == option.name; };
    if (!is_root && option.takes_value && std::ranges::none_of(command.options, same)) options.push_back(option);
  }
  return options;
}

// 'tenant'<between>'tenant create'<between>…: every path that leads somewhere. After `help` come nouns and verbs as
// behind the program, so the word itself leads nowhere.
std::string all_paths(const CommandDescription& root, std::string_view between) {
  std::string paths;
  walk(root, "", [&](const std::string& path, const CommandDescription&) {
    if (path.empty() || path == "help") return;
    if (!paths.empty()) paths += between;
    paths += shell_quoted(path);
  });
  return paths;
}

// What bash and zsh do after an option that takes a value, one `case` branch for each command and option.
std::string value_branches(const CommandDescription& root, std::string_view words_action) {
  std::string branches;
  walk(root, "", [&](const std::string& path, const CommandDescription& command) {
    for (const Option& option : options_of(command, root)) {
      if (!option.takes_value) continue;
      const std::string action = !option.words.empty() ? fmt::format("{} {}", words_action, joined(option.words))
                                 : option.takes_file   ? "_trav_files"
                                                       : ":";
      branches += fmt::format("    {}) {}; return ;;\n", shell_quoted(path + "|" + option.name), action);
    }
  });
  return branches;
}

constexpr std::string_view bash_frame = R"(# bash completion of trav; load it with: source <(trav completion bash)
_trav_words() {{ mapfile -t COMPREPLY < <(compgen -W "$*" -- "${{COMP_WORDS[COMP_CWORD]}}"); }}
_trav_files() {{
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}")
}}
_trav() {{
  local at="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${{at:+$at }}${{COMP_WORDS[i]}}" in
      {}) at="${{at:+$at }}${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$at|${{COMP_WORDS[COMP_CWORD - 1]}}" in
{}  esac
  case "$at" in
{}  esac
}}
complete -F _trav trav
)";

std::string bash_script(const CommandDescription& root) {
  std::string branches;
  walk(root, "", [&](const std::string& path, const CommandDescription& command) {
    std::vector<std::string> words = command.words;
    for (const CommandDescription& sub : command.subcommands) words.push_back(sub.name);
    std::vector<std::string> options;
    for (const Option& option : options_of(command, root)) options.push_back(option.name);
    const std::string all = joined(words) + (words.empty() ? "" : " ") + joined(options);
    if (command.takes_file) {
      branches += fmt::format(
          "    {}) case \"${{COMP_WORDS[COMP_CWORD]}}\" in -*) _trav_words {} ;; *) _trav_files ;; "
          "esac ;;\n",
          shell_quoted(path), joined(options));
    } else {
      branches += fmt::format("    {}) _trav_words {} ;;\n", shell_quoted(path), all);
    }
  });
  return fmt::format(bash_frame, all_paths(root, "|"), value_branches(root, "_trav_words"), branches);
}

constexpr std::string_view zsh_frame = R"(#compdef trav
# zsh completion of trav; write it to a file _trav in a folder of $fpath.
_trav_files() {{ _files }}
_trav() {{
  local at="" i
  local -a choices options
  for ((i = 2; i < CURRENT; i++)); do
    case "${{at:+$at }}${{words[i]}}" in
      {}) at="${{at:+$at }}${{words[i]}}" ;;
    esac
  done
  case "$at|${{words[CURRENT - 1]}}" in
{}  esac
  case "$at" in
{}  esac
  if [[ $PREFIX == -* || ${{#choices}} -eq 0 ]]; then choices+=("${{options[@]}}"); fi
  _describe command choices
}}
if [ "$funcstack[1]" = _trav ]; then _trav "$@"; else compdef _trav trav; fi
)";

std::string zsh_script(const CommandDescription& root) {
  const auto choice = [](const std::string& name, const std::string& help) {
    return " " + shell_quoted(name + ":" + help);
  };
  std::string branches;
  walk(root, "", [&](const std::string& path, const CommandDescription& command) {
    std::string choices;
    for (const std::string& word : command.words) choices += choice(word, "");
    for (const CommandDescription& sub : command.subcommands) choices += choice(sub.name, sub.help);
    std::string options;
    for (const Option& option : options_of(command, root)) options += choice(option.name, option.help);
    const std::string_view files = command.takes_file ? "[[ $PREFIX == -* ]] || { _files; return }; " : "";
    branches += fmt::format("    {}) {}choices=({}) options=({}) ;;\n", shell_quoted(path), files, choices, options);
  });
  return fmt::format(zsh_frame, all_paths(root, "|"), value_branches(root, "compadd --"), branches);
}

constexpr std::string_view fish_frame =
    R"fish(# fish completion of trav; write it to ~/.config/fish/completions/trav.fish
function __trav_at
    set -l at ""
    set -l tokens (commandline -opc)
    for token in $tokens[2..-1]
        set -l longer (string trim -- "$at $token")
        if contains -- "$longer" {}
            set at $longer
        end
    end
    test "$at" = "$argv[1]"
end
complete -c trav -f
)fish";

std::string fish_script(const CommandDescription& root) {
  std::string lines;
  walk(root, "", [&](const std::string& path, const CommandDescription& command) {
    const std::string at = "complete -c trav -n " + shell_quoted("__trav_at \"" + path + "\"");
    if (command.takes_file) lines += at + " -F\n";
    if (!command.words.empty()) lines += fmt::format("{} -a {}\n", at, shell_quoted(joined(command.words)));
    for (const CommandDescription& sub : command.subcommands) {
      lines += fmt::format("{} -a {} -d {}\n", at, sub.name, shell_quoted(sub.help));
    }
    for (const Option& option : options_of(command, root)) {
      lines += fmt::format("{} -l {} -d {}", at, option.name.substr(2), shell_quoted(option.help));
      if (option.takes_value) lines += option.takes_file ? " -r -F" : " -x";
      if (!option.words.empty()) lines += " -a " + shell_quoted(joined(option.words));
      lines += "\n";
    }
  });
  return fmt::format(fish_frame, all_paths(root, " ")) + lines;
}

}  // namespace

base::Result<std::string> completion_script(std::string_view shell, const CommandDescription& root) {
  if (shell == "bash") return bash_script(root);
  if (shell == "zsh") return zsh_script(root);
  if (shell == "fish") return fish_script(root);
  return base::fail(base::ErrorCode::invalid, fmt::format("no completion for '{}': bash, zsh or fish", shell));
}

}  // namespace trv::cli
