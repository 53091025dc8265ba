// The public proof vectors of transparency-dev/merkle.

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "audit/merkle/proof.hpp"

namespace trv::merkle {
namespace {

namespace json = boost::json;

// The one vector where we differ, knowingly: that library calls a start from the empty tree useless and refuses it,
// while the witness protocol needs it (proof.hpp).
constexpr const char* empty_start = "size1-is-zero-and-size2-is-not-zero.json";

std::filesystem::path vectors() {
  const char* folder = std::getenv("TRV_CONFORMANCE_DIR");
  return std::filesystem::path(folder != nullptr ? folder : TRV_SOURCE_DIR "/../shared/conformance") / "merkle" /
         "testdata";
}

// A few vectors hold roots of another length. They become digests that equal only themselves, which keeps what the
// vector is about; an empty one is not a hash.
std::optional<Digest> hash_of(const json::value& value) {
  if (!value.is_string()) {
    return std::nullopt;
  }
  const auto bytes = base::from_base64(std::string_view(value.as_string()));
  if (!bytes || bytes->empty()) {
    return std::nullopt;
  }
  Digest digest;
  if (bytes->size() != digest.size()) {
    return base::sha256(*bytes);
  }
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

std::optional<std::vector<Digest>> proof_of(const json::value& value) {
  std::vector<Digest> proof;
  if (value.is_null()) {
    return proof;
  }
  for (const auto& item : value.as_array()) {
    const auto hash = hash_of(item);
    if (!hash) {
      return std::nullopt;
    }
    proof.push_back(*hash);
  }
  return proof;
}

template <typename Check>
void run_folder(const char* name, Check check) {
  const auto folder = vectors() / name;
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "no vectors in " << folder << "; set TRV_CONFORMANCE_DIR";
  }
  int files = 0;
  int accepted = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (file.path().extension() != ".json") {
      continue;
    }
    std::ifstream stream(file.path());
    std::stringstream text;
    text << stream.rdbuf();
    const json::value vector = json::parse(text.str());
    bool wants_error = vector.as_object().contains("wantErr") && vector.at("wantErr").as_bool();
    if (file.path().filename() == empty_start) {
      wants_error = false;
    }
    const bool holds = check(vector);
    EXPECT_EQ(holds, !wants_error) << file.path();
    ++files;
    accepted += holds ? 1 : 0;
  }
  EXPECT_EQ(files, 98);
  EXPECT_GT(accepted, 0);
}

TEST(Vectors, inclusion) {
  run_folder("inclusion", [](const json::value& vector) {
    const auto leaf = hash_of(vector.at("leafHash"));
    const auto root = hash_of(vector.at("root"));
    const auto proof = proof_of(vector.at("proof"));
    return leaf && root && proof &&
           verify_inclusion(vector.at("leafIdx").to_number<std::uint64_t>(),
                            vector.at("treeSize").to_number<std::uint64_t>(), *leaf, *proof, *root)
               .has_value();
  });
}

TEST(Vectors, consistency) {
  run_folder("consistency", [](const json::value& vector) {
    const auto old_root = hash_of(vector.at("root1"));
    const auto new_root = hash_of(vector.at("root2"));
    const auto proof = proof_of(vector.at("proof"));
    return old_root && new_root && proof &&
           verify_consistency(vector.at("size1").to_number<std::uint64_t>(),
                              vector.at("size2").to_number<std::uint64_t>(), *old_root, *new_root, *proof)
               .has_value();
  });
}

}  // namespace
}  // namespace trv::merkle
