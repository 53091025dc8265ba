// trav plugin lock and sync: which plugins a tenant has, as a file, and the way back. docs/formats/plugin-lock.md is
// the definition.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_requests.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/mirror/mirror.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;

constexpr std::size_t lock_bytes_max = 1'000'000;
constexpr std::size_t digest_digits = 64;

struct LockArguments {
  std::string file;
  std::string mirror;
  bool check = false;
  bool prune = false;
  bool dry_run = false;
};

struct Locked {
  std::string id;
  std::string version;
  bool is_current = false;
  std::string content{};
  std::string publisher_key{};

  [[nodiscard]] std::string name() const { return id + " " + version; }
};

bool comes_before(const Locked& one, const Locked& other) {
  return std::tie(one.id, one.version) < std::tie(other.id, other.version);
}

const Locked* find(const std::vector<Locked>& plugins, const Locked& wanted) {
  const auto found = std::ranges::find(plugins, wanted.name(), &Locked::name);
  return found == plugins.end() ? nullptr : &*found;
}

/// As the server has it; nullopt where it has none.
base::Result<std::optional<json::Value>> package_of(Session& session, const Locked& plugin) {
  const std::string target =
      fmt::format("/v1/plugins/{}/{}", percent_encoded(plugin.id), percent_encoded(plugin.version));
  TRV_TRY_ASSIGN(const HttpResponse response, session.send(Speaker::anybody, {.target = target}));
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) return base::fail(Session::refusal_of(response));
  TRV_TRY_ASSIGN(json::Value answer, parse_json("the answer", response.body));
  return answer;
}

/// What the tenant has enabled, sorted. `with_content`: each with the content that the server has.
base::Result<std::vector<Locked>> enabled_of(Session& session, bool with_content) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins"));
  std::vector<Locked> found;
  std::string cursor;
  do {
    const std::string page_target = target + query_of({{"limit", "500"}, {"cursor", cursor}});
    TRV_TRY_ASSIGN(const json::Value page, session.call_json(Speaker::member, {.target = page_target}));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    for (const json::Value& item : items) {
      found.push_back({.id = member_text(item, "id"),
                       .version = member_text(item, "version"),
                       .is_current = member_text(item, "current") == "yes"});
    }
    cursor = member_text(page, "next_cursor");
  } while (!cursor.empty());
  std::ranges::sort(found, comes_before);
  if (!with_content) return found;
  for (Locked& plugin : found) {
    TRV_TRY_ASSIGN(const auto package, package_of(session, plugin));
    if (package) plugin.content = member_text(*package, "content_sha256");
    if (plugin.content.size() != digest_digits) {
      return base::fail(ErrorCode::denied,
                        fmt::format("the server knows no content of {}: install it again, then lock", plugin.name()));
    }
    plugin.publisher_key = member_text(*package, "publisher.key");
  }
  return found;
}

std::string lock_text(const std::vector<Locked>& plugins) {
  std::string text = R"({"lock": 1, "plugins": [)";
  for (const Locked& plugin : plugins) {
    json::Value object = {{"id", plugin.id},
                          {"version", plugin.version},
                          {"current", plugin.is_current},
                          {"content_sha256", plugin.content}};
    if (!plugin.publisher_key.empty()) object.set("publisher_key", plugin.publisher_key);
    text += (&plugin == plugins.data() ? "\n  " : ",\n  ") + json::serialize(object);
  }
  return text + (plugins.empty() ? "]}\n" : "\n]}\n");
}

base::Result<Locked> locked_of(const json::Value& item) {
  const auto wrong = [](std::string what) { return base::fail(ErrorCode::invalid, std::move(what)); };
  if (!item.is_object()) return wrong("a plugin must be an object");
  Locked plugin;
  const json::Value* current = item.find("current");
  for (const auto& [key, value] : item.entries()) {
    const std::string_view name = key.as_string();
    if (name == "current") continue;
    std::string* into = name == "id"               ? &plugin.id
                        : name == "version"        ? &plugin.version
                        : name == "content_sha256" ? &plugin.content
                        : name == "publisher_key"  ? &plugin.publisher_key
                                                   : nullptr;
    if (into == nullptr) return wrong(fmt::format("a plugin has no member '{}'", name));
    if (!value.is_string()) return wrong(fmt::format("'{}' must be a text", name));
    *into = value.as_string();
  }
  if (plugin.id.empty() || plugin.version.empty()) return wrong("a plugin must have 'id' and 'version'");
  if (current == nullptr || !current->is_bool()) {
    return wrong(fmt::format("{}: 'current' must be true or false", plugin.name()));
  }
  plugin.is_current = current->as_bool();
  if (plugin.content.size() != digest_digits || !base::from_hex(plugin.content)) {
    return wrong(fmt::format("{}: 'content_sha256' must have {} hexadecimal digits", plugin.name(), digest_digits));
  }
  return plugin;
}

base::Result<std::vector<Locked>> plugins_of(const json::Value& lock) {
  const auto wrong = [](std::string what) { return base::fail(ErrorCode::invalid, std::move(what)); };
  const json::Value* plugins = lock.is_object() ? lock.find("plugins") : nullptr;
  const json::Value* version = lock.is_object() ? lock.find("lock") : nullptr;
  if (plugins == nullptr || !plugins->is_array() || version == nullptr) {
    return wrong(R"(expected {"lock": 1, "plugins": [...]}, as `trav plugin lock` writes it)");
  }
  if (member_text(lock, "lock") != "1") {
    return wrong(fmt::format("this trav reads version 1, not {}", member_text(lock, "lock")));
  }
  for (const auto& [key, value] : lock.entries()) {
    if (&value != plugins && &value != version) return wrong(fmt::format("it has no member '{}'", key.as_string()));
  }
  std::vector<Locked> found;
  std::map<std::string, std::string> current;
  for (const json::Value& item : plugins->items()) {
    TRV_TRY_ASSIGN(Locked plugin, locked_of(item));
    if (plugin.is_current && !current.emplace(plugin.id, plugin.version).second) {
      return wrong(fmt::format("two versions of {} are current", plugin.id));
    }
    found.push_back(std::move(plugin));
  }
  std::ranges::sort(found, comes_before);
  const auto twice = std::ranges::adjacent_find(found, {}, &Locked::name);
  if (twice != found.end()) return wrong(fmt::format("{} is there twice", twice->name()));
  return found;
}

base::Result<std::vector<Locked>> read_lock(const std::string& file) {
  TRV_TRY_ASSIGN(const std::string text, read_file(file, lock_bytes_max));
  TRV_TRY_ASSIGN(const json::Value lock, parse_json(file, text));
  auto found = plugins_of(lock);
  if (!found) return base::fail(found.error().code(), fmt::format("{}: {}", file, found.error().message()));
  return found;
}

/// What is not as the file says, a sentence each.
std::vector<std::string> differences(const std::vector<Locked>& wanted, const std::vector<Locked>& enabled) {
  std::vector<std::string> found;
  for (const Locked& plugin : wanted) {
    const Locked* is = find(enabled, plugin);
    if (is == nullptr) {
      found.push_back(fmt::format("{} is not enabled", plugin.name()));
    } else if (is->content != plugin.content) {
      found.push_back(fmt::format("{} has the content {}, not {}", plugin.name(), is->content, plugin.content));
    } else if (plugin.is_current && !is->is_current) {
      found.push_back(fmt::format("{} is not the current version", plugin.name()));
    }
  }
  for (const Locked& plugin : enabled) {
    if (find(wanted, plugin) == nullptr) found.push_back(fmt::format("{} is enabled", plugin.name()));
  }
  return found;
}

base::Result<ExitCode> check(Session& session, const std::string& file) {
  TRV_TRY_ASSIGN(const std::vector<Locked> wanted, read_lock(file));
  TRV_TRY_ASSIGN(const std::vector<Locked> enabled, enabled_of(session, true));
  TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
  const std::vector<std::string> found = differences(wanted, enabled);
  if (found.empty()) {
    session.print(fmt::format("Tenant {} has what {} says.", tenant, file));
    return ExitCode::ok;
  }
  for (const std::string& one : found) session.print(one);
  return base::fail(ErrorCode::denied, fmt::format("tenant {} differs from {} in {} places: `trav plugin sync` makes "
                                                   "it true",
                                                   tenant, file, found.size()));
}

base::Result<ExitCode> lock(Session& session, const LockArguments& arguments) {
  if (arguments.check) return check(session, arguments.file);
  TRV_TRY_ASSIGN(const std::vector<Locked> enabled, enabled_of(session, true));
  TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
  TRV_TRY(replace_file(arguments.file, lock_text(enabled), FileMode::everybody_reads));
  session.print(fmt::format("{} has what tenant {} has enabled: {} version{}.", arguments.file, tenant, enabled.size(),
                            enabled.size() == 1 ? "" : "s"));
  return ExitCode::ok;
}

struct Missing {
  Locked plugin;
  std::filesystem::path file;
};

/// Of the packages that the server lacks. Error: denied where the server or the mirror has another content, or none.
base::Result<std::vector<Missing>> missing_packages(Session& session, const std::vector<Locked>& wanted,
                                                    const std::string& folder) {
  const auto refuse = [](const std::string& why) {
    return base::fail(ErrorCode::denied, "nothing was changed: " + why);
  };
  std::vector<Missing> missing;
  std::vector<mirror::Listed> offered;
  for (const Locked& plugin : wanted) {
    TRV_TRY_ASSIGN(const auto package, package_of(session, plugin));
    const std::string content = package ? member_text(*package, "content_sha256") : "";
    if (content == plugin.content) continue;
    if (package) {
      return refuse(
          fmt::format("the server has {} with the content {}, not {}", plugin.name(), content, plugin.content));
    }
    if (folder.empty()) {
      return refuse(fmt::format("{} is not installed; install it, or say --mirror FOLDER", plugin.name()));
    }
    if (offered.empty()) {
      auto listed = mirror::search(folder, "");
      if (!listed) return refuse(listed.error().message());
      offered = *std::move(listed);
    }
    const auto found = std::ranges::find_if(
        offered, [&](const mirror::Listed& one) { return one.id == plugin.id && one.version == plugin.version; });
    if (found == offered.end()) return refuse(fmt::format("{} does not have {}", folder, plugin.name()));
    if (found->content_sha256 != plugin.content) {
      return refuse(fmt::format("{} has {} with the content {}, not {}", folder, plugin.name(), found->content_sha256,
                                plugin.content));
    }
    missing.push_back({plugin, found->file});
  }
  return missing;
}

/// The first version of a plugin that is enabled is the current one by itself.
void would_enable(const std::vector<Locked>& wanted, std::vector<Locked>& enabled) {
  for (const Locked& plugin : wanted) {
    if (find(enabled, plugin) != nullptr) continue;
    const bool is_first = std::ranges::find(enabled, plugin.id, &Locked::id) == enabled.end();
    enabled.push_back({.id = plugin.id, .version = plugin.version, .is_current = is_first});
  }
}

base::Status install(Session& session, const std::filesystem::path& file) {
  TRV_TRY_ASSIGN(std::string bytes, read_file(file, package::package_bytes_max));
  TRV_TRY(install_package(session, std::move(bytes)));
  return {};
}

base::Status enable(Session& session, const Locked& plugin, const ConsentArguments& consent) {
  TRV_TRY(enable_plugin(session, plugin.id, plugin.version, consent));
  return {};
}

base::Status make_current(Session& session, const Locked& plugin, const ConsentArguments& consent) {
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target(fmt::format("/plugins/{}/upgrade", percent_encoded(plugin.id))));
  TRV_TRY(send_with_consent(session, {.method = "POST", .target = target}, plugin.version, consent));
  return {};
}

base::Status disable(Session& session, const Locked& plugin) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins/" + percent_encoded(plugin.id) +
                                                                 query_of({{"version", plugin.version}})));
  TRV_TRY(session.call(Speaker::member, {.method = "DELETE", .target = target}));
  return {};
}

base::Result<ExitCode> sync(Session& session, const LockArguments& arguments, const ConsentArguments& consent) {
  TRV_TRY_ASSIGN(const std::vector<Locked> wanted, read_lock(arguments.file));
  TRV_TRY_ASSIGN(const std::vector<Missing> missing, missing_packages(session, wanted, arguments.mirror));
  TRV_TRY_ASSIGN(const std::vector<Locked> enabled, enabled_of(session, false));
  TRV_TRY_ASSIGN(const std::string tenant, session.tenant());
  std::size_t steps = 0;
  const auto step = [&](std::string_view done, const Locked& plugin, const auto& does) -> base::Status {
    ++steps;
    if (!arguments.dry_run) TRV_TRY(does());
    session.print(fmt::format("{}{}: {}", arguments.dry_run ? "would be " : "", done, plugin.name()));
    return {};
  };
  for (const Missing& one : missing) {
    TRV_TRY(step("installed", one.plugin, [&] { return install(session, one.file); }));
  }
  for (const Locked& plugin : wanted) {
    if (find(enabled, plugin) != nullptr) continue;
    TRV_TRY(step("enabled", plugin, [&] { return enable(session, plugin, consent); }));
  }
  std::vector<Locked> now = enabled;
  if (arguments.dry_run) {
    would_enable(wanted, now);
  } else {
    TRV_TRY_ASSIGN(now, enabled_of(session, false));
  }
  for (const Locked& plugin : wanted) {
    const Locked* is = find(now, plugin);
    if (!plugin.is_current || (is != nullptr && is->is_current)) continue;
    TRV_TRY(step("made current", plugin, [&] { return make_current(session, plugin, consent); }));
  }
  for (const Locked& plugin : enabled) {
    if (find(wanted, plugin) != nullptr) continue;
    if (arguments.prune) {
      TRV_TRY(step("disabled", plugin, [&] { return disable(session, plugin); }));
    } else {
      session.note(fmt::format("{} is enabled, too; --prune disables it.", plugin.name()));
    }
  }
  if (steps == 0) session.print(fmt::format("Tenant {} has what {} says.", tenant, arguments.file));
  return ExitCode::ok;
}

}  // namespace

void add_plugin_lock(Noun& noun) {
  const auto arguments = std::make_shared<LockArguments>();
  noun.verb("lock", "Write which versions the tenant has enabled, with their digests, into a file")
      .argument("FILE", arguments->file, "The lock file")
      .flag("--check", arguments->check, "Write nothing: fail where the tenant has other versions than FILE")
      .example("trav plugin lock plugins.lock --tenant acme")
      .does([arguments](Session& session) { return lock(session, *arguments); });
  const auto consent = std::make_shared<ConsentArguments>();
  Verb to_sync = noun.verb("sync", "Enable what a lock file names, by its digests");
  to_sync.argument("FILE", arguments->file, "A file of trav plugin lock")
      .option("--mirror", "FOLDER", arguments->mirror, "Install from this mirror what the server lacks (operator)")
      .flag("--prune", arguments->prune, "Disable versions that the file does not name")
      .flag("--dry-run", arguments->dry_run, "Change nothing: say what would be done")
      .example("trav plugin sync plugins.lock --mirror /srv/mirror --tenant acme");
  add_consent_options(to_sync, consent);
  to_sync.does([arguments, consent](Session& session) { return sync(session, *arguments, *consent); });
}

}  // namespace trv::cli
