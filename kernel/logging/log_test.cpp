// Lines are written as their readers expect them: people, programs and journald.

#include "kernel/logging/log.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>
#include <thread>
#include <vector>

#include "kernel/json/parse.hpp"

namespace trv::logging {
namespace {

constexpr std::string_view traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class LogTest : public testing::Test {
 protected:
  Log log_with(Format format, bool has_priorities = false, std::string_view levels = "", Listener listener = {}) {
    return {std::make_shared<spdlog::sinks::ostream_sink_mt>(text_), format, has_priorities,
            *parse_levels("info", levels), std::move(listener)};
  }
  json::Value only_line() {
    const auto value = json::parse(text_.str(), {.bytes_max = 100'000, .depth_max = 10});
    EXPECT_TRUE(value) << text_.str();
    return value ? *value : json::Value();
  }

  std::ostringstream text_;
};

TEST_F(LogTest, a_line_of_json_is_one_object_with_what_it_is_about) {
  const Log log = log_with(Format::json);
  const std::vector<Field> fields = {{"tenant", "acme"}, {"call", ""}, {"plugin", "greet"}};
  write(*log.of(Room::plugins), Level::warning, "it said \"no\"\nand \x01 ended",
        {.fields = fields, .traceparent = traceparent, .in_text = "plugin greet: "});
  EXPECT_EQ(text_.str().find('\n'), text_.str().size() - 1) << "one line whatever the message holds";
  const json::Value line = only_line();
  EXPECT_TRUE(base::Timestamp::from_rfc3339(line.find("time")->as_string()));
  EXPECT_TRUE(line.find("time")->as_string().ends_with("Z"));
  EXPECT_EQ(line.find("level")->as_string(), "warning");
  EXPECT_EQ(line.find("room")->as_string(), "plugins");
  EXPECT_EQ(line.find("message")->as_string(), "it said \"no\"\nand \x01 ended");
  EXPECT_EQ(line.find("tenant")->as_string(), "acme");
  EXPECT_EQ(line.find("plugin")->as_string(), "greet");
  EXPECT_EQ(line.find("call"), nullptr) << "what a line does not have is not in it";
  EXPECT_EQ(line.find("trace_id")->as_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(line.find("span_id")->as_string(), "00f067aa0ba902b7");
}

TEST_F(LogTest, a_message_that_is_not_utf8_is_json_all_the_same) {
  const Log log = log_with(Format::json);
  log.of(Room::daemon)->info("a \xff file\xc3");
  EXPECT_EQ(only_line().find("room")->as_string(), "daemon");
}

TEST_F(LogTest, a_line_of_text_has_its_room_and_no_fields) {
  const Log log = log_with(Format::text);
  const std::vector<Field> fields = {{"tenant", "acme"}};
  write(*log.of(Room::http), Level::error, "failed", {.fields = fields, .in_text = "request 7: "});
  EXPECT_NE(text_.str().find("] [http] [error] request 7: failed\n"), std::string::npos) << text_.str();
  EXPECT_EQ(text_.str().find("acme"), std::string::npos);
}

TEST_F(LogTest, what_a_line_is_about_ends_with_it) {
  const Log log = log_with(Format::json);
  const std::vector<Field> fields = {{"tenant", "acme"}};
  write(*log.of(Room::http), Level::info, "one", {.fields = fields});
  text_.str("");
  log.of(Room::http)->info("two");
  EXPECT_EQ(only_line().find("tenant"), nullptr);
}

TEST_F(LogTest, journald_finds_the_priority_of_every_line) {
  const Log log = log_with(Format::text, true, "shard=debug");
  log.of(Room::shard)->debug("a");
  log.of(Room::shard)->info("b");
  log.of(Room::shard)->warn("c");
  log.of(Room::shard)->error("d\ne");
  std::istringstream lines(text_.str());
  std::string priorities;
  for (std::string line; std::getline(lines, line);) priorities += line.substr(0, 3);
  EXPECT_EQ(priorities, "<7><6><4><3><3>");
  text_.str("");
  log_with(Format::json, true).of(Room::shard)->error("d\ne");
  EXPECT_TRUE(text_.str().starts_with("<3>{\"time\":"));
}

TEST_F(LogTest, each_room_has_a_level_of_its_own_that_changes_while_it_runs) {
  Log log = log_with(Format::text, false, "egress=debug, shard=error");
  log.of(Room::egress)->debug("first");
  log.of(Room::shard)->warn("second");
  log.of(Room::http)->debug("third");
  log.of(Room::http)->info("fourth");
  log.set_levels(*parse_levels("error", "shard=debug"));
  log.of(Room::egress)->warn("fifth");
  log.of(Room::shard)->debug("sixth");
  std::string seen;
  for (const char* word : {"first", "second", "third", "fourth", "fifth", "sixth"}) {
    if (text_.str().find(word) != std::string::npos) seen += std::string(word) + " ";
  }
  EXPECT_EQ(seen, "first fourth sixth ");
}

TEST_F(LogTest, a_listener_has_the_lines_that_are_written_and_no_others) {
  std::vector<std::string> heard;
  const Log log = log_with(Format::text, false, "", [&](const Line& line) {
    heard.push_back(std::string(line.room) + " " + std::string(line.message) + " " +
                    std::string(line.about.fields.empty() ? "" : line.about.fields.front().second));
  });
  const std::vector<Field> fields = {{"tenant", "acme"}};
  write(*log.of(Room::http), Level::info, "one", {.fields = fields, .in_text = "x: "});
  log.of(Room::node)->debug("two");
  log.of(Room::node)->info("three");
  EXPECT_EQ(heard, (std::vector<std::string>{"http one acme", "node three "}));
}

TEST_F(LogTest, what_threads_write_at_once_does_not_mix) {
  const Log log = log_with(Format::json);
  const auto write_many = [&log](const std::string& name) {
    const std::vector<Field> fields = {{"tenant", name}};
    for (int i = 0; i < 500; ++i) write(*log.of(Room::plugins), Level::info, name, {.fields = fields});
  };
  {
    const std::jthread one(write_many, "one");
    const std::jthread two(write_many, "two");
  }
  std::istringstream lines(text_.str());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto value = json::parse(line, {.bytes_max = 100'000, .depth_max = 10});
    ASSERT_TRUE(value) << line;
    EXPECT_EQ(value->find("message")->as_string(), value->find("tenant")->as_string());
  }
  EXPECT_EQ(count, 1000);
}

TEST(Levels, a_wrong_word_is_refused_with_those_that_there_are) {
  const auto problem = [](std::string_view level, std::string_view rooms) {
    const auto levels = parse_levels(level, rooms);
    return levels ? std::string("none") : std::string(levels.error().message());
  };
  EXPECT_EQ(problem("info", "egres=debug"),
            "'egres' is not a room of the log; did you mean 'egress'?; the rooms are daemon, http, node, shard, "
            "effects, plugins, egress, backup, telemetry");
  EXPECT_EQ(problem("info", "egress=loud"), "'loud' is not a level; use debug, info, warning or error");
  EXPECT_EQ(problem("info", "egress"), "'egress' is not of the form room=level, as egress=debug");
  EXPECT_EQ(problem("info", "egress=debug,,"), "'' is not of the form room=level, as egress=debug");
  EXPECT_EQ(problem("info", "http=info,http=debug"), "the room 'http' is named twice; name it once");
  EXPECT_EQ(problem("loud", ""), "'loud' is not a level; use debug, info, warning or error");
  EXPECT_EQ(problem("error", " "), "none");
}

}  // namespace
}  // namespace trv::logging
