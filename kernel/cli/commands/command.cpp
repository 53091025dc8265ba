#include "kernel/cli/commands/command.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t help_column = 34;

void add_example(CLI::App& app, const std::string& text) {
  const std::string before = app.get_footer();
  app.footer((before.empty() ? "Examples:" : before) + "\n  " + text);
}

// A subcommand takes over what its parent says below its options; that is undone here.
CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App* app = parent.add_subcommand(name, help);
  app->footer("")->group("Commands");
  return *app;
}

bool is_file(const std::string& value) {
  return value.find("FILE") != std::string::npos || value.find("FOLDER") != std::string::npos || value == "SO";
}

// Everything a user can call an option of this command by.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

const CLI::App* find_subcommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

const CLI::Option* find_option(const CLI::App& app, std::string_view name) {
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    if (const CLI::Option* found = at->get_option_no_throw(std::string(name))) return found;
  }
  return nullptr;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string lower = CLI::detail::to_lower(std::string(word));  // no command has a capital
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  const std::string_view near = base::nearest(lower, views);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? "" : full_name(*app.get_parent()) + " " + app.get_name();
}

std::string unknown_command(const CLI::App& app, const std::string& name) {
  const std::string path = full_name(app) + " " + name;
  return fmt::format("no command '{}'{}", path.substr(1), did_you_mean(name, subcommand_names(app)));
}

// App::help() would go on to the subcommand that was parsed last.
std::string page_of(const CLI::App& app) {
  return app.get_formatter()->make_help(&app, "trav" + full_name(app), CLI::AppFormatMode::Normal);
}

// What the parser says, without its line end and its count of missing values.
std::string complaint_of(std::string message) {
  while (message.ends_with('\n')) message.pop_back();
  constexpr std::string_view counted = ": 1 required ";
  constexpr std::string_view missing = " missing";
  const auto at = message.find(counted);
  if (at == std::string::npos || !message.ends_with(missing)) return message;
  const std::string value = message.substr(at + counted.size(), message.size() - missing.size() - at - counted.size());
  return fmt::format("{} needs a value: {}", message.substr(0, at), value);
}

// Choices are written into the type name, as "a|b".
std::vector<std::string> words_of(const CLI::Option& option) {
  const std::string value = option.get_type_name();
  return value.find('|') == std::string::npos ? std::vector<std::string>() : CLI::detail::split(value, '|');
}

CommandDescription describe_app(const CLI::App& app) {
  CommandDescription description{.name = app.get_name(), .help = app.get_description(), .page = page_of(app)};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      description.takes_file |= is_file(option->get_name());
      if (const auto words = words_of(*option); !words.empty()) description.words = words;
      continue;
    }
    if (option->get_lnames().empty()) continue;
    CommandDescription::Option one{.name = "--" + option->get_lnames().front(), .help = option->get_description()};
    one.takes_value = option->get_items_expected_max() > 0 && option->get_type_size() > 0;
    one.takes_file = is_file(option->get_type_name());
    one.words = words_of(*option);
    description.options.push_back(std::move(one));
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    description.subcommands.push_back(describe_app(*sub));
  }
  return description;
}

}  // namespace

namespace {

// An empty value is what a script passes whose variable is not set; it is never meant.
std::string check_given(const std::string& value) {
  return value.empty() ? "the value is empty" : "";
}

std::string check_limit(const std::string& value) {
  const auto limit = whole_number(value);
  if (limit && *limit >= 1 && *limit <= list_limit_max) return {};
  return fmt::format("'{}' is not a whole number from 1 to {}", value, list_limit_max);
}

std::string check_server(const std::string& value) {
  const base::Status usable = check_url(value);
  return usable ? std::string() : usable.error().message();
}

}  // namespace

Verb& Verb::argument(const std::string& name, std::string& into, const std::string& help, Need need) {
  app_.add_option(name, into, help)->required(need == Need::required)->type_name("")->check(check_given, "");
  return *this;
}

Verb& Verb::arguments(const std::string& name, std::vector<std::string>& into, const std::string& help) {
  app_.add_option(name, into, help)->type_name("")->check(check_given, "");
  return *this;
}

Verb& Verb::option(const std::string& name, const std::string& value, std::string& into, const std::string& help,
                   Need need) {
  app_.add_option(name, into, help)->type_name(value)->required(need == Need::required)->check(check_given, "");
  return *this;
}

Verb& Verb::choice(const std::string& name, const std::vector<std::string>& words, std::string& into,
                   const std::string& help, Need need) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : "|") + word;
  const auto check = [words, joined](const std::string& given) -> std::string {
    if (std::ranges::find(words, given) != words.end()) return {};
    return fmt::format("'{}' is not one of {}{}", given, joined, did_you_mean(given, words));
  };
  app_.add_option(name, into, help)->check(check, "")->type_name(joined)->required(need == Need::required);
  return *this;
}

Verb& Verb::options(const std::string& name, const std::string& value, std::vector<std::string>& into,
                    const std::string& help) {
  app_.add_option(name, into, help)->type_name(value)->check(check_given, "");
  return *this;
}

Verb& Verb::flag(const std::string& name, bool& into, const std::string& help) {
  app_.add_flag(name, into, help);
  return *this;
}

Verb& Verb::paging(std::string& limit, std::string& cursor) {
  app_.add_option("--limit", limit, "At most so many, 1 to 500 (default 50)")
      ->type_name("COUNT")
      ->check(check_limit, "");
  app_.add_option("--cursor", cursor, "Go on where the list before ended; an empty one is the beginning")
      ->type_name("CURSOR");
  return *this;
}

Verb& Verb::example(const std::string& text) {
  add_example(app_, text);
  return *this;
}

Verb& Verb::does(Action action) {
  app_.callback([&chosen = chosen_, action = std::move(action)] { chosen = action; });
  return *this;
}

Verb Noun::verb(const std::string& name, const std::string& help) {
  return {add_command(app_, name, help), chosen_};
}

Noun& Noun::example(const std::string& text) {
  add_example(app_, text);
  return *this;
}

CommandTree::CommandTree()
    : root_(std::make_unique<CLI::App>("Talks to travd, the daemon of Travertine.\nTravertine runs workflows over "
                                       "plugins and keeps everything that happened, provably.",
                                       "trav")) {
  root_->get_formatter()->column_width(help_column);
  root_->get_formatter()->label("SUBCOMMAND", "COMMAND");
  root_->get_formatter()->label("REQUIRED", "(required)");
  root_->set_help_flag("-h,--help", "Print this help");
  root_->fallthrough();
  root_->require_subcommand(0, 1);
  const auto global = [this](const std::string& name, const std::string& value, std::string& into,
                             const std::string& help) { return root_->add_option(name, into, help)->type_name(value); };
  global("--url", "URL", globals_.url, "The server (env TRAV_URL, default http://127.0.0.1:8400)")
      ->check(check_server, "");
  global("--tenant", "TENANT", globals_.tenant, "The tenant (env TRAV_TENANT, default the one you logged in to)")
      ->check(check_given, "");
  global("--token", "TOKEN", globals_.token, "The token (env TRAV_TOKEN, default from `trav login`)")
      ->check(check_given, "");
  global("--certificate-authority", "FILE", globals_.tls.authority,
         "PEM of who signed the server's certificate (env TRAV_CERTIFICATE_AUTHORITY, default the system's)")
      ->check(check_given, "");
  global("--certificate", "FILE", globals_.tls.certificate,
         "PEM of the certificate that the server is shown (env TRAV_CERTIFICATE, default none)")
      ->check(check_given, "");
  global("--certificate-key", "FILE", globals_.tls.key,
         "PEM of that certificate's key (env TRAV_CERTIFICATE_KEY, default in its file)")
      ->check(check_given, "");
  const auto check = [](const std::string& given) -> std::string {
    if (given == "table" || given == "json") return {};
    return fmt::format("'{}' is not one of table|json{}", given, did_you_mean(given, {"table", "json"}));
  };
  global("--output", "table|json", globals_.output, "For people or for programs (default table)")->check(check, "");
  root_->add_flag("--version", show_version_, "Print the version of trav");
  root_->footer(
      "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 the workflow faulted, 4 the audit trail is not valid,\n"
      "5 the server does not answer. `trav help COMMAND` explains a command.\n\n"
      "A table keeps to the width of the terminal, or to COLUMNS: times get shorter, then columns of less weight are\n"
      "left out, then texts get narrower and, on a terminal only, ids. A pipe without COLUMNS and --output json get\n"
      "everything.");
}

CommandTree::~CommandTree() = default;

Noun CommandTree::noun(const std::string& name, const std::string& help) {
  CLI::App& app = add_command(*root_, name, help);
  app.require_subcommand(0, 1);
  return {app, chosen_};
}

Verb CommandTree::verb(const std::string& name, const std::string& help) {
  return {add_command(*root_, name, help), chosen_};
}

base::Result<std::string> CommandTree::help(const std::vector<std::string>& path) const {
  const CLI::App* app = root_.get();
  for (const std::string& name : path) {
    const CLI::App* sub = find_subcommand(*app, name);
    if (sub == nullptr) return base::fail(base::ErrorCode::invalid, unknown_command(*app, name));
    app = sub;
  }
  return page_of(*app);
}

CommandDescription CommandTree::describe() const {
  return describe_app(*root_);
}

base::Result<Action> CommandTree::parse(const std::vector<std::string>& arguments) {
  chosen_ = nullptr;
  show_version_ = false;
  const auto print_help = [this](std::vector<std::string> path) -> Action {
    return [this, path = std::move(path)](Session& session) -> base::Result<ExitCode> {
      TRV_TRY_ASSIGN(const std::string text, help(path));
      session.print(text);
      return ExitCode::ok;
    };
  };
  const auto path_so_far = [this] {
    std::vector<std::string> path;
    for (const CLI::App* app = root_.get(); !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      path.push_back(app->get_name());
    }
    return path;
  };
  try {
    // The parser takes its arguments from the back.
    root_->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    return print_help(path_so_far());
  } catch (const CLI::Error& error) {
    return base::fail(base::ErrorCode::invalid, explain(arguments, complaint_of(error.what())));
  }
  if (show_version_) {
    return [](Session& session) -> base::Result<ExitCode> {
      session.print("trav " TRV_VERSION);
      return ExitCode::ok;
    };
  }
  if (chosen_) return chosen_;
  if (const auto end = std::ranges::find(arguments, "--"); path_so_far().empty() && end != arguments.end()) {
    return base::fail(base::ErrorCode::invalid, "what follows -- are arguments, and there is no command before it");
  }
  if (path_so_far().empty()) return print_help({});
  const std::string text = full_name(*root_->get_subcommands().front());
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("what to do with {}? Run `trav help{}`", text.substr(1), text));
}

std::string CommandTree::explain(const std::vector<std::string>& arguments, const std::string& complaint) const {
  const CLI::App* app = root_.get();
  std::string found;
  for (std::size_t i = 0; i < arguments.size() && found.empty(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--") break;
    if (word.size() > 1 && word.starts_with("-")) {
      const std::string name = word.substr(0, word.find('='));
      if (const CLI::Option* option = find_option(*app, name)) {
        if (option->get_type_size() > 0 && option->get_items_expected_max() > 0 && word == name) ++i;
        continue;
      }
      std::vector<std::string> names = option_names(*app);
      for (const CLI::App* up = app->get_parent(); up != nullptr; up = up->get_parent()) {
        std::ranges::copy(option_names(*up), std::back_inserter(names));
      }
      found = fmt::format("no option '{}'{}", name, did_you_mean(name, names));
    } else if (const CLI::App* sub = find_subcommand(*app, word)) {
      app = sub;
    } else if (const auto names = subcommand_names(*app); !names.empty()) {
      const CLI::App* noun = i + 1 < arguments.size() ? find_subcommand(*root_, arguments[i + 1]) : nullptr;
      const bool swapped = app == root_.get() && noun != nullptr && find_subcommand(*noun, word) != nullptr;
      found = swapped ? fmt::format("no command '{0}'; did you mean '{1} {0}'?", word, noun->get_name())
                      : unknown_command(*app, word);
    }
  }
  return fmt::format("{}\nRun `trav help{}` for what there is.", found.empty() ? complaint : found, full_name(*app));
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace trv::cli
