#pragma once
// A trail in memory, for tests. It never fails; a test makes it contradict itself by changing what is public here.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/export/source.hpp"
#include "audit/merkle/tree.hpp"
#include "audit/note/checkpoint.hpp"

namespace trv::fakes {

/// What differs between the entries of tests.
struct EntryParts {
  std::uint64_t lsn = 1;
  std::uint64_t shard = 0;
  std::string time = "2026-01-31T12:00:00.000000001Z";
  std::string tenant = "acme";
  std::string stream_id = "s";
};

/// An entry as docs/formats/audit.md describes it.
inline std::string entry_text(const EntryParts& parts) {
  const std::string digest(64, 'a');
  return "{\"v\":1,\"shard\":" + std::to_string(parts.shard) + ",\"lsn\":" + std::to_string(parts.lsn) +
         ",\"event_id\":\"00000000-0000-7000-8000-000000000001\",\"time\":\"" + parts.time + "\",\"tenant\":\"" +
         parts.tenant + "\",\"type\":\"trv.instance.started\",\"stream_kind\":\"instance\",\"stream_id\":\"" +
         parts.stream_id + "\",\"outcome\":\"success\",\"payload_sha256\":\"" + digest + "\",\"record_sha256\":\"" +
         digest + "\"}";
}

class InMemoryTrail final : public exporting::TrailSource {
 public:
  explicit InMemoryTrail(std::uint64_t size, std::string_view word = "entry") {
    for (std::uint64_t i = 0; i < size; ++i) {
      add(entry_text({.lsn = i + 1, .stream_id = std::string(word)}));
    }
    note = checkpoint_at(size);
  }
  /// The entries that are given, whatever they are.
  explicit InMemoryTrail(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      add(text);
    }
    note = checkpoint_at(texts.size());
  }
  void add(std::string_view text) {
    entries.push_back(base::to_bytes(text));
    (void)merkle::append(tree, entries.size() - 1, merkle::leaf_hash(entries.back())).value();
  }
  [[nodiscard]] std::string checkpoint_at(std::uint64_t size) const {
    return note::sign_checkpoint({.origin = signing.name(), .size = size, .root = merkle::root(tree, size).value()},
                                 signing)
        .value();
  }
  base::Result<std::uint64_t> size() const override { return entries.size(); }
  base::Result<base::Bytes> entry(std::uint64_t index) const override { return entries.at(index); }
  base::Result<std::string> checkpoint() const override { return note; }
  const merkle::NodeReader& nodes() const override { return tree; }
  note::VerifierKey key() const override { return signing.verifier(); }

  std::vector<base::Bytes> entries;
  merkle::InMemoryNodes tree;
  note::SigningKey signing = note::SigningKey::from_seed("audit.example/t/acme", {7}).value();
  std::string note;
};

}  // namespace trv::fakes
