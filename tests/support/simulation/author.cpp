#include "tests/support/simulation/author.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sdk/base/contract.hpp"

namespace trv::simulation {

std::string Author::write(const std::string& name, const std::string& version, const std::string& trigger) {
  lists_ = 0;
  // A workflow runs those that come before it only: no circle, and few at once.
  const char* const digits = name.data() + std::min(name.find_first_of("0123456789"), name.size());
  const auto [end, error] = std::from_chars(digits, name.data() + name.size(), number_);
  TRV_ASSERT(error == std::errc() && end == name.data() + name.size());
  std::string text =
      fmt::format("document: {{dsl: '1.0.3', namespace: sim, name: {}, version: '{}'}}\n", name, version);
  if (!trigger.empty()) {
    text += fmt::format("schedule: {{on: {{one: {{with: {{type: {}}}}}}}}}\n", trigger);
    text += "input: {from: '{n: (.[0].data.n? // 0)}'}\n";
  }
  // What a task has done is undone by a call, which may fail, or at once.
  can_undo_ = random_.below(2) == 0;
  if (can_undo_) {
    text +=
        "use: {functions: {undo: {call: 'tracker.create:1.0.0@default', with: {n: '${ .n? }'}}, forget: {set: {n: "
        "0}}}}\n";
  }
  return text + "do: " + list(2) + "\n";
}

std::string Author::list(int depth) {
  const std::uint64_t count = 1 + random_.below(3);
  const std::string prefix = fmt::format("t{}_", ++lists_);
  std::string out = "[";
  for (std::uint64_t i = 0; i < count; ++i) {
    // Jumps go forward only, so that every flow ends.
    const bool last = i + 1 == count;
    const std::string then =
        last || random_.below(2) == 0 ? "" : fmt::format(", then: {}{}", prefix, i + 1 + random_.below(count - i - 1));
    const std::string task = body(depth);
    out += fmt::format("{}{{{}{}: {{{}{}{}{}}}}}", i == 0 ? "" : ", ", prefix, i, task, then, common(), undone());
  }
  return out + "]";
}

std::string Author::branches(int depth) {
  const std::uint64_t count = 1 + random_.below(3);
  const std::string prefix = fmt::format("b{}_", ++lists_);
  std::string out = "[";
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string task = body(depth);
    out += fmt::format("{}{{{}{}: {{{}}}}}", i == 0 ? "" : ", ", prefix, i, task);
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
  if (!can_undo_ || random_.below(3) != 0) return "";
  return fmt::format(", metadata: {{compensate: {}}}", random_.below(3) == 0 ? "forget" : "undo");
}

std::string Author::leaf() {
  switch (random_.below(10)) {
    case 0: return "set: {n: '${ (.n? // 0) + 1 }'}";
    case 1: return fmt::format("wait: {{seconds: {}}}", 1 + random_.below(30));
    case 2:
    case 3: return "call: 'tracker.create:1.0.0@default', with: {n: '${ .n? }'}";
    case 4: return "raise: {error: {type: x, status: 418}}";
    case 5: return "set: {text: '${ [range(20)] | tostring }', n: 1}";
    case 6: return "emit: {event: {with: {type: sim.went, data: {n: '${ .n? }'}}}}";
    case 7:
      return fmt::format("listen: {{to: {{one: {{with: {{type: sim.go{}}}}}}}}}, timeout: {{after: PT{}S}}",
                         random_.below(3), 1 + random_.below(60));
    case 8: {
      const std::string heard = fmt::format("sim.go{}", random_.below(3));
      const std::string_view last =
          random_.below(2) == 0 ? "wait: {seconds: 2}" : "call: 'tracker.create:1.0.0@default', with: {n: '${ .n? }'}";
      ++lists_;
      return fmt::format(
          "listen: {{to: {{any: [{{with: {{type: {0}}}}}], until: 'length > 1'}}}}, foreach: {{item: heard, do: "
          "[{{f{1}_0: {{set: {{n: '${{ $heard.n? // 0 }}'}}}}}}, {{f{1}_1: {{{2}}}}}]}}, timeout: {{after: PT{3}S}}",
          heard, lists_, last, 1 + random_.below(60));
    }
    default:
      if (number_ == 0 || random_.below(2) == 0) {
        return "listen: {to: {any: [], until: 'length > 1'}}, timeout: {after: PT20S}";
      }
      return fmt::format(
          "run: {{workflow: {{namespace: sim, name: wf{}, version: latest, input: {{n: 1}}}}, await: {}}}",
          random_.below(number_), random_.below(4) != 0);
  }
}

std::string Author::body(int depth) {
  if (depth == 0 || random_.below(2) == 0) return leaf();
  switch (random_.below(6)) {
    case 0: return "do: " + list(depth - 1);
    case 1: return "do: " + list(depth - 1) + ", timeout: {after: PT15S}";
    case 2: return "for: {in: '[1, 2]'}, do: " + list(depth - 1);
    case 3:
      if (forks_ == Forks::none) return "do: " + list(depth - 1);
      return fmt::format("fork: {{compete: {}, branches: {}}}", random_.below(2) == 0, branches(depth - 1));
    default: {
      const std::string tried = list(depth - 1);
      return fmt::format("try: {}, catch: {{retry: {{delay: PT1S, limit: {{attempt: {{count: {}}}}}}}, do: {}}}", tried,
                         random_.below(3), list(depth - 1));
    }
  }
}

}  // namespace trv::simulation
