// trav audit: the trail as proof. verify needs no server and no network.

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "audit/note/key.hpp"
#include "audit/verify/verify.hpp"
#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/audit_export.hpp"
#include "kernel/cli/commands/nouns.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t small_file_bytes_max = 1'100'000;

struct AuditArguments {
  std::string folder;
  std::vector<std::string> proof;
  std::string proofs;
  std::string key;
  std::string key_file;
  std::string since;
  std::string file;
  std::string entry;
};

std::string without_line_end(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

// The key as it was given: its text, or a file that holds it. nullopt where none was given.
base::Result<std::optional<note::VerifierKey>> key_of(const AuditArguments& arguments) {
  if (!arguments.key.empty() && !arguments.key_file.empty()) {
    return base::fail(base::ErrorCode::invalid, "give --key or --key-file, not both");
  }
  std::string text = arguments.key;
  std::error_code error;
  const bool key_is_file = !text.empty() && std::filesystem::is_regular_file(text, error);
  if (!arguments.key_file.empty() || key_is_file) {
    TRV_TRY_ASSIGN(text, read_file(key_is_file ? text : arguments.key_file, small_file_bytes_max));
  }
  if (text.empty()) return std::nullopt;
  auto key = note::VerifierKey::parse(without_line_end(text));
  if (!key) return base::fail(base::ErrorCode::invalid, "the verifier key: " + key.error().message());
  return std::optional(*std::move(key));
}

json::Value report_json(const verify::Report& report) {
  json::Value problems = json::Value::array();
  json::Value unchecked = json::Value::array();
  for (const verify::Problem& problem : report.problems) {
    problems.push_back({{"file", problem.file}, {"what", problem.what}});
  }
  for (const std::string& what : report.unchecked) unchecked.push_back(what);
  return {{"holds", report.holds()},
          {"origin", report.origin},
          {"signer", report.signer},
          {"self_signed", report.self_signed},
          {"size", report.size},
          {"root", report.root_hex},
          {"entries", report.entries},
          {"tiles", report.tiles},
          {"proofs", report.proofs},
          {"problems", std::move(problems)},
          {"problems_left_out", report.problems_left_out},
          {"unchecked", std::move(unchecked)}};
}

ExitCode show(Session& session, const std::string& folder, const verify::Report& report) {
  if (session.as_json()) {
    session.print_value(report_json(report));
  } else {
    session.print(report.to_text(fmt::format("`trav audit verify {} --output json` shows all", folder)));
  }
  return report.holds() ? ExitCode::ok : ExitCode::verification_failed;
}

base::Result<ExitCode> export_trail(Session& session, const AuditArguments& arguments) {
  TRV_TRY_ASSIGN(
      const Exported exported,
      mirror_trail(session, arguments.folder, {.proofs_of = arguments.proof, .all_proofs = arguments.proofs == "all"}));
  if (!session.as_json()) {
    session.print(fmt::format("{} entries in {}: {} files fetched, {} already present, {} proofs written.",
                              exported.size, arguments.folder, exported.fetched, exported.kept, exported.proofs));
  }
  // What arrived is worth nothing before it has been checked.
  TRV_TRY_ASSIGN(const verify::Report report, verify::verify_folder(arguments.folder, std::nullopt));
  return show(session, arguments.folder, report);
}

base::Result<ExitCode> verify_trail(Session& session, const AuditArguments& arguments) {
  TRV_TRY_ASSIGN(const auto key, key_of(arguments));
  std::error_code error;
  if (!std::filesystem::is_directory(arguments.folder, error)) {
    return base::fail(base::ErrorCode::invalid, fmt::format("{} is not a folder", arguments.folder));
  }
  if (arguments.since.empty()) {
    TRV_TRY_ASSIGN(const verify::Report report, verify::verify_folder(arguments.folder, key));
    return show(session, arguments.folder, report);
  }
  const auto old_checkpoint = read_file(arguments.since, small_file_bytes_max);
  if (!old_checkpoint) {
    const base::Error& why = old_checkpoint.error();
    // A file that is too large was read, and is not a checkpoint.
    if (why.code() != base::ErrorCode::too_large) return base::fail(why);
    return base::fail(base::ErrorCode::corrupt, "the older checkpoint: " + why.message());
  }
  TRV_TRY_ASSIGN(const verify::Report report, verify::verify_growth(*old_checkpoint, arguments.folder, key));
  return show(session, arguments.folder, report);
}

base::Result<ExitCode> verify_proof(Session& session, const AuditArguments& arguments) {
  TRV_TRY_ASSIGN(const auto key, key_of(arguments));
  if (!key) return base::fail(base::ErrorCode::invalid, "a proof is checked against a key: give --key or --key-file");
  TRV_TRY_ASSIGN(const std::string proof, read_file(arguments.file, small_file_bytes_max));
  TRV_TRY_ASSIGN(const std::string entry, read_file(arguments.entry, small_file_bytes_max));
  const auto proven = verify::verify_proof_file(proof, base::as_bytes(entry), *key);
  if (!proven) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{}: {}", arguments.file, proven.error().message()));
  }
  if (session.as_json()) {
    session.print_value({{"holds", true},
                         {"index", proven->index},
                         {"origin", proven->checkpoint.origin},
                         {"size", proven->checkpoint.size}});
  } else {
    session.print(fmt::format("Proven: {} is entry {} of {} in the trail {}.", arguments.entry, proven->index,
                              proven->checkpoint.size, proven->checkpoint.origin));
  }
  return ExitCode::ok;
}

}  // namespace

void add_audit(CommandTree& tree) {
  Noun noun = tree.noun("audit", "Audit: a tenant's trail, and the proof that nobody changed it");
  noun.example("trav audit export --output trail --proofs all")
      .example("trav audit verify trail --key-file key-from-the-owner.pub   no server, no network")
      .example("trav audit verify-proof trail/proofs/41.tlog-proof --entry entry.json --key-file key.pub");
  const auto arguments = std::make_shared<AuditArguments>();
  noun.verb("export", "Copy the trail into a folder and check it; run again to go on or to bring it up to date")
      .option("--output", "FOLDER", arguments->folder, "The folder; it is made if it does not exist", Need::required)
      .options("--proof", "LSN", arguments->proof,
               "Write a proof of the record with this lsn or position; may be repeated")
      .choice("--proofs", {"all"}, arguments->proofs, "Write a proof of every entry")
      .does([arguments](Session& session) { return export_trail(session, *arguments); });
  noun.verb("verify", "Check an export: every entry, the tree, the signature, the proofs")
      .argument("FOLDER", arguments->folder, "The export")
      .option("--key", "KEY", arguments->key, "The verifier key that you trust, or a file with it")
      .option("--key-file", "FILE", arguments->key_file, "A file with the verifier key")
      .option("--since", "FILE", arguments->since, "A checkpoint kept from before: nothing older may have changed")
      .does([arguments](Session& session) { return verify_trail(session, *arguments); });
  noun.verb("verify-proof", "Check the proof of one entry")
      .argument("FILE", arguments->file, "The .tlog-proof file")
      .option("--entry", "FILE", arguments->entry, "The entry's bytes", Need::required)
      .option("--key", "KEY", arguments->key, "The verifier key that you trust, or a file with it")
      .option("--key-file", "FILE", arguments->key_file, "A file with the verifier key")
      .does([arguments](Session& session) { return verify_proof(session, *arguments); });
}

}  // namespace trv::cli
