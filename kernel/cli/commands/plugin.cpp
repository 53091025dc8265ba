// trav plugin: packages, on the server and in the making.

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_consent.hpp"
#include "kernel/cli/commands/plugin_mirror.hpp"
#include "kernel/cli/commands/plugin_package.hpp"
#include "kernel/cli/commands/plugin_requests.hpp"
#include "kernel/cli/commands/plugin_template.hpp"
#include "kernel/cli/commands/plugin_trust.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/version.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

struct PluginArguments {
  std::string file;
  std::string id;
  std::string version;
  std::string named_version;
  std::string library;
  std::string language = "c++";
  std::string out;
  std::string mirror;
  std::string limit;
  std::string cursor;
};

const std::vector<Field> package_fields = {{"id", "id"},
                                           {"version", "version"},
                                           {"status", "status"},
                                           {"reason", "reason"},
                                           {"title", "title"},
                                           {"package SHA-256", "package_sha256"},
                                           {"library SHA-256", "library_sha256"},
                                           {"content SHA-256", "content_sha256"},
                                           {"publisher", "publisher.key"},
                                           {"publisher trusted", "publisher.trusted"},
                                           {"certifier", "certifier.key"},
                                           {"certifier trusted", "certifier.trusted"},
                                           {"level", "certifier.level"},
                                           {"expires", "certifier.expires"},
                                           {"operations", "operations"},
                                           {"asks for", "permissions"},
                                           {"allowed here", "permissions_allowed"}};

// A key's name is chosen by its maker.
std::string publisher_of(const json::Value& package) {
  const std::string name = member_text(package, "publisher.name");
  return name.empty() || member_text(package, "publisher.trusted") == "yes" ? name : name + " (not trusted)";
}

/// A plugin as the server has it.
struct Versions {
  std::vector<json::Value> all;
  std::string newest;  ///< the highest that is not pending
};

base::Result<Versions> versions_of(Session& session, const std::string& id) {
  std::string cursor;
  std::optional<base::Version> best;
  Versions versions;
  do {
    TRV_TRY_ASSIGN(const json::Value page,
                   session.call_json(Speaker::anybody,
                                     {.target = "/v1/plugins" + query_of({{"limit", "500"}, {"cursor", cursor}})}));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    for (const json::Value& item : items) {
      if (member_text(item, "id") != id) continue;
      versions.all.push_back(item);
      const auto version = base::Version::parse(member_text(item, "version"));
      if (member_text(item, "status") == "pending" || !version || (best && !(*version > *best))) continue;
      best = version;
      versions.newest = member_text(item, "version");
    }
    cursor = member_text(page, "next_cursor");
  } while (!cursor.empty());
  if (versions.newest.empty()) {
    return base::fail(base::ErrorCode::not_found,
                      fmt::format("no plugin '{}' is installed: `trav plugin list` shows what there is", id));
  }
  return versions;
}

/// VERSION as an argument, or --version.
base::Result<std::string> chosen_version(const PluginArguments& arguments) {
  if (arguments.named_version.empty()) return arguments.version;
  if (!arguments.version.empty() && arguments.version != arguments.named_version) {
    return base::fail(base::ErrorCode::invalid, fmt::format("VERSION is {} and --version is {}: give one",
                                                            arguments.version, arguments.named_version));
  }
  return arguments.named_version;
}

/// How a sentence about a version that was enabled ends.
std::string aside_of(const json::Value& enabled) {
  if (member_text(enabled, "current") != "no") return ".";
  return fmt::format(
      " beside the current version. Webhooks and calls that name no exact version go on to that; `trav "
      "plugin upgrade {} --to {}` makes this one current.",
      member_text(enabled, "id"), member_text(enabled, "version"));
}

base::Result<ExitCode> install(Session& session, const PluginArguments& arguments, const ConsentArguments& consent) {
  TRV_TRY_ASSIGN(std::string bytes, read_file(arguments.file, package::package_bytes_max));
  TRV_TRY_ASSIGN(const HttpResponse response, install_package(session, std::move(bytes)));
  session.print_object(response, package_fields);
  const std::string tenant = session.tenant_named();
  if (tenant.empty() || tenant == "system") return ExitCode::ok;
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  const std::string id = member_text(answer, "id");
  const std::string version = member_text(answer, "version");
  const auto enabled = enable_plugin(session, id, version, consent);
  if (!enabled) {
    const base::Error& why = enabled.error();
    return base::fail(why.code(), fmt::format("plugin {} {} is installed, but not enabled for tenant {}: {}\n"
                                              "To enable it: trav plugin enable {} {} --tenant {}",
                                              id, version, tenant, why.message(), id, version, tenant));
  }
  if (session.as_json()) return ExitCode::ok;
  TRV_TRY_ASSIGN(const json::Value grant, parse_json("the answer", enabled->body));
  session.print("Enabled for tenant " + tenant + aside_of(grant));
  TRV_TRY(say_what_was_left_out(session, id, version, consent));
  return ExitCode::ok;
}

// Where calls go that name no version, or a line of them.
base::Status say_current(Session& session, const std::string& id) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins?limit=500"));
  TRV_TRY_ASSIGN(const json::Value page, session.call_json(Speaker::member, {.target = target}));
  TRV_TRY_ASSIGN(const auto items, items_of(page));
  for (const json::Value& grant : items) {
    if (member_text(grant, "id") != id || member_text(grant, "current") != "yes") continue;
    session.print(fmt::format("The current version is {}.", member_text(grant, "version")));
  }
  return {};
}

base::Result<ExitCode> enable(Session& session, const PluginArguments& arguments, const ConsentArguments& consent) {
  TRV_TRY_ASSIGN(std::string version, chosen_version(arguments));
  if (version.empty()) {
    TRV_TRY_ASSIGN(Versions versions, versions_of(session, arguments.id));
    version = std::move(versions.newest);
  }
  TRV_TRY_ASSIGN(const HttpResponse response, enable_plugin(session, arguments.id, version, consent));
  if (session.as_json()) {
    session.print_json(response.body);
  } else {
    TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
    TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
    session.print(
        fmt::format("Plugin {} {} is enabled for tenant {}{}", arguments.id, version, tenant, aside_of(answer)));
    TRV_TRY(say_what_was_left_out(session, arguments.id, version, consent));
  }
  return ExitCode::ok;
}

base::Result<ExitCode> show(Session& session, const PluginArguments& arguments) {
  TRV_TRY_ASSIGN(std::string version, chosen_version(arguments));
  if (!arguments.mirror.empty()) return show_in_mirror(session, arguments.mirror, arguments.id, version);
  if (version.empty()) {
    TRV_TRY_ASSIGN(Versions versions, versions_of(session, arguments.id));
    version = std::move(versions.newest);
    if (!session.as_json() && versions.all.size() > 1) {
      Table table({{.title = "VERSION"}, {.title = "STATUS"}, {.title = "REASON"}});
      for (const json::Value& one : versions.all) {
        table.add({member_text(one, "version"), member_text(one, "status"), member_text(one, "reason")});
      }
      session.world().out << table.render(session.style()) << '\n';
    }
  }
  const std::string target = fmt::format("/v1/plugins/{}/{}", percent_encoded(arguments.id), percent_encoded(version));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::anybody, {.target = target}));
  session.print_object(response, package_fields);
  if (session.as_json()) return ExitCode::ok;
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  Table table({{.title = "OPERATION"}, {.title = "TITLE"}, {.title = "IDEMPOTENT"}});
  const json::Value* manifest = answer.find("manifest");
  const json::Value* operations = manifest == nullptr ? nullptr : manifest->find("operations");
  if (operations == nullptr || !operations->is_array()) return ExitCode::ok;
  for (const json::Value& operation : operations->items()) {
    table.add({member_text(operation, "name"), member_text(operation, "title"), member_text(operation, "idempotent")});
  }
  session.world().out << '\n' << table.render(session.style()) << std::flush;
  return ExitCode::ok;
}

base::Result<ExitCode> quarantine(Session& session) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins?limit=500"));
  TRV_TRY_ASSIGN(const json::Value page, session.call_json(Speaker::member, {.target = target}));
  TRV_TRY_ASSIGN(const auto items, items_of(page));
  json::Value list = json::Value::array();
  Table table({{.title = "ID"}, {.title = "VERSION"}, {.title = "SINCE"}, {.title = "REASON"}});
  for (const json::Value& one : items) {
    const json::Value* quarantine = one.find("quarantine");
    if (quarantine == nullptr) continue;
    const std::string id = member_text(one, "id");
    const std::string version = member_text(one, "version");
    const std::string since = member_text(*quarantine, "since");
    const std::string reason = member_text(*quarantine, "reason");
    list.push_back({{"id", id}, {"version", version}, {"since", since}, {"reason", reason}});
    table.add({id, version, since, reason});
  }
  if (session.as_json()) {
    session.print_value(list);
  } else if (list.items().empty()) {
    session.note("No plugin of the tenant is in quarantine.");
  } else {
    session.world().out << table.render(session.style()) << std::flush;
    session.note("Once that is mended: trav plugin release ID");
  }
  return ExitCode::ok;
}

base::Result<ExitCode> pack(Session& session, const PluginArguments& arguments) {
  TRV_TRY_ASSIGN(const package::Package packed, pack_checked(arguments.file, arguments.library, arguments.out));
  const std::string digest = base::to_hex(packed.digest);
  if (!packed.left_out.empty()) {
    session.note(fmt::format("left out, as names that begin with '.' are: {}", fmt::join(packed.left_out, ", ")));
  }
  if (session.as_json()) {
    session.print_value({{"id", packed.manifest.id},
                         {"version", packed.manifest.version},
                         {"file", arguments.out},
                         {"package_sha256", digest}});
  } else {
    session.print(fmt::format("Packed {} {} into {} (SHA-256 {})", packed.manifest.id, packed.manifest.version,
                              arguments.out, digest));
  }
  return ExitCode::ok;
}

std::string folder_name(const std::string& folder) {
  const auto path = std::filesystem::path(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

void add_server_verbs(Noun& noun, const std::shared_ptr<PluginArguments>& arguments) {
  const auto consent = std::make_shared<ConsentArguments>();
  Verb to_install = noun.verb("install", "Give a package to the server (operator); with --tenant enable it there, too");
  to_install.argument("FILE", arguments->file, "A .trvp package");
  add_consent_options(to_install, consent);
  to_install.does([arguments, consent](Session& session) { return install(session, *arguments, *consent); });
  Verb to_enable =
      noun.verb("enable", "Let the tenant's workflows call a version of a plugin, beside those that they may call");
  to_enable.argument("ID", arguments->id, "The plugin")
      .argument("VERSION", arguments->version, "Default the newest that is installed", Need::optional)
      .option("--version", "VERSION", arguments->named_version, "The same");
  add_consent_options(to_enable, consent);
  to_enable.does([arguments, consent](Session& session) { return enable(session, *arguments, *consent); });
  noun.verb("disable", "Stop the tenant's workflows from calling a plugin, or one version of it")
      .argument("ID", arguments->id, "The plugin")
      .argument("VERSION", arguments->version, "Default every version", Need::optional)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins/" + percent_encoded(arguments->id) +
                                                                       query_of({{"version", arguments->version}})));
        TRV_TRY(session.call(Speaker::member, {.method = "DELETE", .target = target}));
        if (!session.as_json()) {
          TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
          session.print(fmt::format("Plugin {}{}{} is disabled for tenant {}.", arguments->id,
                                    arguments->version.empty() ? "" : " ", arguments->version, tenant));
          if (!arguments->version.empty()) TRV_TRY(say_current(session, arguments->id));
        }
        return ExitCode::ok;
      });
  noun.verb("quarantine", "List what crashed too often for the tenant and is not called any more")
      .does([](Session& session) { return quarantine(session); });
  noun.verb("release", "Let a plugin run again for the tenant that crashed too often")
      .argument("ID", arguments->id, "The plugin")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target,
                       session.tenant_target("/plugins/" + percent_encoded(arguments->id) + "/quarantine"));
        TRV_TRY(session.call(Speaker::member, {.method = "DELETE", .target = target}));
        if (session.as_json()) return ExitCode::ok;
        TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
        session.print(fmt::format("Plugin {} is called again for tenant {}.", arguments->id, tenant));
        return ExitCode::ok;
      });
  noun.verb("list", "List the plugins of the server; with --tenant those that are enabled there")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        ListRequest request{.target = "/v1/plugins", .limit = arguments->limit, .cursor = arguments->cursor};
        if (const std::string tenant = session.tenant_named(); !tenant.empty() && tenant != "system") {
          TRV_TRY_ASSIGN(request.target, session.tenant_target("/plugins"));
          return session.print_list(Speaker::member, request,
                                    {{"ID", "id"},
                                     {"VERSION", "version"},
                                     {"CURRENT", "current"},
                                     {"ENABLED", "enabled_at", Fit::time},
                                     {"MAY DO", "permissions"},
                                     {"QUARANTINE", "quarantine.reason"}},
                                    "No plugin is enabled: trav plugin enable ID");
        }
        return session.print_list(Speaker::anybody, request,
                                  {{"ID", "id"},
                                   {"VERSION", "version"},
                                   {"STATUS", "status"},
                                   {"PUBLISHER", "publisher.name", Fit::text, publisher_of},
                                   {"LEVEL", "level"},
                                   {"TITLE", "title"},
                                   {"OPERATIONS", "operations"},
                                   {"REASON", "reason"}},
                                  "No plugin is installed: trav plugin install FILE.trvp");
      });
  noun.verb("show", "Show the versions of a plugin, and one of them with its operations")
      .argument("ID", arguments->id, "The plugin")
      .argument("VERSION", arguments->version, "Default the newest", Need::optional)
      .option("--version", "VERSION", arguments->named_version, "The same")
      .option("--mirror", "FOLDER", arguments->mirror, "Of a mirror, of trav mirror, and not of the server")
      .does([arguments](Session& session) { return show(session, *arguments); });
  add_plugin_search(noun);
}

}  // namespace

void add_plugin(CommandTree& tree) {
  Noun noun = tree.noun("plugin", "Plugins: what workflows can call");
  noun.example("trav plugin install forge-1.0.0.trvp --tenant acme")
      .example("trav plugin show forge")
      .example("trav plugin new my-plugin       the smallest complete plugin, to start from")
      .example("trav plugin new my-plugin --language python")
      .example("trav plugin pack my-plugin --library build/libmy_plugin.so --output my-plugin.trvp")
      .example("trav plugin sign my-plugin.trvp --key acme.key");
  const auto arguments = std::make_shared<PluginArguments>();
  add_server_verbs(noun, arguments);
  add_plugin_life(noun);
  add_permission_verbs(noun);
  add_plugin_lock(noun);
  noun.verb("new", "Make the folder of a new plugin")
      .argument("FOLDER", arguments->file, "A folder that does not exist")
      .option("--id", "ID", arguments->id, "The plugin's id: a-z, 0-9 and '-'; default the folder's name")
      .option("--language", "LANGUAGE", arguments->language, "c++ (default), python, rust or typescript")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        const std::string id = arguments->id.empty() ? folder_name(arguments->file) : arguments->id;
        TRV_TRY_ASSIGN(const auto from, find_plugin_template(session.world(), arguments->language));
        TRV_TRY_ASSIGN(const std::size_t files, copy_plugin_template(from, arguments->file, id));
        session.print(fmt::format("Made {} with {} files. `trav plugin build {}` builds, tests and packs it.",
                                  arguments->file, files, arguments->file));
        return ExitCode::ok;
      });
  add_plugin_build(noun);
  noun.verb("pack", "Make a package of a plugin's folder, with its library where it has one")
      .argument("FOLDER", arguments->file, "The folder with manifest.json")
      .option("--library", "SO", arguments->library, "The plugin's shared object; not for one that is a program")
      .option("--output", "FILE", arguments->out, "The package to write", Need::required)
      .does([arguments](Session& session) { return pack(session, *arguments); });
  add_plugin_generate(noun);
  add_plugin_run(noun);
  add_plugin_fuzz(noun);
  add_plugin_validate(noun);
  add_plugin_dev(noun);
  add_trust_verbs(noun);
}

}  // namespace trv::cli
