#include "kernel/cli/commands/audit_export.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <system_error>

#include "audit/export/folder.hpp"
#include "audit/export/proof.hpp"
#include "audit/export/tile.hpp"
#include "audit/merkle/tree.hpp"
#include "audit/note/checkpoint.hpp"
#include "kernel/cli/client/files.hpp"
#include "kernel/cli/terminal/text.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;
using exporting::TileAddress;
using std::filesystem::path;

constexpr std::uint32_t levels = 8;  // of tiles: 256^8 entries

constexpr std::string_view readme =
    "This folder is a copy of an audit trail: an append-only Merkle tree (RFC 6962, SHA-256) as C2SP tlog-tiles.\n"
    "\n"
    "  checkpoint           the signed tree head            c2sp.org/tlog-checkpoint, c2sp.org/signed-note\n"
    "  key.pub              the verifier key\n"
    "  tile/entries/<N>     256 entries each, in order      c2sp.org/tlog-tiles\n"
    "  tile/<L>/<N>         256 hashes of the tree each     c2sp.org/tlog-tiles\n"
    "  proofs/              proofs of single entries        c2sp.org/tlog-proof\n"
    "\n"
    "Get the verifier key from the trail's owner by another way than this folder, then run, without any network:\n"
    "\n"
    "  trav audit verify <this folder> --key-file <file with the verifier key>\n";

base::Status write(const path& file, std::string_view bytes) {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  if (error) {
    return base::fail(ErrorCode::internal,
                      fmt::format("creating {}: {}", file.parent_path().string(), error.message()));
  }
  return replace_file(file, bytes, FileMode::everybody_reads, base::Sync::later);
}

// The tree as the folder holds it.
class FolderNodes final : public merkle::NodeReader {
 public:
  FolderNodes(path folder, std::uint64_t size) : folder_(std::move(folder)), size_(size) {}

  [[nodiscard]] base::Result<std::optional<base::Digest>> node(merkle::NodeAddress address) const override {
    // A node is stored in a tile, or is computed from the 2^rest hashes of one that lie below it.
    const std::uint32_t level = address.level / 8;
    const std::uint32_t rest = address.level % 8;
    const std::uint64_t first = address.index << rest;
    const std::uint64_t index = first / exporting::tile_width;
    if (level >= levels || index >= exporting::tile_count(level, size_)) return std::nullopt;
    TRV_TRY_ASSIGN(const std::vector<base::Digest>* tile, load(exporting::tile_at(level, index, size_)));
    const std::size_t offset = first % exporting::tile_width;
    if (offset + (std::size_t{1} << rest) > tile->size()) return std::nullopt;
    std::vector<base::Digest> hashes(tile->begin() + static_cast<std::ptrdiff_t>(offset),
                                     tile->begin() + static_cast<std::ptrdiff_t>(offset + (std::size_t{1} << rest)));
    while (hashes.size() > 1) {
      for (std::size_t i = 0; i < hashes.size() / 2; ++i) {
        hashes[i] = merkle::node_hash(hashes[2 * i], hashes[2 * i + 1]);
      }
      hashes.resize(hashes.size() / 2);
    }
    return hashes.front();
  }

 private:
  base::Result<const std::vector<base::Digest>*> load(const TileAddress& address) const {
    const auto key = std::pair(address.level, address.index);
    if (const auto found = tiles_.find(key); found != tiles_.end()) return &found->second;
    TRV_TRY_ASSIGN(const std::string bytes, read_file(folder_ / address.path(), exporting::tile_bytes_max));
    TRV_TRY_ASSIGN(auto hashes, exporting::parse_tile(base::as_bytes(bytes), address.width));
    if (tiles_.size() >= tiles_max) tiles_.clear();
    return &tiles_.emplace(key, std::move(hashes)).first->second;
  }

  static constexpr std::size_t tiles_max = 4096;
  path folder_;
  std::uint64_t size_;
  mutable std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<base::Digest>> tiles_;
};

class Mirror {
 public:
  Mirror(Session& session, path folder) : session_(session), folder_(std::move(folder)) {}

  base::Result<Exported> run(const ExportRequest& request) {
    TRV_TRY(fetch_head());
    TRV_TRY(fetch_tiles());
    TRV_TRY(write_proofs(request));
    TRV_TRY(write(folder_ / exporting::readme_file, readme));
    TRV_TRY(write(folder_ / exporting::key_file, key_));
    TRV_TRY(base::sync_file_system(folder_));
    TRV_TRY(replace_file(folder_ / exporting::checkpoint_file, note_, FileMode::everybody_reads));
    return exported_;
  }

 private:
  base::Result<HttpResponse> get(std::string_view rest) {
    TRV_TRY_ASSIGN(const std::string target, session_.tenant_target("/audit/" + std::string(rest)));
    return session_.call(Speaker::member, {.target = target});
  }

  base::Status fetch_head() {
    TRV_TRY_ASSIGN(HttpResponse checkpoint, get("checkpoint"));
    TRV_TRY_ASSIGN(HttpResponse key, get("key"));
    note_ = std::move(checkpoint.body);
    key_ = std::move(key.body);
    if (!key_.ends_with('\n')) key_ += '\n';
    const auto verifier = note::VerifierKey::parse(std::string_view(key_).substr(0, key_.size() - 1));
    if (!verifier) return base::fail(ErrorCode::corrupt, "the server's verifier key: " + verifier.error().message());
    const auto head = note::open_checkpoint(note_, std::span(&*verifier, 1));
    if (!head) return base::fail(ErrorCode::corrupt, "the server's checkpoint: " + head.error().message());
    exported_.size = head->size;
    std::error_code error;
    if (!std::filesystem::exists(folder_ / exporting::key_file, error)) {
      // The key comes first: it says whose trail an interrupted copy is.
      return write(folder_ / exporting::key_file, key_);
    }
    TRV_TRY_ASSIGN(const std::string old_key, read_file(folder_ / exporting::key_file, 10'000));
    if (old_key == key_) return {};
    return base::fail(ErrorCode::conflict,
                      fmt::format("{} holds the trail of another key; name a new folder", folder_.string()));
  }

  base::Status fetch_tiles() {
    std::uint64_t total = exporting::tile_count(0, exported_.size);
    for (std::uint32_t level = 0; level < levels; ++level) total += exporting::tile_count(level, exported_.size);
    std::uint64_t done = 0;
    const auto fetch = [&](const TileAddress& address) -> base::Status {
      TRV_TRY(fetch_tile(address));
      progress(++done, total);
      return {};
    };
    for (std::uint64_t i = 0; i < exporting::tile_count(0, exported_.size); ++i) {
      TRV_TRY(fetch(exporting::bundle_at(i, exported_.size)));
    }
    for (std::uint32_t level = 0; level < levels; ++level) {
      for (std::uint64_t i = 0; i < exporting::tile_count(level, exported_.size); ++i) {
        TRV_TRY(fetch(exporting::tile_at(level, i, exported_.size)));
      }
    }
    end_progress();
    return {};
  }

  // Whether the bytes can be those of the tile.
  static bool fits(const TileAddress& address, std::string_view bytes) {
    return address.kind == TileAddress::Kind::hashes
               ? exporting::parse_tile(base::as_bytes(bytes), address.width).has_value()
               : exporting::parse_bundle(base::as_bytes(bytes), address.width).has_value();
  }

  base::Status fetch_tile(const TileAddress& address) {
    const path file = folder_ / address.path();
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
      const auto there = read_file(file, exporting::bundle_bytes_max);
      if (there && fits(address, *there)) {
        ++exported_.kept;
        return {};
      }
    }
    TRV_TRY_ASSIGN(const HttpResponse response, get(address.path()));
    if (!fits(address, response.body)) {
      return base::fail(
          ErrorCode::corrupt,
          fmt::format("what the server sent as {} is not a tile or a bundle of its width", address.path()));
    }
    TRV_TRY(write(file, response.body));
    ++exported_.fetched;
    if (address.width == exporting::tile_width) return drop_partial(file);
    return drop_other_widths(file);
  }

  // The narrower forms of a tile that an earlier copy left behind.
  static base::Status drop_partial(const path& file) {
    std::error_code error;
    std::filesystem::remove_all(file.string() + ".p", error);
    if (error) return base::fail(ErrorCode::internal, fmt::format("removing {}.p: {}", file.string(), error.message()));
    return {};
  }
  static base::Status drop_other_widths(const path& file) {
    std::error_code error;
    std::vector<path> others;
    for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), error)) {
      if (entry.path() != file) others.push_back(entry.path());
    }
    for (const path& other : others) std::filesystem::remove(other, error);
    if (error) return base::fail(ErrorCode::internal, fmt::format("beside {}: {}", file.string(), error.message()));
    return {};
  }

  base::Status write_proofs(const ExportRequest& request) {
    const FolderNodes nodes(folder_, exported_.size);
    if (request.all_proofs) {
      for (std::uint64_t i = 0; i < exported_.size; ++i) {
        TRV_TRY(write_proof(nodes, i));
        if (i % exporting::tile_width == 0) progress(i, exported_.size);
      }
      end_progress();
      return {};
    }
    for (const std::string& lsn : request.proofs_of) {
      // The server knows which entry a record has; the proof is made for the checkpoint of this copy.
      TRV_TRY_ASSIGN(const HttpResponse response, get("proofs/" + percent_encoded(lsn)));
      const auto proof = exporting::parse_proof(response.body);
      if (!proof)
        return base::fail(ErrorCode::corrupt, fmt::format("the proof of {}: {}", lsn, proof.error().message()));
      if (proof->index >= exported_.size) {
        return base::fail(ErrorCode::not_found,
                          fmt::format("the entry of {} is newer than the checkpoint; export again", lsn));
      }
      TRV_TRY(write_proof(nodes, proof->index));
    }
    return {};
  }

  base::Status write_proof(const FolderNodes& nodes, std::uint64_t index) {
    exporting::Proof proof{.index = index, .extra = std::nullopt, .hashes = {}, .checkpoint = note_};
    TRV_TRY_ASSIGN(proof.hashes, merkle::inclusion_proof(nodes, index, exported_.size));
    TRV_TRY(write(folder_ / exporting::proofs_folder / (std::to_string(index) + std::string(exporting::proof_suffix)),
                  exporting::format_proof(proof)));
    ++exported_.proofs;
    return {};
  }

  void progress(std::uint64_t done, std::uint64_t total) {
    World& world = session_.world();
    const base::Duration now = world.clock.monotonic();
    if (!world.err_is_terminal || now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    world.err << fmt::format("\r{} of {} ", done, total) << std::flush;
  }
  void end_progress() {
    if (session_.world().err_is_terminal) session_.world().err << "\r\x1b[K" << std::flush;
  }

  Session& session_;
  path folder_;
  std::string note_;
  std::string key_;
  Exported exported_;
  base::Duration shown_{};
};

}  // namespace

base::Result<Exported> mirror_trail(Session& session, const path& folder, const ExportRequest& request) {
  return Mirror(session, folder).run(request);
}

}  // namespace trv::cli
