#include "audit/export/folder.hpp"

#include <fmt/format.h>

#include <system_error>

#include "audit/export/tile.hpp"
#include "audit/merkle/tree.hpp"
#include "audit/note/checkpoint.hpp"
#include "sdk/base/file.hpp"

namespace trv::exporting {
namespace {

using base::ErrorCode;
using std::filesystem::path;

constexpr std::string_view readme = R"(This folder is an export of an audit trail.

What it proves
  Every entry is a leaf of one append-only Merkle tree (RFC 6962, SHA-256). The file "checkpoint" names the tree's size
  and root and is signed with Ed25519. A change, removal, addition or reordering of one entry changes the root, and
  the signature no longer fits.

Files
  checkpoint              the signed tree head                  c2sp.org/tlog-checkpoint, c2sp.org/signed-note
  key.pub                 the verifier key: name+id+key         c2sp.org/signed-note
  tile/entries/<N>        256 entries each, in order            c2sp.org/tlog-tiles: per entry a length in two bytes,
                                                                big-endian, and the entry, which is one JSON object
  tile/<L>/<N>            256 hashes of the tree each           c2sp.org/tlog-tiles
  ....p/<W>               the last, partial tile of W items
  proofs/<n>.tlog-proof   proof of entry n alone, if asked for  c2sp.org/tlog-proof

How to check it
  Get the verifier key from its owner by a way that does not lead through this folder, and compare it with key.pub.
  With the key.pub of this folder alone you prove that the folder agrees with itself, not who signed it.

    trav audit verify <this folder> --key <file with the verifier key>

  To check against a checkpoint that you kept from an earlier export, which shows that nothing you saw then has been
  rewritten since:

    trav audit verify <this folder> --key <file> --since <earlier checkpoint>

Without our tools
  Any tool for C2SP tile logs reads this folder; none needs a network. Examples:
    - Go: packages note and tlog of golang.org/x/mod/sumdb (note.Open for the checkpoint, tlog.RecordHash and
      tlog.CheckRecord for entries and proofs)
    - Tessera: fsck --storage_url=file://<this folder> --public_key=<file with the verifier key>
    - By hand, for the signature: the bytes of "checkpoint" up to the line feed before its empty line are the message;
      "openssl pkeyutl -verify -rawin" checks them with the 32-byte key at the end of key.pub's base64
)";

base::Status write_file(const path& file, BytesView bytes, std::uint64_t& files) {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  if (error) {
    return base::fail(ErrorCode::unavailable,
                      fmt::format("export: creating {}: {}", file.parent_path().string(), error.message()));
  }
  if (auto written = base::write_file(file, ".unfinished", bytes, 0644, base::Sync::later); !written) {
    return base::fail(ErrorCode::unavailable, "export: " + written.error().message());
  }
  ++files;
  return {};
}

base::Status prepare_folder(const path& folder) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error) {
    return base::fail(ErrorCode::unavailable, fmt::format("export: creating {}: {}", folder.string(), error.message()));
  }
  const bool empty = std::filesystem::is_empty(folder, error);
  if (error) {
    return base::fail(ErrorCode::unavailable, fmt::format("export: reading {}: {}", folder.string(), error.message()));
  }
  if (!empty) {
    return base::fail(ErrorCode::conflict, fmt::format("export: {} is not empty; name a new folder", folder.string()));
  }
  return {};
}

// The source's checkpoint and the note that carries it.
struct Head {
  note::Checkpoint checkpoint;
  std::string note;
};

base::Result<Head> head_of(const TrailSource& source) {
  TRV_TRY_ASSIGN(std::string text, source.checkpoint());
  const note::VerifierKey key = source.key();
  TRV_TRY_ASSIGN(note::Checkpoint checkpoint, note::open_checkpoint(text, std::span(&key, 1)));
  TRV_TRY_ASSIGN(const std::uint64_t size, source.size());
  if (checkpoint.size > size) {
    return base::fail(ErrorCode::corrupt, fmt::format("the checkpoint of {} covers {} entries, but the trail has {}",
                                                      checkpoint.origin, checkpoint.size, size));
  }
  TRV_TRY_ASSIGN(const base::Digest root, merkle::root(source.nodes(), checkpoint.size));
  if (root != checkpoint.root) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("the root of {} at size {} is {}, but the checkpoint says {}", checkpoint.origin,
                                  checkpoint.size, base::to_hex(root), base::to_hex(checkpoint.root)));
  }
  return Head{.checkpoint = std::move(checkpoint), .note = std::move(text)};
}

base::Result<Proof> proof_against(const TrailSource& source, const Head& head, std::uint64_t index) {
  if (index >= head.checkpoint.size) {
    return base::fail(ErrorCode::not_found, fmt::format("entry {} is not among the {} that the checkpoint of {} covers",
                                                        index, head.checkpoint.size, head.checkpoint.origin));
  }
  Proof proof{.index = index, .extra = std::nullopt, .hashes = {}, .checkpoint = head.note};
  TRV_TRY_ASSIGN(proof.hashes, merkle::inclusion_proof(source.nodes(), index, head.checkpoint.size));
  return proof;
}

base::Result<Bytes> bundle_bytes(const TrailSource& source, const TileAddress& bundle) {
  Bytes bytes;
  for (std::uint32_t i = 0; i < bundle.width; ++i) {
    const std::uint64_t index = bundle.index * tile_width + i;
    TRV_TRY_ASSIGN(const Bytes entry, source.entry(index));
    TRV_TRY_ASSIGN(const std::optional<base::Digest> leaf, source.nodes().node({.level = 0, .index = index}));
    if (leaf != merkle::leaf_hash(entry)) {
      return base::fail(ErrorCode::corrupt, fmt::format("entry {} does not hash to its leaf in the tree", index));
    }
    TRV_TRY(append_entry(bytes, entry));
  }
  return bytes;
}

}  // namespace

base::Result<Proof> make_proof(const TrailSource& source, std::uint64_t index) {
  TRV_TRY_ASSIGN(const Head head, head_of(source));
  return proof_against(source, head, index);
}

base::Result<Exported> write_export(const path& folder, const TrailSource& source, const ExportOptions& options) {
  TRV_TRY_ASSIGN(const Head head, head_of(source));
  TRV_TRY(prepare_folder(folder));
  const std::uint64_t size = head.checkpoint.size;
  Exported exported{.size = size, .files = 0, .root_hex = base::to_hex(head.checkpoint.root)};

  for (std::uint64_t index = 0; index < tile_count(0, size); ++index) {
    const TileAddress bundle = bundle_at(index, size);
    TRV_TRY_ASSIGN(const Bytes bytes, bundle_bytes(source, bundle));
    TRV_TRY(write_file(folder / bundle.path(), bytes, exported.files));
    if (options.on_progress) {
      options.on_progress(index * tile_width + bundle.width, size);
    }
  }
  for (std::uint32_t level = 0; size >> (8 * level) > 0; ++level) {
    for (std::uint64_t index = 0; index < tile_count(level, size); ++index) {
      const TileAddress tile = tile_at(level, index, size);
      TRV_TRY_ASSIGN(const Bytes bytes, tile_bytes(source.nodes(), tile));
      TRV_TRY(write_file(folder / tile.path(), bytes, exported.files));
    }
  }
  for (const std::uint64_t index : options.proofs) {
    TRV_TRY_ASSIGN(const Proof proof, proof_against(source, head, index));
    TRV_TRY(write_file(folder / proofs_folder / fmt::format("{}{}", index, proof_suffix),
                       base::as_bytes(format_proof(proof)), exported.files));
  }
  TRV_TRY(write_file(folder / key_file, base::as_bytes(source.key().format() + "\n"), exported.files));
  TRV_TRY(write_file(folder / readme_file, base::as_bytes(readme), exported.files));
  TRV_TRY(write_file(folder / checkpoint_file, base::as_bytes(head.note), exported.files));
  TRV_TRY(base::sync_file_system(folder));
  return exported;
}

}  // namespace trv::exporting
