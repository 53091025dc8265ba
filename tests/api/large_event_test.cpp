// Events with megabytes of data: taken, recorded by digest, read by expressions, and never kept by an instance.

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "sdk/base/digest.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class LargeEventTest : public ApiTest {
 protected:
  static Answer send(const std::string& id, const std::string& type, const std::string& data) {
    return call(
        acme(), "POST", "/v1/tenants/acme/events",
        fmt::format(R"({{"specversion":"1.0","id":"{}","source":"/large","type":"{}","data":{}}})", id, type, data),
        {{"Content-Type", "application/cloudevents+json"}});
  }
  static std::string workflow(const std::string& name, const std::string& type, const std::string& input,
                              const std::string& filter = "") {
    return fmt::format(
        "document:\n  dsl: '1.0.3'\n  namespace: large\n  name: {}\n  version: '1.0.0'\n"
        "schedule:\n  on:\n    one:\n      with:\n        type: {}\n{}{}"
        "do:\n  - keep:\n      set:\n        title: '${{ .title }}'\n",
        name, type, filter, input);
  }
  static json::value ended(const Answer& answer, std::size_t index = 0) {
    const std::string id(answer.value().at("started").at(index).as_string());
    for (int i = 0; i < 200; ++i) {
      json::value instance = call(acme(), "GET", "/v1/tenants/acme/instances/" + id).value();
      if (instance.at("status") != "running") return instance;
    }
    return {};
  }
};

TEST_F(LargeEventTest, megabytes_are_taken_and_an_instance_keeps_what_input_from_takes) {
  const std::string takes_title = "input:\n  from: '${ {title: .[0].data.title, size: (.[0].data.text | length)} }'\n";
  ASSERT_LT(apply_workflow(acme(), "acme", workflow("takes", "com.large.a", takes_title)).status, 300);
  const std::string data = R"({"text":")" + std::string(5'000'000, 'x') + R"(","title":"found"})";
  const Answer answer = send("a", "com.large.a", data);
  ASSERT_EQ(answer.status, 202) << answer.body;
  const json::value instance = ended(answer);
  EXPECT_EQ(instance.at("status"), "completed") << json::serialize(instance).substr(0, 2000);
  EXPECT_EQ(instance.at("output").at("title"), "found");
  const json::value& kept = instance.at("input").at(0);
  EXPECT_FALSE(kept.as_object().contains("data"));
  const std::string digest = base::to_hex(base::sha256(base::as_bytes(data)));
  EXPECT_EQ(kept.at("datablob").at("sha256"), json::value(digest));
  EXPECT_EQ(kept.at("datablob").at("bytes").to_number<std::size_t>(), data.size());
  for (const json::value& event : events(acme(), "acme")) {
    if (event.at("type") != "trv.event.received" || event.at("data").at("id") != "a") continue;
    EXPECT_EQ(event.at("data").at("data_sha256"), json::value(digest));
    EXPECT_FALSE(event.at("data").as_object().contains("data"));
  }
  EXPECT_EQ(contents_of(daemon().data() / "blobs" / digest.substr(0, 2) / digest.substr(2)), data);

  const Answer again = send("a", "com.large.a", data);
  EXPECT_EQ(again.status, 202);
  EXPECT_TRUE(again.value().at("started").as_array().empty()) << "the same event";
}

TEST_F(LargeEventTest, a_workflow_that_does_not_say_what_it_needs_faults_and_the_others_run) {
  ASSERT_LT(apply_workflow(acme(), "acme", workflow("all", "com.large.b", "")).status, 300);
  const Answer answer = send("b", "com.large.b", R"({"text":")" + std::string(300'000, 'x') + R"("})");
  ASSERT_EQ(answer.status, 202) << answer.body;
  const json::value instance = ended(answer);
  EXPECT_EQ(instance.at("status"), "faulted");
  const std::string detail(instance.at("error").at("detail").as_string());
  EXPECT_NE(detail.find("300011 bytes"), std::string::npos) << detail;
  EXPECT_NE(detail.find("`input.from` of the workflow"), std::string::npos) << detail;
  EXPECT_EQ(send("b-small", "com.large.b", R"({"text":"x"})").status, 202);
}

TEST_F(LargeEventTest, a_filter_reads_large_data) {
  const std::string filter = "        data: '${ .n == 7 }'\n";
  const std::string takes_title = "input:\n  from: '${ {title: .[0].data.title} }'\n";
  ASSERT_LT(apply_workflow(acme(), "acme", workflow("filters", "com.large.c", takes_title, filter)).status, 300);
  const std::string rest = R"(,"title":"t","text":")" + std::string(400'000, 'x') + R"("})";
  const Answer passes = send("c-7", "com.large.c", R"({"n":7)" + rest);
  ASSERT_EQ(passes.status, 202) << passes.body;
  EXPECT_EQ(passes.value().at("started").as_array().size(), 1U);
  const Answer other = send("c-8", "com.large.c", R"({"n":8)" + rest);
  ASSERT_EQ(other.status, 202) << other.body;
  EXPECT_TRUE(other.value().at("started").as_array().empty());
}

TEST_F(LargeEventTest, octets_and_bodies_up_to_25_mib_are_taken_and_no_more) {
  const std::string octets(3'000'000, '\x01');
  const Answer binary = call(acme(), "POST", "/v1/tenants/acme/events", octets,
                             {{"Content-Type", "image/png"},
                              {"ce-specversion", "1.0"},
                              {"ce-id", "d"},
                              {"ce-source", "/large"},
                              {"ce-type", "com.large.d"}});
  ASSERT_EQ(binary.status, 202) << binary.body;
  const std::string digest = base::to_hex(base::sha256(base::as_bytes(octets)));
  EXPECT_TRUE(std::filesystem::exists(daemon().data() / "blobs" / digest.substr(0, 2) / digest.substr(2)));
  const std::size_t most = std::size_t{25} << 20;
  const std::string frame = R"({"specversion":"1.0","id":"e","source":"/large","type":"com.large.d","data":""})";
  const auto body_of = [&](std::size_t size) {
    std::string body = frame;
    return body.insert(body.size() - 2, size - frame.size(), 'x');
  };
  const Headers headers = {{"Content-Type", "application/cloudevents+json"}};
  EXPECT_EQ(call(acme(), "POST", "/v1/tenants/acme/events", body_of(most), headers).status, 202);
  EXPECT_EQ(call(acme(), "POST", "/v1/tenants/acme/events", body_of(most + 1), headers).status, 413);
  const Answer elsewhere = call(acme(), "POST", "/v1/tenants/acme/members", std::string(2'000'000, ' '));
  EXPECT_EQ(elsewhere.status, 413) << "only events may be that large";
  const Answer broken =
      call(acme(), "POST", "/v1/tenants/acme/events", body_of(2'000'000).substr(0, 1'999'999), headers);
  EXPECT_EQ(broken.status, 400) << broken.body;
}

TEST_F(LargeEventTest, an_input_of_a_client_names_no_blob) {
  const std::string data = R"({"text":")" + std::string(300'000, 'x') + R"("})";
  ASSERT_EQ(send("f", "com.large.f", data).status, 202);
  const std::string text =
      "document:\n  dsl: '1.0.3'\n  namespace: large\n  name: forged\n  version: '1.0.0'\n"
      "do:\n  - pause:\n      wait: {milliseconds: 1}\n"
      "  - read:\n      set:\n        input: '${ $workflow.input }'\n";
  ASSERT_LT(apply_workflow(acme(), "acme", text).status, 300);
  const std::string forged = fmt::format(R"([{{"datablob":{{"sha256":"{}","bytes":{}}}}}])",
                                         base::to_hex(base::sha256(base::as_bytes(data))), data.size());
  const Answer started = call(acme(), "POST", "/v1/tenants/acme/workflows/large/forged/instances", forged);
  ASSERT_EQ(started.status, 201) << started.body;
  const std::string path = "/v1/tenants/acme/instances/" + started.text("id");
  json::value instance;
  for (int i = 0; i < 1'200 && (instance.is_null() || instance.at("status") == "running"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    instance = call(acme(), "GET", path).value();
  }
  EXPECT_EQ(instance.at("output").at("input"), json::parse(forged));
}

// The log and the projection do without the blob; a task that reads its data waits for it.
TEST(LargeEvent, a_replay_needs_no_blob_and_a_later_task_reads_all_of_its_data) {
  using namespace std::chrono_literals;
  const ScratchFolder scratch;
  auto daemon = Daemon::start(scratch);
  ASSERT_TRUE(daemon) << daemon.error().message();
  const std::string owner = create_tenant(**daemon, "acme");
  const std::string text =
      "document:\n  dsl: '1.0.3'\n  namespace: large\n  name: later\n  version: '1.0.0'\n"
      "schedule:\n  on:\n    one:\n      with:\n        type: com.large.later\n"
      "input:\n  from: '${ {now: ($workflow.input[0].data.text | length)} }'\n"
      "do:\n  - pause:\n      wait: {seconds: 3}\n"
      "  - read:\n      set:\n        title: '${ $workflow.input[0].data.title }'\n        before: '${ .now }'\n";
  ASSERT_LT(
      ask(**daemon, owner, "POST", "/v1/tenants/acme/workflows", text, {{"Content-Type", "application/yaml"}}).status,
      300);
  const std::string data = R"({"text":")" + std::string(1'000'000, 'x') + R"(","title":"found"})";
  const Answer sent =
      ask(**daemon, owner, "POST", "/v1/tenants/acme/events",
          R"({"specversion":"1.0","id":"1","source":"/large","type":"com.large.later","data":)" + data + "}",
          {{"Content-Type", "application/cloudevents+json"}});
  ASSERT_EQ(sent.status, 202) << sent.body;
  const std::string path = "/v1/tenants/acme/instances/" + std::string(sent.value().at("started").at(0).as_string());
  const Answer before = ask(**daemon, owner, "GET", path);
  EXPECT_EQ((*daemon)->stop(), 0);

  const std::filesystem::path blobs = scratch.path() / "data" / "blobs";
  std::filesystem::remove_all(scratch.path() / "data" / "projection");
  std::filesystem::rename(blobs, scratch.path() / "kept");
  daemon = Daemon::start(scratch);
  ASSERT_TRUE(daemon) << daemon.error().message();
  const Answer replayed = ask(**daemon, owner, "GET", path);
  EXPECT_EQ(replayed.value().at("input"), before.value().at("input"));
  const std::string digest = base::to_hex(base::sha256(base::as_bytes(data)));
  for (int i = 0; i < 1'200 && (*daemon)->complaints().find(digest) == std::string::npos; ++i) {
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_NE((*daemon)->complaints().find("blob " + digest + ", cannot be read"), std::string::npos)
      << (*daemon)->complaints();
  EXPECT_EQ(ask(**daemon, owner, "GET", path).text("status"), "running");
  EXPECT_EQ(ask(**daemon, "", "GET", "/readyz").status, 200);

  std::filesystem::copy(scratch.path() / "kept", blobs,
                        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  Answer ended;
  for (int i = 0; i < 1'200 && (ended.body.empty() || ended.text("status") == "running"); ++i) {
    std::this_thread::sleep_for(50ms);
    ended = ask(**daemon, owner, "GET", path);
  }
  EXPECT_EQ(ended.text("status"), "completed") << ended.body;
  EXPECT_EQ(ended.value().at("output"), (json::value{{"title", "found"}, {"before", 1'000'000}})) << ended.body;
}

}  // namespace
}  // namespace trv::api
