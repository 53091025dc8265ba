// trav plugin configure, upgrade, rollback, uninstall: the life of a plugin after it was installed.

#include <fmt/format.h>

#include <vector>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_consent.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t configuration_bytes_max = 65'536;

struct LifeArguments {
  std::string id;
  std::string version;
  std::string file;
  std::vector<std::string> settings;
  bool clear = false;
  bool without_state = false;
};

base::Result<std::string> plugin_target(Session& session, const LifeArguments& arguments, std::string_view rest) {
  return session.tenant_target(fmt::format("/plugins/{}{}", percent_encoded(arguments.id), rest));
}

/// "key=value": the value is JSON where it can be read as such, else text.
base::Result<std::pair<std::string, json::Value>> setting_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return base::fail(base::ErrorCode::invalid, fmt::format("--set {}: expected KEY=VALUE", text));
  }
  const std::string value = text.substr(equals + 1);
  auto parsed = json::parse(value);
  return std::pair(text.substr(0, equals), parsed ? *std::move(parsed) : json::Value(value));
}

/// What is set now with the settings in it; those of a file are all there is.
base::Result<json::Value> wanted_configuration(Session& session, const LifeArguments& arguments,
                                               const std::string& target) {
  json::Value wanted = json::Value::object();
  if (!arguments.file.empty()) {
    TRV_TRY_ASSIGN(const std::string text, read_file(arguments.file, configuration_bytes_max));
    TRV_TRY_ASSIGN(wanted, parse_json(arguments.file, text));
  } else {
    TRV_TRY_ASSIGN(const HttpResponse now, session.send(Speaker::member, {.target = target}));
    if (now.status == 200) {
      TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", now.body));
      if (const json::Value* set = answer.find("configuration")) wanted = *set;
    }
  }
  if (!wanted.is_object()) {
    return base::fail(base::ErrorCode::invalid, arguments.file + ": a configuration must be a JSON object");
  }
  for (const std::string& text : arguments.settings) {
    TRV_TRY_ASSIGN(const auto setting, setting_of(text));
    wanted.set(setting.first, setting.second);
  }
  return wanted;
}

base::Result<ExitCode> configure(Session& session, const LifeArguments& arguments) {
  TRV_TRY_ASSIGN(const std::string target,
                 plugin_target(session, arguments, "/configuration" + query_of({{"version", arguments.version}})));
  if (arguments.clear) {
    if (!arguments.file.empty() || !arguments.settings.empty()) {
      return base::fail(base::ErrorCode::invalid, "--clear is given alone, without --set and --file");
    }
    TRV_TRY(session.call(Speaker::member, {.method = "DELETE", .target = target}));
    if (session.as_json()) return ExitCode::ok;
    TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
    session.print(arguments.version.empty()
                      ? fmt::format("Plugin {} has no configuration for all its versions any more for tenant {}.",
                                    arguments.id, tenant)
                      : fmt::format("Plugin {} {} has no configuration of its own any more for tenant {}.",
                                    arguments.id, arguments.version, tenant));
    return ExitCode::ok;
  }
  HttpRequest request{.target = target};
  if (!arguments.file.empty() || !arguments.settings.empty()) {
    TRV_TRY_ASSIGN(const json::Value wanted, wanted_configuration(session, arguments, target));
    request = {.method = "PUT", .target = target, .content_type = "application/json", .body = json::serialize(wanted)};
  }
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, request));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
  // What is asked for one version may be what is set for all.
  const std::string version = member_text(answer, "version");
  const std::string which =
      version.empty() ? fmt::format(
                            "{} is configured for tenant {}, in every version that has no configuration of its "
                            "own (--version VERSION sets one)",
                            arguments.id, tenant)
                      : fmt::format("{} {} is configured for tenant {}, apart from its other versions", arguments.id,
                                    version, tenant);
  session.print(fmt::format("Plugin {}: {}", which, member_text(answer, "configuration")));
  return ExitCode::ok;
}

base::Result<ExitCode> switch_version(Session& session, const LifeArguments& arguments, std::string_view verb,
                                      const ConsentArguments& consent = {}) {
  TRV_TRY_ASSIGN(
      const std::string target,
      plugin_target(session, arguments, fmt::format("/{}{}", verb, arguments.without_state ? "?state=discard" : "")));
  const HttpRequest request{.method = "POST", .target = target};
  TRV_TRY_ASSIGN(const HttpResponse response, arguments.version.empty()
                                                  ? session.call(Speaker::member, request)
                                                  : send_with_consent(session, request, arguments.version, consent));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
  session.print(fmt::format(
      "Plugin {} {} is the current version for tenant {}. Workflows that name another version go on with it.",
      arguments.id, member_text(answer, "version"), tenant));
  TRV_TRY(say_what_was_left_out(session, arguments.id, member_text(answer, "version"), consent));
  return ExitCode::ok;
}

base::Result<ExitCode> uninstall(Session& session, const LifeArguments& arguments) {
  const std::string target =
      fmt::format("/v1/plugins/{}/{}", percent_encoded(arguments.id), percent_encoded(arguments.version));
  TRV_TRY(session.call(Speaker::operator_, {.method = "DELETE", .target = target}));
  if (!session.as_json()) session.print(fmt::format("Plugin {} {} is uninstalled.", arguments.id, arguments.version));
  return ExitCode::ok;
}

}  // namespace

void add_plugin_life(Noun& noun) {
  const auto arguments = std::make_shared<LifeArguments>();
  noun.verb("configure", "Set what the tenant's calls of a plugin are made with; without --set and --file show it")
      .argument("ID", arguments->id, "The plugin")
      .options("--set", "KEY=VALUE", arguments->settings, "Sets one member; VALUE is JSON, or else a text")
      .option("--file", "FILE", arguments->file, "Sets the whole configuration, a JSON object")
      .option("--version", "VERSION", arguments->version, "Of this version alone; it has no part in the others' then")
      .flag("--clear", arguments->clear, "Remove the configuration")
      .example("trav plugin configure forge --set region=eu --set retries=3")
      .does([arguments](Session& session) { return configure(session, *arguments); });
  const auto consent = std::make_shared<ConsentArguments>();
  Verb upgrade = noun.verb("upgrade", "Make a version the current one, once it has shown that it starts");
  upgrade.argument("ID", arguments->id, "The plugin")
      .option("--to", "VERSION", arguments->version, "The version; it is enabled where it is not", Need::required);
  add_consent_options(upgrade, consent);
  upgrade.does(
      [arguments, consent](Session& session) { return switch_version(session, *arguments, "upgrade", *consent); });
  constexpr const char* without_state =
      "What the version before keeps in memory is not handed over, and calls do not wait";
  upgrade.flag("--without-state", arguments->without_state, without_state);
  noun.verb("rollback", "Make the version before the last upgrade the current one again")
      .argument("ID", arguments->id, "The plugin")
      .flag("--without-state", arguments->without_state, without_state)
      .does([arguments](Session& session) { return switch_version(session, *arguments, "rollback"); });
  noun.verb("uninstall", "Remove a version from the server (operator); refused while a tenant has it enabled")
      .argument("ID", arguments->id, "The plugin")
      .argument("VERSION", arguments->version, "The version")
      .does([arguments](Session& session) { return uninstall(session, *arguments); });
}

}  // namespace trv::cli
