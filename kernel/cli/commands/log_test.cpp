// trav log copy, as far as it needs no broker.

#include "events/lmdb/folder_lock.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class LogCommand : public CommandLine {
 protected:
  /// A data folder whose log has so many records in each of so many shards.
  std::filesystem::path data(const std::string& name, std::uint64_t shards, std::size_t records) {
    std::filesystem::create_directories(folder_ / name);
    const auto log = log::LmdbEventLog::open(folder_ / name / "log");
    EXPECT_TRUE(log.has_value());
    for (std::uint64_t shard = 0; shard < shards; ++shard) {
      const auto claim = (*log)->claim(log::ShardId(shard), "node", base::Uuid());
      const auto ticket = (*log)->append(*claim, log::LogWriter(*claim).batch(records));
      EXPECT_TRUE((*log)->settle(*ticket).has_value());
    }
    return folder_ / name;
  }
  std::filesystem::path empty(const std::string& name) {
    std::filesystem::create_directories(folder_ / name);
    return folder_ / name;
  }
  ExitCode copy(const std::filesystem::path& from, const std::filesystem::path& to,
                const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"log", "copy", "--from", from.string(), "--to", to.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return trav(arguments);
  }
  void expect_refused(ExitCode code, ExitCode expected, const std::vector<std::string>& texts) {
    EXPECT_EQ(code, expected) << err_;
    for (const std::string& text : texts) EXPECT_NE(err_.find(text), std::string::npos) << err_;
  }
};

TEST_F(LogCommand, copies_every_shard_of_a_folder) {
  const auto from = data("from", 3, 1'000);
  const auto to = empty("to");
  ASSERT_EQ(copy(from, to), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("shard 2: 1000 records, the last has the hash "), std::string::npos) << out_;
  EXPECT_NE(out_.find("3000 records are in " + (to / "log").string()), std::string::npos) << out_;
  EXPECT_NE(out_.find("copy them from " + from.string() + " to " + to.string()), std::string::npos) << out_;
  EXPECT_FALSE(std::filesystem::exists(to / "copy.unfinished"));
  const auto json = empty("json");
  ASSERT_EQ(copy(from, json, {"--output", "json"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find(R"("records":3000)"), std::string::npos) << out_;
  EXPECT_NE(out_.find(R"("records_per_second":)"), std::string::npos) << out_;
  const auto log = log::LmdbEventLog::open(json / "log");
  EXPECT_EQ((*log)->bounds(log::ShardId(2))->last, log::Lsn(1'000));
}

TEST_F(LogCommand, a_place_that_is_not_one_is_refused_by_its_name) {
  const auto from = data("from", 1, 3);
  expect_refused(copy(folder_ / "nowhere", empty("to")), ExitCode::usage,
                 {"--from: ", "nowhere does not exist; name the configuration of travd, or its data folder"});
  expect_refused(copy(from, folder_ / "nowhere"), ExitCode::usage,
                 {"--to: ", "nowhere does not exist", "make it first: mkdir " + (folder_ / "nowhere").string()});
  expect_refused(copy(empty("to"), from), ExitCode::usage, {"to has no log: ", "to/log/data.mdb does not exist"});
  expect_refused(copy(from, from), ExitCode::usage, {"--from and --to both name ", "from/log"});
  expect_refused(copy(from, write("bad.toml", "[kafka]\nbroker = \"h:1\"\n")), ExitCode::usage,
                 {"--to: ", "bad.toml", "kafka.broker", "kafka.brokers"});
  expect_refused(trav({"log", "copy", "--from", from.string()}), ExitCode::usage, {"--to"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "to/log"));
}

TEST_F(LogCommand, variables_that_would_change_both_places_are_not_read) {
  environment_["TRAV_KAFKA_BROKERS"] = "127.0.0.1:1";
  environment_["TRAV_DATA_FOLDER"] = (folder_ / "elsewhere").string();
  const auto from = data("from", 1, 3);
  const auto to = write("to.toml", "[data]\nfolder = \"" + empty("to").string() + "\"\n");
  EXPECT_EQ(copy(from, to), ExitCode::ok) << err_;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "to/log/data.mdb"));
}

TEST_F(LogCommand, a_destination_that_has_records_is_refused_and_left_as_it_is) {
  const auto from = data("from", 1, 30);
  const auto to = data("to", 1, 3);
  expect_refused(copy(from, to), ExitCode::refused, {"--to: ", "to/log has records; name an empty folder"});
  EXPECT_FALSE(std::filesystem::exists(to / "copy.unfinished"));
  const auto log = log::LmdbEventLog::open(to / "log");
  EXPECT_EQ((*log)->bounds(log::ShardId(0))->last, log::Lsn(3));
}

TEST_F(LogCommand, a_destination_with_too_few_shards_is_refused) {
  const auto from = data("from", 3, 3);
  const auto to = write("to.toml", "shards = 2\n[data]\nfolder = \"" + empty("to").string() + "\"\n");
  expect_refused(copy(from, to), ExitCode::usage,
                 {"shard 2 of the source has records, but the key shards of ", "is 2; set it to 3 or more"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "to/copy.unfinished"));
}

TEST_F(LogCommand, a_folder_in_use_is_refused) {
  const auto from = data("from", 1, 3);
  const auto to = empty("to");
  for (const auto& used : {from, to}) {
    const auto lock = lmdb::FolderLock::acquire(used);
    ASSERT_TRUE(lock.has_value());
    expect_refused(copy(from, to), ExitCode::refused, {used.string() + " is in use by another daemon; stop it"});
  }
  EXPECT_EQ(copy(from, to), ExitCode::ok) << err_;
}

TEST_F(LogCommand, a_changed_byte_is_found_and_nothing_is_left_behind) {
  const auto from = data("from", 1, 3);
  std::string bytes = read(from / "log/data.mdb");
  const std::string tenant(
      log::LogWriter({.shard = log::ShardId(0), .epoch = log::Epoch(1), .nonce = {}, .next = log::Lsn(1)})
          .batch(1)
          .view(0)
          .tenant());
  ASSERT_NE(bytes.find(tenant), std::string::npos);
  for (std::size_t at = bytes.find(tenant); at != std::string::npos; at = bytes.find(tenant, at + 1)) bytes[at] ^= 1;
  write("from/log/data.mdb", bytes);
  expect_refused(copy(from, empty("to")), ExitCode::verification_failed, {"the chain of shard 0 breaks after lsn 1"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "to/log"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "to/copy.unfinished"));
}

TEST_F(LogCommand, a_login_that_cannot_be_is_refused_before_anything_is_made) {
  const auto from = write("from.toml", "[data]\nfolder = \"" + (folder_ / "data").string() +
                                           "\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\nmechanism = \"plain\"\n");
  expect_refused(copy(from, empty("to")), ExitCode::usage, {"--from: ", "which needs kafka.user"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "to/log"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "to/copy.unfinished"));
  write("to/copy.unfinished", "another log");
  expect_refused(copy(from, folder_ / "to"), ExitCode::usage, {"which needs kafka.user"});
  EXPECT_EQ(read(folder_ / "to/copy.unfinished"), "another log") << "that copy is as unfinished as before";
}

TEST_F(LogCommand, keys_of_several_nodes_are_unsealed_in_a_folder_that_nobody_uses) {
  const auto key = folder_ / "cluster.key";
  ASSERT_EQ(trav({"cluster", "key", key.string()}), ExitCode::ok) << err_;
  const auto other = folder_ / "other.key";
  ASSERT_EQ(trav({"cluster", "key", other.string()}), ExitCode::ok) << err_;
  for (const char* name : {"to/keys/audit.pem", "to/secrets/master.key"}) {
    std::filesystem::permissions(write(name, "the secret"), std::filesystem::perms(0600));
  }
  const auto nodes = write(
      "nodes.toml", fmt::format("[data]\nfolder = \"{0}/data\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\n[node]\n"
                                "address = \"127.0.0.1:1\"\nshared_folder = \"{0}/to\"\ncluster_key_file = \"{1}\"\n",
                                folder_.string(), key.string()));
  ASSERT_EQ(trav({"cluster", "seal", "--config", nodes.string()}), ExitCode::ok) << err_;
  const auto unseal = [&](const std::filesystem::path& folder, const std::filesystem::path& with) {
    return trav({"cluster", "unseal", folder.string(), "--key", with.string()});
  };
  const std::string sealed = read(folder_ / "to/keys/audit.pem");
  expect_refused(unseal(folder_ / "to", other), ExitCode::verification_failed,
                 {"to/keys/audit.pem does not open under"});
  EXPECT_EQ(read(folder_ / "to/keys/audit.pem"), sealed);
  expect_refused(unseal(folder_ / "nowhere", key), ExitCode::usage, {"nowhere is not a folder; name the data folder"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "nowhere"));
  {
    const auto lock = lmdb::FolderLock::acquire(folder_ / "to");
    ASSERT_TRUE(lock.has_value());
    expect_refused(unseal(folder_ / "to", key), ExitCode::refused, {"is in use by another daemon"});
  }
  ASSERT_EQ(unseal(folder_ / "to", key), ExitCode::ok) << err_;
  EXPECT_EQ(read(folder_ / "to/keys/audit.pem"), "the secret");
  EXPECT_EQ(read(folder_ / "to/secrets/master.key"), "the secret");
  ASSERT_EQ(unseal(folder_ / "to", key), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("audit.pem is already in the clear."), std::string::npos) << out_;
}

TEST_F(LogCommand, half_a_copy_goes_on_and_is_not_copied_further) {
  const auto from = data("from", 1, 3'000);
  const auto to = empty("to");
  // As a copy that ended within shard 0 leaves it.
  ASSERT_EQ(copy(from, to), ExitCode::ok) << err_;
  write("to/copy.unfinished", (to / "log").string());
  expect_refused(copy(to, empty("other")), ExitCode::refused, {"is the part of a copy that was cut off"});
  ASSERT_EQ(copy(from, to), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("3000 records are in"), std::string::npos) << out_;
  EXPECT_NE(out_.find("; 0 were copied in"), std::string::npos) << out_;
  EXPECT_FALSE(std::filesystem::exists(to / "copy.unfinished"));
}

}  // namespace
}  // namespace trv::cli
