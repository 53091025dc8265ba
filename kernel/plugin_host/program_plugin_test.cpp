// Plugins that are programs: what a program does is a call's outcome, a line of the log or the end of its process, and
// nothing else.

#include <fmt/format.h>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/http/testing/parts_server.hpp"
#include "kernel/plugin_host/testing/given_body.hpp"
#include "kernel/plugin_host/testing/isolated_fixture.hpp"
#include "kernel/plugin_host/testing/part_client.hpp"

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

// Frames by hand, without an SDK: what a program has to do is in the protocol's page.
constexpr std::string_view in_python = R"(
import base64, json, os, socket, sys, time
host = socket.socket(fileno=3)
# Two files: to write to one that is read, too, forgets what was read ahead.
lines, out = host.makefile("r", newline="\n"), host.makefile("w", newline="\n")
def send(name, **body):
    out.write(json.dumps({name: body}) + "\n")
    out.flush()
calls = {}
left = room = 0
answer = {}
def go_on():
    global left, room
    while left > 0 and room > 0:
        size = min(left, room, 65536)
        left, room = left - size, room - size
        send("write", **answer, text="x" * size)
        if left == 0:
            send("end_stream", **answer)
for line in lines:
    (name, body), = json.loads(line).items()
    if name == "begin":
        if "refuse" in body["configuration"]:
            send("refused", message="the word 'refuse' is configured")
            break
        send("ready")
    elif name == "ping":
        send("pong", number=body["number"])
    elif name == "end":
        break
    elif name == "cancel":
        send("failed", call=body["call"], code="cancelled", message="stopped")
    elif name == "serve" and body["path"].startswith("/parts"):
        answer = {"call": body["call"], "stream": 5}
        send("respond_in_parts", **answer, status=201, headers=[["etag", "7"]], text="first ")
        send("write", **answer, base64="/wA=")
        left, room = 1000000, 262144 - 8
        if body["path"] == "/parts/over":
            room = left
        go_on()
    elif name == "room":
        room += body["bytes"]
        go_on()
    elif name == "stream_ended" and body["stream"] == 5:
        left = 0
    elif name == "serve" and body["path"] == "/body":
        calls[6], came = body["call"], 0
        send("read_body", call=calls[6], stream=6)
    elif name == "part" and body["stream"] == 6:
        size = len(base64.b64decode(body["base64"]) if "base64" in body else body["text"])
        came += size
        send("take", call=calls[6], stream=6, bytes=size)
    elif name == "stream_ended" and body["stream"] == 6:
        send("respond", call=calls[6], body=f"{came} {body.get('message', 'whole')}")
    elif name == "serve" and body["path"] == "/cookie":
        send("respond", call=body["call"], headers=[["set-cookie", "a=b"]])
    elif name == "serve":
        text = " ".join([body["method"], body["path"], body["query"], body["tenant"], body["principal_name"], body["body"]])
        send("respond", call=body["call"], status=201, headers=[["etag", "7"]], body=text)
    elif name == "part":
        part = base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode()
        read.append(len(part))
        if drops:
            send("drop", call=calls[9], stream=9)
            send("answer", call=calls[9], output="dropped")
        else:
            send("take", call=calls[9], stream=9, bytes=len(part))
    elif name == "stream_ended" and "code" in body:
        send("failed", call=calls[9], code=body["code"], message=body["message"])
    elif name == "stream_ended":
        send("answer", call=calls[9], output=[sum(read), max(read) <= 65_536])
    elif name == "http_response" and body["request"] == 9:
        pass
    elif name == "http_response":
        send("answer", call=calls[body["request"]], output=[body["status"], body.get("body"), body.get("body_base64")])
    elif name == "store_answer":
        send("answer", call=calls[body["request"]], output=body["entries"])
    elif name in ("http_error", "request_failed"):
        send("failed", call=calls[body["request"]], code=body["code"], message=body["message"])
    elif name == "invoke":
        call, operation = body["call"], body["operation"]
        if operation == "echo":
            send("answer", call=call, output=body["input"])
        elif operation == "describe":
            send("answer", call=call, output={k: body[k] for k in ("tenant", "idempotency_key", "attempt")})
        elif operation == "fail":
            send("failed", call=call, code="not_found", message="no such issue", status=404, detail={"at": 7})
        elif operation == "log":
            print("printed")
            send("log", level="warning", call=call, message="logged")
            send("answer", call=call, output=None)
        elif operation == "fetch":
            calls[7] = call
            send("http_request", call=call, request=7, connection="api", path=body["input"]["path"])
        elif operation == "read":
            calls[9], read, drops = call, [], body["input"] == "drop"
            send("http_request", call=call, request=9, connection="api", path="/", in_parts=True)
        elif operation == "upload":
            calls[7] = call
            send("http_request", call=call, request=7, connection="api", method="PUT", path="/", body_stream=4)
            answer, left, room = {"call": call, "stream": 4}, 1000000, 262144
            go_on()
        elif operation == "keep":
            calls[8] = call
            send("store_request", call=call, request=8, action="put", key="cursor", value=body["input"], expected=0)
        elif operation == "kept":
            calls[8] = call
            send("store_request", call=call, request=8, action="list", key="cur")
        elif operation == "crash":
            raise RuntimeError("a defect")
        elif operation == "garbage":
            out.write("not a frame\n")
            out.flush()
        elif operation == "hang":
            time.sleep(1000)
        elif operation == "open":
            try:
                open("/proc/1/environ").read()
                send("answer", call=call, output="opened")
            except OSError as error:
                send("answer", call=call, output=type(error).__name__)
        elif operation == "connect":
            try:
                socket.create_connection(("127.0.0.1", 22), 1)
                send("answer", call=call, output="connected")
            except OSError as error:
                send("answer", call=call, output="OSError")
)";

constexpr std::string_view in_javascript = R"(
const { Socket } = require("node:net");
const socket = new Socket({ fd: 3 });
const lines = require("node:readline").createInterface({ input: socket });
const send = (frame) => socket.write(JSON.stringify(frame) + "\n");
lines.on("line", (line) => {
  const [[name, body]] = Object.entries(JSON.parse(line));
  if (name === "begin") send({ ready: {} });
  if (name === "ping") send({ pong: body });
  if (name === "end") process.exit(0);
  if (name === "invoke") send({ answer: { call: body.call, output: body.input } });
});
)";

constexpr std::array operations = {"keep",  "kept",    "echo", "describe", "fail",    "log",  "fetch",
                                   "crash", "garbage", "hang", "open",     "connect", "read", "upload"};

class ProgramPluginTest : public IsolatedFixture {
 protected:
  void SetUp() override {
    limits_.hangs_after = 2s;
    IsolatedFixture::SetUp();
  }
  base::Status load_program(std::string_view interpreter, std::string_view file, std::string_view text,
                            const std::string& configuration = "{}") {
    std::string names;
    for (const std::string_view name : operations) {
      names += fmt::format(R"({}{{"name":"{}","title":"T","idempotent":false,"input":true,"output":true}})",
                           names.empty() ? "" : ",", name);
    }
    const std::string manifest = fmt::format(
        R"({{"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"S","license":"Apache-2.0",)"
        R"("abi":{{"major":1,"minor":0}},"isolation":"sandboxed","runtime":"process","permissions":["http","kv","serve"],)"
        R"("program":{{"interpreter":"{}","file":"{}"}},"operations":[{}]}})",
        interpreter, file, names);
    auto packed = package::assemble(manifest, {{std::string(file), base::to_bytes(text)}});
    EXPECT_TRUE(packed) << packed.error().message();
    return load(install(*packed).package_digest, configuration);
  }
  void load_python() {
    const base::Status loaded = load_program("python3", "program/main.py", in_python);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  std::string answer_to(const std::string& operation, const std::string& input = "{}") {
    const CallOutcome outcome = run(call(operation, input, 20'000));
    return outcome ? *outcome : "error: " + outcome.error().message;
  }
};

TEST_F(ProgramPluginTest, a_program_reads_an_answer_in_parts) {
  http::PartsServer server([](const std::string&, http::PartsAnswer& answer) {
    answer.send("HTTP/1.1 200 OK\r\nContent-Length: 3000001\r\n\r\n");
    answer.send(std::string(1'500'000, 'x') + std::string(1'500'001, '\xff'));
  });
  source_.connection.base_url = server.url();
  load_python();
  EXPECT_EQ(answer_to("read"), "[3000001,true]");
  EXPECT_EQ(answer_to("read", R"("drop")"), R"("dropped")");
  EXPECT_EQ(answer_to("echo", "1"), "1");
}

TEST_F(ProgramPluginTest, a_program_sends_a_body_in_parts) {
  http::PartsServer server([](const std::string& request, http::PartsAnswer& answer) {
    http::PartsBody body(request, answer);
    std::size_t count = 0;
    for (std::string bytes = body.next(); !bytes.empty(); bytes = body.next()) count += bytes.size();
    const std::string said = std::to_string(count);
    if (body.is_whole()) answer.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", said.size(), said));
  });
  source_.connection.base_url = server.url();
  load_python();
  EXPECT_EQ(answer_to("upload"), R"([200,"1000000",null])");
}

TEST_F(ProgramPluginTest, a_program_reads_a_body_in_parts) {
  load_python();
  const auto said = [this](std::shared_ptr<BodySource> body) {
    WebCall web = request("POST", "/body");
    web.body = std::move(body);
    const WebOutcome outcome = serve(std::move(web)).get();
    return outcome ? outcome->body : outcome.error().message;
  };
  EXPECT_EQ(said(std::make_shared<GivenBody>(3'000'001, base::Status())), "3000001 whole");
  EXPECT_EQ(said(std::make_shared<GivenBody>(7, base::fail(ErrorCode::unavailable, "the client has gone"))),
            "7 the client has gone");
  EXPECT_EQ(said(nullptr), "0 whole");
}

TEST_F(ProgramPluginTest, a_program_sees_that_an_answer_in_parts_broke) {
  http::PartsServer server([](const std::string&, http::PartsAnswer& answer) {
    answer.send(http::chunked_head);
    answer.send_chunk("some");
  });
  source_.connection.base_url = server.url();
  load_python();
  EXPECT_THAT(answer_to("read"), HasSubstr("error: "));
}

TEST_F(ProgramPluginTest, a_program_serves_as_a_library_does) {
  const base::Status loaded = load_program("python3", "program/main.py", in_python);
  ASSERT_TRUE(loaded) << loaded.error().message();
  const WebOutcome made = serve(request("POST", "/a", "body")).get();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->status, 201U);
  EXPECT_EQ(made->body, "POST /a a=1 acme Ada body");
  EXPECT_EQ(made->headers.at(0), (egress::Header{"etag", "7"}));
  const WebOutcome refused = serve(request("GET", "/cookie")).get();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("the header 'set-cookie'"));
}

TEST_F(ProgramPluginTest, a_program_answers_in_parts) {
  load_python();
  const auto ask = [&](const std::string& path, bool reads) {
    auto client = std::make_shared<PartClient>(reads);
    WebCall web = request("GET", path);
    web.receiver = client;
    return std::pair(client, serve(std::move(web)));
  };
  auto [client, whole] = ask("/parts", true);
  const WebOutcome outcome = whole.get();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(client->head()->status, 201U);
  EXPECT_EQ(client->body(), std::string("first \xff\x00", 8) + std::string(1'000'000, 'x'));

  auto [slow, cut] = ask("/parts/over", false);
  const WebOutcome broken = cut.get();
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::exhausted);
  EXPECT_EQ(answer_to("echo", "7"), "7") << "and goes on";
}

TEST_F(ProgramPluginTest, a_program_is_called_as_a_library_is) {
  load_python();
  EXPECT_EQ(answer_to("echo", R"({"title":"å\n","n":[1,2.5,null]})"), R"({"title":"å\n","n":[1,2.5,null]})");
  EXPECT_EQ(answer_to("describe"), R"({"tenant":"acme","idempotency_key":"key","attempt":1})");
  const CallOutcome failed = run(call("fail"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::not_found);
  EXPECT_EQ(failed.error().status, 404U);
  EXPECT_EQ(failed.error().message, "no such issue");
  EXPECT_EQ(failed.error().detail, R"({"at":7})");
  const std::string large = '"' + std::string(900'000, 'x') + '"';
  EXPECT_EQ(answer_to("echo", large), large);
}

TEST_F(ProgramPluginTest, what_it_prints_and_logs_is_in_the_log) {
  load_python();
  EXPECT_EQ(answer_to("log"), "null");
  EXPECT_TRUE(eventually([this] {
    const std::lock_guard lock(log_mutex_);
    return std::ranges::find(log_, "printed") != log_.end() && std::ranges::find(log_, "logged") != log_.end();
  }));
}

TEST_F(ProgramPluginTest, it_reaches_the_network_by_its_connections_alone) {
  http::LoopbackServer server([](const std::string& request) {
    const bool is_binary = request.find("/binary") != std::string::npos;
    const std::string body = is_binary ? std::string("\xff\x00", 2) : "text";
    return "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  });
  source_.connection.base_url = server.url();
  load_python();
  EXPECT_EQ(answer_to("fetch", R"({"path":"/text"})"), R"([201,"text",null])");
  EXPECT_EQ(answer_to("fetch", R"({"path":"/binary"})"), R"([201,null,"/wA="])");
  EXPECT_EQ(answer_to("connect"), "\"OSError\"");
  EXPECT_THAT(answer_to("open"), testing::AnyOf("\"PermissionError\"", "\"FileNotFoundError\""));
}

TEST_F(ProgramPluginTest, it_keeps_values_in_its_store) {
  load_python();
  EXPECT_EQ(answer_to("keep", R"({"page":3})"), R"([{"key":"cursor","revision":1}])");
  EXPECT_EQ(answer_to("kept"), R"([{"key":"cursor","revision":1,"value":{"page":3}}])");
  const CallOutcome again = run(call("keep", "4", 20'000));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
}

TEST_F(ProgramPluginTest, one_that_ends_by_itself_says_its_last_words) {
  load_python();
  const CallOutcome outcome = run(call("crash"));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_THAT(outcome.error().message, AllOf(HasSubstr("ended with exit code 1"), HasSubstr("RuntimeError: a defect")));
  ASSERT_EQ(crashes().size(), 1U);
  EXPECT_TRUE(eventually([this] { return run(call("echo")).has_value(); }));
}

TEST_F(ProgramPluginTest, what_is_not_a_frame_ends_it) {
  load_python();
  EXPECT_THAT(answer_to("garbage"), HasSubstr("it sent what is not a frame: not JSON"));
}

TEST_F(ProgramPluginTest, one_that_does_not_react_is_killed) {
  load_python();
  EXPECT_THAT(answer_to("hang"), HasSubstr("it did not react for 2 s"));
  EXPECT_TRUE(eventually([this] { return run(call("echo")).has_value(); }));
}

TEST_F(ProgramPluginTest, one_that_does_not_begin_says_why) {
  for (const auto& [text, why] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"import nothing_of_that_name", "No module named 'nothing_of_that_name'"},
           {"def def", "SyntaxError"},
           {"import sys; sys.exit(3)", "ended with exit code 3"},
           {"print('{}')", "ended with exit code 0"}}) {
    const base::Status loaded = load_program("python3", "program/main.py", text);
    ASSERT_FALSE(loaded) << text;
    EXPECT_THAT(loaded.error().message(), HasSubstr(why));
  }
  const base::Status refused = load_program("python3", "program/main.py", in_python, R"({"refuse":true})");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("the word 'refuse' is configured"));
}

TEST_F(ProgramPluginTest, to_refuse_a_tenants_configuration_is_not_a_crash) {
  load_python();
  for (int i = 0; i < 4; ++i) {
    OperationCall refused = call("echo");
    refused.configuration = R"({"refuse":true})";
    const CallOutcome outcome = run(std::move(refused));
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message,
                AllOf(HasSubstr("the word 'refuse' is configured"), Not(HasSubstr("quarantine"))));
    std::this_thread::sleep_for(restart_delay_min);
  }
  EXPECT_TRUE(crashes().empty());
  EXPECT_TRUE(eventually([this] { return run(call("echo")).has_value(); })) << "once it is mended";
}

TEST_F(ProgramPluginTest, a_program_of_node_is_called_alike) {
  if (!std::filesystem::exists("/usr/bin/node")) GTEST_SKIP() << "this host has no /usr/bin/node";
  const base::Status loaded = load_program("node", "program/main.js", in_javascript);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(answer_to("echo", R"({"a":[1]})"), R"({"a":[1]})");
}

}  // namespace
}  // namespace trv::plugin_host
