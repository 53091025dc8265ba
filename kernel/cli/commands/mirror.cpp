// trav mirror: packages, keys and revocation lists for a network without a way out. No server is asked.

#include "kernel/mirror/mirror.hpp"

#include <fmt/format.h>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"

namespace trv::cli {
namespace {

struct MirrorArguments {
  std::string folder;
  std::string file;
  std::vector<std::string> files;
};

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
}

}  // namespace trv::cli
