#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "audit/export/folder.hpp"
#include "audit/export/proof.hpp"
#include "audit/export/tile.hpp"
#include "audit/trail/trail.hpp"
#include "kernel/gateway/access.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

Result<note::SigningKey> key_of(const TrailSigner& signer, const base::TenantId& tenant) {
  return note::SigningKey::from_pem(fmt::format("{}/t/{}", signer.origin, tenant.value()), signer.key_pem);
}

http::Response octets(base::Bytes bytes, bool immutable) {
  http::Response response;
  response.content_type = "application/octet-stream";
  response.body.assign(bytes.begin(), bytes.end());
  if (immutable) return std::move(response).with("Cache-Control", "private, max-age=31536000, immutable");
  return response;
}

/// Runs `read` on the tenant's trail as it is committed now.
template <typename Read>
Result<http::Response> from_trail(const TrailSigner& signer, const Call& call, const Read& read) {
  TRV_TRY_ASSIGN(const note::SigningKey key, key_of(signer, call.tenant));
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(record::Stays stays, call.shard.stays(txn, call.tenant));
  log::RecordLookup records(call.shard.log(), std::move(stays));
  TRV_TRY_ASSIGN(const trail::Trail trail, trail::Trail::open(txn, call.shard.trail(), call.tenant, key, records));
  return read(trail);
}

// Reading the trail is a fact of the trail: it is recorded before `answer(call)` answers it.
template <typename Answer>
base::Status record_then(Call call, std::string_view what, Answer answer) {
  const tenancy::ReadTrail fact{
      .what = std::string(what), .size = 0, .source = std::string(call.request().remote_address())};
  return decide_then(std::move(call), fact, [answer = std::move(answer)](Call recorded, const Result<Change>& change) {
    if (!change) return recorded.responder.fail(change.error());
    answer(std::move(recorded));
  });
}

// What is answered covers the record of this very read. It is read where no other command waits for it.
template <typename Read>
base::Status record_and_read(const TrailSigner& signer, Call call, std::string_view what, Read read) {
  return record_then(std::move(call), what, [&signer, read = std::move(read)](Call recorded) {
    const auto held = std::make_shared<Call>(std::move(recorded));
    const bool is_taken =
        held->shard.run_aside([&signer, read, held] { held->responder.answer(from_trail(signer, *held, read)); });
    if (!is_taken) {
      held->responder.fail(base::Error(ErrorCode::unavailable, "too many reads of trails wait; try again in a moment"));
    }
  });
}

Result<http::Response> read_checkpoint(const trail::Trail& trail) {
  TRV_TRY_ASSIGN(std::string text, trail.checkpoint());
  return http::text(200, std::move(text));
}

Result<http::Response> read_tile(const trail::Trail& trail, std::string_view path) {
  const auto address = exporting::TileAddress::parse(path);
  const base::Error missing(ErrorCode::not_found, fmt::format("the trail has no '{}'", path.substr(0, 200)));
  if (!address) return fail(missing);
  TRV_TRY_ASSIGN(const std::uint64_t size, trail.size());
  const bool full = address->width == exporting::tile_width;
  if (address->kind == exporting::TileAddress::Kind::hashes) {
    const std::uint64_t hashes = address->level < 8 ? size >> (8 * address->level) : 0;
    if (address->index * exporting::tile_width + address->width > hashes) return fail(missing);
    TRV_TRY_ASSIGN(base::Bytes bytes, exporting::tile_bytes(trail.nodes(), *address));
    return octets(std::move(bytes), full);
  }
  if (address->index * exporting::tile_width + address->width > size) return fail(missing);
  base::Bytes bundle;
  for (std::uint64_t i = 0; i < address->width; ++i) {
    TRV_TRY_ASSIGN(const base::Bytes entry, trail.entry(address->index * exporting::tile_width + i));
    TRV_TRY(exporting::append_entry(bundle, entry));
  }
  return octets(std::move(bundle), full);
}

/// Of an entry, which says its lsn, or of an event, which says its position. An lsn may be one of each shard in which
/// the tenant has lived: the latest comes first.
Result<std::vector<log::Lsn>> places_of(const Call& call) {
  const std::string_view text = call.request().parameter("lsn");
  std::vector<log::Lsn> places;
  if (text.size() > 14 || text.find_first_not_of("0123456789") != std::string_view::npos) {
    TRV_TRY_ASSIGN(const log::Lsn place, call.shard.place_of("lsn", text, call.tenant));
    places.push_back(place);
    return places;
  }
  std::uint64_t lsn = 0;
  std::from_chars(text.data(), text.data() + text.size(), lsn);
  if (lsn == 0) return fail(ErrorCode::invalid, "lsn 0 does not exist; the first lsn of a log is 1");
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const record::Stays stays, call.shard.stays(txn, call.tenant));
  for (std::size_t moves = stays.earlier.size() + 1; moves-- > 0;) {
    places.push_back(record::in_stay(moves, log::Lsn(lsn)));
  }
  return places;
}

Result<http::Response> read_proof(const trail::Trail& trail, const std::vector<log::Lsn>& places) {
  TRV_EXPECTS(!places.empty());
  for (const log::Lsn place : places) {
    TRV_TRY_ASSIGN(const auto index, trail.index_of(place));
    if (!index) continue;
    TRV_TRY_ASSIGN(const base::Bytes entry, trail.entry(*index));
    TRV_TRY_ASSIGN(const exporting::Proof proof, exporting::make_proof(trail, *index));
    return http::text(200, exporting::format_proof(proof)).with("Travertine-Entry", base::to_base64(entry));
  }
  return fail(ErrorCode::not_found,
              fmt::format("the trail has no entry for lsn {}", record::Stays::lsn_of(places.front()).value()));
}

// A tile that does not exist is not read, so it leaves no record.
base::Status answer_tile(const TrailSigner& signer, Call& call) {
  const std::string path = "tile/" + std::string(call.request().parameter("path"));
  TRV_TRY_ASSIGN(const http::Response tile,
                 from_trail(signer, call, [&path](const trail::Trail& trail) { return read_tile(trail, path); }));
  return record_then(std::move(call), path, [tile](Call recorded) { recorded.responder.send(tile); });
}

base::Status answer_key(const TrailSigner& signer, Call& call) {
  TRV_TRY_ASSIGN(const note::SigningKey key, key_of(signer, call.tenant));
  return call.send(http::text(200, key.verifier().format() + "\n"));
}

base::Status answer_proof(const TrailSigner& signer, Call& call) {
  TRV_TRY_ASSIGN(const auto places, places_of(call));
  return record_and_read(signer, std::move(call), "proof",
                         [places](const trail::Trail& trail) { return read_proof(trail, places); });
}

}  // namespace

void add_audit_routes(http::Router& router, const node::Node& node, const TrailSigner& signer) {
  const auto reader = [&node](Handle handle) { return guarded(node, Resource::trail, std::move(handle)); };
  router.route("GET", "/v1/tenants/{tenant}/audit/checkpoint", reader([&signer](Call& call) {
                 return record_and_read(signer, std::move(call), "checkpoint", read_checkpoint);
               }),
               {.may_wait = true});
  router.route("GET", "/v1/tenants/{tenant}/audit/key",
               reader([&signer](Call& call) { return answer_key(signer, call); }));
  router.route("GET", "/v1/tenants/{tenant}/audit/tile/{path...}",
               reader([&signer](Call& call) { return answer_tile(signer, call); }), {.may_wait = true});
  router.route("GET", "/v1/tenants/{tenant}/audit/proofs/{lsn}",
               reader([&signer](Call& call) { return answer_proof(signer, call); }), {.may_wait = true});
}

}  // namespace trv::gateway
