#include "kernel/cli/commands/plugin_trust.hpp"

#include <fmt/format.h>

#include <optional>

#include "kernel/cli/client/files.hpp"
#include "kernel/trust/key_file.hpp"
#include "kernel/trust/revocations.hpp"
#include "kernel/trust/roots.hpp"
#include "kernel/trust/signatures.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

struct TrustArguments {
  std::string file;
  std::string name;
  std::string key;
  std::string out;
  std::string level;
  std::string report;
  std::string expires;
  std::string trust;
  std::string list;
  std::string publisher;
  std::string reason;
  std::vector<std::string> packages;
};

constexpr std::size_t report_bytes_max = 64 * 1024 * 1024;

base::Result<ExitCode> make_key(Session& session, const TrustArguments& arguments) {
  base::SystemRandom random;
  TRV_TRY_ASSIGN(const note::SigningKey key, trust::make_key_file(arguments.out, arguments.name, random));
  const std::string text = key.verifier().format();
  const std::string public_file = arguments.out + ".pub";
  TRV_TRY(replace_file(public_file, text + "\n", FileMode::everybody_reads));
  if (session.as_json()) {
    session.print_value({{"file", arguments.out}, {"public_file", public_file}, {"public_key", text}});
  } else {
    session.print(fmt::format("{} has the secret key: keep it to yourself. {} has the public key, for trust files:\n{}",
                              arguments.out, public_file, text));
  }
  return ExitCode::ok;
}

base::Result<base::Bytes> read_package(const std::string& file) {
  TRV_TRY_ASSIGN(const std::string text, read_file(file, package::package_bytes_max));
  return base::to_bytes(text);
}

base::Result<ExitCode> write_signed(Session& session, const TrustArguments& arguments,
                                    const base::Result<base::Bytes>& archive, const note::SigningKey& key) {
  if (!archive) return base::fail(about_files(archive.error()));
  const std::string& out = arguments.out.empty() ? arguments.file : arguments.out;
  TRV_TRY(replace_file(out, base::as_text(*archive), FileMode::everybody_reads));
  TRV_TRY_ASSIGN(const package::Package package, package::read(*archive));
  if (session.as_json()) {
    session.print_value({{"id", package.manifest.id},
                         {"version", package.manifest.version},
                         {"file", out},
                         {"key", key.verifier().format()},
                         {"package_sha256", base::to_hex(package.digest)},
                         {"content_sha256", base::to_hex(package.content)}});
  } else {
    session.print(fmt::format("{} {} is signed by {} in {} (content SHA-256 {})", package.manifest.id,
                              package.manifest.version, key.name(), out, base::to_hex(package.content)));
  }
  return ExitCode::ok;
}

base::Result<ExitCode> sign(Session& session, const TrustArguments& arguments) {
  TRV_TRY_ASSIGN(const note::SigningKey key, trust::read_key_file(arguments.key));
  TRV_TRY_ASSIGN(const base::Bytes archive, read_package(arguments.file));
  TRV_TRY_ASSIGN(const package::Package before, package::read(archive));
  const auto signed_archive = trust::sign(archive, key);
  TRV_TRY_ASSIGN(const ExitCode code, write_signed(session, arguments, signed_archive, key));
  TRV_TRY_ASSIGN(const package::Package after, package::read(*signed_archive));
  if (!before.signatures.certifier.empty() && after.signatures.certifier.empty()) {
    session.warn("the certifier's signature was about another publisher's and is gone: have it countersigned again");
  }
  return code;
}

base::Result<std::optional<base::Timestamp>> expiry_of(const std::string& text) {
  if (text == "never") return std::nullopt;
  const auto time = base::Timestamp::from_rfc3339(text.size() == 10 ? text + "T00:00:00Z" : text);
  if (time && time->ns() % 1'000'000'000 == 0) return time;
  return base::fail(
      base::ErrorCode::invalid,
      fmt::format("--expires {}: write a day as 2027-11-30, a time as 2027-11-30T12:00:00Z, or never", text));
}

base::Result<ExitCode> countersign(Session& session, const TrustArguments& arguments) {
  trust::Finding finding;
  finding.level = trust::level_of(arguments.level).value();
  TRV_TRY_ASSIGN(finding.expires, expiry_of(arguments.expires));
  if (finding.expires && *finding.expires <= session.world().clock.now()) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("--expires {}: that is over, and no server would accept the signature; name a time "
                                  "to come, or never",
                                  arguments.expires));
  }
  const bool needs_report = finding.level == trust::Level::core || finding.level == trust::Level::certified;
  if (arguments.report.empty() && needs_report) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("--level {} rests on a report: name its file with --report", arguments.level));
  }
  if (!arguments.report.empty()) {
    TRV_TRY_ASSIGN(const std::string report, read_file(arguments.report, report_bytes_max));
    finding.report = base::sha256(base::as_bytes(report));
  }
  TRV_TRY_ASSIGN(const note::SigningKey key, trust::read_key_file(arguments.key));
  TRV_TRY_ASSIGN(const base::Bytes archive, read_package(arguments.file));
  return write_signed(session, arguments, trust::countersign(archive, finding, key), key);
}

/// What a trust file says of a key, for people.
std::string said_of(const trust::Roots& roots, const note::VerifierKey& key) {
  const trust::Root* root = roots.find(key);
  if (root == nullptr) return "not in the trust file";
  std::string roles = root->publishes ? "publisher" : "";
  for (const trust::Level level : root->gives) {
    roles += fmt::format("{}{}", roles.empty() ? "" : " ", to_string(level));
  }
  if (root->revokes) roles += fmt::format("{}revocations", roles.empty() ? "" : " ");
  return "trusted as " + roles;
}

json::Value signers_of(const trust::Signers& signers, const std::optional<trust::Roots>& roots, base::Timestamp now) {
  json::Value object = json::Value::object();
  if (signers.publisher) {
    json::Value publisher = {{"key", signers.publisher->format()}};
    if (roots) publisher.set("trust", said_of(*roots, *signers.publisher));
    object.set("publisher", std::move(publisher));
  }
  if (signers.certificate) {
    const trust::Finding& finding = signers.certificate->finding;
    json::Value certifier = {{"key", signers.certificate->key.format()},
                             {"level", to_string(finding.level)},
                             {"expires", trust::expiry_text(finding.expires)},
                             {"expired", finding.expires && now >= *finding.expires}};
    if (finding.report) certifier.set("report_sha256", base::to_hex(*finding.report));
    if (roots) certifier.set("trust", said_of(*roots, signers.certificate->key));
    object.set("certifier", std::move(certifier));
  }
  return object;
}

/// The list as it is in the file, with the next counter; an empty one where there is no file.
base::Result<trust::Revocations> next_list(const TrustArguments& arguments, const note::SigningKey& key) {
  std::error_code error;
  if (!std::filesystem::exists(arguments.list, error)) return trust::Revocations();
  TRV_TRY_ASSIGN(const std::string text, read_file(arguments.list, trust::revocations_bytes_max));
  auto opened = trust::open_revocations(text);
  if (!opened) return base::fail(about_files(std::move(opened).error().in(arguments.list)));
  if (opened->key != key.verifier()) {
    return base::fail(base::ErrorCode::denied,
                      fmt::format("{} is the list of {}; sign it with that key, or begin a list of your own",
                                  arguments.list, opened->key.format()));
  }
  ++opened->list.counter;
  return std::move(opened->list);
}

/// A public key as text, or the file of trav plugin keygen that has it.
base::Result<note::VerifierKey> key_or_file(const std::string& key) {
  auto parsed = note::VerifierKey::parse(key);
  std::error_code error;
  if (parsed) return parsed;
  if (!std::filesystem::is_regular_file(key, error)) {
    return base::fail(
        base::ErrorCode::invalid,
        fmt::format("--signer {}: it is neither a public key ({}) nor a file with one", key, parsed.error().message()));
  }
  TRV_TRY_ASSIGN(std::string text, read_file(key, report_bytes_max));
  while (text.ends_with('\n')) text.pop_back();
  parsed = note::VerifierKey::parse(text);
  if (!parsed) return base::fail(about_files(std::move(parsed).error().in(key)));
  return parsed;
}

base::Result<ExitCode> revoke(Session& session, const TrustArguments& arguments) {
  if (arguments.packages.empty() && arguments.publisher.empty()) {
    return base::fail(base::ErrorCode::invalid, "name packages, or a key with --signer");
  }
  TRV_TRY_ASSIGN(const note::SigningKey key, trust::read_key_file(arguments.key));
  TRV_TRY_ASSIGN(trust::Revocations list, next_list(arguments, key));
  for (const std::string& file : arguments.packages) {
    auto package = package::read(std::filesystem::path(file));
    if (!package) return base::fail(about_files(package.error()));
    list.contents.push_back({package->content, arguments.reason});
  }
  if (!arguments.publisher.empty()) {
    TRV_TRY_ASSIGN(note::VerifierKey signer, key_or_file(arguments.publisher));
    list.signers.push_back({std::move(signer), arguments.reason});
  }
  TRV_TRY_ASSIGN(const std::string note, trust::sign_revocations(list, key));
  TRV_TRY(replace_file(arguments.list, note, FileMode::everybody_reads));
  session.print(
      fmt::format("{} is list {} of {}: {} packages and {} keys. `trav plugin revocations {}` gives it to a "
                  "server.",
                  arguments.list, list.counter, key.name(), list.contents.size(), list.signers.size(), arguments.list));
  return ExitCode::ok;
}

base::Result<ExitCode> revocations(Session& session, const TrustArguments& arguments) {
  if (arguments.file.empty()) {
    return session.print_list(Speaker::operator_, {.target = "/v1/revocations"},
                              {{"ISSUER", "name"},
                               {"LIST", "counter"},
                               {"IMPORTED", "imported", Fit::time},
                               {"PACKAGES", "contents"},
                               {"KEYS", "signers"}},
                              "Nothing is revoked: trav plugin revocations FILE");
  }
  TRV_TRY_ASSIGN(std::string list, read_file(arguments.file, trust::revocations_bytes_max));
  TRV_TRY_ASSIGN(const HttpResponse response,
                 session.call(Speaker::operator_, {.method = "POST",
                                                   .target = "/v1/revocations",
                                                   .content_type = "application/octet-stream",
                                                   .body = std::move(list)}));
  session.print_object(response, {{"issuer", "name"},
                                  {"key", "key"},
                                  {"list", "counter"},
                                  {"imported", "imported"},
                                  {"packages", "contents"},
                                  {"keys", "signers"}});
  return ExitCode::ok;
}

}  // namespace

base::Result<ExitCode> inspect_package(Session& session, const std::filesystem::path& path, const std::string& trust) {
  auto package = package::read(path);
  if (!package) return base::fail(about_files(package.error()));
  const auto signers = trust::verify(*package);
  if (!signers) return base::fail(base::ErrorCode::corrupt, signers.error().message());
  std::optional<trust::Roots> roots;
  if (!trust.empty()) {
    TRV_TRY_ASSIGN(roots, trust::Roots::load(trust));
  }
  json::Value object = {{"id", package->manifest.id},
                        {"version", package->manifest.version},
                        {"title", package->manifest.title},
                        {"package_sha256", base::to_hex(package->digest)},
                        {"content_sha256", base::to_hex(package->content)}};
  const json::Value said = signers_of(*signers, roots, session.world().clock.now());
  for (const char* who : {"publisher", "certifier"}) {
    if (const json::Value* one = said.find(who)) object.set(who, *one);
  }
  json::Value operations = json::Value::array();
  for (const package::Operation& operation : package->manifest.operations) operations.push_back(operation.name);
  object.set("operations", operations);
  json::Value permissions = json::Value::array();
  for (const package::Permission& permission : package->manifest.requested()) {
    permissions.push_back(permission.text());
  }
  object.set("permissions", permissions);
  json::Value files = json::Value::array();
  for (const package::File& file : package->files) {
    files.push_back({{"path", file.path},
                     {"bytes", static_cast<std::uint64_t>(file.bytes.size())},
                     {"sha256", base::to_hex(base::sha256(file.bytes))}});
  }
  object.set("files", files);
  if (session.as_json()) {
    session.print_value(object);
    return ExitCode::ok;
  }
  std::vector<std::pair<std::string, std::string>> rows;
  const std::vector<Field> fields = {{"id", "id"},
                                     {"version", "version"},
                                     {"title", "title"},
                                     {"package SHA-256", "package_sha256"},
                                     {"content SHA-256", "content_sha256"},
                                     {"publisher", "publisher.key"},
                                     {"", "publisher.trust"},
                                     {"certifier", "certifier.key"},
                                     {"", "certifier.trust"},
                                     {"level", "certifier.level"},
                                     {"report SHA-256", "certifier.report_sha256"},
                                     {"expires", "certifier.expires"},
                                     {"operations", "operations"},
                                     {"asks for", "permissions"}};
  for (const Field& field : fields) {
    if (std::string text = field_text(object, field.member); !text.empty()) rows.emplace_back(field.title, text);
  }
  if (!signers->publisher) rows.emplace_back("publisher", "none: it is not signed");
  if (signers->certificate && member_text(object, "certifier.expired") == "true") rows.emplace_back("", "expired");
  Table table({{.title = "FILE"}, {.title = "BYTES", .align = Align::right}, {.title = "SHA-256"}});
  for (const json::Value& file : files.items()) {
    table.add({member_text(file, "path"), member_text(file, "bytes"), member_text(file, "sha256")});
  }
  session.world().out << render_fields(rows, session.style()) << '\n' << table.render(session.style()) << std::flush;
  return ExitCode::ok;
}

void add_trust_verbs(Noun& noun) {
  const auto arguments = std::make_shared<TrustArguments>();
  noun.verb("keygen", "Make a key that signs packages: the secret key in a file, its public key in FILE.pub")
      .argument("NAME", arguments->name, "Who signs with it, for example acme-plugins")
      .option("--output", "FILE", arguments->out, "The file to make", Need::required)
      .does([arguments](Session& session) { return make_key(session, *arguments); });
  noun.verb("sign", "Sign a package as its publisher")
      .argument("FILE", arguments->file, "A .trvp package")
      .option("--key", "FILE", arguments->key, "The publisher's key, of trav plugin keygen", Need::required)
      .option("--output", "FILE", arguments->out, "Where to write it; default in place")
      .does([arguments](Session& session) { return sign(session, *arguments); });
  noun.verb("countersign", "Say of a signed package which level it has, as a certifier")
      .argument("FILE", arguments->file, "A .trvp package that its publisher has signed")
      .option("--key", "FILE", arguments->key, "The certifier's key, of trav plugin keygen", Need::required)
      .choice("--level", {"core", "certified", "community", "private", "dev"}, arguments->level, "What is said of it",
              Need::required)
      .option("--report", "FILE", arguments->report, "What this rests on: the report of trav plugin validate")
      .option("--expires", "TIME", arguments->expires, "From when on it is not accepted: 2027-11-30, or never",
              Need::required)
      .option("--output", "FILE", arguments->out, "Where to write it; default in place")
      .does([arguments](Session& session) { return countersign(session, *arguments); });
  noun.verb("inspect", "Check a package file and show who signed it, its level, digests and files")
      .argument("FILE", arguments->file, "A .trvp package")
      .option("--trust", "FILE", arguments->trust, "A trust file: what it says of those who signed")
      .does([arguments](Session& session) { return inspect_package(session, arguments->file, arguments->trust); });
  noun.verb("revoke", "Add packages, or all that a key signed, to a signed revocation list")
      .arguments("PACKAGE", arguments->packages, "Packages that must not run any more")
      .option("--list", "FILE", arguments->list, "The list; made where it is missing", Need::required)
      .option("--key", "FILE", arguments->key, "The key of the list's issuer, of trav plugin keygen", Need::required)
      .option("--reason", "TEXT", arguments->reason, "Why, in one line", Need::required)
      .option("--signer", "KEY", arguments->publisher, "A public key, or its file: what it has signed is revoked")
      .does([arguments](Session& session) { return revoke(session, *arguments); });
  noun.verb("revocations", "Give a revocation list to the server (operator); without FILE list those that it has")
      .argument("FILE", arguments->file, "A list of trav plugin revoke", Need::optional)
      .does([arguments](Session& session) { return revocations(session, *arguments); });
}

}  // namespace trv::cli
