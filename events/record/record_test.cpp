#include "events/record/record.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "events/record/chain.hpp"
#include "events/record/entry.hpp"
#include "events/record/record_fixture.hpp"
#include "sdk/base/random.hpp"

namespace trv::record {
namespace {

using base::Bytes;
using base::BytesView;
using base::ErrorCode;

Draft full_draft() {
  Draft draft = example_draft(7, 100);
  draft.schema_version = 3;
  draft.actor = "member:ada";
  draft.causation_id = base::Uuid::parse("018f0000-0000-7000-8000-000000000001");
  draft.correlation_id = base::Uuid::parse("018f0000-0000-7000-8000-000000000002");
  draft.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  draft.key_id = "key-1";
  return draft;
}

Place place_at(std::uint64_t lsn, const base::Digest& prev_hash = {}) {
  return {.shard = ShardId(5), .lsn = Lsn(lsn), .epoch = Epoch(2), .prev_hash = prev_hash};
}

Bytes encoded(const Draft& draft, const Place& place) {
  RecordEncoder encoder;
  const auto record = encoder.encode(draft, place);
  EXPECT_TRUE(record.has_value()) << record.error().message();
  return {record->stored().begin(), record->stored().end()};
}

void expect_equal(const RecordView& record, const Draft& draft, const Place& place) {
  EXPECT_EQ(record.shard(), place.shard);
  EXPECT_EQ(record.lsn(), place.lsn);
  EXPECT_EQ(record.epoch(), place.epoch);
  EXPECT_EQ(record.prev_hash(), place.prev_hash);
  EXPECT_EQ(record.tenant(), draft.tenant.value());
  EXPECT_EQ(record.stream_kind(), draft.stream_kind);
  EXPECT_EQ(record.stream_id(), draft.stream_id);
  EXPECT_EQ(record.type(), draft.type);
  EXPECT_EQ(record.schema_version(), draft.schema_version);
  EXPECT_EQ(record.actor(), draft.actor);
  EXPECT_EQ(record.event_id(), draft.event_id);
  EXPECT_EQ(record.time(), draft.time);
  EXPECT_EQ(record.causation_id(), draft.causation_id);
  EXPECT_EQ(record.correlation_id(), draft.correlation_id);
  EXPECT_EQ(record.traceparent(), draft.traceparent);
  EXPECT_EQ(record.payload_encoding(), draft.payload_encoding);
  EXPECT_EQ(record.key_id(), draft.key_id);
  EXPECT_EQ(Bytes(record.payload().begin(), record.payload().end()), draft.payload);
  EXPECT_EQ(record.decision_end(), draft.decision_end);
}

TEST(RecordTest, what_was_encoded_is_decoded) {
  const Place place = place_at(9, base::sha256(base::as_bytes("before")));
  for (const Draft& draft : {full_draft(), example_draft(1, 0)}) {
    const Bytes stored = encoded(draft, place);
    const auto record = Record::decode(stored);
    ASSERT_TRUE(record) << record.error().message();
    expect_equal(record->view(), draft, place);
    EXPECT_EQ(Bytes(record->view().stored().begin(), record->view().stored().end()), stored);
  }
}

TEST(RecordTest, the_encoders_view_needs_no_decoding) {
  RecordEncoder encoder;
  for (std::uint64_t i = 1; i < 50; ++i) {
    const Draft draft = example_draft(i, i * 3);
    const auto record = encoder.encode(draft, place_at(i));
    ASSERT_TRUE(record);
    expect_equal(*record, draft, place_at(i));
    EXPECT_TRUE(RecordView::over(record->stored()));
  }
}

TEST(RecordTest, bytes_at_any_address_decode_to_an_aligned_payload) {
  const Bytes stored = encoded(full_draft(), place_at(1));
  for (std::size_t shift = 0; shift < 8; ++shift) {
    Bytes shifted(shift, 0);
    shifted.insert(shifted.end(), stored.begin(), stored.end());
    const auto record = Record::decode(BytesView(shifted).subspan(shift));
    ASSERT_TRUE(record);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(record->view().payload().data()) % 8, 0);
    EXPECT_TRUE(peek(BytesView(shifted).subspan(shift)));
  }
}

TEST(RecordTest, a_record_over_the_limit_is_refused_with_sizes) {
  RecordEncoder encoder;
  const auto refused = encoder.encode(example_draft(1, record_bytes_max - 10), place_at(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::too_large);
  EXPECT_NE(refused.error().message().find("999990"), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find("1000000"), std::string::npos) << refused.error().message();
  EXPECT_EQ(encoder.encode(example_draft(1, 50'000'000), place_at(1)).error().code(), ErrorCode::too_large);
  const auto largest = encoder.encode(example_draft(1, record_bytes_max - 400), place_at(1));
  ASSERT_TRUE(largest) << largest.error().message();
  EXPECT_TRUE(Record::decode(largest->stored()));
}

TEST(RecordTest, a_draft_without_what_every_record_has_is_refused_by_name) {
  RecordEncoder encoder;
  Draft draft = example_draft(1);
  draft.stream_id.clear();
  const auto refused = encoder.encode(draft, place_at(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
  EXPECT_NE(refused.error().message().find("stream_id is empty"), std::string::npos);
}

std::filesystem::path golden_folder() {
  return std::filesystem::path(TRV_SOURCE_DIR) / "tests/golden/record";
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// TRV_WRITE_GOLDEN=1 writes a file that is missing; what was released is never written again.
void expect_golden(const std::string& name, const Bytes& bytes) {
  const std::filesystem::path path = golden_folder() / name;
  if (!std::filesystem::exists(path) && std::getenv("TRV_WRITE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(golden_folder());
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }
  EXPECT_EQ(base::to_hex(read_file(path)), base::to_hex(bytes)) << path;
}

TEST(RecordTest, the_stored_bytes_are_those_of_every_release_before) {
  const Bytes first = encoded(example_draft(1, 24), place_at(1));
  const Bytes second = encoded(full_draft(), place_at(2, hash_of(first)));
  expect_golden("first.bin", first);
  expect_golden("second.bin", second);
  expect_golden("claim.bin", encode_claim({.shard = ShardId(5),
                                           .epoch = Epoch(2),
                                           .node = "node-a",
                                           .nonce = *base::Uuid::parse("018f0000-0000-7000-8000-000000000003")}));
}

TEST(RecordTest, old_bytes_stay_readable) {
  ChainVerifier chain(ShardId(5));
  for (const char* name : {"first.bin", "second.bin"}) {
    const auto record = Record::decode(read_file(golden_folder() / name));
    ASSERT_TRUE(record) << name << ": " << record.error().message();
    EXPECT_TRUE(chain.accept(record->view()));
  }
  EXPECT_EQ(decode_claim(read_file(golden_folder() / "claim.bin"))->node, "node-a");
}

TEST(RecordTest, hostile_bytes_are_refused_and_never_crash) {
  const Bytes good = encoded(full_draft(), place_at(3));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Record::decode(BytesView(good).first(size))) << size;
    EXPECT_FALSE(peek(BytesView(good).first(size))) << size;
  }
  base::SimulatedRandom random(20240601);
  for (int round = 0; round < 50'000; ++round) {
    Bytes bytes = good;
    for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
    }
    [[maybe_unused]] const auto head = peek(bytes);
    [[maybe_unused]] const auto claim = decode_claim(bytes);
    if (const auto record = Record::decode(bytes)) {
      EXPECT_LE(record->view().payload().size() + record->view().tenant().size(), bytes.size());
      EXPECT_TRUE(head.has_value() && head->lsn == record->view().lsn() && head->epoch == record->view().epoch());
    }
  }
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes(random.below(200));
    random.fill(bytes);
    EXPECT_FALSE(Record::decode(bytes));
    EXPECT_FALSE(decode_claim(bytes));
  }
}

TEST(RecordTest, a_claim_is_no_record_and_a_record_no_claim) {
  const Bytes claim = encode_claim({.shard = ShardId(5), .epoch = Epoch(3), .node = "n", .nonce = {}});
  const Bytes record = encoded(example_draft(1), place_at(4));
  EXPECT_FALSE(Record::decode(claim));
  EXPECT_FALSE(decode_claim(record));
  EXPECT_EQ(*peek(claim), (EntryHead{EntryKind::claim, ShardId(5), Epoch(3), Lsn(0)}));
  EXPECT_EQ(*peek(record),
            (EntryHead{EntryKind::record, ShardId(5), Epoch(2), Lsn(4), true, example_draft(1).event_id}));
  EXPECT_EQ(decode_claim(claim)->epoch, Epoch(3));
}

TEST(ChainTest, a_chain_holds_and_every_change_breaks_it) {
  ChainVerifier chain(ShardId(5));
  base::Digest last{};
  for (std::uint64_t lsn = 1; lsn <= 10; ++lsn) {
    const Bytes stored = encoded(example_draft(lsn), place_at(lsn, last));
    const auto record = Record::decode(stored);
    ASSERT_TRUE(chain.accept(record->view()));
    last = hash_of(stored);
  }
  EXPECT_EQ(chain.last(), Lsn(10));
  EXPECT_EQ(chain.last_hash(), last);
  const auto verdict = [&](const Place& place) {
    const auto status = chain.accept(Record::decode(encoded(example_draft(11), place))->view());
    return status ? std::string("fits") : status.error().message();
  };
  EXPECT_NE(verdict(place_at(12, last)).find("after lsn 10: the record has lsn 12"), std::string::npos);
  EXPECT_NE(verdict(place_at(11)).find("prev_hash"), std::string::npos);
  Place other = place_at(11, last);
  other.shard = ShardId(6);
  EXPECT_NE(verdict(other).find("shard 6"), std::string::npos);
  other = place_at(11, last);
  other.epoch = Epoch(1);
  EXPECT_NE(verdict(other).find("epoch 1 follows epoch 2"), std::string::npos);
  EXPECT_EQ(verdict(place_at(11, last)), "fits") << "a refused record changes nothing";
}

TEST(ChainTest, time_that_runs_backwards_breaks_a_chain) {
  const auto at = [](std::uint64_t lsn, std::int64_t time_ns, const base::Digest& last) {
    Draft draft = example_draft(lsn);
    draft.time = base::Timestamp(time_ns);
    return *Record::decode(encoded(draft, place_at(lsn, last)));
  };
  const Record first = at(1, -20, {});
  const base::Digest last = hash_of(first->stored());
  ChainVerifier chain(ShardId(5));
  ASSERT_TRUE(chain.accept(first.view())) << "nothing comes before it";
  const auto status = chain.accept(at(2, -21, last).view());
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message().find("the record has -21 ns, the record before has -20 ns"), std::string::npos);
  EXPECT_EQ(chain.time(), base::Timestamp(-20)) << "a refused record changes nothing";
  EXPECT_TRUE(chain.accept(at(2, -20, last).view())) << "two records of one time";

  ChainVerifier knowing(ShardId(5), Lsn(1), Epoch(2), base::Timestamp(-20), last);
  EXPECT_FALSE(knowing.accept(at(2, -21, last).view()));
  ChainVerifier trusting = ChainVerifier::from(ShardId(5), Lsn(2));
  EXPECT_TRUE(trusting.accept(at(2, -21, last).view()));
}

TEST(ChainTest, a_chain_can_be_taken_up_in_the_middle) {
  const Bytes stored = encoded(example_draft(50), place_at(50, base::sha256(base::as_bytes("unknown"))));
  const auto record = Record::decode(stored);
  ChainVerifier trusting = ChainVerifier::from(ShardId(5), Lsn(50));
  EXPECT_TRUE(trusting.accept(record->view()));
  ChainVerifier knowing(ShardId(5), Lsn(49), Epoch(1), {}, base::sha256(base::as_bytes("something else")));
  EXPECT_FALSE(knowing.accept(record->view()));
}

EntryHead claim_head(std::uint64_t epoch) {
  return {EntryKind::claim, ShardId(1), Epoch(epoch), Lsn(0)};
}
EntryHead record_head(std::uint64_t epoch, std::uint64_t lsn, bool decision_end = true) {
  return {EntryKind::record, ShardId(1), Epoch(epoch), Lsn(lsn), decision_end};
}

TEST(VoidRuleTest, the_first_claim_of_an_epoch_wins) {
  VoidRule rule(ShardId(1));
  EXPECT_EQ(rule.judge(claim_head(1)), VoidRule::Verdict::claim_won);
  EXPECT_EQ(rule.judge(claim_head(1)), VoidRule::Verdict::claim_lost);
  EXPECT_EQ(rule.judge(claim_head(2)), VoidRule::Verdict::claim_won);
  EXPECT_EQ(rule.judge(claim_head(1)), VoidRule::Verdict::claim_lost);
}

TEST(VoidRuleTest, records_of_an_older_epoch_behind_a_claim_do_not_count) {
  VoidRule rule(ShardId(1));
  EXPECT_TRUE(rule.judge(claim_head(1)));
  EXPECT_EQ(rule.judge(record_head(1, 1)), VoidRule::Verdict::next);
  EXPECT_TRUE(rule.judge(claim_head(2)));
  EXPECT_EQ(rule.judge(record_head(1, 2)), VoidRule::Verdict::outdated);
  EXPECT_EQ(rule.judge(record_head(2, 2)), VoidRule::Verdict::next);
  EXPECT_EQ(rule.judge(record_head(2, 2)), VoidRule::Verdict::repeated);
  EXPECT_EQ(rule.next(), Lsn(3));
}

TEST(VoidRuleTest, records_after_the_last_decision_end_before_a_won_claim_are_void) {
  VoidRule rule(ShardId(1));
  EXPECT_TRUE(rule.judge(claim_head(1)));
  EXPECT_EQ(rule.judge(record_head(1, 1)), VoidRule::Verdict::next);
  EXPECT_EQ(rule.judge(record_head(1, 2, false)), VoidRule::Verdict::next);
  EXPECT_EQ(rule.judge(record_head(1, 3, false)), VoidRule::Verdict::next);
  EXPECT_EQ(rule.next_decision(), Lsn(2));
  EXPECT_EQ(rule.judge(claim_head(2)), VoidRule::Verdict::claim_won);
  EXPECT_EQ(rule.next(), Lsn(2));
  EXPECT_EQ(rule.judge(record_head(1, 4)), VoidRule::Verdict::outdated) << "the rest of the torn decision";
  EXPECT_EQ(rule.judge(record_head(2, 2, false)), VoidRule::Verdict::next);
  EXPECT_EQ(rule.judge(claim_head(2)), VoidRule::Verdict::claim_lost) << "which tears nothing";
  EXPECT_EQ(rule.judge(record_head(2, 3)), VoidRule::Verdict::next);
  EXPECT_EQ(rule.next_decision(), Lsn(4));
}

TEST(VoidRuleTest, what_no_honest_writer_leaves_is_damage) {
  VoidRule rule(ShardId(1));
  EXPECT_FALSE(rule.judge(record_head(1, 1))) << "no claim before it";
  EXPECT_TRUE(rule.judge(claim_head(1)));
  EXPECT_FALSE(rule.judge(record_head(1, 2))) << "a gap";
  EXPECT_FALSE(rule.judge({EntryKind::claim, ShardId(2), Epoch(2), Lsn(0)})) << "another shard";
  EXPECT_EQ(rule.judge(record_head(1, 1)), VoidRule::Verdict::next);
}

}  // namespace
}  // namespace trv::record
