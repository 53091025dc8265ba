// trav mirror: packages, keys and revocation lists for a network without a way out. No server is asked.

#include "kernel/mirror/mirror.hpp"

#include <fmt/format.h>

#include "kernel/cli/commands/nouns.hpp"

namespace trv::cli {
namespace {

struct MirrorArguments {
  std::string folder;
  std::string file;
  std::string text;
  std::vector<std::string> files;
};

// Whatever is wrong is in the user's files, not in how the command was typed.
base::Error about_files(base::Error error) {
  using enum base::ErrorCode;
  if (error.code() == invalid) return {denied, error.message()};
  if (error.code() == unauthenticated) return {corrupt, error.message()};
  return error;
}

base::Result<ExitCode> report(Session& session, const std::string& folder, const base::Result<mirror::Placed>& placed) {
  if (!placed) return base::fail(about_files(placed.error()));
  if (session.as_json()) {
    session.print_value({{"folder", folder},
                         {"written", static_cast<std::uint64_t>(placed->written)},
                         {"kept", static_cast<std::uint64_t>(placed->kept)}});
  } else {
    session.print(fmt::format("{}: {} files written, {} were there already.", folder, placed->written, placed->kept));
  }
  return ExitCode::ok;
}

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

void add_mirror(CommandTree& tree) {
  Noun noun = tree.noun("mirror", "Packages, keys and revocation lists on their way into a network without a way out");
  noun.example("trav mirror add mirror forge-1.0.0.trvp acme.key.pub revoked.list")
      .example("trav mirror export mirror today.trvm")
      .example("trav mirror import today.trvm mirror           on the other side");
  const auto arguments = std::make_shared<MirrorArguments>();
  noun.verb("add", "Put packages, public keys and revocation lists into a mirror, checked")
      .argument("FOLDER", arguments->folder, "The mirror; made where it is missing")
      .arguments("FILE", arguments->files, "What to put into it")
      .does([arguments](Session& session) {
        return report(session, arguments->folder,
                      mirror::add(arguments->folder, {arguments->files.begin(), arguments->files.end()}));
      });
  noun.verb("export", "Write a mirror into one file")
      .argument("FOLDER", arguments->folder, "The mirror")
      .argument("FILE", arguments->file, "The file to write")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        const auto files = mirror::export_to(arguments->folder, arguments->file);
        if (!files) return base::fail(about_files(files.error()));
        session.print(fmt::format("{} has {} files.", arguments->file, *files));
        return ExitCode::ok;
      });
  noun.verb("import", "Read such a file into a mirror: checked whole before anything is written; may be repeated")
      .argument("FILE", arguments->file, "A file of trav mirror export")
      .argument("FOLDER", arguments->folder, "The mirror; made where it is missing")
      .does([arguments](Session& session) {
        return report(session, arguments->folder, mirror::import_from(arguments->file, arguments->folder));
      });
  noun.verb("search", "List the packages of a mirror")
      .argument("FOLDER", arguments->folder, "The mirror")
      .argument("TEXT", arguments->text, "In the id, title or summary; default all", Need::optional)
      .does([arguments](Session& session) { return search(session, *arguments); });
}

}  // namespace trv::cli
