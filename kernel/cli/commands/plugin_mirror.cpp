// trav plugin search, and show --mirror: what is in a mirror. No server is asked.

#include "kernel/cli/commands/plugin_mirror.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/plugin_trust.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/mirror/mirror.hpp"
#include "sdk/base/version.hpp"

namespace trv::cli {
namespace {

struct MirrorArguments {
  std::string folder;
  std::string text;
};

base::Result<ExitCode> search(Session& session, const MirrorArguments& arguments) {
  const auto found = mirror::search(arguments.folder, arguments.text);
  if (!found) return base::fail(about_files(found.error()));
  json::Value list = json::Value::array();
  Table table({{.title = "ID"},
               {.title = "VERSION"},
               {.title = "PUBLISHER"},
               {.title = "LEVEL"},
               {.title = "TITLE"},
               {.title = "FILE"}});
  for (const mirror::Listed& one : *found) {
    table.add({one.id, one.version, one.publisher, one.level, one.title, one.file.string()});
    list.push_back({{"id", one.id},
                    {"version", one.version},
                    {"title", one.title},
                    {"summary", one.summary},
                    {"publisher", one.publisher},
                    {"level", one.level},
                    {"content_sha256", one.content_sha256},
                    {"file", one.file.string()}});
  }
  if (session.as_json()) {
    session.print_value(list);
  } else if (found->empty()) {
    session.note("No package of the mirror has this text.");
  } else {
    session.world().out << table.render(session.style()) << std::flush;
  }
  return ExitCode::ok;
}

}  // namespace

base::Result<ExitCode> show_in_mirror(Session& session, const std::string& folder, const std::string& id,
                                      const std::string& version) {
  const auto found = mirror::search(folder, id);
  if (!found) return base::fail(about_files(found.error()));
  std::vector<mirror::Listed> versions;
  std::ranges::copy_if(*found, std::back_inserter(versions), [&](const mirror::Listed& one) { return one.id == id; });
  if (versions.empty()) {
    return base::fail(base::ErrorCode::not_found,
                      fmt::format("no plugin '{}' is in {}: `trav plugin search --mirror {}` shows what there is", id,
                                  folder, folder));
  }
  const mirror::Listed* chosen = nullptr;
  std::optional<base::Version> best;
  Table table({{.title = "VERSION"}, {.title = "PUBLISHER"}, {.title = "LEVEL"}, {.title = "FILE"}});
  for (const mirror::Listed& one : versions) {
    table.add({one.version, one.publisher, one.level, one.file.string()});
    if (one.version == version) chosen = &one;
    const auto its = base::Version::parse(one.version);
    if (!version.empty() || !its || (best && !(*its > *best))) continue;
    chosen = &one;
    best = *its;
  }
  if (chosen == nullptr) {
    return base::fail(base::ErrorCode::not_found,
                      fmt::format("{} has no version {} of plugin '{}'", folder, version, id));
  }
  if (!session.as_json() && versions.size() > 1) session.world().out << table.render(session.style()) << '\n';
  return inspect_package(session, chosen->file, {});
}

void add_plugin_search(Noun& noun) {
  const auto arguments = std::make_shared<MirrorArguments>();
  noun.verb("search", "List the packages of a mirror")
      .argument("TEXT", arguments->text, "In the id, title or summary; default all", Need::optional)
      .option("--mirror", "FOLDER", arguments->folder, "A mirror, of trav mirror", Need::required)
      .example("trav plugin search mail --mirror /srv/mirror")
      .does([arguments](Session& session) { return search(session, *arguments); });
}

}  // namespace trv::cli
