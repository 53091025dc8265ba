#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "audit/merkle/nodes.hpp"
#include "audit/merkle/proof.hpp"
#include "audit/merkle/tree.hpp"

namespace trv::merkle {
namespace {

constexpr std::uint64_t sizes_end = 301;

Digest leaf_of(std::uint64_t index) {
  return leaf_hash(base::as_bytes("entry " + std::to_string(index)));
}

// RFC 6962 §2.1 as it is written: recursive, from the leaves, no stored nodes.
class NaiveTree {
 public:
  explicit NaiveTree(std::uint64_t size) {
    for (std::uint64_t i = 0; i < size; ++i) {
      leaves_.push_back(leaf_of(i));
    }
  }

  Digest mth(std::uint64_t begin, std::uint64_t end) {
    if (begin == end) {
      return empty_root();
    }
    if (end - begin == 1) {
      return leaves_[begin];
    }
    auto& known = memory_[{begin, end}];
    if (!known) {
      const std::uint64_t k = split(end - begin);
      known = node_hash(mth(begin, begin + k), mth(begin + k, end));
    }
    return *known;
  }

  std::vector<Digest> path(std::uint64_t m, std::uint64_t begin, std::uint64_t end) {
    if (end - begin == 1) {
      return {};
    }
    const std::uint64_t k = split(end - begin);
    std::vector<Digest> result;
    if (m < k) {
      result = path(m, begin, begin + k);
      result.push_back(mth(begin + k, end));
    } else {
      result = path(m - k, begin + k, end);
      result.push_back(mth(begin, begin + k));
    }
    return result;
  }

  std::vector<Digest> subproof(std::uint64_t m, std::uint64_t begin, std::uint64_t end, bool whole) {
    const std::uint64_t n = end - begin;
    if (m == n) {
      return whole ? std::vector<Digest>{} : std::vector<Digest>{mth(begin, end)};
    }
    const std::uint64_t k = split(n);
    std::vector<Digest> result;
    if (m <= k) {
      result = subproof(m, begin, begin + k, whole);
      result.push_back(mth(begin + k, end));
    } else {
      result = subproof(m - k, begin + k, end, false);
      result.push_back(mth(begin, begin + k));
    }
    return result;
  }

 private:
  static std::uint64_t split(std::uint64_t n) {
    std::uint64_t k = 1;
    while (k * 2 < n) {
      k *= 2;
    }
    return k;
  }
  std::vector<Digest> leaves_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::optional<Digest>> memory_;
};

class Trees : public testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t i = 0; i + 1 < sizes_end; ++i) {
      const auto appended = append(nodes_, i, leaf_of(i));
      ASSERT_TRUE(appended);
      ASSERT_EQ(appended->size, i + 1);
      ASSERT_EQ(appended->nodes_written, std::countr_one(i) + 1u);
      written_ += appended->nodes_written;
    }
  }
  InMemoryNodes nodes_;
  NaiveTree naive_{sizes_end};
  std::uint64_t written_ = 0;
};

TEST_F(Trees, roots_equal_the_recursive_definition_at_every_size) {
  Frontier edge;
  for (std::uint64_t size = 0; size < sizes_end; ++size) {
    EXPECT_EQ(root(nodes_, size).value(), naive_.mth(0, size)) << size;
    EXPECT_EQ(edge.root(), naive_.mth(0, size)) << size;
    edge.append(leaf_of(size));
  }
  EXPECT_LT(written_, 2 * sizes_end);
}

TEST_F(Trees, a_frontier_taken_up_at_any_size_grows_on_and_completes_the_same_subtrees) {
  for (std::uint64_t size = 0; size + 1 < sizes_end; ++size) {
    auto edge = frontier(nodes_, size);
    ASSERT_TRUE(edge) << edge.error().message();
    const Frontier again(edge->size(), edge->edge());
    EXPECT_EQ(again.root(), naive_.mth(0, size));
    edge->append(leaf_of(size), [&](NodeAddress address, const Digest& hash) {
      EXPECT_EQ(nodes_.node(address).value(), hash) << size;
    });
    EXPECT_EQ(edge->root(), naive_.mth(0, size + 1));
  }
}

TEST_F(Trees, every_inclusion_proof_equals_path_and_verifies_and_proves_nothing_else) {
  for (std::uint64_t size = 1; size < sizes_end; ++size) {
    const Digest head = naive_.mth(0, size);
    for (std::uint64_t index = 0; index < size; ++index) {
      const auto proof = inclusion_proof(nodes_, index, size);
      ASSERT_TRUE(proof);
      ASSERT_EQ(*proof, naive_.path(index, 0, size)) << index << " of " << size;
      ASSERT_TRUE(verify_inclusion(index, size, leaf_of(index), *proof, head)) << index << " of " << size;
      ASSERT_FALSE(verify_inclusion(index, size, leaf_of(index + 1), *proof, head));
      ASSERT_FALSE(verify_inclusion(index ^ 1, size, leaf_of(index), *proof, head));
    }
  }
}

TEST_F(Trees, every_consistency_proof_equals_subproof_and_verifies_and_proves_nothing_else) {
  for (std::uint64_t new_size = 0; new_size < sizes_end; ++new_size) {
    for (std::uint64_t old_size = 0; old_size <= new_size; ++old_size) {
      const auto proof = consistency_proof(nodes_, old_size, new_size);
      ASSERT_TRUE(proof);
      if (old_size > 0) {
        ASSERT_EQ(*proof, naive_.subproof(old_size, 0, new_size, true)) << old_size << " to " << new_size;
      }
      const Digest old_root = naive_.mth(0, old_size);
      const Digest new_root = naive_.mth(0, new_size);
      ASSERT_TRUE(verify_consistency(old_size, new_size, old_root, new_root, *proof)) << old_size << " " << new_size;
      Digest wrong = old_root;
      wrong[7] ^= 0x10;
      ASSERT_FALSE(verify_consistency(old_size, new_size, wrong, new_root, *proof)) << old_size << " " << new_size;
      if (old_size > 0) {
        wrong = new_root;
        wrong[31] ^= 0x01;
        ASSERT_FALSE(verify_consistency(old_size, new_size, old_root, wrong, *proof)) << old_size << " " << new_size;
      }
    }
  }
}

TEST_F(Trees, a_missing_node_is_named_not_guessed) {
  const auto missing = root(nodes_, sizes_end + 1);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), base::ErrorCode::corrupt);
  EXPECT_NE(missing.error().message().find("of level"), std::string::npos) << missing.error().message();
}

TEST_F(Trees, questions_outside_the_tree_are_refused) {
  EXPECT_FALSE(inclusion_proof(nodes_, 0, 0));
  EXPECT_FALSE(inclusion_proof(nodes_, 5, 5));
  EXPECT_FALSE(consistency_proof(nodes_, 6, 5));
  EXPECT_FALSE(root(nodes_, ~std::uint64_t{0}));
}

TEST(Proofs, the_empty_tree_begins_every_tree_with_an_empty_proof_only) {
  const Digest head = leaf_of(0);
  EXPECT_TRUE(verify_consistency(0, 1, empty_root(), head, {}));
  EXPECT_TRUE(verify_consistency(0, 0, empty_root(), empty_root(), {}));
  EXPECT_FALSE(verify_consistency(0, 1, head, head, {}));
  EXPECT_FALSE(verify_consistency(0, 1, empty_root(), head, std::vector{head}));
  EXPECT_FALSE(verify_consistency(0, 0, empty_root(), head, {}));
}

TEST(Proofs, sizes_near_the_end_of_the_numbers_do_not_hang) {
  const std::vector<Digest> proof(200, leaf_of(1));
  const std::uint64_t huge = ~std::uint64_t{0};
  EXPECT_FALSE(verify_inclusion(huge - 1, huge, leaf_of(1), proof, leaf_of(2)));
  EXPECT_FALSE(verify_consistency(huge - 1, huge, leaf_of(1), leaf_of(2), proof));
  EXPECT_FALSE(verify_consistency(huge, huge - 1, leaf_of(1), leaf_of(2), proof));
}

TEST(InMemoryNodes, a_stored_node_never_changes) {
  InMemoryNodes nodes;
  ASSERT_TRUE(nodes.put({0, 0}, leaf_of(0)));
  EXPECT_TRUE(nodes.put({0, 0}, leaf_of(0)));
  EXPECT_EQ(nodes.put({0, 0}, leaf_of(1)).error().code(), base::ErrorCode::conflict);
  EXPECT_EQ(nodes.put({0, 2}, leaf_of(1)).error().code(), base::ErrorCode::invalid);
}

TEST(Hashes, have_their_prefixes) {
  EXPECT_EQ(base::to_hex(empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(leaf_hash({}), base::sha256(base::Bytes{0}));
}

}  // namespace
}  // namespace trv::merkle
