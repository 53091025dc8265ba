// trav workflow lsp, frame by frame, and trav workflow graph.

#include <fmt/format.h>

#include <cstdlib>

#include "kernel/cli/commands/command_line_fixture.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/package/package.hpp"

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

const std::string calling =
    "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n"
    "do:\n"
    "  - tell:\n"
    "      call: chat.post:1.0.0@default  # says it\n"
    "      with:\n"
    "        channel: general\n"
    "        blocks:\n"
    "          - kind: text\n"
    "            \n"
    "        \n"
    "  - other:\n"
    "      call: \n"
    "  - unknown:\n"
    "      call: chat.nothing:1.0.0@default\n"
    "      with:\n"
    "        \n";

constexpr const char* chat_manifest =
    R"({"manifest":{"id":"chat","version":"1.0.0","operations":[{"name":"post","title":"Post a message",)"
    R"("summary":"Not idempotent.","input":{"type":"object","required":["text"],"properties":{)"
    R"("channel":{"type":"string","description":"Id or #name"},"text":{"type":"string"},)"
    R"("loud":{"type":"boolean"},"format":{"enum":["plain","markdown"]},)"
    R"("blocks":{"type":"array","items":{"$ref":"#/$defs/block"}}},)"
    R"("$defs":{"block":{"type":"object","properties":{"kind":{"enum":["text","rule"]},"body":{"type":"string"}}}}}}]}})";

TEST_F(CommandLine, an_editor_completes_operations_of_the_tenant_and_their_input) {
  const auto said = [&](const std::string& question, const std::string& text = calling) {
    server_.script("GET /v1/tenants/acme/plugins?limit=500",
                   {.body = R"({"items":[{"id":"chat","version":"1.0.0"}],"next_cursor":null})"});
    server_.script("GET /v1/plugins/chat/1.0.0", {.body = chat_manifest});
    EXPECT_EQ(trav({"workflow", "lsp"}, hello + open(text) + question + question + bye), ExitCode::ok);
    return bodies(out_);
  };
  const std::string calls = said(ask("completion", 11, 12));
  EXPECT_NE(calls.find(R"("label":"chat.post:1.0.0@default")"), std::string::npos) << calls;
  EXPECT_NE(calls.find(R"("detail":"Post a message")"), std::string::npos) << calls;
  EXPECT_NE(calls.find(R"("label":"openapi")"), std::string::npos) << calls;
  EXPECT_EQ(server_.received().size(), 2U) << "the server is asked once";
  const std::string members = said(ask("completion", 9, 8));
  EXPECT_NE(members.find(R"("label":"text")"), std::string::npos) << members;
  EXPECT_LT(members.find(R"("label":"text")"), members.find(R"("label":"channel")")) << "what must be there is first";
  EXPECT_NE(members.find("Id or #name"), std::string::npos) << members;
  EXPECT_EQ(members.find(R"("label":"endpoint")"), std::string::npos) << members;
  const std::string inner = said(ask("completion", 8, 12));
  EXPECT_NE(inner.find(R"("label":"body")"), std::string::npos) << inner;
  EXPECT_EQ(inner.find(R"("label":"channel")"), std::string::npos) << inner;
  const std::string values = said(ask("completion", 7, 18));
  EXPECT_NE(values.find(R"("label":"rule")"), std::string::npos) << values;
  // An operation that is not known has no input to offer: the fields of a call are left.
  EXPECT_EQ(said(ask("completion", 15, 8)).find(R"("label":"channel")"), std::string::npos) << out_;
}

TEST_F(CommandLine, an_editor_shows_what_an_operation_does_and_takes) {
  const auto said = [&](const std::string& question) {
    server_.script("GET /v1/tenants/acme/plugins?limit=500",
                   {.body = R"({"items":[{"id":"chat","version":"1.0.0"}],"next_cursor":null})"});
    server_.script("GET /v1/plugins/chat/1.0.0", {.body = chat_manifest});
    EXPECT_EQ(trav({"workflow", "lsp"}, hello + open(calling) + question + bye), ExitCode::ok);
    return bodies(out_);
  };
  const std::string call = said(ask("hover", 3, 18));
  EXPECT_NE(call.find("Post a message\\n\\nNot idempotent.\\n\\nInput:\\n- text (string, required)\\n"
                      "- channel (string): Id or #name"),
            std::string::npos)
      << call;
  for (const int character : {10, 20}) {
    EXPECT_NE(said(ask("hover", 5, character)).find("channel (string): Id or #name"), std::string::npos) << out_;
  }
  EXPECT_NE(said(ask("hover", 7, 13)).find("kind (one of text, rule)"), std::string::npos) << out_;
}

TEST_F(CommandLine, an_editor_completes_operations_of_packages_in_a_folder) {
  const std::filesystem::path packages = folder_ / "packages";
  std::filesystem::create_directories(packages);
  const auto packed = package::assemble(
      R"({"manifest":1,"id":"chat","version":"2.0.0","title":"Chat","summary":"S","license":"Apache-2.0",)"
      R"("abi":{"major":1,"minor":0},"isolation":"sandboxed","configuration":{"type":"object"},"connections":[],)"
      R"("operations":[{"name":"post","title":"Post","idempotent":true,"input":{"type":"object"},)"
      R"("output":{"type":"object"}}],"webhooks":[],)"
      R"("libraries":{"linux-x86_64":{"path":"lib/linux-x86_64/plugin.so"}}})",
      {{.path = "lib/linux-x86_64/plugin.so", .bytes = {1, 2, 3}}});
  ASSERT_TRUE(packed) << packed.error().message();
  write("packages/chat.trvp", std::string(packed->begin(), packed->end()));
  EXPECT_EQ(trav({"workflow", "lsp", "--packages", packages.string()},
                 hello + open(calling) + ask("completion", 11, 12) + bye),
            ExitCode::ok);
  EXPECT_TRUE(server_.received().empty());
  EXPECT_NE(bodies(out_).find(R"("label":"chat.post:2.0.0@default")"), std::string::npos) << out_;
  EXPECT_EQ(trav({"workflow", "lsp", "--packages", (folder_ / "none").string()},
                 hello + open(calling) + ask("completion", 11, 12) + bye),
            ExitCode::ok);
  const std::string said = bodies(out_);
  EXPECT_NE(said.find("window/logMessage"), std::string::npos) << said;
  EXPECT_NE(said.find("openapi"), std::string::npos) << "the rest is served all the same: " << said;
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
