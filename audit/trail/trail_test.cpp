#include "audit/trail/trail.hpp"

#include <boost/json.hpp>
#include <flatbuffers/flatbuffers.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "audit/export/folder.hpp"
#include "audit/export/tile.hpp"
#include "audit/fakes/folder.hpp"
#include "audit/trail/entry.hpp"
#include "audit/trail/json_text.hpp"
#include "audit/trail/trail_projector.hpp"
#include "audit/verify/verify.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "events/schema/ingest_generated.h"
#include "events/schema/tenancy_generated.h"

namespace trv::trail {
namespace {

using base::ErrorCode;
namespace json = boost::json;

record::Draft draft_of(std::string_view tenant, std::uint64_t number) {
  record::Draft draft;
  draft.tenant = base::TenantId(tenant);
  draft.stream_kind = "instance";
  draft.stream_id = "i-" + std::to_string(number);
  draft.type = "trv.instance.started";
  draft.actor = "member:ada";
  std::array<std::uint8_t, 16> id{0x01, 0x93};
  id[15] = static_cast<std::uint8_t>(number);
  draft.event_id = base::Uuid(id);
  draft.time = base::Timestamp(1'700'000'000'123'456'789);
  draft.payload = base::to_bytes("payload " + std::to_string(number));
  return draft;
}

record::Place place_at(std::uint64_t lsn) {
  return {.shard = record::ShardId(3), .lsn = record::Lsn(lsn), .epoch = record::Epoch(1)};
}

std::string entry_text(const record::Draft& draft, std::uint64_t lsn = 1) {
  record::RecordEncoder encoder;
  const auto record = encoder.encode(draft, place_at(lsn));
  EXPECT_TRUE(record) << record.error().message();
  return std::string(base::as_text(entry_of(*record)));
}

template <typename Offset>
base::Bytes finished(flatbuffers::FlatBufferBuilder& builder, Offset root) {
  builder.Finish(root);
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

TEST(Entries, have_exactly_these_bytes) {
  record::Draft draft = draft_of("acme", 7);
  draft.causation_id = base::Uuid::parse("01930000-0000-7000-8000-00000000000a");
  draft.correlation_id = base::Uuid::parse("01930000-0000-7000-8000-00000000000b");
  record::RecordEncoder encoder;
  const auto record = encoder.encode(draft, place_at(42));
  ASSERT_TRUE(record);
  EXPECT_EQ(base::as_text(entry_of(*record)),
            "{\"v\":1,\"shard\":3,\"lsn\":42,\"event_id\":\"01930000-0000-0000-0000-000000000007\","
            "\"time\":\"2023-11-14T22:13:20.123456789Z\",\"tenant\":\"acme\",\"type\":\"trv.instance.started\","
            "\"stream_kind\":\"instance\",\"stream_id\":\"i-7\",\"actor\":\"member:ada\",\"outcome\":\"success\","
            "\"causation_id\":\"01930000-0000-7000-8000-00000000000a\","
            "\"correlation_id\":\"01930000-0000-7000-8000-00000000000b\",\"payload_sha256\":\"" +
                base::to_hex(base::sha256(base::as_bytes("payload 7"))) + "\",\"record_sha256\":\"" +
                base::to_hex(base::sha256(record->stored())) + "\"}");
}

TEST(Entries, leave_out_what_a_record_does_not_have) {
  const json::object entry = json::parse(entry_text(draft_of("acme", 1))).as_object();
  EXPECT_FALSE(entry.contains("causation_id"));
  EXPECT_FALSE(entry.contains("correlation_id"));
  EXPECT_FALSE(entry.contains("source"));
}

TEST(Entries, write_times_before_1970_and_in_any_year) {
  record::Draft draft = draft_of("acme", 1);
  for (const auto& [ns, text] : std::initializer_list<std::pair<std::int64_t, const char*>>{
           {0, "1970-01-01T00:00:00.000000000Z"},
           {-1, "1969-12-31T23:59:59.999999999Z"},
           {951'782'399'999'999'999, "2000-02-28T23:59:59.999999999Z"},
           {std::numeric_limits<std::int64_t>::max(), "2262-04-11T23:47:16.854775807Z"},
           {std::numeric_limits<std::int64_t>::min(), "1677-09-21T00:12:43.145224192Z"}}) {
    draft.time = base::Timestamp(ns);
    EXPECT_EQ(json::parse(entry_text(draft)).at("time").as_string(), text);
  }
}

TEST(Entries, of_refused_attempts_name_action_target_source_and_outcome) {
  flatbuffers::FlatBufferBuilder builder;
  record::Draft draft = draft_of("acme", 1);
  draft.type = "trv.access.denied";
  draft.payload = finished(builder, schema::tenancy::CreateAccessDeniedDirect(
                                        builder, "workflow.apply", "workflow/payroll", "role viewer", "203.0.113.9"));
  const json::value entry = json::parse(entry_text(draft));
  EXPECT_EQ(entry.at("action").as_string(), "workflow.apply");
  EXPECT_EQ(entry.at("target").as_string(), "workflow/payroll");
  EXPECT_EQ(entry.at("source").as_string(), "203.0.113.9");
  EXPECT_EQ(entry.at("outcome").as_string(), "denied");
}

TEST(Entries, of_reads_of_the_trail_and_events_from_outside_name_their_source) {
  flatbuffers::FlatBufferBuilder builder;
  record::Draft draft = draft_of("acme", 1);
  draft.type = "trv.trail.read";
  draft.payload = finished(builder, schema::tenancy::CreateTrailReadDirect(builder, "export", 9, "198.51.100.1"));
  json::value entry = json::parse(entry_text(draft));
  EXPECT_EQ(entry.at("action").as_string(), "export");
  EXPECT_EQ(entry.at("source").as_string(), "198.51.100.1");

  builder.Clear();
  draft.type = "trv.webhook.refused";
  draft.payload = finished(
      builder, schema::ingest::CreateWebhookRefusedDirect(builder, "webhook:github/push", "bad mac", "192.0.2.1"));
  entry = json::parse(entry_text(draft));
  EXPECT_EQ(entry.at("target").as_string(), "webhook:github/push");
  EXPECT_EQ(entry.at("source").as_string(), "192.0.2.1");
  EXPECT_EQ(entry.at("outcome").as_string(), "denied");
}

TEST(Entries, take_nothing_from_a_payload_that_is_damaged_or_sealed) {
  flatbuffers::FlatBufferBuilder builder;
  record::Draft draft = draft_of("acme", 1);
  draft.type = "trv.access.denied";
  const base::Bytes good = finished(builder, schema::tenancy::CreateAccessDeniedDirect(builder, "a", "t", "r", "s"));
  for (std::size_t size = 0; size < good.size(); ++size) {
    draft.payload.assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(json::parse(entry_text(draft)).at("outcome").as_string(), "denied");
  }
  base::SimulatedRandom random(1);
  for (int i = 0; i < 2'000; ++i) {
    draft.payload = good;
    draft.payload[random.below(good.size())] = static_cast<std::uint8_t>(random.next());
    EXPECT_TRUE(json::parse(entry_text(draft)).is_object());
  }
  draft.payload = good;
  draft.key_id = "k1";
  EXPECT_FALSE(json::parse(entry_text(draft)).as_object().contains("action"));
}

TEST(Entries, fit_a_bundle_and_are_json_whatever_the_record_holds) {
  record::Draft draft = draft_of("acme", 1);
  for (const std::string& filler :
       {std::string("\x01"), std::string("\""), std::string("\xFF"), std::string("\xE2\x82\xAC"),
        std::string("\xED\xA0\x80"), std::string("\xF0\x9F\x98\x80"), std::string("\x7F\n")}) {
    std::string text;
    while (text.size() < 60'000) {
      text += filler;
    }
    draft.type = "trv." + text;
    draft.stream_kind = draft.stream_id = draft.actor = text;
    const std::string entry = entry_text(draft);
    EXPECT_LE(entry.size(), exporting::entry_bytes_max);
    boost::system::error_code error;
    const json::value parsed = json::parse(entry, error);
    ASSERT_FALSE(error) << error.message();
    EXPECT_TRUE(parsed.at("actor").as_string().ends_with("\xE2\x80\xA6"));
  }
}

TEST(JsonText, keeps_a_text_of_the_largest_size_whole) {
  std::string out;
  append_string(out, std::string(text_bytes_max, 'a'));
  EXPECT_EQ(out.size(), text_bytes_max + 2);
  out.clear();
  append_string(out, std::string(text_bytes_max - 1, 'a') + "\xE2\x82\xAC");
  EXPECT_EQ(out, "\"" + std::string(text_bytes_max - 1, 'a') + "\xE2\x80\xA6\"");
  out.clear();
  append_string(out, "\"\\\n\r\t\x1F\x7F");
  EXPECT_EQ(out, "\"\\\"\\\\\\n\\r\\t\\u001f\\u007f\"");
}

class Trails : public testing::Test {
 protected:
  void SetUp() override { start("live"); }

  void start(const char* name) {
    log_.emplace();
    records_.emplace(*log_, shard);
    claim_ = log_->claim(shard, "node", base::Uuid()).value();
    last_hash_ = {};
    auto env =
        lmdb::Env::open(temporary_.path() / name, {.map_bytes = std::uint64_t{1} << 30, .sync = lmdb::Sync::none});
    ASSERT_TRUE(env) << env.error().message();
    env_.emplace(*std::move(env));
    auto txn = env_->begin_write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(projector_.open(*txn));
    ASSERT_TRUE(txn->commit());
  }

  // Appends and applies one record and remembers in memory what the tree must be.
  void apply(lmdb::WriteTxn& txn, std::string_view tenant) {
    record::Place place = place_at(lsn_);
    place.prev_hash = last_hash_;
    record::Draft draft = draft_of(tenant, lsn_);
    draft.decision_end = true;
    const auto record = encoder_.encode(draft, place);
    ASSERT_TRUE(record);
    last_hash_ = record->hash();
    log::Batch batch;
    batch.add(*record);
    ASSERT_EQ(log_->settle(log_->append(claim_, std::move(batch)).value()).value().outcome, log::Outcome::appended);
    const auto status = projector_.apply(txn, *record);
    ASSERT_TRUE(status) << status.error().message();
    auto& model = models_[std::string(tenant)];
    ASSERT_TRUE(merkle::append(model.nodes, model.entries.size(), merkle::leaf_hash(entry_of(*record))));
    model.entries.push_back(entry_of(*record));
    model.lsns.push_back(lsn_);
    ++lsn_;
  }

  void apply_committed(std::initializer_list<std::string_view> tenants, int rounds, int per_txn = 64) {
    for (int i = 0; i < rounds;) {
      auto txn = env_->begin_write();
      ASSERT_TRUE(txn);
      for (int j = 0; j < per_txn && i < rounds; ++j, ++i) {
        for (const auto tenant : tenants) {
          apply(*txn, tenant);
        }
      }
      ASSERT_TRUE(projector_.finish(*txn));
      ASSERT_TRUE(txn->commit());
    }
  }

  Trail trail(const lmdb::ReadTxn& txn, const char* tenant) {
    return Trail::open(txn, projector_.tables(), base::TenantId(tenant), key_, *records_).value();
  }

  // Every key and value of every table.
  std::vector<std::pair<std::string, std::string>> content() {
    std::vector<std::pair<std::string, std::string>> all;
    const auto txn = env_->begin_read().value();
    for (const auto& table : {projector_.tables().size, projector_.tables().places, projector_.tables().nodes}) {
      const auto status = lmdb::scan(txn, table, {}, {}, lmdb::Direction::forward,
                                     [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                                       all.emplace_back(base::as_text(key), base::as_text(value));
                                       return lmdb::Visit::go_on;
                                     });
      EXPECT_TRUE(status);
    }
    return all;
  }

  struct Model {
    merkle::InMemoryNodes nodes;
    std::vector<base::Bytes> entries;
    std::vector<std::uint64_t> lsns;
  };

  static constexpr record::ShardId shard{3};
  fakes::TemporaryFolder temporary_;
  std::optional<log::InMemoryEventLog> log_;
  std::optional<log::RecordLookup> records_;
  log::Claim claim_;
  base::Digest last_hash_{};
  std::optional<lmdb::Env> env_;
  TrailProjector projector_;
  record::RecordEncoder encoder_;
  std::map<std::string, Model> models_;
  std::uint64_t lsn_ = 1;
  note::SigningKey key_ = note::SigningKey::from_seed("audit.example/t/acme", {1}).value();
};

TEST_F(Trails, of_tenants_with_alike_names_are_separate_and_complete) {
  apply_committed({"a", "ab", "b"}, 300);
  apply_committed({"ab"}, 37);
  const auto txn = env_->begin_read().value();
  for (const char* tenant : {"a", "ab", "b"}) {
    const Trail read = trail(txn, tenant);
    const Model& model = models_[tenant];
    ASSERT_EQ(read.size().value(), model.entries.size());
    EXPECT_EQ(read.root(), *merkle::root(model.nodes, model.entries.size()));
    for (std::uint64_t i = 0; i < model.entries.size(); ++i) {
      ASSERT_EQ(read.entry(i).value(), model.entries[i]);
    }
    EXPECT_EQ(read.entry(model.entries.size()).error().code(), ErrorCode::not_found);
  }
}

TEST_F(Trails, answer_every_node_of_the_tree_and_none_beyond) {
  apply_committed({"acme"}, 530);
  const auto txn = env_->begin_read().value();
  const Trail read = trail(txn, "acme");
  for (std::uint32_t level = 0; level < 64; ++level) {
    for (std::uint64_t index = 0; index <= (level < 11 ? 530u >> level : 0u); ++index) {
      const auto node = read.nodes().node({level, index});
      ASSERT_TRUE(node) << node.error().message();
      EXPECT_EQ(*node, models_["acme"].nodes.node({level, index}).value()) << level << " " << index;
    }
  }
  EXPECT_EQ(read.nodes().node({4, ~std::uint64_t{0}}).value(), std::nullopt);
}

TEST_F(Trails, know_the_positions_of_a_tenant_behind_any_other) {
  apply_committed({"acme", "other"}, 300);
  apply_committed({"other"}, 50);
  apply_committed({"acme"}, 3);
  const auto txn = env_->begin_read().value();
  const auto positions = [&](const char* tenant, std::uint64_t after, std::size_t count) {
    std::vector<std::uint64_t> lsns;
    const auto found =
        positions_after(txn, projector_.tables(), base::TenantId(tenant), record::Lsn(after), count).value();
    for (const record::Lsn lsn : found) lsns.push_back(lsn.value());
    return lsns;
  };
  const std::vector<std::uint64_t>& all = models_["acme"].lsns;
  for (std::uint64_t after = 0; after <= all.back() + 1; ++after) {
    std::vector<std::uint64_t> expected(std::ranges::upper_bound(all, after), all.end());
    EXPECT_EQ(positions("acme", after, all.size() + 1), expected) << after;
    expected.resize(std::min<std::size_t>(expected.size(), 7));
    EXPECT_EQ(positions("acme", after, 7), expected) << after;
  }
  EXPECT_TRUE(positions("nobody", 0, 10).empty());
}

TEST_F(Trails, export_and_verify) {
  apply_committed({"acme", "other"}, 600);
  const auto txn = env_->begin_read().value();
  const Trail read = trail(txn, "acme");
  const std::uint64_t proofs[] = {0, 311, 599};
  const auto folder = temporary_.path() / "export";
  const auto exported = exporting::write_export(folder, read, {.proofs = proofs, .on_progress = {}});
  ASSERT_TRUE(exported) << exported.error().message();
  const auto report = verify::verify_folder(folder, key_.verifier());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->holds()) << report->to_text();
  EXPECT_EQ(report->entries, 600u);
  EXPECT_EQ(report->proofs, 3u);
}

TEST_F(Trails, grow_consistently_from_every_signed_checkpoint) {
  std::vector<std::string> checkpoints;
  for (int i = 0; i < 20; ++i) {
    apply_committed({"acme"}, 13);
    const auto txn = env_->begin_read().value();
    checkpoints.push_back(trail(txn, "acme").checkpoint().value());
  }
  const auto txn = env_->begin_read().value();
  const auto folder = temporary_.path() / "export";
  ASSERT_TRUE(exporting::write_export(folder, trail(txn, "acme")));
  for (const std::string& old : checkpoints) {
    const auto report = verify::verify_growth(old, folder, key_.verifier());
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->holds()) << report->to_text();
  }
}

TEST_F(Trails, do_not_show_what_is_not_committed) {
  apply_committed({"acme"}, 3);
  const auto before = content();
  {
    auto txn = env_->begin_write();
    ASSERT_TRUE(txn);
    apply(*txn, "acme");
    const auto reader = env_->begin_read().value();
    EXPECT_EQ(trail(reader, "acme").size().value(), 3u);
  }
  EXPECT_EQ(content(), before);
}

TEST_F(Trails, are_the_same_bytes_in_replay_whatever_the_transactions) {
  apply_committed({"acme", "other"}, 100, 1);
  const auto live = content();
  env_.reset();
  start("replay");
  lsn_ = 1;
  models_.clear();
  apply_committed({"acme", "other"}, 100, 64);
  EXPECT_EQ(content(), live);
}

TEST_F(Trails, find_entries_by_position_in_the_log) {
  apply_committed({"acme", "other"}, 100);
  const auto txn = env_->begin_read().value();
  const Trail read = trail(txn, "acme");
  const Model& model = models_["acme"];
  for (std::uint64_t i = 0; i < model.lsns.size(); ++i) {
    EXPECT_EQ(read.index_of(record::Lsn(model.lsns[i])).value(), i);
  }
  EXPECT_EQ(read.index_of(record::Lsn(models_["other"].lsns[5])).value(), std::nullopt);
  EXPECT_EQ(read.index_of(record::Lsn(0)).value(), std::nullopt);
  EXPECT_EQ(read.index_of(record::Lsn(1'000'000)).value(), std::nullopt);
}

TEST_F(Trails, keep_positions_and_few_hashes_of_their_entries) {
  apply_committed({"acme"}, 2'000);
  std::size_t bytes = 0;
  for (const auto& [key, value] : content()) bytes += key.size() + value.size();
  // 2,000 entries have more than 800,000 bytes.
  EXPECT_LT(bytes, 2'000 * 8u);
}

TEST_F(Trails, name_the_entry_whose_record_the_log_lacks_or_another_tenant_has) {
  apply_committed({"acme", "other"}, 20);
  {
    PlacesRow row;
    for (const std::uint64_t lsn : {1, 2, 1'000}) row.add(lsn);
    auto txn = env_->begin_write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(projector_.tables().places.put(*txn, TrailKey::places("acme", 0).view(), row.bytes()));
    ASSERT_TRUE(txn->commit());
  }
  const auto txn = env_->begin_read().value();
  const Trail read = trail(txn, "acme");
  EXPECT_TRUE(read.entry(0));
  EXPECT_NE(read.entry(1).error().message().find("entry 1 leads to record 2 of tenant other"), std::string::npos);
  EXPECT_EQ(read.entry(2).error().code(), ErrorCode::not_found);
  EXPECT_NE(read.entry(2).error().message().find("no record 1000"), std::string::npos);
}

TEST(PlacesRows, hold_positions_however_far_apart) {
  PlacesRow row;
  const std::vector<std::uint64_t> lsns = {1, 2, 130, 131, 20'000, std::uint64_t{1} << 40, std::uint64_t{1} << 62};
  for (const std::uint64_t lsn : lsns) row.add(lsn);
  EXPECT_EQ(parse_places(row.bytes()).value(), lsns);
  PlacesRow again = PlacesRow::parse(row.bytes(), lsns.size()).value();
  EXPECT_EQ(again.last(), lsns.back());
  EXPECT_EQ(PlacesRow::parse(row.bytes(), 3).error().code(), ErrorCode::corrupt);
  for (std::size_t size = 0; size < row.bytes().size(); ++size) {
    const auto cut = parse_places(row.bytes().first(size));
    EXPECT_TRUE(!cut || cut->size() < lsns.size());
  }
  const base::Bytes endless(4'000, 0xFF);
  EXPECT_EQ(parse_places(endless).error().code(), ErrorCode::corrupt);
}

TEST_F(Trails, of_unknown_tenants_are_empty_and_of_impossible_ones_refused) {
  apply_committed({"acme"}, 3);
  const auto txn = env_->begin_read().value();
  const Trail read = trail(txn, "acm");
  EXPECT_EQ(read.size().value(), 0u);
  EXPECT_EQ(read.root(), merkle::empty_root());
  EXPECT_TRUE(read.checkpoint());
  EXPECT_EQ(Trail::open(txn, projector_.tables(), base::TenantId("No Label"), key_, *records_).error().code(),
            ErrorCode::invalid);
}

TEST_F(Trails, that_are_damaged_say_where) {
  apply_committed({"acme"}, 40);
  {
    auto txn = env_->begin_write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(projector_.tables().nodes.erase(*txn, TrailKey::node("acme", {4, 1}).view()));
    ASSERT_TRUE(projector_.tables().places.put(*txn, TrailKey::places("acme", 0).view(), base::as_bytes("short")));
    ASSERT_TRUE(txn->commit());
  }
  const auto txn = env_->begin_read().value();
  const Trail read = trail(txn, "acme");
  EXPECT_EQ(read.entry(5).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(read.nodes().node({0, 5}).error().code(), ErrorCode::corrupt);
  const auto node = read.nodes().node({5, 0});
  ASSERT_FALSE(node);
  EXPECT_NE(node.error().message().find("node 1 of level 4"), std::string::npos);

  auto writer = env_->begin_write();
  ASSERT_TRUE(writer);
  ASSERT_TRUE(projector_.tables().size.put(*writer, "acme", base::as_bytes("nonsense")));
  const auto record = encoder_.encode(draft_of("acme", 1), place_at(41));
  EXPECT_EQ(projector_.apply(*writer, *record).error().code(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace trv::trail
