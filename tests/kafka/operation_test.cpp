// Mistakes in operating several nodes, and the messages that say so.

#include "tests/kafka/nodes_fixture.hpp"

namespace trv::kafka {
namespace {

TEST_F(Nodes, the_only_one_that_takes_shards_is_not_drained) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  const auto refused = [&](std::size_t node) {
    const Answer answer = insist(node, operator_, "POST", fmt::format("/v1/nodes/node-{}/drain", node));
    EXPECT_EQ(answer.status, 409) << answer.body;
    EXPECT_NE(answer.text("detail").find("no other node takes shards"), std::string::npos) << answer.body;
    EXPECT_NE(answer.text("detail").find(fmt::format("To end node-{}, stop its travd", node)), std::string::npos);
  };
  refused(0);
  EXPECT_TRUE(own({4, 0, 0}));
  EXPECT_EQ(insist(0, operator_, "GET", "/v1/tenants").status, 200);
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  drain(1, 0);
  ASSERT_TRUE(own({0, 4, 0}));
  refused(1);
  EXPECT_TRUE(own({0, 4, 0}));
  // Its process may end all the same: the next node takes the shards.
  EXPECT_EQ(daemons_[1]->stop(), 0);
  const auto has_nobody = [&] {
    const Answer listed = ask(*daemons_[0], operator_, "GET", "/v1/nodes");
    return listed.status == 200 && listed.value().at("items").as_array().empty();
  };
  EXPECT_TRUE(eventually(has_nobody));
  drain(0, 0, "resume");
  EXPECT_TRUE(own({4, 0, 0}));
  const std::string complaints = daemons_[0]->complaints();
  EXPECT_EQ(complaints.find("the shards \n"), std::string::npos) << complaints;
}

TEST_F(Nodes, do_not_make_a_shared_folder_that_is_not_there) {
  const auto common = shared_.path() / "common";
  ASSERT_TRUE(std::filesystem::is_directory(common)) << "which `trav cluster init` makes";
  std::filesystem::remove(common);
  const std::vector<std::string> arguments = {"--config", configuration(0).string(), "--port", "0"};
  api::Ended ended = api::run_daemon(scratch_[0], arguments);
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("node.shared_folder: " + common.string() + " does not exist; mount it"), std::string::npos)
      << ended.err;
  EXPECT_FALSE(std::filesystem::exists(common));
  std::ofstream(common) << "a file";
  ended = api::run_daemon(scratch_[0], arguments);
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find(common.string() + " is not a folder"), std::string::npos) << ended.err;
  std::filesystem::remove(common);
  std::filesystem::create_directory(common);
  start(0);
  EXPECT_EQ(daemons_[0]->stop(), 0);
  // The folder on which it would be mounted is there, and empty.
  std::filesystem::rename(common, shared_.path() / "away");
  std::filesystem::create_directory(common);
  ended = api::run_daemon(scratch_[0], arguments);
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("keys/audit.pem is missing"), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("mount it where it lies on another machine"), std::string::npos) << ended.err;
}

TEST_F(Nodes, with_another_cluster_key_say_so_and_nothing_else) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  ASSERT_FALSE(create_tenant(0, "acme").empty());
  const std::string path = "/v1/shards/0/snapshots";
  Answer answer = insist(0, operator_, "POST", path, "{}", {{"Content-Type", "application/json"}});
  const std::string again = fmt::format(R"({{"lsn":{}}})", answer.value().at("lsn").as_int64());
  ASSERT_TRUE(eventually([&] {
    answer = insist(0, operator_, "POST", path, again, {{"Content-Type", "application/json"}});
    return answer.status == 200;
  })) << answer.body;
  EXPECT_EQ(daemons_[0]->stop(), 0);
  std::filesystem::remove(cluster_key());
  ASSERT_EQ(trav({"cluster", "key", cluster_key().string()}), 0);
  std::filesystem::remove_all(scratch_[0].path() / "data");
  const api::Ended ended = api::run_daemon(scratch_[0], {"--config", configuration(0).string(), "--port", "0"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(ended.err.starts_with("travd: ")) << ended.err;
  EXPECT_NE(ended.err.find("does not open under " + cluster_key().string()), std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find("snapshot"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace trv::kafka
