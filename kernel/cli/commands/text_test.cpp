// Text, tables, streams of events, suggestions and the credentials file: all without a server.

#include "kernel/cli/terminal/text.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernel/cli/client/credentials.hpp"
#include "kernel/cli/client/sse.hpp"
#include "kernel/cli/commands/timeline.hpp"
#include "kernel/cli/commands/workflow_name.hpp"
#include "kernel/cli/terminal/excerpt.hpp"
#include "kernel/cli/terminal/table.hpp"

namespace trv::cli {
namespace {

TEST(Text, hostile_text_cannot_move_the_cursor_or_hide_anything) {
  EXPECT_EQ(printable("a\x1b[2Jb\r\n\tc\x7f"), "a\\x1b[2Jb\\x0d\\n\\tc\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u{9b}31m");
  EXPECT_EQ(printable("safe\xe2\x80\xae"
                      "txt.exe"),
            "safe\\u{202e}txt.exe");
  EXPECT_EQ(printable("zero\xe2\x80\x8bwidth"), "zero\\u{200b}width");
  EXPECT_EQ(printable("broken \xff \xc3"), "broken \\xff \\xc3");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate is not a character";
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "an overlong form is not a character";
  EXPECT_EQ(printable("Grüße 東京 🪨"), "Grüße 東京 🪨");
  EXPECT_EQ(printable("one\ntwo\x1b", LineEnds::kept), "one\ntwo\\x1b");
}

TEST(Text, json_for_a_terminal_keeps_its_value) {
  EXPECT_EQ(printable_json("{\"a\":\"\xc2\x9b\x7f\"}\n"), "{\"a\":\"\\u009b\\u007f\"}\n");
  EXPECT_EQ(printable_json("\"\xf3\xa0\x80\x81\""), "\"\\udb40\\udc01\"");
  EXPECT_EQ(printable_json("{\t\"a\": \"ü\"}"), "{ \"a\": \"ü\"}");
}

TEST(Text, width_counts_columns_not_bytes) {
  EXPECT_EQ(display_width("Grüße"), 5U);
  EXPECT_EQ(display_width("東京"), 4U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);
  EXPECT_EQ(fitted("Grüße", 5), "Grüße");
  EXPECT_EQ(fitted("Grüße!", 5), "Grüß…");
  EXPECT_EQ(fitted("東京都", 4), "東…");
  EXPECT_EQ(fitted("abc", 1), "…");
}

TEST(Excerpt, the_caret_is_below_the_place_whatever_is_before_it) {
  EXPECT_EQ(excerpt("a\nb: x\r\nc", 2, 4, 1, 80), "  b: x\n     ^\n");
  EXPECT_EQ(excerpt("\tb: x", 1, 5, 1, 80), "      b: x\n         ^\n") << "a tab is as wide in both lines";
  EXPECT_EQ(excerpt("東京: x", 1, 9, 1, 80), "  東京: x\n        ^\n");
  EXPECT_EQ(excerpt("e\xcc\x81: x", 1, 6, 1, 80), "  e\xcc\x81: x\n     ^\n");
  EXPECT_EQ(excerpt("\x1b[2J: x", 1, 7, 1, 80), "  \\x1b[2J: x\n           ^\n");
  EXPECT_EQ(excerpt("abc", 1, 4, 1, 80), "  abc\n     ^\n") << "behind the end";
  EXPECT_EQ(excerpt("abc", 1, 99, 1, 80), "  abc\n     ^\n");
  EXPECT_EQ(excerpt("abc", 2, 1, 1, 80), "");
  EXPECT_EQ(excerpt("abc\n \nd", 2, 1, 1, 80), "");
  EXPECT_EQ(excerpt("abc", 0, 0, 1, 80), "");
}

TEST(Excerpt, carets_are_below_all_that_is_at_fault) {
  EXPECT_EQ(excerpt("do: soon", 1, 5, 4, 80), "  do: soon\n      ^^^^\n");
  EXPECT_EQ(excerpt("a: 東京, b", 1, 4, 6, 80), "  a: 東京, b\n     ^^^^\n");
  EXPECT_EQ(excerpt("abc", 1, 3, 99, 80), "  abc\n    ^\n") << "not beyond the line";
  EXPECT_EQ(excerpt("a\tb: x", 1, 1, 2, 80), "  a    b: x\n  ^^^^^\n");
  EXPECT_EQ(excerpt(std::string(50, 'a'), 1, 1, 50, 20), "  aaaaaaaaaaaaaaaaaaa…\n  ^^^^^^^^^^^^^^^^^^^^\n");
}

TEST(Excerpt, a_long_line_is_cut_around_the_place) {
  const std::string line = std::string(100, 'a') + "X" + std::string(100, 'b');
  EXPECT_EQ(excerpt(line, 1, 101, 1, 20), "  …aaaaaaaaaXbbbbbbbb…\n            ^\n");
  EXPECT_EQ(excerpt(line, 1, 1, 1, 20), "  aaaaaaaaaaaaaaaaaaa…\n  ^\n");
  for (int column = 1; column <= 202; ++column) {
    const std::string shown = excerpt(line, 1, column, 1, 20);
    const std::size_t end = shown.find('\n');
    EXPECT_LE(display_width(shown.substr(0, end)), 22U) << column;
    EXPECT_LE(shown.size() - end, 26U) << column;
  }
}

TEST(Table, columns_are_aligned_by_width) {
  Table table({{.title = "NAME"}, {.title = "COUNT", .align = Align::right}, {.title = "NOTE"}});
  table.add({"東京", "7", "ok"});
  table.add({"longer name", "1200", ""});
  EXPECT_EQ(table.render({}),
            "NAME         COUNT  NOTE\n"
            "東京             7  ok\n"
            "longer name   1200\n");
}

TEST(Table, a_narrow_terminal_cuts_the_widest_text) {
  Table table({{.title = "ID", .fit = Fit::id}, {.title = "NAME"}, {.title = "TEXT"}});
  table.add({"a1", "a name of many words", "the quick brown fox jumps"});
  EXPECT_EQ(table.render({.columns = 40}),
            "ID  NAME               TEXT\n"
            "a1  a name of many w…  the quick brown …\n");
}

TEST(Table, the_widest_is_cut_then_the_last_column_goes_and_ids_stay_whole) {
  const std::string id = "01a1f97d-cdc4-7005-bd26-26aedbdd4ed2";
  Table table({{.title = "ID", .fit = Fit::id},
               {.title = "WORKFLOW"},
               {.title = "STARTED", .fit = Fit::time},
               {.title = "ENDED", .fit = Fit::time}});
  table.add({id, "demo/triage:1.0.0", "2026-11-20T15:05:35.176364Z", "2026-11-20T15:06:00.000000Z"});
  const auto on = [&](int columns) {
    const std::string text = table.render({.columns = columns});
    return text.substr(text.find('\n') + 1);
  };
  EXPECT_EQ(on(0), id + "  demo/triage:1.0.0  2026-11-20T15:05:35.176364Z  2026-11-20T15:06:00.000000Z\n");
  EXPECT_EQ(on(91), id + "  demo/triage:1.0.0  2026-11-20 15:05  2026-11-20 15:06\n");
  EXPECT_EQ(on(88), id + "  demo/triage:1…  2026-11-20 15:05  2026-11-20 15:06\n");
  EXPECT_EQ(on(80), id + "  demo/triage:1.0.0  2026-11-20 15:05\n");
  EXPECT_EQ(on(60), id + "  demo/triage:1.0.0\n");
  EXPECT_EQ(on(40), id + "\n");
  EXPECT_EQ(on(20), id + "\n") << "one column stays";
}

TEST(Table, rows_that_come_one_by_one_are_cut_on_a_screen_and_whole_without_one) {
  const std::vector<Column> columns = {{.title = "TIME", .fit = Fit::clock, .width = 27},
                                       {.title = "SUBJECT", .fit = Fit::id, .width = 12},
                                       {.title = "NOTE", .width = 20}};
  const std::vector<std::string> cells = {"2026-11-20T15:05:35.176364Z", "0123456789ab", "a note of many words"};
  EXPECT_EQ(RunningTable(columns, {}).row(cells), "2026-11-20T15:05:35.176364Z  0123456789ab  a note of many words\n");
  EXPECT_EQ(RunningTable(columns, {.columns = 36}).titles(), "TIME      SUBJECT       NOTE\n");
  EXPECT_EQ(RunningTable(columns, {.columns = 36}).row(cells), "15:05:35  0123456789ab  a note of m…\n");
  EXPECT_EQ(RunningTable(columns, {.columns = 30}).row(cells), "15:05:35  0123456789ab\n");
}

TEST(Table, a_token_that_is_wider_than_the_terminal_stays_in_one_piece) {
  const std::string token(60, 't');
  EXPECT_EQ(render_fields({{"id", "1"}, {"token", token}, {"note", "the quick brown fox jumps over"}}, {.columns = 30}),
            "id     1\ntoken  " + token + "\nnote   the quick brown fox\n       jumps over\n");
}

TEST(Table, outcomes_are_coloured_where_asked_and_hostile_cells_are_escaped) {
  Table table({{.title = "S"}});
  table.add({"faulted"});
  table.add({"\x1b[31m"});
  EXPECT_EQ(table.render({.columns = 0, .colour = true}), "\x1b[1mS\x1b[0m\n\x1b[31mfaulted\x1b[0m\n\\x1b[31m\n");
  EXPECT_EQ(table.render({}), "S\nfaulted\n\\x1b[31m\n");
}

TEST(Sse, events_cut_anywhere_come_out_whole) {
  const std::string stream =
      ": hello\r\n\r\nid: 7\nevent: task\ndata: {\"a\":\ndata: 1}\n\nid: 8\rdata:x\r\rdata: no blank line yet\n";
  const std::vector<ServerSentEvent> expected = {{.id = "7", .type = "task", .data = "{\"a\":\n1}"},
                                                 {.id = "8", .type = "", .data = "x"}};
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    SseParser parser;
    std::vector<ServerSentEvent> events = parser.feed(stream.substr(0, cut)).value();
    const std::vector<ServerSentEvent> rest = parser.feed(stream.substr(cut)).value();
    events.insert(events.end(), rest.begin(), rest.end());
    EXPECT_EQ(events, expected) << cut;
    EXPECT_EQ(parser.last_id(), "8");
  }
}

TEST(Sse, an_event_that_broke_off_is_neither_delivered_nor_counted_as_seen) {
  SseParser parser;
  EXPECT_EQ(parser.feed("id: 1\ndata: a\n\nid: 2\ndata: hal").value().size(), 1U);
  EXPECT_EQ(parser.last_id(), "1");
  parser.restart();
  const auto events = parser.feed("id: 2\ndata: half\n\n").value();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].data, "half");
}

TEST(Sse, an_event_without_end_is_refused) {
  SseParser parser;
  const std::string part(1 << 20, 'x');
  base::ErrorCode code{};
  for (int i = 0; i < 10; ++i) {
    if (const auto fed = parser.feed(part); !fed) code = fed.error().code();
  }
  EXPECT_EQ(code, base::ErrorCode::too_large);
}

TEST(WorkflowName, names_are_read_and_half_names_are_refused) {
  const auto name = WorkflowName::parse("support/triage:1.2.0");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->space + "|" + name->name + "|" + name->version, "support|triage|1.2.0");
  EXPECT_EQ(WorkflowName::parse("a/b")->version, "");
  for (const char* bad : {"", "a", "a/", "/b", "a/b:", "a/b/c", "a:1"}) EXPECT_FALSE(WorkflowName::parse(bad)) << bad;
}

TEST(Duration, lengths_are_reported_in_fitting_units) {
  EXPECT_EQ(duration_text(0), "0 ms");
  EXPECT_EQ(duration_text(0.0754), "75 µs");
  EXPECT_EQ(duration_text(999), "999 ms");
  EXPECT_EQ(duration_text(1250), "1.25 s");
  EXPECT_EQ(duration_text(200'000), "3 min 20 s");
}

class CredentialsFile : public testing::Test {
 protected:
  CredentialsFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "trv-cli-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    file_ = folder_ / "deep" / "credentials.toml";
  }
  ~CredentialsFile() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::filesystem::path file_;
};

TEST_F(CredentialsFile, what_is_saved_is_loaded_and_only_the_owner_can_read_it) {
  Credentials credentials = Credentials::load(file_).value();
  EXPECT_TRUE(credentials.all().empty());
  credentials.put({.url = "http://a", .tenant = "acme", .token = "trv_old"});
  credentials.put({.url = "http://a", .tenant = "acme", .token = "trv_\"new\"\n"});
  credentials.put({.url = "http://b", .tenant = "acme", .token = "trv_b"});
  ASSERT_TRUE(credentials.save(file_));
  struct stat status{};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const Credentials loaded = Credentials::load(file_).value();
  EXPECT_EQ(loaded.all(), credentials.all());
  EXPECT_EQ(loaded.find("http://a", "acme")->token, "trv_\"new\"\n");
  EXPECT_EQ(loaded.of("http://b").size(), 1U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(file_.parent_path()), {}), 1) << "nothing is left beside";
}

TEST_F(CredentialsFile, what_tls_needs_is_kept_for_a_server_and_a_certificate_may_speak_without_a_token) {
  Credentials credentials;
  const TlsFiles files{.authority = "/ca.pem", .certificate = "/me.pem", .key = "/me.key"};
  credentials.put("https://a", files);
  credentials.put({.url = "https://a", .tenant = "acme", .token = ""});
  ASSERT_TRUE(credentials.save(file_));
  const Credentials loaded = Credentials::load(file_).value();
  EXPECT_EQ(loaded.tls_of("https://a"), files);
  EXPECT_EQ(loaded.tls_of("https://b"), TlsFiles());
  EXPECT_EQ(loaded.find("https://a", "acme")->token, "");
  credentials.put("https://a", {.authority = "/ca.pem"});
  ASSERT_TRUE(credentials.save(file_));
  const auto refused = Credentials::load(file_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("needs url, tenant and token"), std::string::npos);
}

TEST_F(CredentialsFile, a_file_that_others_can_read_is_refused_with_the_cure) {
  ASSERT_TRUE(Credentials().save(file_));
  ASSERT_EQ(::chmod(file_.c_str(), 0644), 0);
  const auto loaded = Credentials::load(file_);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message().find("chmod 600"), std::string::npos);
}

TEST_F(CredentialsFile, a_damaged_file_is_named_with_its_line) {
  ASSERT_TRUE(Credentials().save(file_));
  std::ofstream(file_) << "[[credential]]\nurl = \n";
  const auto loaded = Credentials::load(file_);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message().find("line 2"), std::string::npos);
}

}  // namespace
}  // namespace trv::cli
