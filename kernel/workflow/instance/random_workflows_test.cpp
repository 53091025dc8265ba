// Random small definitions with random outcomes: whatever happens, an instance ends or waits, its timers and effects
// are gone once it has ended, and replaying its events gives the same rows.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

/// Makes definitions that compile. The same seed makes the same definition.
class Author {
 public:
  explicit Author(std::uint64_t seed) : random_(seed) {}

  std::string write() {
    std::string use;
    if (random_.below(2) == 0) {
      use = fmt::format("use: {{functions: {{f0: {{{}}}, f1: {{{}}}}}, extensions: [", body(2), body(1));
      const std::uint64_t count = random_.below(3);
      for (std::uint64_t i = 0; i < count; ++i) use += (i == 0 ? "" : ", ") + extension(i);
      use += "]}\n";
      has_functions_ = true;
    }
    return document(use + "do: " + list(3) + "\n");
  }

 private:
  std::string extension(std::uint64_t number) {
    static constexpr const char* kinds[] = {"all",       "call", "set",    "switch", "wait",
                                            "composite", "for",  "listen", "try"};
    std::string out = fmt::format("{{e{}: {{extend: {}", number, kinds[random_.below(std::size(kinds))]);
    if (random_.below(2) == 0) out += R"(, when: '($task.input.n? // 0) % 2 == 0 or $task.set != null')";
    if (random_.below(3) > 0) out += ", before: " + list(1);
    if (random_.below(3) > 0) out += ", after: " + list(1);
    return out + "}}";
  }

  std::string list(int depth) {
    const std::uint64_t count = 1 + random_.below(4);
    const std::string prefix = fmt::format("t{}_", ++lists_);
    std::string out = "[";
    for (std::uint64_t i = 0; i < count; ++i) {
      // Jumps go forward only, so that every flow ends.
      const std::string then = random_.below(5) == 0   ? ", then: end"
                               : random_.below(5) == 0 ? ", then: exit"
                               : i + 1 < count
                                   ? fmt::format(", then: {}{}", prefix, i + 1 + random_.below(count - i - 1))
                                   : "";
      out += task(i == 0 ? "" : ", ", fmt::format("{}{}", prefix, i), body(depth), then);
    }
    return out + "]";
  }

  std::string task(std::string_view before, std::string_view name, const std::string& what, std::string_view then) {
    std::string more = common();
    // A task has one timeout.
    if (what.find("timeout:") != std::string::npos && more.find("timeout:") != std::string::npos) more.clear();
    if (has_functions_ && random_.below(4) == 0) {
      more += fmt::format(", metadata: {{compensate: f{}}}", random_.below(2));
    }
    return fmt::format("{}{{{}: {{{}{}{}}}}}", before, name, what, then, more);
  }

  std::string branches(int depth) {
    const std::uint64_t count = 1 + random_.below(3);
    const std::string prefix = fmt::format("b{}_", ++lists_);
    std::string out = "[";
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string then = random_.below(8) == 0 ? ", then: end" : "";
      out += task(i == 0 ? "" : ", ", fmt::format("{}{}", prefix, i), body(depth), then);
    }
    return out + "]";
  }

  std::string common() {
    switch (random_.below(7)) {
      case 4: return ", timeout: {after: PT2S}";
      case 0: return ", if: '(.n // 0) % 2 == 0'";
      case 1: return ", input: {from: '{n: ((.n // 0) + 3)}'}";
      case 2: return ", output: {as: '{n: ((.n? // 0) + ($input.n? // 0))}'}";
      case 3: return ", export: {as: '{seen: ([$context.seen?, $task.name] | flatten)}'}";
      default: return "";
    }
  }

  std::string body(int depth) {
    if (has_functions_ && random_.below(6) == 0) {
      return fmt::format("call: f{}{}", random_.below(2), random_.below(2) == 0 ? "" : ", with: {n: '${ .n? }'}");
    }
    switch (random_.below(depth > 0 ? 15 : 5)) {
      case 0: return "set: {n: '${ (.n? // 0) + 1 }'}";
      case 1: return "wait: {seconds: 1}";
      case 2: return call();
      case 3: return "raise: {error: {type: x, status: 418}}";
      case 4: return "switch: [{a: {when: '(.n? // 0) > 2', then: continue}}, {b: {then: exit}}]";
      case 5: return "do: " + list(depth - 1);
      case 6: return "for: {in: '[1, 2]'}, do: " + list(depth - 1);
      case 7:
        return fmt::format("try: {}, catch: {{retry: {{delay: PT1S, limit: {{attempt: {{count: {}{}}}}}}}, do: {}{}}}",
                           list(depth - 1), random_.below(3), random_.below(3) == 0 ? ", duration: PT2S" : "",
                           list(depth - 1), random_.below(3) == 0 ? ", then: exit" : "");
      case 8: return "fork: {branches: " + branches(depth - 1) + "}";
      case 9: return "fork: {compete: true, branches: " + branches(depth - 1) + "}";
      case 10:
        return random_.below(2) == 0 ? "listen: {to: {one: {with: {type: go}}}}, timeout: {after: PT3S}"
                                     : "listen: {to: {one: {with: {type: go, data: '${ .n? == $input.n? or true "
                                       "}'}}}}, timeout: {after: PT3S}";
      case 11:
        return random_.below(2) == 0 ? "listen: {to: {any: [], until: '( . | length ) > 1'}}, timeout: {after: PT3S}"
                                     : "listen: {to: {any: [{with: {type: other}}], until: {all: [{with: {type: go}}, "
                                       "{with: {type: go}}]}}}, timeout: {after: PT3S}";
      case 12: return "emit: {event: {with: {type: went, data: {n: '${ .n? }'}}}}";
      case 14:
        return fmt::format(
            "listen: {{to: {{any: [{{with: {{type: go}}}}], until: 'length > 1'}}}}, foreach: {{do: {}}}, "
            "timeout: {{after: PT9S}}",
            list(depth - 1));
      case 13: return "run: {workflow: {namespace: test, name: sub, version: latest, input: {n: '${ .n? }'}}}";
      default: return fmt::format("try: {}, catch: {{errors: {{with: {{status: 418}}}}}}", list(depth - 1));
    }
  }

  std::string call() {
    switch (random_.below(5)) {
      case 0:
        return "call: mcp, with: {method: tools/call, parameters: {n: '${ .n? }'}, transport: {http: {endpoint: "
               "'https://x.example/{n}'}}}";
      case 1: return "run: {shell: {command: x, stdin: '${ .n? }'}}";
      case 2:
        return "run: {script: {language: python, source: {endpoint: 'https://x.example/{n}'}, arguments: ['${ "
               "$input.n? }']}}";
      default: return "call: 'a.b:1.0.0@default', with: {n: '${ .n? }'}";
    }
  }

  base::SimulatedRandom random_;
  int lists_ = 0;
  bool has_functions_ = false;
};

constexpr std::string_view sub_text =
    "document: {dsl: '1.0.3', namespace: test, name: sub, version: '1.0.0'}\n"
    "do: [{w: {wait: {seconds: 1}}}, {s: {set: {n: '${ (.n // 0) + 1 }'}}}]\n";

/// One thing that can happen to an instance: an outcome, an event or a time.
void step(TestKernel& kernel, base::SimulatedRandom& random, int number) {
  const auto effects = kernel.pending();
  const std::uint64_t what = random.below(4);
  if (!effects.empty() && what < 2) {
    const shard::Effect& effect = effects[random.below(effects.size())];
    if (random.below(3) == 0) {
      (void)good(kernel.fail(effect.key, "unavailable", 418));
    } else if (effect.kind == "http") {
      (void)good(kernel.answer(effect.key, 200, random.below(8) == 0 ? R"({"n":1})" : R"("the code")"));
    } else {
      (void)good(kernel.succeed(effect.key, R"({"n":2})"));
    }
  } else if (what == 2) {
    (void)good(kernel.run([&](auto& txn, auto& here, auto those) {
      DecisionBudget budget;
      return receive_event(txn, here, those,
                           {.id = std::to_string(number), .source = "/s", .type = "go", .data = R"({"n":3})"}, budget);
    }));
  } else {
    (void)kernel.fire_timer();
  }
}

void operate(TestKernel& kernel, const InstanceId& id, decltype(&suspend) operation) {
  (void)good(kernel.run([&](auto& txn, auto& here, auto those) { return operation(txn, here, those, id, "a try"); }));
}

/// Again from before the task that failed; some failed before their first task, and not all can be skipped.
void retry(TestKernel& kernel, const InstanceId& id, bool skips) {
  const base::Result<Past> past = [&] {
    const auto txn = kernel.read();
    return before_failure(txn, kernel.tables(), base::TenantId(kernel.tenant), id, kernel.record_at());
  }();
  if (!past) {
    EXPECT_EQ(past.error().code(), base::ErrorCode::conflict) << past.error().message();
    return;
  }
  const auto done = kernel.run([&](auto& txn, auto& here, auto those) {
    return instance::retry(txn, here, those, id, *past, {.skips = skips});
  });
  EXPECT_TRUE(done || done.error().code() == base::ErrorCode::conflict);
}

/// From behind any of its events; nothing goes on from behind its end, or while an error is on its way.
void fork(TestKernel& kernel, base::SimulatedRandom& random, std::vector<InstanceId>& ids) {
  const InstanceId id = ids[random.below(ids.size())];
  const auto steps = kernel.timeline(id);
  const Past past = [&] {
    const auto txn = kernel.read();
    return good(behind(txn, kernel.tables(), base::TenantId(kernel.tenant), id, steps[random.below(steps.size())].id,
                       kernel.record_at()));
  }();
  const auto done =
      kernel.run([&](auto& txn, auto& here, auto those) { return instance::fork(txn, here, those, id, past, {}); });
  if (done) ids.push_back(done->instance);
  EXPECT_TRUE(done || done.error().code() == base::ErrorCode::conflict) << done.error().message();
}

/// To the version with one task more, or back.
void migrate(TestKernel& kernel, const InstanceId& id) {
  const bool is_first = kernel.detail(id).summary.definition.version == "1.0.0";
  const auto done = kernel.run([&](auto& txn, auto& here, auto those) {
    return instance::migrate(txn, here, those, id, {.version = is_first ? "2.0.0" : "1.0.0"});
  });
  // In its new first task it cannot go back, and while it is undone it goes nowhere.
  const bool may_refuse = !is_first || kernel.detail(id).summary.is_compensating;
  EXPECT_TRUE(done || (may_refuse && done.error().code() == base::ErrorCode::conflict)) << done.error().message();
}

void signal(TestKernel& kernel, const InstanceId& id, int number) {
  const auto done = kernel.run([&](auto& txn, auto& here, auto those) {
    return instance::signal(txn, here, those, id,
                            {.id = std::to_string(number), .source = "/o", .type = "go", .data = R"({"n":4})"},
                            "a try");
  });
  EXPECT_TRUE(done || done.error().code() == base::ErrorCode::conflict) << done.error().message();
}

/// The same with a task before the others.
std::string second_version(std::string text) {
  text.replace(text.find("1.0.0'", text.find("version")), 5, "2.0.0");
  const std::string_view list = "\ndo: [";
  return text.insert(text.find(list) + list.size(), "{zero: {set: {n: 9}}}, ");
}

TEST(RandomWorkflows, end_without_leftovers_and_replay_to_the_same_rows) {
  int completed = 0;
  int faulted = 0;
  int cancelled = 0;
  int compensated = 0;
  int forks = 0;
  int migrations = 0;
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    base::SimulatedRandom random(seed * 7919);
    const std::string text = Author(seed).write();
    const auto compiled = definition::compile(text, definition::Format::yaml);
    ASSERT_TRUE(compiled) << compiled.error().message() << "\n" << text;
    TestKernel kernel;
    (void)kernel.apply_text(sub_text);
    std::vector<InstanceId> ids = {kernel.start(kernel.apply_text(text), R"({"n":1})")};
    (void)kernel.apply_text(second_version(text));
    const auto status_of = [&](const InstanceId& id) { return kernel.detail(id).summary.status; };
    const auto goes_on = [&](const InstanceId& id) {
      const Status status = status_of(id);
      return status == Status::running || status == Status::suspended || status == Status::compensating;
    };
    int retries_left = static_cast<int>(random.below(3));
    int forks_left = static_cast<int>(random.below(3));
    for (int number = 0; number < 4'000; ++number) {
      const InstanceId id = ids[random.below(ids.size())];
      const Status now = status_of(id);
      if (now == Status::faulted && retries_left-- > 0) {
        retry(kernel, id, random.below(2) == 0);
      } else if (now == Status::running && random.below(40) == 0) {
        operate(kernel, id, cancel_and_compensate);
      } else if (now == Status::suspended || (goes_on(id) && random.below(12) == 0)) {
        operate(kernel, id, now == Status::suspended ? resume : suspend);
      } else if (std::ranges::none_of(ids, goes_on)) {
        break;
      }
      if (goes_on(id) && random.below(10) == 0) migrate(kernel, id);
      if (goes_on(id) && random.below(10) == 0) signal(kernel, id, number);
      if (random.below(10) == 0 && forks_left-- > 0) fork(kernel, random, ids);
      migrations += kernel.detail(id).summary.definition.version == "2.0.0" ? 1 : 0;
      step(kernel, random, number);
      // A process that ended here would begin with what the records say.
      if (seed > 60) continue;
      TestKernel again;
      again.replay(kernel);
      ASSERT_EQ(rows_of(again), rows_of(kernel)) << text;
      ASSERT_EQ(again.timers(), kernel.timers()) << text;
      ASSERT_EQ(again.pending().size(), kernel.pending().size()) << text;
    }
    const auto is_undone = [](const InstanceStep& one) { return one.outcome == "compensating" && !one.task.empty(); };
    for (const InstanceId& id : ids) {
      const Status status = status_of(id);
      ASSERT_TRUE(status == Status::completed || status == Status::faulted || status == Status::cancelled) << text;
      ++(status == Status::completed ? completed : status == Status::faulted ? faulted : cancelled);
      compensated += std::ranges::any_of(kernel.timeline(id), is_undone) ? 1 : 0;
    }
    forks += static_cast<int>(ids.size()) - 1;
    EXPECT_EQ(kernel.timers(), 0U) << text;
    EXPECT_TRUE(kernel.pending().empty()) << text;
    // One row is left of each instance, and how it went is read from the log.
    const auto rows = rows_of(kernel);
    const auto ended = std::ranges::count_if(rows, [](const auto& row) { return row.first.starts_with("04:"); });
    EXPECT_EQ(std::ranges::count_if(rows, [](const auto& row) { return row.first > "04"; }), ended) << text;
    for (const InstanceId& id : ids) {
      EXPECT_EQ(kernel.timeline(id).size(), kernel.detail(id).summary.steps) << text;
      EXPECT_EQ(kernel.detail(id).input, R"({"n":1})");
    }
    TestKernel again;
    again.replay(kernel);
    EXPECT_EQ(rows_of(again), rows);
  }
  EXPECT_GT(completed, 20);
  EXPECT_GT(faulted, 20);
  EXPECT_GT(cancelled, 20);
  EXPECT_GT(compensated, 10);
  EXPECT_GT(forks, 50);
  EXPECT_GT(migrations, 100);
}

}  // namespace
}  // namespace trv::instance::testing
