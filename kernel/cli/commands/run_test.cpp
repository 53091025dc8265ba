// Usage, logins, runs, following and completion.

#include <sys/stat.h>

#include <cstdio>

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

TEST_F(CommandLine, help_of_a_noun_lists_its_verbs_and_examples) {
  EXPECT_EQ(trav({"help", "token"}), ExitCode::ok);
  EXPECT_EQ(out_,
            R"(Tokens: access of users and programs to a tenant
Usage: trav token [OPTIONS] [COMMAND]

Options:
  -h,--help                       Print this help

Commands:
  create                          Make a token; it is shown once
  list                            List tokens, never their secrets
  revoke                          End a token at once

Examples:
  trav token create dashboard --role viewer --expires 30d
  trav token revoke dashboard
)");
  const std::string page = out_;
  EXPECT_EQ(trav({"token", "--help"}), ExitCode::ok);
  EXPECT_EQ(out_, page);
}

TEST_F(CommandLine, every_noun_has_an_example) {
  for (const char* noun : {"login", "tenant", "token", "member", "connection", "plugin", "workflow", "run", "instance",
                           "webhook", "events", "audit", "completion", "help"}) {
    EXPECT_EQ(trav({"help", noun}), ExitCode::ok);
    EXPECT_NE(out_.find("Examples:\n  "), std::string::npos) << noun;
  }
  EXPECT_EQ(trav({}), ExitCode::ok);
  EXPECT_NE(out_.find("Exit codes:"), std::string::npos);
}

TEST_F(CommandLine, the_reference_page_is_what_help_prints) {
  EXPECT_EQ(trav({"help", "--markdown"}), ExitCode::ok);
  EXPECT_EQ(read(TRV_SOURCE_DIR "/docs/guides/cli.md"), out_) << "run: trav help --markdown > docs/guides/cli.md";
}

TEST_F(CommandLine, a_variable_that_travd_would_not_read_is_named_by_trav_cluster) {
  environment_["HOME"] = folder_.string();
  environment_["TRAV_KAFKA_BROKER"] = "127.0.0.1:1";
  EXPECT_EQ(trav({"cluster", "check"}), ExitCode::usage);
  EXPECT_NE(err_.find("TRAV_KAFKA_BROKER is not known to travd; did you mean 'TRAV_KAFKA_BROKERS'?"), std::string::npos)
      << err_;
  EXPECT_NE(err_.find("kafka.brokers is not set"), std::string::npos) << err_;
}

TEST_F(CommandLine, wrong_usage_exits_2_and_suggests_the_nearest_word) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"tenat", "list"}, "trav: no command 'tenat'; did you mean 'tenant'?\n"},
      {{"token", "crate", "x"}, "trav: no command 'token crate'; did you mean 'create'?\n"},
      {{"token", "create", "x", "--rolle", "viewer"}, "trav: no option '--rolle'; did you mean '--role'?\n"},
      {{"--outptu", "json", "version"}, "trav: no option '--outptu'; did you mean '--output'?\n"},
      {{"token", "create", "x", "--role", "ownr"}, "'ownr' is not one of viewer|owner; did you mean 'owner'?"},
      {{"token", "create"}, "NAME is required"},
      {{"-x"}, "trav: no option '-x'\n"},
      {{"TENANT", "list"}, "trav: no command 'TENANT'; did you mean 'tenant'?\n"},
      {{"list", "instance"}, "trav: no command 'list'; did you mean 'instance list'?\n"},
      {{"--", "instance", "list"}, "trav: what follows -- are arguments, and there is no command before it\n"},
      {{"tenant", "--output"}, "trav: --output needs a value: table|json\n"},
      {{"token", "list", "--limit", "0"}, "trav: --limit: '0' is not a whole number from 1 to 500\n"},
      {{"token"}, "trav: what to do with token? Run `trav help token`\n"},
      {{"token", "create", "x", "--role", "owner", "--expires", "soon"}, "--expires soon: write a number"},
      {{"run", "triage"}, "'triage' does not name a workflow"},
      {{"run", "a/b", "--input", "{nope"}, "--input: JSON at line 1, column 2: expected"},
      {{"run", "a/b", "--input", "[1, 1e999]"},
       "--input: JSON at line 1, column 5: the number 1e999 is too large; expected at most 1.79"},
      {{"completion", "tcsh"}, "'tcsh' is not one of bash|zsh|fish"}};
  for (const auto& [arguments, expected] : cases) {
    EXPECT_EQ(trav(arguments), ExitCode::usage) << expected;
    EXPECT_NE(err_.find(expected), std::string::npos) << err_;
    EXPECT_EQ(out_, "");
  }
}

TEST_F(CommandLine, a_server_that_does_not_answer_is_named_with_the_way_to_start_one) {
  environment_["TRAV_URL"] = "http://127.0.0.1:1";
  EXPECT_EQ(trav({"tenant", "list"}), ExitCode::unreachable);
  EXPECT_NE(err_.find("trav: no answer from http://127.0.0.1:1"), std::string::npos) << err_;
  EXPECT_NE(err_.find("travd"), std::string::npos);
}

TEST_F(CommandLine, a_server_without_tls_is_reported_with_the_address_to_write) {
  std::string url(server_.url());
  environment_["TRAV_URL"] = "https" + url.substr(url.find(':'));
  EXPECT_EQ(trav({"tenant", "list"}), ExitCode::unreachable);
  EXPECT_NE(err_.find("trav: no TLS connection to https://127.0.0.1:"), std::string::npos) << err_;
  EXPECT_NE(err_.find("write http://"), std::string::npos) << err_;
}

TEST_F(CommandLine, a_new_tenants_token_is_shown_once_and_kept) {
  server_.script("POST /v1/tenants",
                 {.status = 201,
                  .body = R"({"id":"beta","display_name":"Beta","created":"2026-01-01T00:00:00Z",)"
                          R"("token":{"id":"1","name":"owner","role":"owner","token":"trv_1_new"}})"});
  EXPECT_EQ(trav({"tenant", "create", "beta", "--name", "Beta"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("owner token  trv_1_new\n"), std::string::npos) << out_;
  EXPECT_EQ(server_.received()[0].body, R"({"id":"beta","display_name":"Beta"})");
  EXPECT_NE(server_.received()[0].head.find("Authorization: Bearer trv_1_secret"), std::string::npos);

  // Later commands need neither a token nor a tenant: there is only one.
  environment_.erase("TRAV_TOKEN");
  environment_.erase("TRAV_TENANT");
  environment_.erase("TRAV_URL");
  server_.script("GET /v1/tenants/beta/tokens", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"token", "list"}), ExitCode::ok) << err_;
  EXPECT_NE(server_.received()[1].head.find("Authorization: Bearer trv_1_new"), std::string::npos);
}

TEST_F(CommandLine, a_tenant_whose_token_cannot_be_kept_is_reported_to_be_made) {
  server_.script("POST /v1/tenants", {.status = 201, .body = R"({"id":"beta","token":{"token":"trv_1_new"}})"});
  environment_["TRAV_CONFIG_DIR"] = (write("plain", "") / "below").string();
  EXPECT_EQ(trav({"tenant", "create", "beta"}), ExitCode::usage);
  EXPECT_NE(out_.find("trv_1_new"), std::string::npos);
  EXPECT_TRUE(err_.starts_with(
      "trav: tenant beta is created, but its token, shown above for the only time, could not be stored: "))
      << err_;
}

TEST_F(CommandLine, login_checks_the_token_before_it_keeps_it) {
  environment_.erase("TRAV_TOKEN");
  environment_.erase("TRAV_TENANT");
  server_.script("GET /v1/whoami", {.status = 401, .body = R"({"title":"Unauthenticated","detail":"unknown token"})"});
  EXPECT_EQ(trav({"login"}, "trv_bad\n"), ExitCode::refused);
  EXPECT_EQ(err_, "trav: Unauthenticated: unknown token\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "config"));
  server_.script("GET /v1/whoami", {.body = R"({"tenant":"acme","role":"owner","token_id":"1","name":"x"})"});
  EXPECT_EQ(trav({"login", "--token", "trv_good"}), ExitCode::refused);
  EXPECT_EQ(trav({"login", "--token", "trv_good"}), ExitCode::ok) << err_;
  EXPECT_NE(read(folder_ / "config/credentials.toml").find("trv_good"), std::string::npos);
}

TEST_F(CommandLine, without_a_login_the_way_to_one_is_told) {
  environment_.erase("TRAV_TOKEN");
  environment_.erase("TRAV_TENANT");
  EXPECT_EQ(trav({"instance", "list"}), ExitCode::usage);
  EXPECT_NE(err_.find("trav login --url"), std::string::npos) << err_;
  EXPECT_TRUE(server_.received().empty());
}

TEST_F(CommandLine, secrets_come_from_standard_input_a_file_or_the_environment) {
  server_.script("PUT /v1/tenants/acme/connections/forge", {.body = R"({"name":"forge","has_secret":true})"});
  const auto file = write("hook", "hook secret\n");
  environment_["FORGE"] = "from env";
  EXPECT_EQ(trav({"connection", "set", "forge", "--plugin", "forge", "--base-url", "https://api.example.com",
                  "--secret-file", "-", "--webhook-secret-file", file.string()},
                 "s3cret\n"),
            ExitCode::ok)
      << err_;
  EXPECT_EQ(server_.received()[0].body,
            R"({"plugin":"forge","base_url":"https://api.example.com","auth":{"scheme":"bearer"},)"
            R"("secret":"s3cret","webhook_secret":"hook secret"})");
  EXPECT_EQ(trav({"connection", "set", "forge", "--plugin", "p", "--base-url", "u", "--auth", "basic", "--user", "ada",
                  "--secret-env", "FORGE", "--allow-private-network"}),
            ExitCode::ok);
  EXPECT_EQ(server_.received()[1].body, R"({"plugin":"p","base_url":"u","auth":{"scheme":"basic","user":"ada"},)"
                                        R"("secret":"from env","allow_private_network":true})");
  EXPECT_EQ(trav({"connection", "set", "forge", "--plugin", "p", "--base-url", "u", "--secret-env", "GONE"}),
            ExitCode::usage);
  EXPECT_EQ(trav({"connection", "set", "forge", "--base-url", "u", "--secret-env", "FORGE"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received()[2].body, R"({"base_url":"u","auth":{"scheme":"bearer"},"secret":"from env"})");
}

TEST_F(CommandLine, a_webhook_is_declared_and_its_address_is_printed) {
  server_.script("PUT /v1/tenants/acme/hooks/orders",
                 {.body = R"({"name":"orders","type":"a.b","verification":{"scheme":"token"},)"
                          R"("path":"/v1/tenants/acme/hooks/orders/0af1"})"});
  EXPECT_EQ(trav({"webhook", "create", "orders", "--type", "a.b", "--verify", "token"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received()[0].body, R"({"type":"a.b","verification":{"scheme":"token"}})");
  EXPECT_NE(out_.find("/v1/tenants/acme/hooks/orders/0af1\n"), std::string::npos) << out_;
  EXPECT_NE(out_.find("shown this once"), std::string::npos) << out_;
  EXPECT_EQ(trav({"webhook", "create", "orders", "--type", "a.b", "--secret-file", "-", "--signed",
                  "{timestamp}.{body}", "--tolerance", "60"},
                 "hush\n"),
            ExitCode::ok)
      << err_;
  EXPECT_EQ(server_.received()[1].body,
            R"({"type":"a.b","verification":{"scheme":"hmac-sha256","signed":"{timestamp}.{body}","tolerance_s":60},)"
            R"("secret":"hush"})");
  EXPECT_EQ(trav({"webhook", "create", "orders", "--type", "a.b", "--tolerance", "soon"}), ExitCode::usage);
  EXPECT_NE(err_.find("--tolerance: 'soon'"), std::string::npos) << err_;
  EXPECT_EQ(trav({"webhook", "create", "orders"}), ExitCode::usage);
}

TEST_F(CommandLine, an_address_that_can_be_no_servers_is_wrong_usage_for_every_verb) {
  const std::vector<std::vector<std::string>> verbs = {{"version"},
                                                       {"instance", "list"},
                                                       {"login", "--token", "t"},
                                                       {"workflow", "check", "/dev/null"},
                                                       {"events", "tail"}};
  for (const char* url : {"ftp://x", "http://[::1", "http://a b", "http://", "nonsense", "localhost:8400", ":",
                          "file:///etc/passwd", "http://h:99999", "http://ada:pw@h", "http://h?a=b", ""}) {
    for (std::vector<std::string> arguments : verbs) {
      arguments.insert(arguments.begin(), {"--url", url});
      EXPECT_EQ(trav(arguments), ExitCode::usage) << url;
      EXPECT_TRUE(err_.starts_with(fmt::format("trav: --url: '{}' is not an address of a server: ", url))) << err_;
      EXPECT_EQ(out_, "");
    }
    environment_["TRAV_URL"] = url;
    EXPECT_EQ(trav({"version"}), *url == '\0' ? ExitCode::unreachable : ExitCode::usage) << url;
    EXPECT_EQ(err_.starts_with("trav: TRAV_URL: "), *url != '\0') << err_;
    environment_.erase("TRAV_URL");
  }
}

TEST_F(CommandLine, the_version_is_reported_and_a_server_that_does_not_answer_is_too) {
  environment_["TRAV_URL"] = "http://127.0.0.1:1";
  EXPECT_EQ(trav({"version"}), ExitCode::unreachable);
  EXPECT_TRUE(out_.starts_with("trav ")) << out_;
  EXPECT_NE(err_.find("no answer from http://127.0.0.1:1"), std::string::npos) << err_;
  EXPECT_EQ(trav({"version", "--output", "json"}), ExitCode::unreachable);
  EXPECT_NE(out_.find("\"server\":null"), std::string::npos) << out_;
  EXPECT_EQ(trav({"--version"}), ExitCode::ok);
  EXPECT_TRUE(out_.starts_with("trav ")) << out_;
  EXPECT_EQ(err_, "");
}

TEST_F(CommandLine, an_empty_value_is_refused_because_a_script_forgot_its_variable) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"instance", "list", "--tenant", ""}, "--tenant: the value is empty"},
      {{"instance", "list", "--token", ""}, "--token: the value is empty"},
      {{"instance", "list", "--token="}, "--token needs a value: TOKEN"},
      {{"instance", "list", "--workflow", ""}, "--workflow: the value is empty"},
      {{"instance", "show", ""}, "ID: the value is empty"},
      {{"run", "a/b", "--input", ""}, "--input: the value is empty"},
      {{"connection", "remove", ""}, "NAME: the value is empty"}};
  for (const auto& [arguments, expected] : cases) {
    EXPECT_EQ(trav(arguments), ExitCode::usage) << expected;
    EXPECT_NE(err_.find(expected), std::string::npos) << err_;
  }
  EXPECT_TRUE(server_.received().empty());
  server_.script("GET /v1/tenants/acme/tokens", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"token", "list", "--cursor", ""}), ExitCode::ok) << "a loop over pages begins so";
}

TEST_F(CommandLine, following_ends_when_nobody_reads) {
  gone_ = true;
  server_.script("GET /v1/tenants/acme/events/stream", {.type = "text/event-stream", .body = ": hello\n\n"});
  EXPECT_EQ(trav({"events", "tail"}), ExitCode::ok) << err_;
  EXPECT_EQ(err_, "");
  // A person is shown that nothing has come yet, and why.
  err_terminal_ = true;
  server_.script("GET /v1/tenants/acme/events/stream", {.type = "text/event-stream", .body = ": hello\n\n"});
  EXPECT_EQ(trav({"events", "tail"}), ExitCode::ok) << err_;
  EXPECT_NE(err_.find("waiting for events, from now on (--after 0 begins at the first); Ctrl-C ends"),
            std::string::npos)
      << err_;
  err_terminal_ = false;
  server_.script("GET /v1/tenants/acme/instances/i-1", {.body = R"({"id":"i-1","status":"running"})"});
  server_.script("GET /v1/tenants/acme/instances/i-1/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "watch", "i-1"}), ExitCode::refused) << "how it ends is not known";
  EXPECT_EQ(err_, "");
}

TEST_F(CommandLine, a_waited_for_run_prints_its_steps_as_they_happen) {
  const std::string instance = "/v1/tenants/acme/instances/i-7";
  server_.script("POST /v1/tenants/acme/workflows/support/triage/instances?version=1.0.0",
                 {.status = 201, .body = R"({"id":"i-7","status":"running","position":"p4"})"});
  server_.script(
      "GET /v1/tenants/acme/events/stream",
      {.type = "text/event-stream",
       .body = "id: p5\nevent: task\ndata: {\"subject\":\"i-7\"}\n\nid: p6\ndata: {\"subject\":\"other\"}\n\n"});
  server_.script("GET /v1/tenants/acme/events/stream?after=p6",
                 {.type = "text/event-stream", .body = "id: p7\ndata: {\"subject\":\"i-7\"}\n\n"});
  const std::string first =
      R"({"position":"p5","time":"2026-01-01T10:00:00.123456Z","task":"greet","kind":"set","outcome":"completed","duration_ms":0.25})";
  const std::string second =
      R"({"position":"p7","time":"2026-01-01T10:00:01.500000Z","task":"open an issue with a long name","kind":"call",)"
      R"("operation":"forge.create-issue","outcome":"completed","duration_ms":1377,"attempt":1})";
  server_.script("GET " + instance + "/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  server_.script("GET " + instance + "/tasks?limit=500",
                 {.body = R"({"items":[)" + first + R"(],"next_cursor":null})"});
  server_.script("GET " + instance + "/tasks?limit=500",
                 {.body = R"({"items":[)" + first + "," + second + R"(],"next_cursor":null})"});
  const std::string running = R"({"id":"i-7","status":"running"})";
  server_.script("GET " + instance, {.body = running});
  server_.script("GET " + instance, {.body = running});
  server_.script("GET " + instance, {.body = R"({"id":"i-7","status":"completed","started":"2026-01-01T10:00:00Z",)"
                                             R"("ended":"2026-01-01T10:00:01.5Z","output":{"n":1}})"});
  EXPECT_EQ(trav({"run", "support/triage:1.0.0", "--input", R"({"ticket":7})", "--wait"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received()[0].body, R"({"ticket":7})");
  EXPECT_EQ(out_,
            "instance i-7\n"
            "TIME          TASK                    OPERATION                     OUTCOME      DURATION\n"
            "10:00:00.123  greet                   set                           completed      250 µs\n"
            "10:00:01.500  open an issue with a long name  forge.create-issue            completed      1.38 s\n"
            "completed after 1.50 s\n"
            "output: {\"n\":1}\n");
}

TEST_F(CommandLine, a_waited_for_run_goes_on_while_the_server_starts_again) {
  const std::string instance = "/v1/tenants/acme/instances/i-7";
  const Answer starting = {
      .status = 503,
      .type = "application/problem+json",
      .body = R"({"title":"Service Unavailable","detail":"the server is starting","code":"unavailable"})"};
  const Answer stream = {.type = "text/event-stream", .body = "id: p5\ndata: {\"subject\":\"i-7\"}\n\n"};
  server_.script("POST /v1/tenants/acme/workflows/support/triage/instances",
                 {.status = 201, .body = R"({"id":"i-7","status":"running","position":"p4"})"});
  server_.script("GET /v1/tenants/acme/events/stream", stream);
  server_.script("GET /v1/tenants/acme/events/stream?after=p5", starting);
  server_.script("GET /v1/tenants/acme/events/stream?after=p5", stream);
  server_.script("GET " + instance + "/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  server_.script("GET " + instance, {.body = R"({"id":"i-7","status":"running"})"});
  server_.script("GET " + instance, starting);
  server_.script("GET " + instance, {.body = R"({"id":"i-7","status":"running"})"});
  server_.script("GET " + instance, {.body = R"({"id":"i-7","status":"completed"})"});
  EXPECT_EQ(trav({"run", "support/triage", "--wait"}), ExitCode::ok) << err_;
  EXPECT_EQ(err_, "");
  EXPECT_EQ(out_, "instance i-7\ncompleted\n");
}

TEST_F(CommandLine, a_faulted_run_exits_3_and_prints_one_object_per_line_for_programs) {
  server_.script("GET /v1/tenants/acme/events/stream", {.type = "text/event-stream", .body = ": hello\n\n"});
  server_.script("GET /v1/tenants/acme/instances/i-1",
                 {.body = R"({"id":"i-1","status":"faulted","error":{"title":"no"}})"});
  server_.script("GET /v1/tenants/acme/instances/i-1/tasks?limit=500",
                 {.body = R"({"items":[{"position":"p1","task":"a"}],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "watch", "i-1", "--output", "json"}), ExitCode::faulted) << err_;
  EXPECT_EQ(
      out_,
      "{\"position\":\"p1\",\"task\":\"a\"}\n{\"id\":\"i-1\",\"status\":\"faulted\",\"error\":{\"title\":\"no\"}}\n");
}

TEST_F(CommandLine, a_fault_is_told_in_words) {
  server_.script("GET /v1/tenants/acme/events/stream", {.type = "text/event-stream", .body = ": hello\n\n"});
  server_.script("GET /v1/tenants/acme/instances/i-1",
                 {.body = R"({"id":"i-1","status":"faulted","error":{"type":"https://example.com/e","status":404,)"
                          R"("title":"Communication Error","instance":"/do/1/b","detail":"it answered with 404"}})"});
  server_.script("GET /v1/tenants/acme/instances/i-1/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"instance", "watch", "i-1"}), ExitCode::faulted) << err_;
  EXPECT_NE(err_.find("task /do/1/b faulted: Communication Error 404: it answered with 404"), std::string::npos)
      << err_;
}

TEST_F(CommandLine, a_run_that_was_not_compensated_names_the_tasks) {
  server_.script("GET /v1/tenants/acme/events/stream", {.type = "text/event-stream", .body = ": hello\n\n"});
  server_.script("GET /v1/tenants/acme/instances/i-1/tasks?limit=500", {.body = R"({"items":[],"next_cursor":null})"});
  server_.script("GET /v1/tenants/acme/instances/i-1",
                 {.body = R"({"id":"i-1","status":"cancelled","not_compensated":["/do/1/b","/do/0/a"]})"});
  EXPECT_EQ(trav({"instance", "watch", "i-1"}), ExitCode::refused) << err_;
  EXPECT_NE(err_.find("not compensated: /do/1/b, /do/0/a; what these tasks have done is not undone"), std::string::npos)
      << err_;
}

TEST_F(CommandLine, a_batch_of_starts_needs_no_key_of_its_own) {
  server_.script("POST /v1/tenants/acme/workflows/a/b/batches?lines=starts",
                 {.status = 201, .body = R"({"ids":["i-1"],"existed":0})"});
  const std::string file = write("starts.ndjson", "{\"idempotency_key\":\"k\"}\n").string();
  EXPECT_EQ(trav({"run", "a/b", "--batch", file, "--starts"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "i-1\n");
  EXPECT_EQ(server_.received()[0].head.find("Idempotency-Key"), std::string::npos);
  EXPECT_EQ(trav({"run", "a/b", "--batch", file}), ExitCode::usage);
  EXPECT_EQ(trav({"run", "a/b", "--starts"}), ExitCode::usage);
}

TEST_F(CommandLine, events_are_followed_over_a_stream_that_breaks) {
  const auto event = [](int lsn, const std::string& type) {
    return fmt::format("id: p{}\nevent: {}\ndata: {{\"type\":\"{}\",\"n\":{}}}\n\n", lsn, type, type, lsn);
  };
  server_.script(
      "GET /v1/tenants/acme/events/stream?after=0",
      {.type = "text/event-stream", .body = event(1, "tenant.created") + event(2, "task.done") + "id: p3\nda"});
  server_.script("GET /v1/tenants/acme/events/stream?after=p2",
                 {.type = "text/event-stream", .body = event(3, "task.done")});
  EXPECT_EQ(trav({"events", "tail", "--after", "0", "--type", "task.", "--count", "2", "--output", "json"}),
            ExitCode::ok)
      << err_;
  EXPECT_EQ(out_, "{\"type\":\"task.done\",\"n\":2}\n{\"type\":\"task.done\",\"n\":3}\n");
}

TEST_F(CommandLine, a_new_plugin_is_the_template_under_its_own_name) {
  write("template/manifest.json", R"({"id": "first-step", "version": "0.1.0"})");
  write("template/first_step.cpp", "class FirstStep; // first-step, not first-steps\n");
  environment_["TRAV_TEMPLATE_DIR"] = (folder_ / "template").string();
  const auto made = folder_ / "made";
  EXPECT_EQ(trav({"plugin", "new", made.string(), "--id", "my-tool"}), ExitCode::ok) << err_;
  EXPECT_EQ(read(made / "manifest.json"), R"({"id": "my-tool", "version": "0.1.0"})");
  EXPECT_EQ(read(made / "my_tool.cpp"), "class MyTool; // my-tool, not first-steps\n");
  EXPECT_EQ(trav({"plugin", "new", made.string(), "--id", "my-tool"}), ExitCode::refused) << "the folder exists";
  EXPECT_EQ(trav({"plugin", "new", (folder_ / "other").string(), "--id", "No Label"}), ExitCode::usage);
}

TEST_F(CommandLine, a_new_plugin_that_is_a_program_brings_its_sdk) {
  const auto made = folder_ / "my-tool";
  ASSERT_EQ(trav({"plugin", "new", made.string() + "/", "--language", "python"}), ExitCode::ok) << err_;
  EXPECT_NE(read(made / "manifest.json").find(R"("id": "my-tool")"), std::string::npos);
  EXPECT_NE(read(made / "program" / "main.py").find("plugin.run()"), std::string::npos);
  EXPECT_NE(read(made / "program" / "travertine_plugin" / "__init__.py").find("Plugin"), std::string::npos);
  const std::string package = (folder_ / "my-tool.trvp").string();
  EXPECT_EQ(trav({"plugin", "pack", made.string(), "--output", package}), ExitCode::ok) << err_;
  const auto typescript = folder_ / "typed-tool";
  ASSERT_EQ(trav({"plugin", "new", typescript.string(), "--language", "typescript"}), ExitCode::ok) << err_;
  EXPECT_NE(read(typescript / "program" / "main.mts").find("plugin.run()"), std::string::npos);
  EXPECT_NE(read(typescript / "program" / "travertine_plugin" / "index.d.mts").find("Plugin"), std::string::npos);
  const auto rust = folder_ / "hard-tool";
  ASSERT_EQ(trav({"plugin", "new", rust.string(), "--language", "rust"}), ExitCode::ok) << err_;
  EXPECT_NE(read(rust / "src" / "lib.rs").find("export!(\"hard-tool\""), std::string::npos);
  EXPECT_NE(read(rust / "tests" / "operations.rs").find("use hard_tool::trv_entry_v1"), std::string::npos);
  EXPECT_NE(read(rust / "Cargo.lock").find("name = \"hard-tool\""), std::string::npos);
  EXPECT_NE(read(rust / "travertine-plugin" / "src" / "lib.rs").find("pub use plugin::Plugin"), std::string::npos);
  EXPECT_EQ(trav({"plugin", "new", (folder_ / "other").string(), "--language", "cobol"}), ExitCode::usage);
  EXPECT_NE(err_.find("the languages of plugins are c++, python, rust and typescript"), std::string::npos) << err_;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "other"));
}

TEST_F(CommandLine, an_install_waits_for_the_outcome_and_says_why_a_package_is_refused) {
  const std::string package = write("forge.trvp", "package").string();
  const Answer pending{.status = 202,
                       .body = R"({"id":"forge","version":"1.0.0","status":"pending","operations":[]})",
                       .header = "Location: /v1/plugins/forge/1.0.0\r\n"};
  environment_.erase("TRAV_TENANT");
  server_.script("POST /v1/plugins", pending);
  server_.script("GET /v1/plugins/forge/1.0.0", {.status = 200, .body = pending.body});
  server_.script("GET /v1/plugins/forge/1.0.0",
                 {.status = 200, .body = R"({"id":"forge","version":"1.0.0","status":"loaded","operations":["ask"]})"});
  EXPECT_EQ(trav({"plugin", "install", package}), ExitCode::ok) << err_;
  EXPECT_EQ(err_, "plugin forge 1.0.0 is stored; the server tries its library…\n");
  EXPECT_NE(out_.find("loaded"), std::string::npos) << out_;
  ASSERT_EQ(server_.received().size(), 3U);
  EXPECT_NE(server_.received()[0].head.find("Prefer: wait="), std::string::npos);
  EXPECT_NE(server_.received()[2].head.find("Prefer: wait="), std::string::npos);

  server_.script(
      "GET /v1/plugins/forge/1.0.0",
      {.status = 200,
       .body = R"({"id":"forge","version":"1.0.0","status":"refused","reason":"library 'plugin.so' hangs"})"});
  EXPECT_EQ(trav({"plugin", "install", package}), ExitCode::ok) << "the answer before stays until it was given";
  EXPECT_EQ(trav({"plugin", "install", package}), ExitCode::refused);
  EXPECT_NE(err_.find("plugin forge 1.0.0 is refused: library 'plugin.so' hangs"), std::string::npos) << err_;
}

TEST_F(CommandLine, a_plugin_is_installed_and_listed_for_the_tenant_of_the_environment_as_for_that_of_the_option) {
  const std::string package = write("forge.trvp", "package").string();
  server_.script("POST /v1/plugins", {.status = 201, .body = R"({"id":"forge","version":"1.0.0","operations":[]})"});
  server_.script("PUT /v1/tenants/acme/plugins/forge", {.body = R"({"id":"forge","version":"1.0.0"})"});
  EXPECT_EQ(trav({"plugin", "install", package}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("Enabled for tenant acme."), std::string::npos) << out_;
  ASSERT_EQ(server_.received().size(), 2U);
  EXPECT_EQ(server_.received().back().body, R"({"version":"1.0.0"})");
  server_.script("GET /v1/tenants/acme/plugins", {.body = R"({"items":[],"next_cursor":null})"});
  EXPECT_EQ(trav({"plugin", "list"}), ExitCode::ok) << err_;
  environment_.erase("TRAV_TENANT");
  EXPECT_EQ(trav({"plugin", "install", package}), ExitCode::ok) << err_;
  EXPECT_EQ(out_.find("Enabled for tenant"), std::string::npos) << out_;
  EXPECT_EQ(server_.received().size(), 4U) << "nothing is enabled";
}

TEST_F(CommandLine, the_newest_version_of_a_plugin_is_enabled) {
  server_.script("GET /v1/plugins?limit=500",
                 {.body = R"({"items":[{"id":"forge","version":"1.10.0"},{"id":"forge","version":"1.9.0"},)"
                          R"({"id":"other","version":"3.0.0"}],"next_cursor":null})"});
  server_.script("PUT /v1/tenants/acme/plugins/forge", {.body = "{}"});
  EXPECT_EQ(trav({"plugin", "enable", "forge"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received()[1].body, R"({"version":"1.10.0"})");
  EXPECT_EQ(trav({"plugin", "enable", "gone"}), ExitCode::refused);
}

TEST_F(CommandLine, every_version_of_a_plugin_is_shown_with_why_it_failed) {
  server_.script("GET /v1/plugins?limit=500",
                 {.body = R"({"items":[{"id":"forge","version":"1.10.0","status":"loaded"},)"
                          R"({"id":"forge","version":"1.9.0","status":"failed","reason":"it has no key"}],)"
                          R"("next_cursor":null})"});
  server_.script("GET /v1/plugins/forge/1.10.0", {.body = R"({"id":"forge","version":"1.10.0","title":"Ten"})"});
  server_.script("GET /v1/plugins/forge/1.9.0", {.body = R"({"id":"forge","version":"1.9.0","title":"Nine"})"});
  EXPECT_EQ(trav({"plugin", "show", "forge"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("it has no key"), std::string::npos) << out_;
  EXPECT_NE(out_.find("Ten"), std::string::npos) << out_;
  EXPECT_EQ(trav({"plugin", "show", "forge", "1.9.0"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("Nine"), std::string::npos) << out_;
  EXPECT_EQ(out_.find("it has no key"), std::string::npos) << "that one alone: " << out_;
  EXPECT_EQ(trav({"plugin", "show", "forge", "1.9.0", "--version", "1.10.0"}), ExitCode::usage);
  environment_["TRAV_TENANT"] = "system";
  server_.script("GET /v1/plugins", {.body = R"({"items":[{"id":"forge","version":"1.9.0","status":"failed",)"
                                             R"("reason":"it has no key"}],"next_cursor":null})"});
  EXPECT_EQ(trav({"plugin", "list"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("it has no key"), std::string::npos) << out_;
}

TEST_F(CommandLine, what_is_done_to_a_plugin_names_the_tenant) {
  const std::string grant = R"({"id":"forge","version":"1.1.0","configuration":{"region":"eu"}})";
  for (const char* line : {"PUT /v1/tenants/system/plugins/forge", "POST /v1/tenants/system/plugins/forge/upgrade",
                           "GET /v1/tenants/system/plugins/forge/configuration?version=1.1.0",
                           "GET /v1/tenants/system/plugins/forge/configuration"}) {
    server_.script(line, {.body = grant});
  }
  environment_["TRAV_TENANT"] = "system";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"enable", "forge", "1.1.0"}, "is enabled for tenant system"},
      {{"upgrade", "forge", "--to", "1.1.0"}, "is the current version for tenant system"},
      {{"configure", "forge", "--version", "1.1.0"}, "forge 1.1.0 is configured for tenant system"}};
  for (const auto& [words, said] : cases) {
    std::vector<std::string> arguments = {"plugin"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    EXPECT_EQ(trav(arguments), ExitCode::ok) << err_;
    EXPECT_NE(out_.find(said), std::string::npos) << out_;
  }
}

// The words that bash would offer.
std::string completed(const std::filesystem::path& script, const std::string& line) {
  const std::string command = fmt::format(
      "bash -c '. {}; COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _trav; echo "
      "\"${{COMPREPLY[*]}}\"'",
      script.string(), line);
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::string words;
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) words += part.data();
  EXPECT_EQ(::pclose(pipe), 0);
  return words;
}

TEST_F(CommandLine, fish_completes_behind_options) {
  if (std::system("command -v fish >/dev/null") != 0) GTEST_SKIP() << "fish is not installed";
  EXPECT_EQ(trav({"completion", "fish"}), ExitCode::ok);
  const auto script = write("trav.fish", out_);
  const std::vector<std::pair<std::string, std::string>> cases = {{"trav ten", "tenant"},
                                                                  {"trav --output json instance list --st", "--status"},
                                                                  {"trav token create x --role v", "viewer"},
                                                                  {"trav help token cr", "create"}};
  for (const auto& [line, expected] : cases) {
    const auto words = folder_ / "words";
    const std::string command = fmt::format("HOME={0} fish -c 'source {1}; complete -C \"{2}\"' >{3} 2>&1",
                                            folder_.string(), script.string(), line, words.string());
    EXPECT_EQ(std::system(command.c_str()), 0);
    EXPECT_TRUE(read(words).starts_with(expected)) << line << ": " << read(words);
  }
}

TEST_F(CommandLine, bash_completes_nouns_verbs_options_and_words) {
  EXPECT_EQ(trav({"completion", "bash"}), ExitCode::ok);
  const auto script = write("trav.bash", out_);
  EXPECT_EQ(completed(script, "trav ten"), "tenant\n");
  EXPECT_EQ(completed(script, "trav token c"), "create\n");
  EXPECT_EQ(completed(script, "trav completion z"), "zsh\n");
  EXPECT_EQ(completed(script, "trav token create --ro"), "--role\n");
  EXPECT_EQ(completed(script, "trav token create --role \"\""), "viewer owner\n");
  EXPECT_EQ(completed(script, "trav --output json instance list --st"), "--status\n");
  EXPECT_EQ(completed(script, "trav help tok"), "token\n");
  EXPECT_EQ(completed(script, "trav help token cr"), "create\n");
  EXPECT_EQ(trav({"completion", "zsh"}), ExitCode::ok);
  EXPECT_NE(out_.find("'tenant create') choices=("), std::string::npos);
  EXPECT_EQ(trav({"completion", "fish"}), ExitCode::ok);
  EXPECT_NE(out_.find("-l role -d 'What it may do' -x -a 'viewer owner'"), std::string::npos);
}

}  // namespace
}  // namespace trv::cli
