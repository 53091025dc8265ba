// One action on all instances that a search finds.

#include <fmt/format.h>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class BulkTest : public ApiTest {
 protected:
  /// Ids of the instances, the newest first.
  static std::vector<std::string> start(const std::string& name, const std::string& rest, int count) {
    const Answer applied = apply_workflow(
        acme(), "acme",
        fmt::format("document: {{dsl: '1.0.3', namespace: bulk, name: {}, version: '1.0.0'}}\n{}", name, rest));
    EXPECT_EQ(applied.status, 201) << applied.body;
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      const Answer started =
          call(acme(), "POST", fmt::format("/v1/tenants/acme/workflows/bulk/{}/instances", name), R"({"n":"x"})");
      EXPECT_EQ(started.status, 201) << started.body;
      ids.insert(ids.begin(), started.text("id"));
    }
    return ids;
  }
  static Answer act(const std::string& token, const std::string& body) {
    return call(token, "POST", "/v1/tenants/acme/instance-actions", body);
  }
  /// "id outcome" of every item, over all pages.
  static std::vector<std::string> acted(const std::string& action, const std::string& search, const std::string& more) {
    std::vector<std::string> out;
    std::string cursor;
    for (int page = 0; page < 100; ++page) {
      const Answer answer = act(acme(), fmt::format(R"({{"action":"{}","search":{}{}{}}})", action, search, more,
                                                    cursor.empty() ? "" : fmt::format(R"(,"cursor":"{}")", cursor)));
      EXPECT_EQ(answer.status, 200) << answer.body;
      const json::value value = answer.value();
      for (const json::value& one : value.at("items").as_array()) {
        out.push_back(std::string(one.at("id").as_string()) + " " + std::string(one.at("outcome").as_string()));
      }
      if (value.at("next_cursor").is_null()) return out;
      cursor = std::string(value.at("next_cursor").as_string());
    }
    ADD_FAILURE() << "the search does not end";
    return out;
  }
  static std::vector<std::string> each(std::vector<std::string> ids, const std::string& outcome) {
    for (std::string& id : ids) id += " " + outcome;
    return ids;
  }
  static std::string status_of(const std::string& id) {
    return call(acme(), "GET", "/v1/tenants/acme/instances/" + id).text("status");
  }
};

TEST_F(BulkTest, a_dry_run_of_one_instance_says_what_it_would_be_and_records_nothing) {
  const std::string id =
      start("alone", "do: [{w: {wait: {hours: 1}}}, {l: {listen: {to: {one: {with: {type: go}}}}}}]\n", 1)[0];
  const std::string path = "/v1/tenants/acme/instances/" + id;
  const std::string steps = call(acme(), "GET", path + "/tasks").body;
  const auto dry = [&](const std::string& action, const std::string& more = "") {
    return call(acme(), "POST", path + "/" + action, R"({"dry_run":true)" + more + "}");
  };
  for (const auto& [action, becomes] : {std::pair("cancel", "cancelled"), std::pair("suspend", "suspended")}) {
    const Answer answer = dry(action);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.text("status"), becomes);
    EXPECT_TRUE(answer.value().at("dry_run").as_bool());
  }
  for (const std::string action : {"resume", "retry", "skip"}) EXPECT_EQ(dry(action).status, 409) << action;
  EXPECT_EQ(dry("signal", R"(,"type":"go")").status, 409) << "nothing listens yet";
  const Answer forked = dry("fork", R"(,"at":"2100-01-01T00:00:00Z")");
  EXPECT_EQ(forked.status, 200) << forked.body;
  EXPECT_EQ(forked.text("id"), id);
  EXPECT_EQ(status_of(id), "running");
  EXPECT_EQ(call(acme(), "GET", path + "/tasks").body, steps);
  EXPECT_EQ(call(acme(), "POST", path + "/suspend", R"({"dry_run":1})").status, 400);
  EXPECT_EQ(call(acme(), "POST", path + "/cancel", "{}").status, 200);
  EXPECT_EQ(status_of(id), "cancelled");
}

TEST_F(BulkTest, what_a_search_finds_is_acted_on_page_by_page_each_with_its_own_record) {
  const auto ids = start("waits", "do: [{w: {wait: {hours: 1}}}]\n", 5);
  const std::string search = R"({"workflow":"bulk/waits"})";
  EXPECT_EQ(acted("cancel", search, R"(,"dry_run":true,"limit":2)"), each(ids, "possible"));
  EXPECT_EQ(status_of(ids[0]), "running");
  EXPECT_EQ(acted("suspend", search, R"(,"limit":2)"), each(ids, "done"));
  EXPECT_EQ(status_of(ids[4]), "suspended");
  EXPECT_EQ(acted("suspend", search, ""), each(ids, "refused"));
  EXPECT_EQ(acted("resume", search, ""), each(ids, "done"));
  EXPECT_EQ(acted("resume", search, ""), std::vector<std::string>{});
  EXPECT_EQ(acted("cancel", R"({"workflow":"bulk/waits","status":"running"})", R"(,"limit":1,"reason":"moved out")"),
            each(ids, "done"));
  int cancelled = 0;
  for (const json::value& event : events(acme(), "acme")) {
    if (event.at("type") == "trv.instance.cancelled" && json::serialize(event).find("moved out") != std::string::npos) {
      ++cancelled;
    }
  }
  EXPECT_EQ(cancelled, 5);
}

TEST_F(BulkTest, what_has_faulted_is_tried_again_or_skipped_once_in_a_run) {
  const auto ids = start("broken", "do: [{a: {set: '${ {codes: (.n | tonumber)} }'}}]\n", 3);
  const std::string search = R"({"workflow":"bulk/broken"})";
  // They fault again, and the run ends all the same.
  EXPECT_EQ(acted("retry", search, R"(,"limit":1)"), each(ids, "done"));
  EXPECT_EQ(status_of(ids[0]), "faulted");
  EXPECT_EQ(acted("skip", search, ""), each(ids, "done"));
  EXPECT_EQ(status_of(ids[0]), "completed");
}

TEST_F(BulkTest, a_dry_run_says_for_each_what_would_become_of_it_or_why_not) {
  const auto ids = start("dry", "do: [{w: {wait: {hours: 1}}}]\n", 3);
  ASSERT_EQ(call(acme(), "POST", "/v1/tenants/acme/instances/" + ids[0] + "/cancel").status, 200);
  ASSERT_EQ(call(acme(), "POST", "/v1/tenants/acme/instances/" + ids[1] + "/suspend").status, 200);
  // What has ended is not looked for.
  const json::value active =
      act(acme(), R"({"action":"suspend","search":{"workflow":"bulk/dry"},"dry_run":true})").value();
  ASSERT_EQ(active.at("items").as_array().size(), 2U);
  EXPECT_EQ(active.at("items").at(0).at("outcome"), "refused");
  EXPECT_NE(active.at("items").at(0).at("detail").as_string().find("is suspended already"), std::string::npos);
  EXPECT_EQ(active.at("items").at(1).at("outcome"), "possible");
  EXPECT_EQ(active.at("items").at(1).at("status"), "running");
  EXPECT_EQ(active.at("items").at(1).at("becomes"), "suspended");
  EXPECT_EQ(status_of(ids[2]), "running");
  // Where that is asked for, it is refused in the words of the action itself.
  const json::value ended =
      act(acme(), R"({"action":"resume","search":{"workflow":"bulk/dry","status":"cancelled"},"dry_run":true})")
          .value();
  EXPECT_NE(ended.at("items").at(0).at("detail").as_string().find("has been cancelled already"), std::string::npos);
}

TEST_F(BulkTest, many_are_migrated_signalled_and_forked) {
  const std::string listens = "{l: {listen: {to: {one: {with: {type: bulk.go}}}}}}";
  const auto ids = start("many", "do: [" + listens + "]\n", 3);
  ASSERT_EQ(
      apply_workflow(acme(), "acme",
                     "document: {dsl: '1.0.3', namespace: bulk, name: many, version: '2.0.0'}\ndo: [{first: {set: "
                     "{n: 1}}}, " +
                         listens + ", {z: {set: {got: '${ . }'}}}]\n")
          .status,
      201);
  const std::string search = R"({"workflow":"bulk/many"})";
  const std::string to = R"(,"version":"2.0.0")";
  EXPECT_EQ(acted("migrate", search, to + R"(,"dry_run":true)"), each(ids, "possible"));
  EXPECT_EQ(acted("migrate", search, R"(,"version":"3.0.0","dry_run":true)"), each(ids, "refused"));
  EXPECT_EQ(acted("migrate", search, to), each(ids, "done"));
  EXPECT_EQ(acted("migrate", search, to), each(ids, "refused"));
  EXPECT_EQ(acted("signal", search, R"(,"type":"bulk.other","dry_run":true)"), each(ids, "refused"));
  EXPECT_EQ(acted("signal", search, R"(,"type":"bulk.go","data":7,"dry_run":true)"), each(ids, "possible"));
  EXPECT_EQ(status_of(ids[1]), "running");
  EXPECT_EQ(acted("signal", search, R"(,"type":"bulk.go","data":7)"), each(ids, "done"));
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + ids[2]).value().at("output").at("got"),
            json::value({7}));
  EXPECT_EQ(acted("signal", search, R"(,"type":"bulk.go")"), std::vector<std::string>{});

  const auto waiting = start("forks", "do: [{w: {wait: {hours: 1}}}]\n", 2);
  const std::string at = R"(,"at":"2100-01-01T00:00:00Z")";
  EXPECT_EQ(acted("fork", R"({"workflow":"bulk/forks"})", at + R"(,"dry_run":true)"), each(waiting, "possible"));
  const Answer forked = act(acme(), R"({"action":"fork","search":{"workflow":"bulk/forks"})" + at + "}");
  ASSERT_EQ(forked.status, 200) << forked.body;
  ASSERT_EQ(forked.value().at("items").as_array().size(), 2U);
  const std::string other(forked.value().at("items").at(0).at("forked").as_string());
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + other).text("trigger"), "fork:" + waiting[0]);
  EXPECT_EQ(acted("fork", R"({"workflow":"bulk/many"})", at + R"(,"dry_run":true)"), each(ids, "refused"));
}

TEST_F(BulkTest, it_needs_a_search_an_action_and_the_right_to_act) {
  for (const auto& [body, words] : std::vector<std::pair<std::string, std::string>>{
           {R"({"action":"cancel"})", "search is missing"},
           {R"({"action":"cancel","search":{}})", "search is empty"},
           {R"({"action":"delete","search":{"status":"faulted"}})", "use one of cancel"},
           {R"({"action":"cancel","search":{"since":"soon"}})", "is not a time"},
           {R"({"action":"migrate","search":{"status":"running"}})", "version is missing"},
           {R"({"action":"cancel","search":{"status":"running"},"map":{}})", "map is of the actions migrate"},
           {R"({"action":"signal","search":{"status":"running"}})", "type"},
           {R"({"action":"fork","search":{"status":"running"},"at":"now"})", "is not an RFC 3339 time"},
           {R"({"action":"cancel","search":{"state":"faulted"}})", "state"},
           {R"({"action":"cancel","search":{"status":"faulted"},"limit":0})", "limit"},
           {R"({"action":"cancel","search":{"status":"faulted"},"cursor":"x"})", "cursor"}}) {
    const Answer answer = act(acme(), body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_NE(answer.body.find(words), std::string::npos) << answer.body;
  }
  const std::string good = R"({"action":"cancel","search":{"status":"running"},"dry_run":true})";
  EXPECT_EQ(act(issue(acme(), "acme", "viewer").second, good).status, 403);
  EXPECT_EQ(act(beta(), good).status, 404);
  EXPECT_EQ(act("", good).status, 401);
}

}  // namespace
}  // namespace trv::api
