// trav workflow lsp, frame by frame, and trav workflow graph.

#include <fmt/format.h>

#include <cstdlib>

#include "kernel/cli/commands/command_line_fixture.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

std::string frame(std::string_view message) {
  return fmt::format("Content-Length: {}\r\n\r\n{}", message.size(), message);
}

const std::string hello = frame(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{}}})");
const std::string bye =
    frame(R"({"jsonrpc":"2.0","id":99,"method":"shutdown"})") + frame(R"({"jsonrpc":"2.0","method":"exit"})");

std::string open(std::string_view text) {
  json::Value document = {{"uri", "file:///w.yaml"}, {"languageId", "yaml"}, {"version", 1}, {"text", text}};
  json::Value parameters = json::Value::object();
  parameters.set("textDocument", std::move(document));
  json::Value message = {{"jsonrpc", "2.0"}, {"method", "textDocument/didOpen"}};
  message.set("params", std::move(parameters));
  return frame(json::serialize(message));
}

std::string ask(std::string_view method, int line, int character) {
  return frame(fmt::format(R"({{"jsonrpc":"2.0","id":1,"method":"textDocument/{}","params":{{"textDocument":)"
                           R"({{"uri":"file:///w.yaml"}},"position":{{"line":{},"character":{}}}}}}})",
                           method, line, character));
}

/// The bodies of the frames, a line each; fails where something is not framed.
std::string bodies(std::string_view out) {
  std::string all;
  while (!out.empty()) {
    const std::string_view head = "Content-Length: ";
    EXPECT_TRUE(out.starts_with(head)) << out;
    if (!out.starts_with(head)) break;
    const std::size_t length = std::strtoul(std::string(out.substr(head.size(), 12)).c_str(), nullptr, 10);
    const std::size_t begin = out.find("\r\n\r\n") + 4;
    all += std::string(out.substr(begin, length)) + "\n";
    out.remove_prefix(begin + length);
  }
  return all;
}

const std::string definition =
    "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n"
    "do:\n"
    "  - first:\n"
    "      set: {x: '東京🪨', y: '${ nope.x }'}\n"
    "      then: last\n"
    "  - middle:\n"
    "      call: http\n"
    "      with:\n"
    "        method: get\n"
    "        \n"
    "  - last:\n"
    "      switch:\n"
    "        - one:\n"
    "            when: .x\n"
    "            then: first\n";

TEST_F(CommandLine, an_editor_is_shown_the_problems_of_what_it_opens) {
  EXPECT_EQ(trav({"workflow", "lsp"}, hello + open(definition) + bye), ExitCode::ok) << err_;
  const std::string said = bodies(out_);
  EXPECT_NE(said.find(R"("positionEncoding":"utf-16")"), std::string::npos) << said;
  EXPECT_NE(said.find(R"("start":{"line":3,"character":30},"end":{"line":3,"character":36}},"severity":1)"),
            std::string::npos)
      << "characters are units of UTF-16: " << said;
  EXPECT_NE(said.find("there is no function 'nope'"), std::string::npos) << said;
  EXPECT_NE(said.find(R"("suggestion":".nope.x")"), std::string::npos) << said;
  EXPECT_NE(said.find(R"({"id":99,"result":null,"jsonrpc":"2.0"})"), std::string::npos) << said;
}

TEST_F(CommandLine, an_editor_completes_what_can_be_written_there) {
  const auto offered = [&](int line, int character) {
    EXPECT_EQ(trav({"workflow", "lsp"}, hello + open(definition) + ask("completion", line, character) + bye),
              ExitCode::ok);
    return bodies(out_);
  };
  const std::string fields = offered(9, 8);
  EXPECT_NE(fields.find(R"("label":"endpoint")"), std::string::npos) << fields;
  EXPECT_EQ(fields.find(R"("label":"switch")"), std::string::npos) << fields;
  const std::string task = offered(6, 6);
  EXPECT_NE(task.find(R"("label":"listen")"), std::string::npos) << task;
  const std::string then = offered(4, 12);
  for (const char* name : {"continue", "exit", "end", "first", "middle", "last"}) {
    EXPECT_NE(then.find(fmt::format(R"("label":"{}")", name)), std::string::npos) << name << then;
  }
  EXPECT_NE(offered(6, 12).find(R"("label":"openapi")"), std::string::npos);
  EXPECT_NE(offered(13, 12).find(R"("label":"when")"), std::string::npos) << out_;
}

TEST_F(CommandLine, an_editor_explains_fields_goes_to_tasks_and_lists_them) {
  const auto said = [&](const std::string& question) {
    EXPECT_EQ(trav({"workflow", "lsp"}, hello + open(definition) + question + bye), ExitCode::ok);
    return bodies(out_);
  };
  EXPECT_NE(said(ask("hover", 8, 10)).find("method: The HTTP method"), std::string::npos) << out_;
  EXPECT_NE(said(ask("definition", 4, 13)).find(R"("start":{"line":10,"character":4})"), std::string::npos) << out_;
  EXPECT_NE(said(ask("definition", 14, 20)).find(R"("start":{"line":2,"character":4})"), std::string::npos) << out_;
  EXPECT_NE(said(ask("definition", 6, 13)).find(R"({"id":1,"result":null)"), std::string::npos) << out_;
  EXPECT_NE(said(ask("documentSymbol", 0, 0)).find(R"("name":"middle","detail":"call http get")"), std::string::npos)
      << out_;
}

TEST_F(CommandLine, an_editor_that_sends_rubbish_is_answered_and_served_on) {
  const std::string question = ask("hover", 8, 10);
  EXPECT_EQ(
      trav({"workflow", "lsp"}, hello + frame("{nonsense") + frame("[]") + frame("7") +
                                    frame(R"({"id":5,"method":"no/such"})") + "X-Header: 1\r\n\r\n" +
                                    fmt::format("Content-Length: 9000000\r\n\r\n{}", std::string(9'000'000, 'x')) +
                                    open(definition) + question + bye),
      ExitCode::ok);
  const std::string said = bodies(out_);
  EXPECT_NE(said.find("-32700"), std::string::npos) << said;
  EXPECT_NE(said.find("there is no method 'no/such'"), std::string::npos);
  EXPECT_NE(said.find("a frame begins with the header Content-Length"), std::string::npos);
  EXPECT_NE(said.find("a frame has at most 8388608 bytes"), std::string::npos);
  EXPECT_NE(said.find("method: The HTTP method"), std::string::npos);
  // It ends with its input, also in the middle of a frame, or of one that would never end.
  EXPECT_EQ(trav({"workflow", "lsp"}, hello + "Content-Length: 100\r\n\r\n{\"half"), ExitCode::refused);
  EXPECT_EQ(trav({"workflow", "lsp"}, "Content-Length: 99999999999999999999\r\n\r\n{}"), ExitCode::refused);
  EXPECT_EQ(trav({"workflow", "lsp"}, "Content-Length: 18446744073709551615\r\n\r\n{}"), ExitCode::refused);
  EXPECT_EQ(trav({"workflow", "lsp"}, std::string(100'000, 'a')), ExitCode::refused);
  EXPECT_EQ(trav({"workflow", "lsp"}, question), ExitCode::refused);
  EXPECT_NE(bodies(out_).find("-32002"), std::string::npos) << "nothing before initialize";
}

TEST_F(CommandLine, a_definition_is_drawn) {
  for (const char* format : {"mermaid", "svg"}) {
    const std::string file = TRV_SOURCE_DIR "/tests/golden/graphs/order.yaml";
    EXPECT_EQ(trav({"workflow", "graph", file, "--format", format}), ExitCode::ok) << err_;
    const std::string golden = fmt::format("{}/tests/golden/graphs/order.{}", TRV_SOURCE_DIR, format);
    if (std::getenv("TRAV_WRITE_GOLDEN") != nullptr) std::ofstream(golden, std::ios::binary) << out_;
    EXPECT_EQ(out_, read(golden)) << format;
  }
  EXPECT_EQ(trav({"workflow", "graph", "-"}, "do: [{a: {wait: soon}}]\n"), ExitCode::refused);
  EXPECT_NE(err_.find("'soon' is not an ISO 8601 duration"), std::string::npos) << err_;
  EXPECT_EQ(out_, "");
}

}  // namespace
}  // namespace trv::cli
