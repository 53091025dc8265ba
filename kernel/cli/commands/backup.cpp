// trav backup: copies of a data folder, made beside a running travd. No server is asked.

#include "events/backup/backup.hpp"

#include <fmt/format.h>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/progress_line.hpp"

namespace trv::cli {
namespace {

struct BackupArguments {
  std::string data;
  std::string to;
  std::string folder;
};

std::string size_text(std::uint64_t bytes) {
  return bytes < 10'000'000 ? fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3)
                            : fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

backup::Progress progress_on(ProgressLine& line) {
  return [&line](std::string_view path, std::uint64_t bytes, std::uint64_t total) {
    if (line.is_due()) line.show(fmt::format("{} {} of {}", path, size_text(bytes), size_text(total)));
  };
}

base::Result<ExitCode> report(Session& session, const base::Result<backup::Report>& done, const std::string& folder,
                              std::string_view what_next) {
  if (!done) {
    // A disk that fails is not a server that does not answer.
    const bool is_of_disk = done.error().code() == base::ErrorCode::unavailable;
    return base::fail(is_of_disk ? base::Error(base::ErrorCode::internal, done.error().message()) : done.error());
  }
  if (session.as_json()) {
    session.print_value({{"folder", folder}, {"files", done->files}, {"bytes", done->bytes}});
  } else {
    session.print(fmt::format("{}: {} files, {}{}", folder, done->files, size_text(done->bytes), what_next));
  }
  return ExitCode::ok;
}

}  // namespace

void add_backup(CommandTree& tree) {
  const auto arguments = std::make_shared<BackupArguments>();
  Noun noun = tree.noun("backup", "Backups: copies of a data folder, made while travd runs");
  noun.verb("create", "Copy the log, keys, secrets, packages and blobs of a data folder")
      .option("--data", "FOLDER", arguments->data, "The data folder of travd, on this machine", Need::required)
      .option("--to", "FOLDER", arguments->to, "The copy; a folder that is empty or does not exist", Need::required)
      .does([arguments](Session& session) {
        ProgressLine line(session.world());
        const auto done = backup::create(arguments->data, arguments->to, progress_on(line));
        line.clear();
        return report(session, done, arguments->to, "\nTo use it, copy it to a new place and run: travd --data FOLDER");
      });
  noun.verb("verify", "Compare the files of a backup with their digests")
      .argument("FOLDER", arguments->folder, "The backup")
      .does([arguments](Session& session) {
        ProgressLine line(session.world());
        const auto done = backup::verify(arguments->folder, progress_on(line));
        line.clear();
        return report(session, done, arguments->folder, ", all as they were backed up");
      });
  noun.example("trav backup create --data /var/lib/travertine --to /backup/monday")
      .example("trav backup verify /backup/monday")
      .example("cp -a /backup/monday /var/lib/travertine-restored && travd --data /var/lib/travertine-restored");
}

}  // namespace trv::cli
