// Lists: pages, filters and what a terminal shows of them.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

TEST_F(CommandLine, a_list_is_a_table_for_people_and_the_servers_bytes_for_programs) {
  const std::string body =
      R"({"items": [{"id":"i-1","workflow":{"namespace":"ns","name":"w\u001b[1m","version":"1.0.0"},)"
      R"("status":"completed","started":"2026-01-01T00:00:00Z","ended":null}], "next_cursor":"abc"})";
  server_.script("GET /v1/tenants/acme/instances?status=completed&limit=1", {.body = body});
  EXPECT_EQ(trav({"instance", "list", "--status", "completed", "--limit", "1"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_,
            "ID   WORKFLOW           STATUS     STARTED               ENDED  ERROR\n"
            "i-1  ns/w\\x1b[1m:1.0.0  completed  2026-01-01T00:00:00Z\n");
  EXPECT_EQ(err_, "There may be more: --cursor abc\n");
  EXPECT_EQ(trav({"--output", "json", "instance", "list", "--status", "completed", "--limit", "1"}), ExitCode::ok);
  EXPECT_EQ(out_, body + "\n");
}

TEST_F(CommandLine, a_list_of_instances_says_in_a_few_words_why_one_faulted) {
  server_.script(
      "GET "
      "/v1/tenants/acme/instances?error=timeout&key=ORDER-17&correlation=a%3Db&since=2h&until=2026-01-01T00%3A00%3A00Z",
      {.body = R"({"items":[{"id":"i-1","workflow":{"namespace":"ns","name":"w","version":"1.0.0"},)"
               R"("status":"faulted","error":{"type":"https://x.org/errors/timeout","status":408,)"
               R"("title":"Timeout","detail":"task 'a' took longer than 5 s"}}],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "list", "--error", "timeout", "--key", "ORDER-17", "--since", "2h", "--until",
                  "2026-01-01T00:00:00Z", "--correlation", "a=b"}),
            ExitCode::ok)
      << err_;
  EXPECT_NE(out_.find("timeout 408: task 'a' took longer than 5 s\n"), std::string::npos) << out_;
}

TEST_F(CommandLine, an_action_on_many_says_how_many_asks_and_counts_what_became_of_each) {
  const std::string route = "POST /v1/tenants/acme/instance-actions";
  const std::string found =
      R"({"items":[{"id":"i-2","workflow":"ns/w:1.0.0","status":"faulted","outcome":"possible"},)"
      R"({"id":"i-1","workflow":"ns/w:1.0.0","status":"faulted","outcome":"possible"},)"
      R"({"id":"i-0","workflow":"ns/w:1.0.0","status":"faulted","outcome":"refused","detail":"it cannot"}],"next_cursor":null})";
  const std::vector<std::string> command = {"instance", "retry", "--workflow", "ns/w", "--since", "2h"};
  const auto with = [&](const std::string& flag) {
    std::vector<std::string> all = command;
    all.push_back(flag);
    return all;
  };
  server_.script(route, {.body = found});
  EXPECT_EQ(trav(with("--dry-run")), ExitCode::ok) << err_;
  EXPECT_NE(
      out_.find("i-1  ns/w:1.0.0  faulted\n  refused i-0: it cannot\nretry: possible for 2 instances, not for 1.\n"),
      std::string::npos)
      << out_;
  EXPECT_NE(trav(command), ExitCode::ok);
  EXPECT_NE(err_.find("this would retry 2 instances; say --yes"), std::string::npos) << err_;
  server_.script(route, {.body = R"({"items":[{"id":"i-2","outcome":"done"}],"next_cursor":"c"})"});
  server_.script(route,
                 {.body = R"({"items":[{"id":"i-1","outcome":"refused","detail":"it runs"}],"next_cursor":null})"});
  EXPECT_EQ(trav(with("--yes")), ExitCode::refused) << err_;
  EXPECT_NE(out_.find("retry: done for 1 instance, refused for 1.\n  refused i-1: it runs\n"), std::string::npos)
      << out_;
  EXPECT_NE(trav({"instance", "cancel"}), ExitCode::ok);
  EXPECT_NE(err_.find("which instances?"), std::string::npos) << err_;
  EXPECT_NE(trav({"instance", "cancel", "i-1", "--status", "running"}), ExitCode::ok);
  EXPECT_NE(err_.find("not both"), std::string::npos) << err_;
}

TEST_F(CommandLine, an_action_on_many_that_is_cut_off_says_how_far_it_came) {
  const std::string route = "POST /v1/tenants/acme/instance-actions";
  server_.script(route, {.body = R"({"items":[{"id":"i-2","outcome":"possible"},{"id":"i-1","outcome":"possible"}]})"});
  server_.script(route, {.body = R"({"items":[{"id":"i-2","outcome":"done"}],"next_cursor":"c"})"});
  server_.script(route, {.status = 503, .body = R"({"detail":"away","code":"unavailable"})"});
  EXPECT_NE(trav({"instance", "cancel", "--workflow", "ns/w", "--yes"}), ExitCode::ok);
  EXPECT_NE(out_.find("cancel: done for 1 instance, refused for 0.\n"), std::string::npos) << out_;
  EXPECT_NE(err_.find("cut off after 1 of 2 instances; whether more was done is not known"), std::string::npos) << err_;
}

TEST_F(CommandLine, a_dry_run_of_one_instance_says_what_it_would_be) {
  for (const std::string action : {"cancel", "suspend", "resume", "retry", "skip"}) {
    server_.script("POST /v1/tenants/acme/instances/i-1/" + action,
                   {.body = R"({"id":"i-1","status":"cancelled","dry_run":true})"});
    EXPECT_EQ(trav({"instance", action, "i-1", "--dry-run"}), ExitCode::ok) << err_;
    EXPECT_EQ(server_.received().back().body, R"({"dry_run":true})");
    EXPECT_EQ(out_, action + ": possible for instance i-1, which would be cancelled.\n");
  }
  server_.script("POST /v1/tenants/acme/instances/i-1/fork", {.body = R"({"id":"i-1","status":"running"})"});
  EXPECT_EQ(trav({"instance", "fork", "i-1", "--at", "e-1", "--dry-run"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received().back().body, R"({"at":"e-1","dry_run":true})");
  EXPECT_EQ(out_, "fork: possible for instance i-1, which would be running.\n");
  server_.script("POST /v1/tenants/acme/instances/i-1/signal",
                 {.body = R"({"id":"i-1","status":"completed","heard":["/do/0/a"]})"});
  EXPECT_EQ(trav({"instance", "signal", "i-1", "--type", "t", "--dry-run"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "Instance i-1 would be completed; heard by /do/0/a.\n");
}

TEST_F(CommandLine, an_event_is_published_from_its_parts_or_from_a_text) {
  server_.script("POST /v1/tenants/acme/events",
                 {.status = 202, .body = R"({"received":["e-1"],"started":["i-1"],"heard":[]})"});
  server_.script("POST /v1/tenants/acme/events",
                 {.status = 202, .body = R"({"received":["e-1","e-2"],"started":[],"heard":[],"duplicates":["e-2"]})"});
  EXPECT_EQ(trav({"events", "publish", "--type", "t", "--data", "{\"n\":1}"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "received e-1\nstarted instance i-1\n");
  EXPECT_EQ(trav({"events", "publish", "--type", "t", "--id", "1"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "received e-1\nreceived e-2: its source and id were received before; nothing changed\n");
  EXPECT_NE(trav({"events", "publish"}), ExitCode::ok);
  EXPECT_NE(err_.find("--type is missing"), std::string::npos) << err_;
  EXPECT_NE(trav({"events", "publish", "--type", "t", "--file", "x"}), ExitCode::ok);
  EXPECT_NE(err_.find("not both"), std::string::npos) << err_;
  EXPECT_NE(trav({"events", "publish", "--type", "t", "--data", "{"}), ExitCode::ok);
  EXPECT_NE(err_.find("--data"), std::string::npos) << err_;
}

TEST_F(CommandLine, a_move_without_a_shard_says_which_there_are) {
  server_.script("GET /v1/nodes", {.body = R"({"items":[{"node":"a","shards":[0,3]},{"node":"b","shards":[1]},)"
                                           R"({"node":"c"},{"shards":["x"]}],"next_cursor":null})"});
  server_.script("GET /v1/nodes", {.status = 403, .body = R"({"title":"Forbidden","status":403})"});
  EXPECT_EQ(trav({"tenant", "move", "acme"}), ExitCode::usage);
  EXPECT_NE(err_.find("--shard is missing: say where tenant 'acme' moves to, one of 1, 3; `trav tenant list`"),
            std::string::npos)
      << err_;
  EXPECT_EQ(trav({"tenant", "move", "acme"}), ExitCode::usage);
  EXPECT_NE(err_.find("from 1 to the number of shards, minus one"), std::string::npos) << err_;
}

TEST_F(CommandLine, a_list_without_nodes_says_what_that_can_be) {
  server_.script("GET /v1/nodes", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"node", "list"}), ExitCode::ok) << err_;
  EXPECT_NE((out_ + err_).find("or every node that runs is drained. Then resume one"), std::string::npos)
      << out_ << err_;
}

TEST_F(CommandLine, an_instance_is_shown_with_its_steps_also_to_programs) {
  const std::string show = "GET /v1/tenants/acme/instances/i-1";
  server_.script(show,
                 {.body = R"({"id":"i-1","status":"completed","input":[1],"output":["a"],"n":9007199254740993})"});
  server_.script(show + "/tasks?limit=500", {.body = R"({"items":[{"lsn":7,"task":"a","time":"2026-01-01T00:00:00Z"}],)"
                                                     R"("next_cursor":"8"})"});
  server_.script(show + "/tasks?limit=500&cursor=8",
                 {.body = R"({"items":[{"lsn":8,"task":"b","output":[0.1,1e-7,-0.0]}],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "show", "i-1", "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_EQ(
      out_,
      R"({"id":"i-1","status":"completed","input":[1],"output":["a"],"n":9007199254740993,)"
      R"("tasks":[{"lsn":7,"task":"a","time":"2026-01-01T00:00:00Z"},{"lsn":8,"task":"b","output":[0.1,1e-07,-0]}]})"
      "\n");
  EXPECT_EQ(trav({"instance", "show", "i-1"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("input   [1]\n"), std::string::npos) << out_;
  EXPECT_NE(out_.find("output  [\"a\"]\n"), std::string::npos) << out_;
}

TEST_F(CommandLine, an_instance_shows_who_did_what_to_it_and_why) {
  const std::string show = "GET /v1/tenants/acme/instances/i-1";
  server_.script(show, {.body = R"({"id":"i-1","status":"suspended"})"});
  server_.script(show + "/tasks?limit=500",
                 {.body = R"({"items":[{"time":"2026-01-31T12:00:00.5Z","task":"",)"
                          R"("outcome":"suspended","actor":"token:t1","reason":"to\u001blook"},)"
                          R"({"time":"2026-01-31T12:00:01Z","task":"a","outcome":"completed",)"
                          R"("actor":null,"reason":null}],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "show", "i-1"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("              by token:t1: to\\x1blook\n"), std::string::npos) << out_;
  EXPECT_EQ(out_.find("by", out_.find("by token") + 1), std::string::npos) << out_;
}

TEST_F(CommandLine, a_past_state_is_shown_with_its_branches) {
  const std::string state =
      R"({"id":"i-1","workflow":{"namespace":"n","name":"w","version":"1.0.0"},"status":"running",)"
      R"("at":{"event":"e-1","position":"p-1","time":"2026-01-31T12:00:00Z"},"input":{"n":1},"branches":[{"branch":0,)"
      R"("inside_of":[{"task":"f","kind":"fork"}],"next":null,"waits_for":"branches","data":5,"ended":false},)"
      R"({"branch":1,"inside_of":[{"task":"a","kind":"call"}],"next":null,"waits_for":"outcome","data":{"n":2},)"
      R"("effect":{"key":"acme/i-1/do/0/a/1"},"ended":false}]})";
  server_.script("GET /v1/tenants/acme/instances/i-1/state?at=p-1", {.body = state});
  EXPECT_EQ(trav({"instance", "show", "i-1", "--at", "p-1"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("n/w:1.0.0"), std::string::npos) << out_;
  EXPECT_NE(out_.find("branch 0: in f (fork); waits for branches\n  data: 5\n"), std::string::npos) << out_;
  EXPECT_NE(out_.find("branch 1: in a (call); waits for outcome\n  call: acme/i-1/do/0/a/1\n  data: {\"n\":2}\n"),
            std::string::npos)
      << out_;
  EXPECT_EQ(trav({"instance", "show", "i-1", "--at", "p-1", "--output", "json"}), ExitCode::ok);
  EXPECT_EQ(out_, state + "\n");
}

TEST_F(CommandLine, an_instance_is_forked_and_signalled) {
  const std::string instance = "POST /v1/tenants/acme/instances/i-1/";
  server_.script(instance + "fork", {.status = 201, .body = R"({"id":"i-2","status":"running"})"});
  EXPECT_EQ(trav({"instance", "fork", "i-1", "--at", "e-1", "--input", "[1]", "--reason", "r", "--version", "2.0.0"}),
            ExitCode::ok)
      << err_;
  EXPECT_EQ(out_, "Instance i-2 goes on from i-1 and is running.\n");
  EXPECT_EQ(server_.received().back().body, R"({"at":"e-1","input":[1],"version":"2.0.0","reason":"r"})");
  EXPECT_EQ(trav({"instance", "fork", "i-1"}), ExitCode::usage);
  EXPECT_EQ(trav({"instance", "fork", "i-1", "--at", "e", "--input", "{"}), ExitCode::usage);
  const auto file = write("data.json", "{\"by\": \"ada\"}");
  EXPECT_EQ(trav({"instance", "fork", "i-1", "--at", "e", "--input", "1", "--input-file", file.string()}),
            ExitCode::usage);
  EXPECT_EQ(err_, "trav: give --input or --input-file, not both\n");

  server_.script(instance + "signal", {.body = R"({"id":"i-1","status":"running","heard":["/do/0/l","/do/1/m"]})"});
  EXPECT_EQ(trav({"instance", "signal", "i-1", "--type", "go", "--data-file", file.string()}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "Instance i-1 is running; heard by /do/0/l, /do/1/m.\n");
  EXPECT_EQ(server_.received().back().body, R"({"type":"go","data":{"by":"ada"}})");
  EXPECT_EQ(trav({"instance", "signal", "i-1"}), ExitCode::usage);
  server_.script(instance + "resume", {.body = R"({"id":"i-1","status":"running"})"});
  EXPECT_EQ(trav({"instance", "resume", "i-1", "--input", "5"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received().back().body, R"({"input":5})");
}

TEST_F(CommandLine, an_instance_is_migrated_after_a_look_at_what_becomes_of_its_tasks) {
  const std::string migrate = "POST /v1/tenants/acme/instances/i-1/migrate";
  const std::string tasks = R"("tasks":[{"branch":0,"from":"/do/0/a","to":"/do/1/b","kind":"call"}])";
  server_.script(migrate, {.body = R"({"id":"i-1","status":"running",)" + tasks + R"(,"problems":[]})"});
  EXPECT_EQ(trav({"instance", "migrate", "i-1", "--to", "2.0.0", "--map", "a=b", "--map", "/do/0/c=d"}), ExitCode::ok)
      << err_;
  EXPECT_EQ(server_.received().back().body, R"({"version":"2.0.0","map":{"a":"b","/do/0/c":"d"}})");
  EXPECT_EQ(out_, "branch 0: /do/0/a is /do/1/b (call)\nInstance i-1 goes on in version 2.0.0 and is running.\n");
  for (const std::string wrong : {"a", "=b", "a="}) {
    EXPECT_EQ(trav({"instance", "migrate", "i-1", "--to", "2.0.0", "--map", wrong}), ExitCode::usage) << wrong;
  }
  EXPECT_EQ(trav({"instance", "migrate", "i-1", "--to", "2.0.0", "--map", "a=b", "--map", "a=c"}), ExitCode::usage);
  EXPECT_EQ(trav({"instance", "migrate", "i-1"}), ExitCode::usage);
}

TEST_F(CommandLine, a_migration_that_would_not_do_says_all_that_does_not_fit) {
  server_.script("POST /v1/tenants/acme/instances/i-1/migrate",
                 {.body = R"({"id":"i-1","status":"running","tasks":[],"problems":["one","two"]})"});
  EXPECT_EQ(trav({"instance", "migrate", "i-1", "--to", "2.0.0", "--dry-run"}), ExitCode::refused);
  EXPECT_EQ(server_.received().back().body, R"({"version":"2.0.0","dry_run":true})");
  EXPECT_EQ(err_, "trav: one\ntrav: two\n");
}

TEST_F(CommandLine, an_instance_that_waits_shows_when_it_goes_on) {
  const std::string show = "GET /v1/tenants/acme/instances/i-1";
  server_.script(show, {.body = R"({"id":"i-1","status":"running","due":"2026-01-02T03:04:05Z"})"});
  server_.script(show + "/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "show", "i-1"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("goes on  2026-01-02T03:04:05Z\n"), std::string::npos) << out_;
}

TEST_F(CommandLine, an_instance_that_a_parked_call_holds_up_says_how_it_goes_on) {
  const std::string show = "GET /v1/tenants/acme/instances/i-1";
  server_.script(show, {.body = R"({"id":"i-1","status":"running","parked_effects":[{"id":"5f0c","plugin":"tracker",)"
                                R"("version":"1.2.3","operation":"open","reference":"/do/0/ticket","deaths":3}]})"});
  server_.script(show + "/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "show", "i-1"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("The call at /do/0/ticket is parked: the daemon ended 3 times during operation 'open' of plugin "
                      "'tracker' 1.2.3. Mend the plugin, then: trav effect release 5f0c\n"),
            std::string::npos)
      << out_;
}

TEST_F(CommandLine, an_instance_shows_how_far_its_calls_are) {
  const std::string show = "GET /v1/tenants/acme/instances/i-1";
  server_.script(
      show,
      {.body =
           R"({"id":"i-1","status":"running","progress":[{"effect":"5f0c","fraction":0.256,)"
           R"("text":"page 3","time":"2026-01-02T03:04:05Z"},{"effect":"5f0d","fraction":null,)"
           R"("text":"asking","time":"2026-01-02T03:04:06Z","streamed":"Once upon a\u001b time"}],"spans":[{"effect":"5f0c","span":1,)"
           R"("parent":0,"name":"copy","time":"2026-01-02T03:04:05Z","took_ms":null,)"
           R"("attributes":{"page":"3"}},{"effect":"5f0c","span":2,"parent":1,"name":"read",)"
           R"("time":"2026-01-02T03:04:05Z","took_ms":12.34,"attributes":{}}]})"});
  server_.script(show + "/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "show", "i-1"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("Under way: 26 %, page 3 (said 2026-01-02T03:04:05Z)\n"), std::string::npos) << out_;
  EXPECT_NE(out_.find("Under way: asking (said 2026-01-02T03:04:06Z)\nOnce upon a\\x1b time\n"), std::string::npos)
      << out_;
  EXPECT_NE(out_.find("  copy                                 under way  page=3\n"), std::string::npos) << out_;
  EXPECT_NE(out_.find("  read                                   12.3 ms\n"), std::string::npos) << out_;
}

TEST_F(CommandLine, a_workflow_is_shown_with_the_events_that_its_filter_failed_for) {
  server_.script("GET /v1/tenants/acme/workflows?limit=500",
                 {.body = R"({"items":[{"namespace":"ns","name":"w","version":"1.9.0"},{"namespace":"ns","name":"w",)"
                          R"("version":"1.10.0","filter_failures":{"count":3,"time":"2026-01-01T00:00:00Z",)"
                          R"("event":"e-7","reason":"the filter of 'data': too deep"}}],"next_cursor":null})"});
  server_.script("GET /v1/tenants/acme/workflows/ns/w/1.10.0", {.body = "do: []\n"});
  server_.script("GET /v1/tenants/acme/workflows/ns/w/1.9.0", {.body = "do: [1]\n"});
  EXPECT_EQ(trav({"workflow", "show", "ns/w"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "do: []\n");
  EXPECT_NE(err_.find("3 events did not start it, because its event filter failed; the last was event 'e-7' at "
                      "2026-01-01T00:00:00Z: the filter of 'data': too deep"),
            std::string::npos)
      << err_;
  EXPECT_EQ(trav({"workflow", "show", "ns/w:1.9.0"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "do: [1]\n");
  EXPECT_EQ(err_, "");
  EXPECT_NE(trav({"workflow", "show", "ns/w:2.0.0"}), ExitCode::ok);
  EXPECT_NE(err_.find("no workflow ns/w:2.0.0: `trav workflow list` shows"), std::string::npos) << err_;
}

TEST_F(CommandLine, a_workflow_is_shown_with_its_schedule) {
  const std::string item =
      R"({"namespace":"ns","name":"w","version":"1.0.0","applied":"2026-01-01T00:00:00Z","schedule":{"text":"every PT1H",)"
      R"("next":"2026-01-01T03:00:00Z","last":"2026-01-01T02:00:00Z","missed":2,"waiting_events":3}})";
  server_.script("GET /v1/tenants/acme/workflows?limit=500",
                 {.body = R"({"items":[)" + item + R"(],"next_cursor":null})"});
  server_.script("GET /v1/tenants/acme/workflows/ns/w/1.0.0", {.body = "do: []\n"});
  EXPECT_EQ(trav({"workflow", "show", "ns/w"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "do: []\n");
  for (const std::string_view line :
       {"schedule: every PT1H; next run 2026-01-01T03:00:00Z, last 2026-01-01T02:00:00Z",
        "2 of its times passed without a run",
        "3 events are gathered for the next run, which 'schedule.on' lets begin once it has all it waits for"}) {
    EXPECT_NE(err_.find(line), std::string::npos) << err_;
  }
}

TEST_F(CommandLine, retention_is_shown_and_set_member_by_member) {
  const std::string target = "/v1/tenants/acme/retention";
  server_.script("GET " + target, {.body = R"({"instances_days":90,"events_days":30})"});
  server_.script("PUT " + target, {.body = R"({"instances_days":365,"events_days":30})"});
  EXPECT_EQ(trav({"tenant", "retention", "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "{\"instances_days\":90,\"events_days\":30}\n");
  EXPECT_EQ(trav({"tenant", "retention", "--instances-days", "365"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received().back().body, R"({"instances_days":365,"events_days":30})");
  EXPECT_NE(trav({"tenant", "retention", "--events-days", "soon"}), ExitCode::ok);
  EXPECT_NE(err_.find("--events-days 'soon' is not a number of days"), std::string::npos) << err_;
}

std::string instance_json(int number) {
  return fmt::format(
      R"({{"id":"i-{}","workflow":{{"namespace":"ns","name":"w","version":"1.0.0"}},"status":"completed"}})", number);
}

std::string page_of(const std::vector<int>& numbers, const std::string& next) {
  std::string items;
  for (const int number : numbers) items += (items.empty() ? "" : ",") + instance_json(number);
  return fmt::format(R"({{"items":[{}],"next_cursor":{}}})", items, next.empty() ? "null" : '"' + next + '"');
}

TEST_F(CommandLine, a_filtered_list_goes_on_over_short_pages_until_it_has_its_rows) {
  const std::string list = "GET /v1/tenants/acme/instances?workflow=ns%2Fw&limit=";
  server_.script(list + "3", {.body = page_of({}, "c1")});
  server_.script(list + "6&cursor=c1", {.body = page_of({}, "c2")});
  server_.script(list + "12&cursor=c2", {.body = page_of({1}, "c3")});
  server_.script(list + "24&cursor=c3", {.body = page_of({2, 3, 4, 5}, "c5")});  // more than are left
  server_.script(list + "12&cursor=c3", {.body = page_of({2, 3, 4}, "c4")});
  server_.script(list + "6&cursor=c3", {.body = page_of({2}, "c6")});
  server_.script(list + "12&cursor=c6", {.body = page_of({3}, "c7")});
  EXPECT_EQ(trav({"instance", "list", "--workflow", "ns/w", "--limit", "3"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_,
            "ID   WORKFLOW    STATUS     STARTED  ENDED  ERROR\n"
            "i-1  ns/w:1.0.0  completed\n"
            "i-2  ns/w:1.0.0  completed\n"
            "i-3  ns/w:1.0.0  completed\n");
  EXPECT_EQ(err_, "There may be more: --cursor c7\n") << "no instance is listed twice or left out";
  EXPECT_EQ(trav({"instance", "list", "--workflow", "ns/w", "--limit", "3", "--output", "json"}), ExitCode::ok);
  EXPECT_EQ(out_, page_of({1, 2, 3}, "c7") + "\n");
}

TEST_F(CommandLine, only_a_list_that_is_empty_says_so) {
  const std::string list = "GET /v1/tenants/acme/instances";
  server_.script(list, {.body = page_of({}, "")});
  EXPECT_EQ(trav({"instance", "list"}), ExitCode::ok);
  EXPECT_EQ(err_, "No instances: trav run NS/NAME\n");
  server_.script(list + "?status=faulted", {.body = page_of({}, "")});
  EXPECT_EQ(trav({"instance", "list", "--status", "faulted"}), ExitCode::ok);
  EXPECT_EQ(err_, "Nothing matches.\n");
}

TEST_F(CommandLine, a_filter_that_nothing_passes_ends_after_a_stated_number_of_requests) {
  const std::string list = "GET /v1/tenants/acme/instances?workflow=ns%2Fw&limit=";
  server_.script(list + "500", {.body = page_of({}, "odd")});
  server_.script(list + "500&cursor=odd", {.body = page_of({}, "even")});
  server_.script(list + "500&cursor=even", {.body = page_of({}, "odd")});
  EXPECT_EQ(trav({"instance", "list", "--workflow", "ns/w", "--limit", "500"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received().size(), 1000U);
  EXPECT_EQ(err_, "Nothing yet.\nThere may be more: --cursor even\n");
  EXPECT_EQ(out_, "");
}

TEST_F(CommandLine, a_list_that_does_not_go_on_is_the_servers_fault) {
  server_.script("GET /v1/tenants/acme/instances?workflow=ns%2Fw&limit=9&cursor=c", {.body = page_of({1}, "c")});
  EXPECT_EQ(trav({"instance", "list", "--workflow", "ns/w", "--limit", "9", "--cursor", "c"}), ExitCode::refused);
  EXPECT_EQ(err_, "trav: the server's list repeats the page after c\n");
}

TEST_F(CommandLine, a_table_keeps_to_the_terminal_or_to_COLUMNS_and_json_to_nothing) {
  const std::string body =
      R"({"items":[{"id":"01a1f97d-cdc4-7005-bd26-26aedbdd4ed2","workflow":{"namespace":"demo","name":"triage",)"
      R"("version":"1.0.0"},"status":"completed","started":"2026-11-20T15:05:35.176364Z",)"
      R"("ended":"2026-11-20T15:05:35.176364Z"}],"next_cursor":null})";
  server_.script("GET /v1/tenants/acme/instances", {.body = body});
  environment_["NO_COLOR"] = "1";
  const std::string wide =
      "01a1f97d-cdc4-7005-bd26-26aedbdd4ed2  demo/triage:1.0.0  completed  "
      "2026-11-20T15:05:35.176364Z  2026-11-20T15:05:35.176364Z\n";
  const std::string on_a_screen =
      "01a1f97d-cdc4-7005-bd26-26aedbdd4ed2  demo/triage:1.0.0  completed  2026-11-20 15:05  2026-11-20 15:05\n";
  const std::string narrow = "01a1f97d-cdc4-7005-bd26-26aedbdd4ed2  demo/triage:…  completed  2026-11-20 15:05\n";
  const auto row = [&] {
    EXPECT_EQ(trav({"instance", "list"}), ExitCode::ok) << err_;
    return out_.substr(out_.find('\n') + 1);
  };
  columns_ = 80;
  EXPECT_EQ(row(), wide) << "a pipe has no width";
  terminal_ = true;
  EXPECT_EQ(row(), narrow);
  columns_ = 200;
  EXPECT_EQ(row(), on_a_screen);
  environment_["COLUMNS"] = "80";
  EXPECT_EQ(row(), narrow);
  environment_["COLUMNS"] = "many";
  EXPECT_EQ(row(), on_a_screen);
  terminal_ = false;
  environment_["COLUMNS"] = "20";
  EXPECT_NE(row().find("01a1f97d-cdc4-7005-bd26-26aedbdd4ed2"), std::string::npos);
  EXPECT_EQ(trav({"instance", "list", "--output", "json"}), ExitCode::ok);
  EXPECT_EQ(out_, body + "\n");
}

TEST_F(CommandLine, what_is_in_quarantine_is_listed_with_its_reason) {
  const std::string target = "GET /v1/tenants/acme/plugins?limit=500";
  server_.script(target, {.body = R"({"items":[{"id":"forge","version":"1.0.0"},)"
                                  R"({"id":"mail","version":"2.0.0","quarantine":)"
                                  R"({"since":"2026-01-02T03:04:05Z","reason":"it crashed"}}]})"});
  ASSERT_EQ(trav({"plugin", "quarantine", "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, R"([{"id":"mail","version":"2.0.0","since":"2026-01-02T03:04:05Z","reason":"it crashed"}])"
                  "\n");
  environment_["TRAV_TENANT"] = "other";
  server_.script("GET /v1/tenants/other/plugins?limit=500", {.body = R"({"items":[]})"});
  ASSERT_EQ(trav({"plugin", "quarantine"}), ExitCode::ok) << err_;
  EXPECT_NE(err_.find("No plugin of the tenant is in quarantine."), std::string::npos) << err_;
}

TEST_F(CommandLine, a_token_is_revoked_by_its_id_or_by_a_name_that_it_has_alone) {
  server_.script("GET /v1/tenants/acme/tokens?limit=500",
                 {.body = R"({"items":[{"id":"a1","name":"robot"},{"id":"b2","name":"board"}],"next_cursor":"c"})"});
  server_.script("GET /v1/tenants/acme/tokens?limit=500&cursor=c",
                 {.body = R"({"items":[{"id":"c3","name":"robot"},{"id":"board","name":"x"}],"next_cursor":null})"});
  for (const char* id : {"a1", "b2", "c3", "board"})
    server_.script(std::string("DELETE /v1/tenants/acme/tokens/") + id, {.status = 204, .body = ""});
  EXPECT_EQ(trav({"token", "revoke", "c3"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "Token c3 is revoked.\n");
  EXPECT_EQ(trav({"token", "revoke", "x"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "Token board is revoked.\n");
  EXPECT_EQ(trav({"token", "revoke", "board"}), ExitCode::ok) << "an id goes before a name: " << err_;
  EXPECT_EQ(out_, "Token board is revoked.\n");
  server_.forget();
  EXPECT_EQ(trav({"token", "revoke", "robot"}), ExitCode::usage);
  EXPECT_EQ(err_, "trav: 2 tokens are named 'robot'; give an id: a1, c3\n");
  EXPECT_EQ(trav({"token", "revoke", "nobody"}), ExitCode::refused);
  EXPECT_EQ(err_, "trav: no token has the id or name 'nobody'; see `trav token list`\n");
  for (const Received& request : server_.received()) EXPECT_TRUE(request.line.starts_with("GET ")) << request.line;
}

}  // namespace
}  // namespace trv::cli
