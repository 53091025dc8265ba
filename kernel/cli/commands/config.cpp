// trav config: the configuration of travd, checked and explained. No server is asked.

#include "kernel/config/config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::cli {
namespace {

struct ConfigArguments {
  std::string file;
  std::string other;
  std::string key;
};

std::optional<std::filesystem::path> file_of(const std::string& name) {
  return name.empty() ? std::nullopt : std::optional<std::filesystem::path>(name);
}

std::string shown(const std::string& value) {
  return value.empty() ? "(empty)" : value;
}

std::string_view when_read(bool needs_restart) {
  return needs_restart ? "start" : "SIGHUP";
}

/// The environment as far as defaults come from it.
config::Environment without_keys(const World& world) {
  config::Environment environment;
  for (const char* variable : {"HOME", "XDG_DATA_HOME"}) {
    if (const auto value = world.variable(variable)) environment.emplace(variable, *value);
  }
  return environment;
}

base::Result<ExitCode> check(Session& session, const ConfigArguments& arguments) {
  const World& world = session.world();
  for (const std::string& line : config::unknown_variables(world.environment)) session.warn(line);
  const auto loaded = config::load_config(file_of(arguments.file), world.environment);
  if (!loaded) return base::fail(about_files(loaded.error()));
  for (const std::string& line : config::credentials_not_here(*loaded)) session.warn("not checked: " + line);
  if (const base::Status files = config::check_files(*loaded, world.clock.now()); !files)
    return base::fail(about_files(files.error()));
  const auto defaults = config::load_config(std::nullopt, without_keys(world));
  const std::size_t set = config::differences(defaults.value_or(config::Config()), *loaded).size();
  if (session.as_json()) {
    session.print_value({{"file", arguments.file}, {"valid", true}});
  } else {
    session.print(fmt::format("{} is valid; {} keys differ from their defaults.",
                              arguments.file.empty() ? "The configuration" : arguments.file, set));
  }
  return ExitCode::ok;
}

json::Value to_json(const config::SetKey& one) {
  return {{"key", one.key.path},
          {"value", one.value},
          {"source", one.source},
          {"variable", one.key.variable},
          {"form", one.key.form},
          {"unit", one.key.unit},
          {"default", one.key.default_value},
          {"read", when_read(one.key.needs_restart)},
          {"effect", one.key.effect}};
}

base::Result<ExitCode> explain_key(Session& session, const std::vector<config::SetKey>& all, const std::string& key) {
  const auto found = std::ranges::find(all, key, [](const config::SetKey& one) { return one.key.path; });
  if (found == all.end()) {
    std::vector<std::string_view> names;
    for (const config::SetKey& one : all) names.push_back(one.key.path);
    const std::string_view meant = base::nearest(key, names);
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("no key is called '{}'{}", fitted(printable(key), 80),
                                  meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
  }
  if (session.as_json()) {
    session.print_value(to_json(*found));
    return ExitCode::ok;
  }
  std::vector<std::pair<std::string, std::string>> rows = {
      {"key", found->key.path},
      {"value", shown(found->value)},
      {"set by", found->source},
      {"variable", found->key.variable},
      {"form", found->key.form},
      {"unit", found->key.unit},
      {"default", shown(found->key.default_value)},
      {"read at", std::string(when_read(found->key.needs_restart))}};
  std::erase_if(rows, [](const auto& row) { return row.second.empty(); });
  session.world().out << render_fields(rows, session.style()) << '\n' << found->key.effect << '\n' << std::flush;
  return ExitCode::ok;
}

base::Result<ExitCode> explain(Session& session, const ConfigArguments& arguments) {
  const auto all = config::explain_config(file_of(arguments.file), session.world().environment);
  if (!all) return base::fail(about_files(all.error()));
  if (!arguments.key.empty()) return explain_key(session, *all, arguments.key);
  json::Value list = json::Value::array();
  Table table({{.title = "KEY"}, {.title = "VALUE"}, {.title = "UNIT"}, {.title = "READ"}, {.title = "SET BY"}});
  for (const config::SetKey& one : *all) {
    list.push_back(to_json(one));
    table.add(
        {one.key.path, shown(one.value), one.key.unit, std::string(when_read(one.key.needs_restart)), one.source});
  }
  if (session.as_json()) {
    session.print_value(list);
  } else {
    session.world().out << table.render(session.style()) << std::flush;
  }
  return ExitCode::ok;
}

base::Result<ExitCode> diff(Session& session, const ConfigArguments& arguments) {
  // Files alone: what the environment sets would hide what they differ in.
  const config::Environment environment = without_keys(session.world());
  const auto before = config::load_config(arguments.file, environment);
  if (!before) return base::fail(about_files(before.error()));
  const auto after = config::load_config(arguments.other, environment);
  if (!after) return base::fail(about_files(after.error()));
  const std::vector<config::Difference> found = config::differences(*before, *after);
  json::Value list = json::Value::array();
  Table table({{.title = "KEY"}, {.title = "BEFORE"}, {.title = "AFTER"}, {.title = "APPLIED BY"}});
  for (const config::Difference& one : found) {
    const std::string how = one.needs_restart ? "restart" : "SIGHUP";
    list.push_back({{"key", one.path}, {"before", one.before}, {"after", one.after}, {"applied_by", how}});
    table.add({one.path, shown(one.before), shown(one.after), how});
  }
  if (session.as_json()) {
    session.print_value(list);
  } else if (found.empty()) {
    session.print("The two say the same.");
  } else {
    session.world().out << table.render(session.style()) << std::flush;
  }
  return ExitCode::ok;
}

}  // namespace

void add_config(CommandTree& tree) {
  Noun noun = tree.noun("config", "The configuration of travd: what it says, and what set it");
  noun.example("trav config check /etc/travertine/travd.toml")
      .example("trav config explain http.port")
      .example("trav config diff travd.toml new.toml");
  const auto arguments = std::make_shared<ConfigArguments>();
  noun.verb("check", "Say what a start would refuse, with the key and its place; also files that cannot be read")
      .argument("FILE", arguments->file, "The TOML file of travd; default the environment alone", Need::optional)
      .does([arguments](Session& session) { return check(session, *arguments); });
  noun.verb("explain", "Show each key, its value and what set it; of one key, what it means")
      .argument("KEY", arguments->key, "Such as http.port; default all", Need::optional)
      .option("--config", "FILE", arguments->file, "The TOML file of travd")
      .does([arguments](Session& session) { return explain(session, *arguments); });
  noun.verb("diff", "Show which keys two files set differently, and whether that needs a restart")
      .argument("BEFORE", arguments->file, "A TOML file of travd")
      .argument("AFTER", arguments->other, "Another one")
      .does([arguments](Session& session) { return diff(session, *arguments); });
}

}  // namespace trv::cli
