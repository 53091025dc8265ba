#include "tests/support/stand_ins/stand_ins.hpp"

#include <curl/curl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "tests/support/stand_ins/json.hpp"
#include "tests/support/stand_ins/server.hpp"

namespace trv::stand_ins {
namespace {

namespace filesystem = std::filesystem;

Request github(std::string body, std::string key = "", std::string path = "/repos/octo-org/hello/issues/7/comments") {
  Request request = {
      "POST", "/github" + path, {{"authorization", "Bearer github-token"}, {"user-agent", "test"}}, std::move(body)};
  if (!key.empty()) request.headers.emplace_back("Idempotency-Key", key);
  return request;
}

Request jira(std::string method, std::string path, std::string body) {
  return {std::move(method),
          "/jira/rest/api/3/issue" + path,
          {{"Authorization", "Basic Ym90QGV4YW1wbGUuY29tOmppcmEtdG9rZW4="}},
          std::move(body)};
}

Request slack(std::string body) {
  return {"POST",
          "/slack/api/chat.postMessage",
          {{"Authorization", "Bearer slack-token"}, {"Content-Type", "application/json; charset=utf-8"}},
          std::move(body)};
}

class StandInsTest : public testing::Test {
 protected:
  StandInsTest() : folder_(filesystem::temp_directory_path() / ("stand_ins_" + std::to_string(::getpid()))) {
    filesystem::create_directories(folder_);
    filesystem::remove(journal());
  }
  ~StandInsTest() override { filesystem::remove_all(folder_); }

  filesystem::path journal() const { return folder_ / "journal.jsonl"; }
  std::unique_ptr<StandIns> open(Faults faults = {}) {
    auto opened = StandIns::open({.faults = faults, .journal = journal()});
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message());
    return std::move(*opened);
  }
  std::vector<json::value> lines() const {
    std::vector<json::value> all;
    std::ifstream in(journal());
    for (std::string line; std::getline(in, line);) all.push_back(json::parse(line));
    return all;
  }

 private:
  filesystem::path folder_;
};

TEST_F(StandInsTest, github_refuses_as_github_does) {
  const auto stand_ins = open();
  Request no_agent = github(R"({"body":"x"})");
  no_agent.headers.pop_back();
  EXPECT_EQ(stand_ins->answer(no_agent)->status, 403);
  Request bad_token = github(R"({"body":"x"})");
  bad_token.headers[0].second = "Bearer wrong";
  const Answer unauthorised = *stand_ins->answer(bad_token);
  EXPECT_EQ(unauthorised.status, 401);
  EXPECT_EQ(json::parse(unauthorised.body).at("message"), "Bad credentials");
  EXPECT_EQ(stand_ins->answer(github("{"))->status, 400);
  EXPECT_EQ(stand_ins->answer(github("{}"))->status, 422);
  EXPECT_EQ(stand_ins->answer(github("{}", "", "/repos/octo-org/other/issues/7/comments"))->status, 404);
  const Answer created = *stand_ins->answer(github(R"({"body":"x"})"));
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(json::parse(created.body).at("body"), "x");
  for (const json::value& line : lines()) EXPECT_EQ(line.at("effect") == "recorded", line.at("status") == 201);
}

TEST_F(StandInsTest, labels_are_kept_once) {
  const auto stand_ins = open();
  const auto add = [&](const char* body) {
    return json::parse(stand_ins->answer(github(body, "", "/repos/octo-org/hello/issues/7/labels"))->body)
        .get_array()
        .size();
  };
  EXPECT_EQ(add(R"({"labels":["bug"]})"), 1U);
  EXPECT_EQ(add(R"({"labels":["bug","big"]})"), 2U);
}

TEST_F(StandInsTest, jira_creates_and_moves_issues) {
  const auto stand_ins = open();
  const Answer refused = *stand_ins->answer(jira("POST", "", R"({"fields":{"project":{"key":"NO"}}})"));
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(json::parse(refused.body).at("errors").at("project"), "valid project is required");
  EXPECT_EQ(json::parse(refused.body).at("errors").at("summary"), "You must specify a summary of the issue.");
  const Answer text_description = *stand_ins->answer(
      jira("POST", "",
           R"({"fields":{"project":{"key":"OPS"},"issuetype":{"name":"Bug"},"summary":"s","description":"text"}})"));
  EXPECT_TRUE(json::parse(text_description.body).at("errors").get_object().contains("description"));

  const Answer created = *stand_ins->answer(
      jira("POST", "", R"({"fields":{"project":{"key":"OPS"},"issuetype":{"name":"Bug"},"summary":"s"}})"));
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(json::parse(created.body).at("key"), "OPS-1");
  EXPECT_EQ(stand_ins->answer(jira("POST", "/OPS-1/transitions", R"({"transition":{"id":"99"}})"))->status, 400);
  const Answer moved = *stand_ins->answer(jira("POST", "/OPS-1/transitions", R"({"transition":{"id":"31"}})"));
  EXPECT_EQ(moved.status, 204);
  EXPECT_EQ(moved.body, "");
  const json::value issue = json::parse(stand_ins->answer(jira("GET", "/OPS-1", ""))->body);
  EXPECT_EQ(issue.at("fields").at("status").at("name"), "Done");
  EXPECT_EQ(stand_ins->answer(jira("GET", "/OPS-2/transitions", ""))->status, 404);
  Request stranger = jira("GET", "/OPS-1", "");
  stranger.headers.clear();
  EXPECT_EQ(stand_ins->answer(stranger)->status, 401);
}

TEST_F(StandInsTest, slack_says_no_with_200) {
  const auto stand_ins = open();
  const auto error = [&](const Request& request) {
    const Answer answer = *stand_ins->answer(request);
    EXPECT_EQ(answer.status, 200);
    return text_member(json::parse(answer.body), "error");
  };
  EXPECT_EQ(error(slack(R"({"channel":"nowhere","text":"x"})")), "channel_not_found");
  EXPECT_EQ(error(slack(R"({"channel":"#general"})")), "no_text");
  EXPECT_EQ(error(slack("{")), "invalid_json");
  Request stranger = slack("{}");
  stranger.headers[0].second = "Bearer no";
  EXPECT_EQ(error(stranger), "invalid_auth");
  EXPECT_EQ(error(slack(R"({"channel":"#general","text":"x"})")), "");
}

TEST_F(StandInsTest, a_repeated_key_gets_the_first_answer_and_no_second_effect) {
  const auto stand_ins = open();
  const Answer first = *stand_ins->answer(github(R"({"body":"x"})", "k1"));
  EXPECT_EQ(stand_ins->answer(github(R"({"body":"x"})", "k1"))->body, first.body);
  EXPECT_NE(stand_ins->answer(github(R"({"body":"x"})", "k2"))->body, first.body);
  const auto all = lines();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].at("effect"), "recorded");
  EXPECT_EQ(all[1].at("effect"), "repeated");
  EXPECT_EQ(all[1].at("idempotency_key"), "k1");
  EXPECT_EQ(all[2].at("effect"), "recorded");
}

TEST_F(StandInsTest, a_key_of_a_refused_request_is_still_free) {
  const auto stand_ins = open();
  EXPECT_EQ(stand_ins->answer(github("{}", "k1"))->status, 422);
  EXPECT_EQ(stand_ins->answer(github(R"({"body":"x"})", "k1"))->status, 201);
}

TEST_F(StandInsTest, state_and_keys_survive_a_restart_and_a_torn_line_does_not) {
  std::string first;
  {
    const auto stand_ins = open();
    first = stand_ins->answer(github(R"({"body":"x"})", "k1"))->body;
    (void)stand_ins->answer(
        jira("POST", "", R"({"fields":{"project":{"key":"OPS"},"issuetype":{"name":"Bug"},"summary":"s"}})"));
    (void)stand_ins->answer(github("\xff not json"));
  }
  std::ofstream(journal(), std::ios::app) << R"({"service":"github","meth)";
  const auto stand_ins = open();
  EXPECT_EQ(stand_ins->answer(github(R"({"body":"x"})", "k1"))->body, first);
  EXPECT_NE(stand_ins->answer(github(R"({"body":"x"})", "k2"))->body, first);
  EXPECT_EQ(stand_ins->answer(jira("GET", "/OPS-1", ""))->status, 200);
  EXPECT_EQ(lines().size(), 6U);
}

TEST_F(StandInsTest, a_journal_of_other_options_is_refused) {
  (void)open()->answer(github(R"({"body":"x"})"));
  Options options = {.journal = journal()};
  options.github.repositories = {"else/where"};
  EXPECT_EQ(StandIns::open(std::move(options)).error().code(), base::ErrorCode::corrupt);
}

TEST_F(StandInsTest, the_journal_holds_no_credentials) {
  (void)open()->answer(github(R"({"body":"x"})"));
  std::ifstream in(journal());
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(text.find("github-token"), std::string::npos);
}

TEST_F(StandInsTest, faults_come_first_and_then_the_route_works) {
  const auto stand_ins = open({.fail_first = 2, .rate_limit_first = 1});
  EXPECT_EQ(stand_ins->answer(slack("{}"))->status, 503);
  EXPECT_EQ(stand_ins->answer(slack("{}"))->status, 503);
  const Answer limited = *stand_ins->answer(slack("{}"));
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers.back(), (std::pair<std::string, std::string>("Retry-After", "1")));
  EXPECT_EQ(stand_ins->answer(slack(R"({"channel":"general","text":"x"})"))->status, 200);
  EXPECT_EQ(stand_ins->answer(github(R"({"body":"x"})"))->status, 503) << "each route counts by itself";
}

TEST_F(StandInsTest, a_lost_answer_had_its_effect_and_the_key_finds_it) {
  const auto stand_ins = open({.drop_connection_every = 2});
  EXPECT_TRUE(stand_ins->answer(github(R"({"body":"1"})", "k1")));
  EXPECT_FALSE(stand_ins->answer(github(R"({"body":"2"})", "k2")));
  const Answer again = *stand_ins->answer(github(R"({"body":"2"})", "k2"));
  EXPECT_EQ(json::parse(again.body).at("body"), "2");
  EXPECT_EQ(lines()[1].at("dropped"), true);
  EXPECT_EQ(lines()[2].at("effect"), "repeated");
}

struct CurlResult {
  CURLcode code = CURLE_OK;
  long status = 0;
  std::string body = {};
};

CurlResult post(const std::string& url, const std::string& body) {
  CurlResult result;
  CURL* curl = curl_easy_init();
  curl_slist* headers = curl_slist_append(nullptr, "Authorization: Bearer github-token");
  headers = curl_slist_append(headers, "Idempotency-Key: k");
  headers = curl_slist_append(headers, "Expect:");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "curl");
  curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body.c_str());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10'000L);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &result.body);
  curl_easy_setopt(
      curl, CURLOPT_WRITEFUNCTION, +[](char* data, std::size_t size, std::size_t count, void* out) {
        static_cast<std::string*>(out)->append(data, size * count);
        return size * count;
      });
  result.code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &result.status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  return result;
}

TEST_F(StandInsTest, a_real_client_is_answered_over_http) {
  const auto stand_ins = open();
  const auto server = Server::start(*stand_ins, 0, base::Duration(0));
  ASSERT_TRUE(server);
  const std::string url = "http://127.0.0.1:" + std::to_string((*server)->port());
  const CurlResult created = post(url + "/github/repos/octo-org/hello/issues/7/comments?x=1", R"({"body":"hello"})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(json::parse(created.body).at("body"), "hello");
  EXPECT_EQ(post(url + "/elsewhere", "{}").status, 404);
  EXPECT_EQ(post(url + "/github/x", std::string(2'000'001, 'x')).status, 413);
}

TEST_F(StandInsTest, a_dropped_connection_is_seen_as_no_answer) {
  const auto stand_ins = open({.drop_connection_every = 1});
  const auto server = Server::start(*stand_ins, 0, base::Duration(0));
  ASSERT_TRUE(server);
  const std::string url =
      "http://127.0.0.1:" + std::to_string((*server)->port()) + "/github/repos/octo-org/hello/issues/7/comments";
  EXPECT_EQ(post(url, R"({"body":"hello"})").code, CURLE_GOT_NOTHING);
  EXPECT_EQ(post(url, R"({"body":"hello"})").status, 201);
}

TEST_F(StandInsTest, many_clients_at_once_are_answered_and_each_key_acts_once) {
  const auto stand_ins = open();
  const auto server = Server::start(*stand_ins, 0, std::chrono::milliseconds(1));
  ASSERT_TRUE(server);
  const std::string url =
      "http://127.0.0.1:" + std::to_string((*server)->port()) + "/github/repos/octo-org/hello/issues/7/comments";
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&] {
      for (int n = 0; n < 10; ++n) EXPECT_EQ(post(url, R"({"body":"hello"})").status, 201);
    });
  for (std::thread& client : clients) client.join();
  const auto all = lines();
  ASSERT_EQ(all.size(), 80U);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].at("effect"), i == 0 ? "recorded" : "repeated");
}

}  // namespace
}  // namespace trv::stand_ins
