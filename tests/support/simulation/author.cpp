#include "tests/support/simulation/author.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::simulation {

std::string Author::write(const std::string& name, const std::string& version, const std::string& event) {
  lists_ = 0;
  // A workflow runs those that come before it only: no circle, and few at once.
  const char* const digits = name.data() + std::min(name.find_first_of("0123456789"), name.size());
  const auto [end, error] = std::from_chars(digits, name.data() + name.size(), number_);
  TRV_ASSERT(error == std::errc() && end == name.data() + name.size());
  // What a task has done is undone by a call, which may fail, or at once.
  can_undo_ = random_.below(3) != 0;
  std::string text =
      fmt::format("document: {{dsl: '1.0.3', namespace: sim, name: {}, version: '{}'}}\n", name, version);
  text += trigger(event) + uses();
  return text + "do: " + list(2) + "\n";
}

std::string Author::trigger(const std::string& event) {
  const bool is_timed = kinds_ == Kinds::all && random_.below(6) == 0;
  std::string text = is_timed ? random_.below(2) == 0 ? "every: PT1H" : "after: PT30M" : "";
  if (!event.empty()) {
    text += fmt::format("{}on: {{one: {{with: {{type: {}}}}}}}", is_timed ? ", " : "", event);
  }
  if (text.empty()) return text;
  return fmt::format("schedule: {{{}}}\n", text) +
         (event.empty() ? "" : "input: {from: '{n: (.[0]?.data.n? // 0)}'}\n");
}

std::string Author::uses() {
  std::string text;
  if (can_undo_) {
    text = "functions: {undo: {call: 'tracker.create:1.0.0@default', with: {n: '${ .n? }'}}, forget: {set: {n: 0}}}";
  }
  if (random_.below(4) == 0) {
    static constexpr const char* extended[] = {"all", "call", "set", "wait", "composite", "listen"};
    text += fmt::format(
        "{}extensions: [{{e: {{extend: {}, when: '($task.input.n? // 0) % 2 == 0', before: [{{extension_0: {{set: "
        "{{n: 1}}}}}}], after: [{{extension_1: {{set: {{n: 2}}}}}}]}}}}]",
        text.empty() ? "" : ", ", extended[random_.below(std::size(extended))]);
  }
  return text.empty() ? text : fmt::format("use: {{{}}}\n", text);
}

std::string Author::list(int depth) {
  const std::uint64_t number = ++lists_;
  std::vector<Task> tasks(1 + random_.below(3));
  for (Task& one : tasks) one = body(depth);
  const auto name = [&](std::uint64_t at) { return fmt::format("{}{}_{}", tasks[at].kind, number, at); };
  std::string out = "[";
  for (std::uint64_t i = 0; i < tasks.size(); ++i) {
    // Jumps go forward only, so that every flow ends.
    const std::uint64_t behind = tasks.size() - i - 1;
    const std::string then =
        behind == 0 || random_.below(2) == 0 ? "" : fmt::format(", then: {}", name(i + 1 + random_.below(behind)));
    out += fmt::format("{}{{{}: {{{}{}{}{}}}}}", i == 0 ? "" : ", ", name(i), tasks[i].text, then, common(), undone());
  }
  return out + "]";
}

std::string Author::branches(int depth) {
  const std::uint64_t count = 1 + random_.below(3);
  const std::uint64_t number = ++lists_;
  std::string out = "[";
  for (std::uint64_t i = 0; i < count; ++i) {
    const Task task = body(depth);
    out += fmt::format("{}{{{}{}_{}: {{{}}}}}", i == 0 ? "" : ", ", task.kind, number, i, task.text);
  }
  return out + "]";
}

std::string Author::common() {
  switch (random_.below(9)) {
    case 0: return ", if: '(.n? // 0) % 2 == 0'";
    case 1: return ", output: {as: '{n: ((.n? // 0) + ($input.n? // 0))}'}";
    case 2: return ", export: {as: '{seen: ([$context.seen?, $task.name] | flatten)}'}";
    case 3: return ", input: {schema: {document: {type: object}}}";
    case 4: return ", output: {schema: {document: {properties: {n: {maximum: 6}}}}}";
    default: return "";
  }
}

std::string Author::undone() {
  if (!can_undo_ || random_.below(3) == 0) return "";
  return fmt::format(", metadata: {{compensate: {}}}", random_.below(3) == 0 ? "forget" : "undo");
}

std::string Author::patience() {
  return fmt::format(", timeout: {{after: PT{}S}}", 10 + random_.below(120));
}

Author::Task Author::leaf() {
  switch (random_.below(12)) {
    case 0: return {"set", "set: {n: '${ (.n? // 0) + 1 }'}"};
    case 1: return {"wait", fmt::format("wait: {{seconds: {}}}", 1 + random_.below(30))};
    case 2:
    case 3:
    case 4:
    case 5: return call();
    case 6: return {"raise", "raise: {error: {type: x, status: 418}}"};
    case 7: return {"set", "set: {text: '${ [range(20)] | tostring }', n: 1}"};
    case 8: return {"emit", "emit: {event: {with: {type: sim.went, data: {n: '${ .n? }'}}}}"};
    case 9: return {"switch", "switch: [{a: {when: '(.n? // 0) > 2', then: continue}}, {b: {then: exit}}]"};
    case 10: return listening();
    default:
      if (number_ == 0) return listening();
      return {
          "workflow",
          fmt::format("run: {{workflow: {{namespace: sim, name: wf{}, version: latest, input: {{n: 1}}}}, await: {}}}",
                      random_.below(number_), random_.below(4) != 0)};
  }
}

Author::Task Author::call() {
  switch (random_.below(10)) {
    case 0:
    case 1: return {"http", "call: http, with: {method: get, endpoint: 'https://x.example/{n}'}"};
    case 2: return {"shell", "run: {shell: {command: x, stdin: '${ .n? }'}}"};
    case 3: return {"script", "run: {script: {language: python, code: x, arguments: ['${ .n? }']}}"};
    case 4:
      return {"mcp",
              "call: mcp, with: {method: tools/call, parameters: {n: '${ .n? }'}, transport: {http: {endpoint: "
              "'https://x.example'}}}"};
    case 5:
      return {
          "openapi",
          "call: openapi, with: {document: {endpoint: 'https://x.example/api.json'}, operationId: find, parameters: "
          "{n: '${ .n? }'}}"};
    case 6:
      return {"agent", "call: a2a, with: {method: message/send, server: 'https://x.example', parameters: '${ . }'}"};
    case 7:
      if (can_undo_) return {"function", random_.below(2) == 0 ? "call: undo" : "call: forget"};
      [[fallthrough]];
    default: return {"call", "call: 'tracker.create:1.0.0@default', with: {n: '${ .n? }'}"};
  }
}

Author::Task Author::listening() {
  const std::string heard = fmt::format("sim.go{}", random_.below(3));
  switch (random_.below(7)) {
    case 0: return {"listen", fmt::format("listen: {{to: {{one: {{with: {{type: {}}}}}}}}}", heard) + patience()};
    case 1: return {"listen", "listen: {to: {any: [], until: 'length > 1'}}, timeout: {after: PT20S}"};
    case 2: return {"listen", "listen: {to: {all: [{with: {type: sim.go0}}, {with: {type: sim.go1}}]}}" + patience()};
    case 3:
      return {"listen",
              fmt::format("listen: {{to: {{one: {{with: {{type: {}}}, correlate: {{n: {{from: .data.n, expect: "
                          "'${{ .n? }}'}}}}}}}}}}",
                          heard) +
                  patience()};
    case 4:
      return {"listen",
              fmt::format("listen: {{to: {{one: {{with: {{type: {}, data: '${{ .n? == ($input.n? // .n?) }}'}}}}}}}}",
                          heard) +
                  patience()};
    default: {
      const std::string_view last =
          random_.below(2) == 0 ? "wait: {seconds: 2}" : "call: 'tracker.create:1.0.0@default', with: {n: '${ .n? }'}";
      ++lists_;
      return {"foreach",
              fmt::format("listen: {{to: {{any: [{{with: {{type: {0}}}}}], until: 'length > 1'}}}}, foreach: "
                          "{{item: heard, do: [{{set{1}_0: {{set: {{n: '${{ $heard.n? // 0 }}'}}}}}}, "
                          "{{heard{1}_1: {{{2}}}}}]}}",
                          heard, lists_, last) +
                  patience()};
    }
  }
}

Author::Task Author::body(int depth) {
  if (depth == 0 || random_.below(2) == 0) return leaf();
  switch (random_.below(8)) {
    case 0: return {"do", "do: " + list(depth - 1)};
    case 1: return {"do", "do: " + list(depth - 1) + ", timeout: {after: PT15S}"};
    case 2: return {"for", "for: {in: '[1, 2]'}, do: " + list(depth - 1)};
    case 3: return {"for", "for: {each: it, in: '[1, 2, 3]', at: place}, while: '$place < 2', do: " + list(depth - 1)};
    case 4:
    case 5: {
      if (kinds_ == Kinds::some) return {"do", "do: " + list(depth - 1)};
      const bool competes = random_.below(2) == 0;
      return {competes ? "compete" : "fork",
              fmt::format("fork: {{compete: {}, branches: {}}}", competes, branches(depth - 1))};
    }
    default: return tried(depth);
  }
}

Author::Task Author::tried(int depth) {
  static constexpr const char* filters[] = {"", "errors: {with: {status: 418}}, ", "when: '$error.status == 503', ",
                                            "exceptWhen: '$error.status == 418', "};
  static constexpr const char* backoffs[] = {"", ", backoff: {constant: {}}", ", backoff: {linear: {}}",
                                             ", backoff: {exponential: {}}"};
  const std::string what = list(depth - 1);
  const std::string jitter = kinds_ == Kinds::all && random_.below(3) == 0 ? ", jitter: {from: PT0S, to: PT2S}" : "";
  const std::string limit = fmt::format("limit: {{attempt: {{count: {}}}}}", random_.below(3));
  return {"try", fmt::format("try: {}, catch: {{{}retry: {{delay: PT1S{}{}, {}}}, do: {}}}", what,
                             filters[random_.below(std::size(filters))], backoffs[random_.below(std::size(backoffs))],
                             jitter, limit, list(depth - 1))};
}

}  // namespace trv::simulation
