// The logs of tests/golden/events, which the packages of every language read alike: what counts here, and what is
// damage.

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "events/log/decision_buffer.hpp"
#include "events/record/chain.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::log {
namespace {

using boost::json::value;

/// The lsns that a reader gives, and why it stopped; empty: at the end.
struct Read {
  std::vector<std::int64_t> lsns;
  std::string damage;
};

Read read(const value& log) {
  const ShardId shard(log.at("shard").to_number<std::uint32_t>());
  DecisionBuffer buffer{record::VoidRule(shard), Lsn(1)};
  record::ChainVerifier chain(shard);
  Read read;
  for (const value& entry : log.at("entries").as_array()) {
    const auto bytes = base::from_base64(entry.at("value").as_string());
    EXPECT_TRUE(bytes);
    const auto taken = buffer.take(*bytes, position_at(entry.at("offset").to_number<std::uint64_t>()));
    if (!taken) {
      read.damage = taken.error().message();
      return read;
    }
    while (!buffer.empty()) {
      const StoredRecord stored = buffer.give();
      const auto view = record::RecordView::over(stored.bytes);
      const auto accepted = view ? chain.accept(*view) : base::Status(std::unexpected(view.error()));
      if (!accepted) {
        read.damage = accepted.error().message();
        return read;
      }
      read.lsns.push_back(static_cast<std::int64_t>(stored.lsn.value()));
    }
  }
  return read;
}

TEST(LogVectors, are_read_as_in_every_language) {
  std::ifstream file(std::string(TRV_SOURCE_DIR) + "/tests/golden/events/logs.json");
  const value logs = boost::json::parse(std::string{std::istreambuf_iterator<char>(file), {}});
  int tested = 0;
  for (const value& log : logs.as_array()) {
    // Readers of a log that was trimmed, and checkpoints, are the engine's.
    const std::string name = log.at("name").as_string().c_str();
    const auto& entries = log.at("entries").as_array();
    if (!log.at("checkpoint").is_null() || entries.front().at("offset") != 0) continue;
    const Read found = read(log);
    EXPECT_EQ(found.lsns, boost::json::value_to<std::vector<std::int64_t>>(log.at("counts"))) << name;
    EXPECT_EQ(found.damage.empty(), log.at("damage").as_string().empty()) << name << ": " << found.damage;
    ++tested;
  }
  EXPECT_GE(tested, 16);
}

}  // namespace
}  // namespace trv::log
