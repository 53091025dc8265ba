#pragma once
// A trail in memory, for tests. It never fails; a test makes it contradict itself by changing what is public here.

#include <string>
#include <string_view>
#include <vector>

#include "audit/export/source.hpp"
#include "audit/merkle/tree.hpp"
#include "audit/note/checkpoint.hpp"

namespace trv::fakes {

class InMemoryTrail final : public exporting::TrailSource {
 public:
  explicit InMemoryTrail(std::uint64_t size, std::string_view word = "entry") {
    for (std::uint64_t i = 0; i < size; ++i) {
      entries.push_back(base::to_bytes("{\"" + std::string(word) + "\":" + std::to_string(i) + "}"));
      (void)merkle::append(tree, i, merkle::leaf_hash(entries.back())).value();
    }
    note = checkpoint_at(size);
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
