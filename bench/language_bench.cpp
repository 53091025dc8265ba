// What the language costs: a definition's compilation, an input's schema, a loop's items, a fork's branches.
//
//   language_bench [--rounds N] [--starts N] [--items N] [--only compile|schema|for|fork] [--folder F]

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "bench/shard_under_test.hpp"
#include "kernel/workflow/definition/definition.hpp"

namespace trv::bench {
namespace {

struct Sizes {
  std::uint64_t rounds = 200;
  std::uint64_t starts = 20'000;
  std::uint64_t items = 10'000;
};

constexpr std::string_view head = "document: {dsl: 1.0.3, namespace: bench, name: %, version: 1.0.0}\n";

std::string named(std::string_view name, std::string_view rest) {
  std::string text(head);
  text.replace(text.find('%'), 1, name);
  return text + std::string(rest);
}

/// A task of every kind in turn, with the expressions that such tasks have.
constexpr std::array<std::string_view, 10> mixed_tasks = {
    R"y(  - keep%: {set: {order: "${ .order.id }", lines: "${ [.order.lines[] | {sku, price: (.price * .count)}] }"}}
)y",
    R"y(  - ask%:
      call: http
      with:
        method: post
        endpoint: https://shop.example/orders/{order}
        headers: {accept: application/json}
        body: {order: "${ .order }", total: "${ [.lines[].price] | add }"}
      timeout: {after: PT10S}
      output: {as: "${ .body // . }"}
)y",
    R"y(  - choose%:
      switch:
        - large: {when: ".total > 1000 and (.customer.tier != \"gold\")", then: continue}
        - blocked: {when: "${ .customer.blocked == true }", then: end}
        - other: {then: continue}
)y",
    R"y(  - each%:
      for: {each: line, in: "${ .lines }", at: i}
      do:
        - price: {set: {sum: "${ $line.price * ($i + 1) }"}}
)y",
    R"y(  - attempt%:
      try:
        - charge: {call: http, with: {method: put, endpoint: "https://bank.example/charges"}}
      catch:
        errors: {with: {status: 503}}
        as: problem
        retry: {delay: {seconds: 1}, backoff: {exponential: {}}, limit: {attempt: {count: 3}}}
        do:
          - note: {set: {failed: "${ $problem.title }"}}
)y",
    R"y(  - both%:
      fork:
        branches:
          - stock: {set: {stock: "${ .order.lines | length }"}}
          - credit: {wait: PT5S}
)y",
    R"y(  - announce%:
      emit: {event: {with: {source: https://shop.example, type: com.example.order.seen, data: {order: "${ .order }"}}}}
)y",
    R"y(  - hear%:
      listen:
        to:
          one: {with: {type: com.example.order.paid}, correlate: {order: {from: .data.order, expect: "${ .order.id }"}}}
)y",
    R"y(  - refuse%:
      if: "${ .total < 0 }"
      raise: {error: {type: https://example.com/errors/total, status: 400, title: A total is negative}}
)y",
    R"y(  - group%:
      do:
        - first: {set: {a: "${ .x | ascii_downcase }"}, export: {as: "${ $context + {a: .a} }"}}
        - second: {wait: {minutes: 1}}
)y"};

std::string mixed_definition(std::uint64_t tasks) {
  std::string text = named("mixed", "do:\n");
  // The tasks within a task count: a template has 1 to 3.
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; count < tasks; ++i) {
    std::string task(mixed_tasks[i % mixed_tasks.size()]);
    task.replace(task.find('%'), 1, std::to_string(i));
    text += task;
    const bool holds_two =
        task.starts_with("  - attempt") || task.starts_with("  - both") || task.starts_with("  - group");
    count += holds_two ? 3 : task.starts_with("  - each") ? 2 : 1;
  }
  return text;
}

/// The least of several times: what the work takes where nothing comes between.
template <typename Work>
double least_seconds(std::uint64_t rounds, Work work) {
  double least = 1e9;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const Stopwatch watch;
    work();
    least = std::min(least, watch.seconds());
  }
  return least;
}

void measure_compile(const Sizes& sizes) {
  const auto milliseconds = [&](std::uint64_t tasks) {
    const std::string text = mixed_definition(tasks);
    const auto compiled = must(definition::compile(text, definition::Format::yaml));
    progress("a definition of {} tasks of ten kinds, {} bytes", tasks, text.size());
    if (compiled.tasks.size() < tasks) give_up("a definition has fewer tasks than it should");
    return 1e3 * least_seconds(sizes.rounds, [&] { (void)definition::compile(text, definition::Format::yaml); });
  };
  const double ten = milliseconds(10);
  const double hundred = milliseconds(100);
  report({.name = "compile_100_tasks_of_ten_kinds",
          .value = hundred,
          .unit = "ms",
          .compares_with = "ten times a definition of 10 such tasks",
          .ratio = hundred / (10 * ten),
          .floor = at_most(2)});
}

constexpr std::string_view keep_task = "do:\n  - keep: {set: {kept: true}}\n";
constexpr std::string_view input_schema = R"(input:
  schema:
    format: json
    document:
      type: object
      required: [order, lines]
      additionalProperties: false
      properties:
        order: {type: string, pattern: "^order-[0-9]+$"}
        customer: {type: object, properties: {name: {type: string, minLength: 1}, tier: {enum: [silver, gold]}}}
        lines:
          type: array
          maxItems: 100
          items:
            type: object
            required: [sku, count]
            properties: {sku: {type: string}, count: {type: integer, minimum: 1}, price: {type: number}}
)";

std::string order_input() {
  std::string lines;
  for (int i = 0; i < 10; ++i) {
    lines += fmt::format(R"({}{{"sku":"A-{}","count":{},"price":12.5}})", i == 0 ? "" : ",", i, i + 1);
  }
  return fmt::format(R"({{"order":"order-4711","customer":{{"name":"Ada","tier":"gold"}},"lines":[{}]}})", lines);
}

/// Processor time of the shard's thread for each start.
double start_microseconds(ShardUnderTest& shard, const char* name, std::uint64_t starts, const std::string& input) {
  const auto start = [&](std::uint64_t) {
    shard.submit([&shard, name, input](const lmdb::Txn& state,
                                       shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(auto it, instance::start(state, context, shard.decision_state(),
                                              {.space = "bench", .name = name, .version = {}, .input = input}));
      return std::move(it.decision);
    });
  };
  return 1e6 * timed(shard, starts, start).cpu_seconds / static_cast<double>(starts);
}

void measure_schema(const std::filesystem::path& folder, const Sizes& sizes) {
  ShardUnderTest shard(folder / "schema");
  shard.apply_definition(named("plain", keep_task));
  shard.apply_definition(named("checked", std::string(input_schema) + std::string(keep_task)));
  const std::string input = order_input();
  progress("{} starts with an input of {} bytes, three times with and without a schema", sizes.starts, input.size());
  std::vector<double> plain;
  std::vector<double> checked;
  (void)start_microseconds(shard, "plain", sizes.starts, input);
  for (int i = 0; i < 3; ++i) {
    plain.push_back(start_microseconds(shard, "plain", sizes.starts, input));
    checked.push_back(start_microseconds(shard, "checked", sizes.starts, input));
  }
  const double without = *std::ranges::min_element(plain);
  const double with = *std::ranges::min_element(checked);
  report({.name = "start_with_an_input_schema",
          .value = with - without,
          .unit = "us/start more",
          .compares_with = "a start without a schema",
          .ratio = with / without,
          .floor = at_most(10)});
}

/// Processor time of the shard's thread for an instance, from its start to its end.
double instance_microseconds(ShardUnderTest& shard, const char* name, std::string input) {
  std::string id;
  const double before = shard.cpu();
  shard.submit([&shard, &id, name, input](const lmdb::Txn& state,
                                          shard::DecisionContext& context) -> base::Result<shard::Decision> {
    TRV_TRY_ASSIGN(auto it, instance::start(state, context, shard.decision_state(),
                                            {.space = "bench", .name = name, .version = {}, .input = input}));
    id = it.instance.to_string();
    return std::move(it.decision);
  });
  shard.drain();
  while (shard.is_under_way(id)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return 1e6 * (shard.cpu() - before);
}

void measure_for(const std::filesystem::path& folder, const Sizes& sizes) {
  ShardUnderTest shard(folder / "for");
  shard.fire_timers();
  shard.apply_definition(named("loop",
                               "do:\n"
                               "  - each:\n"
                               "      for: {each: one, in: '${ [range(.items)] }'}\n"
                               "      do:\n"
                               "        - keep: {set: {items: '${ .items }', last: '${ $one }'}}\n"));
  const auto microseconds_of_an_item = [&](std::uint64_t items) {
    double least = 1e9;
    for (int i = 0; i < 3; ++i) {
      const double took = instance_microseconds(shard, "loop", fmt::format(R"({{"items":{}}})", items));
      least = std::min(least, took / static_cast<double>(items));
    }
    return least;
  };
  progress("loops over {} and {} items, three times", sizes.items / 10, sizes.items);
  const double few = microseconds_of_an_item(sizes.items / 10);
  const double many = microseconds_of_an_item(sizes.items);
  report({.name = fmt::format("for_{}_items", sizes.items),
          .value = many,
          .unit = "us/item",
          .compares_with = "an item of a loop over a tenth as many",
          .ratio = many / few,
          .floor = ratio_at_most(1.5)});
}

std::string fork_of(std::uint64_t branches) {
  std::string text = "do:\n  - all:\n      fork:\n        branches:\n";
  for (std::uint64_t i = 0; i < branches; ++i) {
    text += fmt::format(
        "          - ask{0}: {{call: http, with: {{method: get, endpoint: 'https://a.example/{0}'}}}}\n", i);
  }
  return text;
}

void measure_fork(const std::filesystem::path& folder, const Sizes& sizes) {
  ShardUnderTest shard(folder / "fork");
  shard.answer_effects_with(R"({"stock":7})");
  const auto microseconds_of_a_branch = [&](std::uint64_t branches) {
    const std::string name = fmt::format("fork{}", branches);
    shard.apply_definition(named(name, fork_of(branches)));
    const std::uint64_t starts = std::max<std::uint64_t>(1, sizes.starts / 10 / branches);
    progress("{} instances with a fork of {} branches, twice", starts, branches);
    double least = 1e9;
    for (int i = 0; i < 2; ++i) {
      least = std::min(least, start_microseconds(shard, name.c_str(), starts, "{}") / static_cast<double>(branches));
    }
    return least;
  };
  const double few = microseconds_of_a_branch(10);
  const double many = microseconds_of_a_branch(100);
  report({.name = "fork_of_100_branches",
          .value = many,
          .unit = "us/branch",
          .compares_with = "a branch of a fork of 10, each with a call and its answer",
          .ratio = many / few,
          .floor = ratio_at_most(4)});
}

int run(int argc, char** argv) {
  Sizes sizes;
  std::string only;
  std::filesystem::path parent;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) give_up(fmt::format("{} needs a value", flag));
    const char* value = argv[++i];
    if (flag == "--rounds") {
      sizes.rounds = std::strtoull(value, nullptr, 10);
    } else if (flag == "--starts") {
      sizes.starts = std::strtoull(value, nullptr, 10);
    } else if (flag == "--items") {
      sizes.items = std::strtoull(value, nullptr, 10);
    } else if (flag == "--only") {
      only = value;
    } else if (flag == "--folder") {
      parent = value;
    } else {
      give_up(fmt::format("{} is not a flag; there are --rounds, --starts, --items, --only, --folder", flag));
    }
  }
  if (sizes.rounds == 0 || sizes.starts == 0 || sizes.items < 10) give_up("--rounds, --starts or --items is too small");
  const ScratchFolder folder("trv_language_bench", parent);
  if (only.empty() || only == "compile") measure_compile(sizes);
  if (only.empty() || only == "schema") measure_schema(folder.path(), sizes);
  if (only.empty() || only == "for") measure_for(folder.path(), sizes);
  if (only.empty() || only == "fork") measure_fork(folder.path(), sizes);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
