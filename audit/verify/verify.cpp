#include "audit/verify/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "audit/export/folder.hpp"
#include "audit/merkle/proof.hpp"
#include "audit/verify/folder_file.hpp"
#include "audit/verify/recomputation.hpp"

namespace trv::verify {
namespace {

using base::ErrorCode;
using base::Result;
using note::Checkpoint;
using note::VerifierKey;
using std::filesystem::path;

constexpr std::size_t key_bytes_max = 1024;
constexpr std::size_t proofs_max = 100'000;
constexpr std::string_view older_checkpoint = "the older checkpoint";

// A proof file and the checkpoint that it carries, its signature checked.
struct ReadProof {
  std::string file;
  exporting::Proof proof;
  Checkpoint checkpoint;
};

Result<VerifierKey> read_key(const path& folder) {
  TRV_TRY_ASSIGN(const base::Bytes bytes, read_file(folder / exporting::key_file, key_bytes_max));
  std::string_view text = base::as_text(bytes);
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  return VerifierKey::parse(text);
}

// The key to check with. Nothing where the folder must bring it and does not.
std::optional<VerifierKey> choose_key(const path& folder, const std::optional<VerifierKey>& trusted, Report& report) {
  const auto own = read_key(folder);
  if (!own) {
    report.add(std::string(exporting::key_file), own.error().message());
  } else if (trusted && *own != *trusted) {
    report.add(std::string(exporting::key_file),
               fmt::format("is {}, but the trusted key is {}", own->format(), trusted->format()));
  }
  if (trusted) {
    report.signer = trusted->format();
    return trusted;
  }
  report.self_signed = true;
  if (!own) {
    return std::nullopt;
  }
  report.signer = own->format();
  return *own;
}

Result<ReadProof> read_proof(const path& folder, const std::string& name, const VerifierKey& key) {
  TRV_TRY_ASSIGN(const base::Bytes bytes,
                 read_file(folder / exporting::proofs_folder / name, exporting::proof_bytes_max));
  TRV_TRY_ASSIGN(exporting::Proof proof, exporting::parse_proof(base::as_text(bytes)));
  if (name != fmt::format("{}{}", proof.index, exporting::proof_suffix)) {
    return base::fail(ErrorCode::invalid, fmt::format("proves entry {}, not the one of its name", proof.index));
  }
  TRV_TRY_ASSIGN(Checkpoint checkpoint, note::open_checkpoint(proof.checkpoint, std::span(&key, 1)));
  proof.checkpoint.clear();  // may be a million bytes, and a folder may hold many
  return ReadProof{.file = fmt::format("{}/{}", exporting::proofs_folder, name),
                   .proof = std::move(proof),
                   .checkpoint = std::move(checkpoint)};
}

// The names of the proof files, sorted.
std::vector<std::string> proof_names(const path& folder, std::vector<Problem>& problems) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator at(folder / exporting::proofs_folder, error);
  for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (!name.ends_with(exporting::proof_suffix)) {
      continue;
    }
    if (names.size() == proofs_max) {
      problems.push_back({.file = std::string(exporting::proofs_folder),
                          .what = fmt::format("has more than {} proofs; the others were not checked", proofs_max)});
      break;
    }
    names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

// At most proofs_max + 1 problems.
std::vector<ReadProof> read_proofs(const path& folder, const VerifierKey& key, std::vector<Problem>& problems) {
  std::vector<ReadProof> proofs;
  for (const std::string& name : proof_names(folder, problems)) {
    auto proof = read_proof(folder, name, key);
    if (!proof) {
      problems.push_back(
          {.file = fmt::format("{}/{}", exporting::proofs_folder, name), .what = proof.error().message()});
      continue;
    }
    proofs.push_back(*std::move(proof));
  }
  return proofs;
}

bool is_covered(const std::string& file, std::uint64_t size) {
  const bool is_proof =
      file.starts_with(fmt::format("{}/", exporting::proofs_folder)) && file.ends_with(exporting::proof_suffix);
  if (file == exporting::checkpoint_file || file == exporting::key_file || is_proof) {
    return true;
  }
  const auto tile = exporting::TileAddress::parse(file);
  if (!tile || tile->index >= exporting::tile_count(tile->level, size)) {
    return false;
  }
  const bool entries = tile->kind == exporting::TileAddress::Kind::entries;
  return *tile ==
         (entries ? exporting::bundle_at(tile->index, size) : exporting::tile_at(tile->level, tile->index, size));
}

void list_unchecked(const path& folder, std::uint64_t size, Report& report) {
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(folder, error);
  const std::filesystem::recursive_directory_iterator end;
  for (; !error && at != end && report.unchecked.size() < Report::unchecked_max; at.increment(error)) {
    if (std::filesystem::is_directory(at->symlink_status(error))) {
      continue;
    }
    std::string file = at->path().lexically_relative(folder).generic_string();
    if (!is_covered(file, size)) {
      report.unchecked.push_back(std::move(file));
    }
  }
  std::ranges::sort(report.unchecked);
}

void compare_root(std::string file, const Checkpoint& claimed, const base::Digest* computed, Report& report) {
  if (computed != nullptr && *computed != claimed.root) {
    report.add(std::move(file), fmt::format("says root {} at size {}, but the entries give {}",
                                            base::to_hex(claimed.root), claimed.size, base::to_hex(*computed)));
  }
}

void check_proof(const ReadProof& read, const Checkpoint& head, const Recomputation& tree, Report& report) {
  if (read.checkpoint.origin != head.origin) {
    report.add(read.file, fmt::format("is of {}, not of {}", read.checkpoint.origin, head.origin));
    return;
  }
  const base::Digest* leaf = tree.leaf_at(read.proof.index);
  if (leaf == nullptr) {
    report.add(read.file, fmt::format("entry {} was not found among the entries", read.proof.index));
    return;
  }
  const base::Status proven =
      merkle::verify_inclusion(read.proof.index, read.checkpoint.size, *leaf, read.proof.hashes, read.checkpoint.root);
  if (!proven) {
    report.add(read.file, proven.error().message());
    return;
  }
  compare_root(read.file, read.checkpoint, tree.root_at(read.checkpoint.size), report);
  ++report.proofs;
}

// Whether the older checkpoint can be the beginning of this log at all; the problem is in the report otherwise.
bool comes_before(const Checkpoint& old, const Checkpoint& head, Report& report) {
  const std::string file(exporting::checkpoint_file);
  if (old.origin != head.origin) {
    report.add(file, fmt::format("is of {}, but the older checkpoint is of {}", head.origin, old.origin));
    return false;
  }
  if (old.size > head.size) {
    report.add(file, fmt::format("covers {} entries, but the older checkpoint covered {}: entries were removed",
                                 head.size, old.size));
    return false;
  }
  return true;
}

Result<Report> verify(const path& folder, const std::optional<VerifierKey>& trusted,
                      std::optional<std::string_view> old_note) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return base::fail(ErrorCode::not_found, fmt::format("there is no export folder {}", folder.string()));
  }
  Report report;
  const auto key = choose_key(folder, trusted, report);
  if (!key) {
    return report;
  }
  const std::string checkpoint_file(exporting::checkpoint_file);
  const auto head_bytes = read_file(folder / checkpoint_file, note::note_bytes_max);
  if (!head_bytes) {
    report.add(checkpoint_file, head_bytes.error().message());
    return report;
  }
  const auto head = note::open_checkpoint(base::as_text(*head_bytes), std::span(&*key, 1));
  if (!head) {
    report.add(checkpoint_file, fmt::format("{}; nothing below it was checked", head.error().message()));
    return report;
  }
  report.origin = head->origin;
  report.size = head->size;
  report.root_hex = base::to_hex(head->root);
  if (head->size >= merkle::size_max) {
    report.add(checkpoint_file, fmt::format("size {} is not below 2^63", head->size));
    return report;
  }

  const auto tenant = tenant_of_origin(head->origin);
  if (!tenant) {
    report.add(checkpoint_file, fmt::format("its origin {} does not name a tenant after \"/t/\"", head->origin));
    return report;
  }

  Recomputation tree(folder, *tenant, head->size, report);
  std::optional<Checkpoint> old;
  if (old_note) {
    auto opened = note::open_checkpoint(*old_note, std::span(&*key, 1));
    if (!opened) {
      report.add(std::string(older_checkpoint), opened.error().message());
    } else if (comes_before(*opened, *head, report)) {
      tree.want_root(opened->size);
      old = *std::move(opened);
    }
  }
  std::vector<Problem> unreadable;
  const std::vector<ReadProof> proofs = read_proofs(folder, *key, unreadable);
  for (const ReadProof& read : proofs) {
    tree.want_leaf(read.proof.index);
    tree.want_root(read.checkpoint.size);
  }

  if (tree.run()) {
    const base::Digest computed = tree.root();
    compare_root(checkpoint_file, *head, &computed, report);
  }
  if (old) {
    compare_root(std::string(older_checkpoint), *old, tree.root_at(old->size), report);
  }
  for (Problem& problem : unreadable) {
    report.add(std::move(problem));
  }
  for (const ReadProof& read : proofs) {
    check_proof(read, *head, tree, report);
  }
  list_unchecked(folder, head->size, report);
  return report;
}

}  // namespace

Result<Report> verify_folder(const path& folder, const std::optional<VerifierKey>& trusted) {
  return verify(folder, trusted, std::nullopt);
}

Result<Report> verify_growth(std::string_view old_checkpoint, const path& folder,
                             const std::optional<VerifierKey>& trusted) {
  return verify(folder, trusted, old_checkpoint);
}

Result<ProvenEntry> verify_proof_file(std::string_view proof, base::BytesView entry, const VerifierKey& key) {
  TRV_TRY_ASSIGN(const exporting::Proof parsed, exporting::parse_proof(proof));
  TRV_TRY_ASSIGN(Checkpoint checkpoint, note::open_checkpoint(parsed.checkpoint, std::span(&key, 1)));
  TRV_TRY(merkle::verify_inclusion(parsed.index, checkpoint.size, merkle::leaf_hash(entry), parsed.hashes,
                                   checkpoint.root));
  const auto tenant = tenant_of_origin(checkpoint.origin);
  if (!tenant) {
    return base::fail(ErrorCode::invalid, fmt::format("the origin {} does not name a tenant", checkpoint.origin));
  }
  if (auto checked = EntrySequence(*tenant).next(entry); !checked) {
    return base::fail(std::move(checked).error().in("the entry"));
  }
  return ProvenEntry{.index = parsed.index, .checkpoint = std::move(checkpoint)};
}

}  // namespace trv::verify
