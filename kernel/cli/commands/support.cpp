// trav support: what somebody who helps from far away has to know, and nothing else.

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "audit/note/note.hpp"
#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/redaction.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/config/config.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/mirror/archive.hpp"
#include "kernel/trust/key_file.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/random.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t log_bytes_max = 8 * 1024 * 1024;
constexpr std::string_view manifest_name = "manifest.json";
constexpr std::string_view note_name = "manifest.note";

struct SupportArguments {
  std::string to;
  std::string config;
  std::string log;
  std::string key;
  std::string file;      ///< that is verified
  std::string verifier;  ///< who must have signed it
  bool is_preview = false;
};

/// A file of the bundle.
struct Piece {
  std::string name;
  std::string what;  ///< it says
  std::string text;
  std::size_t left_out = 0;  ///< lines or strings that may have held a secret
};

Piece of_value(std::string name, std::string what, const json::Value& value) {
  RedactedValue redacted = strings_without_secrets(value);
  return {std::move(name), std::move(what), json::serialize(redacted.value) + "\n", redacted.left_out};
}

Piece of_text(std::string name, std::string what, std::string_view text) {
  Redacted redacted = lines_without_secrets(text);
  return {std::move(name), std::move(what), std::move(redacted.text), redacted.left_out};
}

json::Value about_host() {
  utsname host{};
  ::uname(&host);
  const auto read = [](const char* file) {
    auto text = read_file(file, 100'000);
    return text ? *text : std::string();
  };
  const auto line_of = [](const std::string& text, std::string_view name) -> std::string {
    const std::size_t at = text.find(name);
    if (at == std::string::npos) return {};
    const std::size_t from = at + name.size();
    return text.substr(from, text.find('\n', from) - from);
  };
  const std::string memory = read("/proc/meminfo");
  return {{"kernel", host.release},
          {"architecture", host.machine},
          {"system", line_of(read("/etc/os-release"), "PRETTY_NAME=")},
          {"processors", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"memory", std::string(base::trimmed(line_of(memory, "MemTotal:")))},
          {"memory_available", std::string(base::trimmed(line_of(memory, "MemAvailable:")))},
          {"user_namespaces", std::string(base::trimmed(read("/proc/sys/user/max_user_namespaces")))},
          {"security_modules", read("/sys/kernel/security/lsm")}};
}

/// How much lies in each folder of the data folder: no names below.
json::Value about_data(const std::filesystem::path& folder) {
  struct Sum {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, Sum> sums;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_regular_file(gone) || entry->is_symlink(gone)) continue;
    Sum& sum = sums[entry->path().lexically_relative(folder).begin()->string()];
    ++sum.files;
    if (const auto size = entry->file_size(gone); !gone) sum.bytes += size;
  }
  json::Value folders = json::Value::object();
  for (const auto& [name, sum] : sums) folders.set(name, {{"files", sum.files}, {"bytes", sum.bytes}});
  json::Value out = {{"folder", folder.string()}, {"folders", std::move(folders)}};
  if (error) out.set("not_read", error.message());
  const auto disk = std::filesystem::space(folder, error);
  if (!error) out.set("disk", {{"bytes", disk.capacity}, {"free", disk.available}});
  return out;
}

Piece ask_server(Session& session, const std::string& target, const std::string& name, std::string what,
                 Speaker speaker) {
  // A 503 of /health and /readyz has what is wanted most.
  const auto answer = session.send(speaker, {.target = target});
  if (!answer) return of_text(name, std::move(what), "not there: " + std::string(answer.error().message()) + "\n");
  if (const auto value = parse_json(target, answer->body)) return of_value(name, std::move(what), *value);
  return of_text(name, std::move(what), answer->body);
}

base::Result<std::vector<Piece>> collect_pieces(Session& session, const SupportArguments& arguments) {
  std::vector<Piece> pieces;
  pieces.push_back(of_value("host.json", "the machine: kernel, memory, processors", about_host()));
  const std::optional<std::filesystem::path> file =
      arguments.config.empty() ? std::nullopt : std::optional<std::filesystem::path>(arguments.config);
  const auto keys = config::explain_config(file, session.world().environment);
  if (!keys) return base::fail(about_files(keys.error()));
  json::Value configuration = json::Value::object();
  for (const config::SetKey& one : *keys) {
    configuration.set(one.key.path, {{"value", one.value}, {"source", one.source}});
    if (one.key.path == "data.folder") {
      pieces.push_back(
          of_value("data.json", "sizes of the folders of the data folder, no names below", about_data(one.value)));
    }
  }
  pieces.push_back(of_value("configuration.json", "each key, its value, and what set it", configuration));
  pieces.push_back(ask_server(session, "/v1/version", "version.json", "the version of travd", Speaker::nobody));
  pieces.push_back(ask_server(session, "/readyz", "ready.json", "which shards are ready", Speaker::nobody));
  pieces.push_back(ask_server(session, "/health", "health.json", "the checks", Speaker::nobody));
  pieces.push_back(ask_server(session, "/status.json", "status.json", "figures of the last hours", Speaker::nobody));
  pieces.push_back(ask_server(session, "/metrics", "metrics.txt", "the metrics", Speaker::nobody));
  if (!arguments.log.empty()) {
    TRV_TRY_ASSIGN(const std::string log, read_file(arguments.log, log_bytes_max));
    pieces.push_back(of_text("log.txt", "the log, without lines that may hold a secret", log));
  }
  return pieces;
}

json::Value manifest_of(const std::vector<Piece>& pieces, base::Timestamp now) {
  json::Value files = json::Value::array();
  for (const Piece& one : pieces) {
    files.push_back({{"name", one.name},
                     {"what", one.what},
                     {"bytes", one.text.size()},
                     {"left_out", one.left_out},
                     {"sha256", base::to_hex(base::sha256(base::as_bytes(one.text)))}});
  }
  return {{"support_bundle", 1}, {"made", now.to_rfc3339()}, {"files", std::move(files)}};
}

void print_preview(Session& session, const std::vector<Piece>& pieces) {
  for (const Piece& one : pieces) {
    session.print(fmt::format("==== {}: {}; {} left out\n{}", one.name, one.what, one.left_out, one.text));
  }
}

base::Result<note::SigningKey> signing_key(Session& session, const SupportArguments& arguments) {
  if (!arguments.key.empty()) return trust::read_key_file(arguments.key);
  TRV_TRY_ASSIGN(const std::filesystem::path beside, session.credentials_file());
  const std::filesystem::path file = beside.parent_path() / "support.key";
  std::error_code error;
  if (std::filesystem::exists(file, error)) return trust::read_key_file(file);
  TRV_TRY(make_private_folders(file.parent_path()));
  base::SystemRandom random;
  return trust::make_key_file(file, "support", random);
}

base::Result<ExitCode> collect(Session& session, const SupportArguments& arguments) {
  TRV_TRY_ASSIGN(const std::vector<Piece> pieces, collect_pieces(session, arguments));
  if (arguments.is_preview) {
    print_preview(session, pieces);
    return ExitCode::ok;
  }
  const base::Timestamp now = session.world().clock.now();
  const std::string manifest = json::serialize(manifest_of(pieces, now)) + "\n";
  auto key = signing_key(session, arguments);
  if (!key) return base::fail(about_files(key.error()));
  TRV_TRY_ASSIGN(const std::string note, note::sign(manifest, *key));
  const std::string to =
      arguments.to.empty() ? fmt::format("support-{}.tar", now.to_rfc3339().substr(0, 10)) : arguments.to;
  std::error_code error;
  if (std::filesystem::exists(to, error)) {
    return base::fail(base::ErrorCode::denied, fmt::format("{} is there already; name another file with --to", to));
  }
  const auto write = [&]() -> base::Status {
    TRV_TRY_ASSIGN(auto archive, mirror::ArchiveWriter::create(to));
    TRV_TRY(archive.add(manifest_name, base::as_bytes(manifest)));
    TRV_TRY(archive.add(note_name, base::as_bytes(note)));
    for (const Piece& one : pieces) TRV_TRY(archive.add(one.name, base::as_bytes(one.text)));
    return archive.finish();
  };
  if (const base::Status written = write(); !written)
    return base::fail(base::ErrorCode::denied, std::string(written.error().message()));
  std::filesystem::permissions(to, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, error);
  std::size_t left_out = 0;
  for (const Piece& one : pieces) left_out += one.left_out;
  if (session.as_json()) {
    TRV_TRY_ASSIGN(json::Value shown, parse_json("the manifest", manifest));
    shown.set("file", to);
    shown.set("key", key->verifier().format());
    session.print_value(shown);
    return ExitCode::ok;
  }
  Table table({{.title = "FILE"}, {.title = "SAYS"}, {.title = "BYTES"}, {.title = "LEFT OUT"}});
  for (const Piece& one : pieces) {
    table.add({one.name, one.what, std::to_string(one.text.size()), std::to_string(one.left_out)});
  }
  session.world().out << table.render(session.style()) << std::flush;
  session.print(
      fmt::format("\n{} has them, signed by {}. {} lines and texts that may hold a secret were left out. "
                  "`trav support collect --preview` shows every byte that goes out.",
                  to, key->verifier().format(), left_out));
  return ExitCode::ok;
}

using Members = std::map<std::string, base::Bytes>;

base::Result<Members> members_of(const std::string& file) {
  TRV_TRY_ASSIGN(auto archive, mirror::ArchiveReader::open(file));
  Members members;
  for (;;) {
    TRV_TRY_ASSIGN(auto one, archive.next());
    if (!one) return members;
    const std::string path = one->path;
    if (!members.emplace(path, std::move(one->bytes)).second) {
      return base::fail(base::ErrorCode::invalid, fmt::format("'{}' is in it twice", printable(path)));
    }
  }
}

base::Result<std::string> text_of(const Members& members, std::string_view name) {
  const auto at = members.find(std::string(name));
  if (at == members.end()) return base::fail(base::ErrorCode::invalid, fmt::format("it has no {}", name));
  return std::string(base::as_text(at->second));
}

/// The manifest, once the key has signed it and every file is as it says.
base::Result<json::Value> verified_manifest(const Members& members, const note::VerifierKey& key) {
  TRV_TRY_ASSIGN(const std::string text, text_of(members, manifest_name));
  TRV_TRY_ASSIGN(const std::string note, text_of(members, note_name));
  const auto opened = note::open(note, std::span(&key, 1));
  if (!opened) {
    return base::fail(base::ErrorCode::corrupt,
                      fmt::format("{} is not signed by {}: {}", note_name, key.name(), opened.error().message()));
  }
  if (opened->text != text) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{} is not what was signed", manifest_name));
  }
  TRV_TRY_ASSIGN(json::Value manifest, parse_json(manifest_name, text));
  const json::Value* const files = manifest.find("files");
  if (files == nullptr || !files->is_array()) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{} names no files", manifest_name));
  }
  std::size_t named = 0;
  for (const json::Value& one : files->items()) {
    const std::string name = member_text(one, "name");
    const auto at = members.find(name);
    if (at == members.end())
      return base::fail(base::ErrorCode::corrupt, fmt::format("'{}' is missing", printable(name)));
    if (base::to_hex(base::sha256(at->second)) != member_text(one, "sha256")) {
      return base::fail(base::ErrorCode::corrupt, fmt::format("'{}' was changed", printable(name)));
    }
    ++named;
  }
  if (members.size() != named + 2) {
    return base::fail(base::ErrorCode::corrupt, "it has files that its manifest does not name");
  }
  return manifest;
}

base::Result<ExitCode> verify(Session& session, const SupportArguments& arguments) {
  const auto key = note::VerifierKey::parse(arguments.verifier);
  if (!key) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("--key: {}; it is what `trav support collect` printed", key.error().message()));
  }
  const auto members = members_of(arguments.file);
  if (!members) return base::fail(base::Error(members.error()).in(arguments.file));
  auto manifest = verified_manifest(*members, *key);
  if (!manifest) return base::fail(std::move(manifest).error().in(arguments.file));
  if (session.as_json()) {
    session.print_value(*manifest);
    return ExitCode::ok;
  }
  Table table({{.title = "FILE"}, {.title = "SAYS"}, {.title = "BYTES"}, {.title = "LEFT OUT"}});
  for (const json::Value& one : manifest->find("files")->items()) {
    table.add(
        {member_text(one, "name"), member_text(one, "what"), member_text(one, "bytes"), member_text(one, "left_out")});
  }
  session.world().out << table.render(session.style()) << std::flush;
  session.print(fmt::format("\nMade {}, signed by {}; every file is as it was signed.",
                            printable(member_text(*manifest, "made")), key->name()));
  return ExitCode::ok;
}

}  // namespace

void add_support(CommandTree& tree) {
  Noun noun = tree.noun("support", "What somebody who helps from far away has to know");
  noun.example("trav support collect --preview").example("trav support collect --log travd.log --to support.tar");
  const auto arguments = std::make_shared<SupportArguments>();
  noun.verb("collect", "Write one signed file for support: state, configuration and sizes, without secrets")
      .option("--to", "FILE", arguments->to, "The file; support-<day>.tar where it is missing")
      .option("--config", "FILE", arguments->config, "The configuration of travd, as travd is given it")
      .option("--log", "FILE", arguments->log, "A file with its log, at most 8 MiB")
      .option("--key", "FILE", arguments->key,
              "The key that signs; one is made beside the credentials where it is missing")
      .flag("--preview", arguments->is_preview, "Print what would go out, and write nothing")
      .does([arguments](Session& session) { return collect(session, *arguments); });
  noun.verb("verify", "Check that such a file is whole and who signed it; without a server")
      .argument("FILE", arguments->file, "The file")
      .option("--key", "KEY", arguments->verifier, "Who must have signed it: what `collect` printed, NAME+ID+KEY")
      .does([arguments](Session& session) { return verify(session, *arguments); });
}

}  // namespace trv::cli
