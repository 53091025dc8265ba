// Trails in a real projection over a log: live, lost, replayed.

#include "events/projection/projection.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "audit/export/folder.hpp"
#include "audit/fakes/folder.hpp"
#include "audit/trail/trail.hpp"
#include "audit/trail/trail_projector.hpp"
#include "audit/verify/verify.hpp"
#include "events/log/in_memory_event_log.hpp"

namespace trv::trail {
namespace {

const record::ShardId shard(4);

class TrailsInProjections : public testing::Test {
 protected:
  std::unique_ptr<projection::Projection> open(const char* name, TrailProjector& projector) {
    projection::ProjectionOptions options;
    options.folder = temporary_.path() / name;
    options.map_bytes = std::uint64_t{1} << 30;
    options.boot_id = [] { return std::string("boot-1"); };
    auto opened = projection::Projection::open(std::move(options), shard, {&projector});
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }

  // Applies a batch, asks the log, and commits only what the log settled.
  log::Outcome decide(projection::Projection& projection, const log::Claim& claim, int records) {
    log::Batch batch;
    auto txn = projection.begin().value();
    record::Place place{.shard = shard,
                        .lsn = projection.applied().lsn.next(),
                        .epoch = claim.epoch,
                        .prev_hash = projection.applied().last_hash};
    for (int i = 0; i < records; ++i) {
      const auto record = encoder_.encode(draft(), place).value();
      batch.add(record);
      place.prev_hash = record::hash_of(record.stored());
      place.lsn = place.lsn.next();
      const auto applied = projection.apply(txn, record, place.prev_hash);
      EXPECT_TRUE(applied) << applied.error().message();
    }
    EXPECT_TRUE(projection.seal(txn));
    const auto settled = log_.settle(log_.append(claim, std::move(batch)).value()).value();
    if (settled.outcome == log::Outcome::appended) {
      EXPECT_TRUE(projection.commit(std::move(txn), settled.position));
    }
    return settled.outcome;
  }

  record::Draft draft() {
    record::Draft draft;
    draft.tenant = base::TenantId(random_.below(3) == 0 ? "system" : "acme");
    draft.stream_kind = "instance";
    draft.stream_id = std::to_string(random_.below(50));
    draft.type = "trv.instance.started";
    draft.actor = "member:ada";
    draft.event_id = ids_.next(base::Timestamp(1));
    draft.payload = base::to_bytes("payload");
    draft.decision_end = true;
    return draft;
  }

  log::Claim claim() { return log_.claim(shard, "node", ids_.next(base::Timestamp(1))).value(); }

  fakes::TemporaryFolder temporary_;
  log::InMemoryEventLog log_;
  record::RecordEncoder encoder_;
  base::SimulatedRandom random_{1};
  base::UuidSource ids_{random_};
  note::SigningKey key_ = note::SigningKey::from_seed("audit.example/t/acme", {1}).value();
};

TEST_F(TrailsInProjections, hold_what_the_log_holds_and_replay_to_the_same_bytes) {
  TrailProjector live_projector;
  const auto live = open("live", live_projector);
  log::Claim owner = claim();
  for (int decision = 0; decision < 40; ++decision) {
    if (decision % 10 == 9) {
      const auto before = live->content_digest().value();
      log_.lose_ownership(shard);
      ASSERT_EQ(decide(*live, owner, 5), log::Outcome::lost);
      EXPECT_EQ(live->content_digest().value(), before);
      owner = claim();
    }
    ASSERT_EQ(decide(*live, owner, 1 + static_cast<int>(random_.below(20))), log::Outcome::appended);
  }

  TrailProjector replayed_projector;
  const auto replayed = open("replayed", replayed_projector);
  const auto caught_up = replayed->catch_up(log_);
  ASSERT_TRUE(caught_up) << caught_up.error().message();
  EXPECT_EQ(replayed->content_digest().value(), live->content_digest().value());
}

TEST_F(TrailsInProjections, lead_from_an_exported_entry_to_the_stored_record) {
  TrailProjector projector;
  const auto projection = open("live", projector);
  const log::Claim owner = claim();
  for (int decision = 0; decision < 30; ++decision) {
    ASSERT_EQ(decide(*projection, owner, 10), log::Outcome::appended);
  }
  const auto txn = projection->begin_read().value();
  log::RecordLookup records(log_, shard);
  const Trail trail = Trail::open(txn, projector.tables(), base::TenantId("acme"), key_, records).value();
  const auto folder = temporary_.path() / "export";
  ASSERT_TRUE(exporting::write_export(folder, trail));
  const auto report = verify::verify_folder(folder, key_.verifier());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->holds()) << report->to_text();

  const auto reader = log_.read(shard, record::Lsn(1)).value();
  std::uint64_t entries = 0;
  for (;;) {
    const auto stored = reader->next(base::Duration(0)).value();
    if (!stored) {
      break;
    }
    const auto index = trail.index_of(stored->lsn).value();
    const bool ours = record::RecordView::over(stored->bytes)->tenant() == "acme";
    ASSERT_EQ(index.has_value(), ours);
    if (ours) {
      const auto entry = boost::json::parse(base::as_text(trail.entry(*index).value()));
      EXPECT_EQ(entry.at("record_sha256").as_string(), base::to_hex(record::hash_of(stored->bytes)));
      ++entries;
    }
  }
  EXPECT_EQ(entries, trail.size().value());
  EXPECT_EQ(report->entries, entries);
}

}  // namespace
}  // namespace trv::trail
