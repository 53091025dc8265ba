// trav snapshot: waiting for what the server takes.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

constexpr const char* ready =
    R"({"status":"ok","shards":[{"shard":0,"role":"owner"},{"shard":1,"role":"standby"},{"shard":2,"role":"owner"}]})";

TEST_F(CommandLine, snapshots_of_every_shard_are_taken_one_after_the_other_and_waited_for) {
  server_.script("GET /readyz", {.body = ready});
  const std::string taken = R"({"shard":0,"lsn":7,"bytes":4096,"taken":"2026-01-01T00:00:00Z"})";
  server_.script("POST /v1/shards/0/snapshots",
                 {.status = 202, .body = R"({"shard":0,"lsn":5,"bytes":0,"taken":null})"});
  server_.script("POST /v1/shards/0/snapshots", {.body = taken});
  server_.script("POST /v1/shards/1/snapshots", {.body = R"({"shard":1,"lsn":0,"bytes":0,"taken":null})"});
  server_.script("POST /v1/shards/2/snapshots",
                 {.body = R"({"shard":2,"lsn":9,"bytes":8192,"taken":"2026-01-01T00:00:00Z"})"});
  EXPECT_EQ(trav({"snapshot", "take"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_,
            "shard 0: up to record 7, 4096 bytes\n"
            "shard 1: it has no record yet\n"
            "shard 2: up to record 9, 8192 bytes\n");
  const auto received = server_.received();
  ASSERT_EQ(received.size(), 5U);
  EXPECT_EQ(received[1].body, "{}");
  EXPECT_EQ(received[2].body, R"({"lsn":5})") << "the one that is being taken is enough";
  EXPECT_EQ(trav({"snapshot", "take", "--shard", "0", "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "{\"items\":[" + taken + "]}\n");
}

TEST_F(CommandLine, a_snapshot_that_cannot_be_taken_is_the_servers_reason) {
  server_.script("GET /readyz", {.body = R"({"status":"ok"})"});
  EXPECT_EQ(trav({"snapshot", "take"}), ExitCode::refused);
  EXPECT_NE(err_.find("names no shards"), std::string::npos) << err_;
  server_.script("POST /v1/shards/9/snapshots",
                 {.status = 404,
                  .type = "application/problem+json",
                  .body = R"({"title":"Not found","status":404,"detail":"shard '9' not found","code":"not_found"})"});
  EXPECT_EQ(trav({"snapshot", "take", "--shard", "9"}), ExitCode::refused);
  EXPECT_NE(err_.find("shard '9' not found"), std::string::npos) << err_;
  server_.script("POST /v1/shards/1/snapshots",
                 {.status = 202, .body = R"({"shard":1,"lsn":5,"bytes":0,"taken":null})"});
  EXPECT_EQ(trav({"snapshot", "take", "--shard", "1"}), ExitCode::unreachable);
  EXPECT_NE(err_.find("it goes on: see `trav snapshot list`"), std::string::npos) << err_;
}

TEST_F(CommandLine, snapshots_are_listed_for_people) {
  server_.script("GET /v1/snapshots",
                 {.body = R"({"items":[{"shard":0,"lsn":7,"bytes":4096,"taken":"2026-01-01T00:00:00Z"}],)"
                          R"("next_cursor":null})"});
  EXPECT_EQ(trav({"snapshot", "list"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_,
            "SHARD  LSN  BYTES  TAKEN\n"
            "0      7    4096   2026-01-01T00:00:00Z\n");
}

}  // namespace
}  // namespace trv::cli
