// Proof files, tile paths, tiles and bundles from hostile bytes. What is accepted must come out again as it went in.

#include <string_view>

#include "audit/export/proof.hpp"
#include "audit/export/tile.hpp"
#include "audit/merkle/proof.hpp"
#include "audit/verify/verify.hpp"
#include "sdk/base/contract.hpp"

using namespace trv;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView bytes(data, size);
  const std::string_view text = base::as_text(bytes);
  static const note::SigningKey key = note::SigningKey::from_seed("log.example/1", {1}).value();

  if (const auto proof = exporting::parse_proof(text)) {
    TRV_ASSERT(exporting::format_proof(*proof) == text);
    // Nobody guesses a leaf and a path to it.
    TRV_ASSERT(!merkle::verify_inclusion(proof->index, proof->index + proof->hashes.size(), {}, proof->hashes, {}));
    TRV_ASSERT(!merkle::verify_consistency(proof->index, ~std::uint64_t{0}, {}, {}, proof->hashes));
  }
  (void)verify::verify_proof_file(text, base::as_bytes("entry"), key.verifier());

  if (const auto tile = exporting::TileAddress::parse(text)) {
    TRV_ASSERT(tile->path() == text);
  }
  if (size > 0) {
    const std::uint32_t width = 1u + data[0];
    const auto entries = exporting::parse_bundle(bytes.subspan(1), width);
    if (entries) {
      base::Bytes again;
      for (const base::BytesView entry : *entries) {
        TRV_ASSERT(exporting::append_entry(again, entry).has_value());
      }
      TRV_ASSERT(base::as_text(again) == text.substr(1));
    }
    const auto hashes = exporting::parse_tile(bytes.subspan(1), width);
    TRV_ASSERT(!hashes || hashes->size() == width);
  }
  return 0;
}
