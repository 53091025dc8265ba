#include "events/record/payload.hpp"

#include <gtest/gtest.h>

#include "events/record/record_fixture.hpp"
#include "events/schema/effect_generated.h"

namespace trv::record {
namespace {

using schema::effect::EffectSucceeded;

constexpr Place first{.shard = ShardId(1), .lsn = Lsn(1), .epoch = Epoch(1), .prev_hash = {}};

Draft draft_with(base::Bytes payload) {
  Draft draft = example_draft(1);
  draft.payload = std::move(payload);
  return draft;
}

TEST(Payload, what_was_finished_is_read_back) {
  flatbuffers::FlatBufferBuilder builder;
  const auto key = builder.CreateString("k1");
  const Draft draft = draft_with(finish(builder, schema::effect::CreateEffectSucceeded(builder, key, 0, 3)));
  RecordEncoder encoder;
  const auto event = encoder.encode(draft, first);
  ASSERT_TRUE(event);
  const auto table = payload_of<EffectSucceeded>(*event);
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(text_of((*table)->key()), "k1");
  EXPECT_EQ(text_of((*table)->output()), "") << "an absent field is empty text";
  EXPECT_EQ((*table)->tries(), 3U);
}

TEST(Payload, garbage_is_corrupt_and_named) {
  RecordEncoder encoder;
  for (std::size_t size = 0; size < 64; ++size) {
    const auto event = encoder.encode(draft_with(base::Bytes(size, 0xff)), first);
    ASSERT_TRUE(event);
    const auto table = payload_of<EffectSucceeded>(*event);
    ASSERT_FALSE(table) << size;
    EXPECT_EQ(table.error().code(), base::ErrorCode::corrupt);
    EXPECT_NE(table.error().message().find("trv.example.happened at lsn 1"), std::string::npos)
        << table.error().message();
  }
}

TEST(Payload, a_digest_of_another_size_reads_as_none) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{31}, std::size_t{32}, std::size_t{33}}) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(builder.CreateVector(base::Bytes(size, 7)));
    const auto* bytes = flatbuffers::GetRoot<flatbuffers::Vector<std::uint8_t>>(builder.GetBufferPointer());
    EXPECT_EQ(digest_of(bytes)[0], size == 32 ? 7 : 0) << size;
  }
  EXPECT_EQ(digest_of(nullptr), base::Digest{});
}

}  // namespace
}  // namespace trv::record
