// `schedule`: what starts an instance, and when.

#include "kernel/workflow/definition/schedule.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

constexpr base::Duration shortest = std::chrono::seconds(1);

void compile_correlation(Compiler& compiler, const Entry& entry, ListenFilter& filter) {
  Problems& problems = compiler.problems();
  Fields parts(problems, entry.value, fmt::format("'{}' of 'correlate'", entry.key));
  auto from = compiler.expression(parts.require("from", Node::Kind::string), Site::event_filter);
  auto expect = compiler.optional_value(parts.get("expect"), Site::event_filter);
  const Position at = parts.place_of("expect");
  parts.finish();
  if (expect && !expect->is_constant()) {
    problems.add(at,
                 "'expect' in a schedule must be a value: there is no instance yet that an expression could look at");
    return;
  }
  if (from) filter.correlations.push_back({entry.key, *std::move(from), std::move(expect)});
}

void compile_event(Compiler& compiler, const Node& node, Definition& definition, bool ends = false) {
  Fields fields(compiler.problems(), node, "an event filter of 'schedule.on'");
  const Node* with = fields.require("with", Node::Kind::mapping);
  const Node* correlate = fields.get("correlate", Node::Kind::mapping);
  fields.finish();
  auto event = compile_event_filter(compiler, with, Site::event_filter);
  if (!event) return;
  ListenFilter& filter = definition.starts.emplace_back();
  filter.event = *std::move(event);
  filter.ends = ends;
  if (correlate == nullptr) return;
  for (const Entry& entry : correlate->entries) compile_correlation(compiler, entry, filter);
  std::ranges::sort(filter.correlations, {}, &Correlation::name);
}

std::vector<std::string_view> names_of(const ListenFilter& filter) {
  std::vector<std::string_view> names;
  for (const Correlation& correlation : filter.correlations) names.push_back(correlation.name);
  return names;
}

/// Events that start an instance together have to agree in something or in nothing. `nodes`: of the filters.
void check_names(Problems& problems, const std::vector<const Node*>& nodes, std::string_view of,
                 const Definition& definition) {
  // Where there are others, something else is wrong, and has been said.
  if (nodes.size() != definition.starts.size()) return;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    if (names_of(definition.starts[i]) == names_of(definition.starts.front())) continue;
    problems.add(nodes[i]->position,
                 fmt::format("every filter of {} must correlate by the same names; the first one has [{}], this one "
                             "has [{}]",
                             of, fmt::join(names_of(definition.starts.front()), ", "),
                             fmt::join(names_of(definition.starts[i]), ", ")));
  }
}

std::vector<const Node*> nodes_of(const Node& list) {
  std::vector<const Node*> nodes;
  for (const Node& item : list.items) nodes.push_back(&item);
  return nodes;
}

void compile_all(Compiler& compiler, const Node& all, Definition& definition) {
  Problems& problems = compiler.problems();
  const std::size_t before = problems.reported();
  for (const Node& item : all.items) compile_event(compiler, item, definition);
  definition.starts_with_all = true;
  if (problems.reported() != before) return;
  if (all.items.size() < 2) problems.add(all.position, "'all' needs two event filters or more; for one write 'one'");
  if (all.items.size() > listen_filters_max) {
    problems.add(all.position, fmt::format("'all' has at most {} event filters", listen_filters_max));
  }
  if (problems.reported() != before) return;
  check_names(problems, nodes_of(all), "'all'", definition);
}

void compile_any(Compiler& compiler, const Node& any, Definition& definition) {
  for (const Node& item : any.items) compile_event(compiler, item, definition);
  // Without a filter every event is meant.
  if (any.items.empty()) definition.starts.emplace_back();
}

void compile_until(Compiler& compiler, const Node& any_of, const Node& node, Definition& definition) {
  Problems& problems = compiler.problems();
  const std::size_t before = problems.reported();
  StartsUntil& until = definition.starts_until.emplace();
  std::vector<const Node*> nodes = any_of.items.empty() ? std::vector{&any_of} : nodes_of(any_of);
  if (node.is_string()) {
    until.condition = compiler.expression(&node, Site::event_filter);
  } else {
    Fields fields(problems, node, "'until' of 'schedule.on'");
    const Node* one = fields.get("one");
    const Node* any = fields.get("any", Node::Kind::sequence);
    const Node* all = fields.get("all", Node::Kind::sequence);
    fields.finish();
    if (problems.reported() == before && (one != nullptr) + (any != nullptr) + (all != nullptr) != 1) {
      problems.add(node.position, "'until' must be an expression, or have exactly one of 'one', 'any' and 'all'");
    }
    until.all = all != nullptr;
    if (one != nullptr) {
      compile_event(compiler, *one, definition, true);
      nodes.push_back(one);
    }
    for (const Node* list : {any, all}) {
      if (list == nullptr) continue;
      if (list->items.empty()) problems.add(list->position, "'until' needs at least one event filter");
      for (const Node& item : list->items) {
        compile_event(compiler, item, definition, true);
        nodes.push_back(&item);
      }
    }
  }
  if (problems.reported() != before) return;
  if (definition.starts.size() > listen_filters_max) {
    problems.add(node.position, fmt::format("'any' and 'until' have at most {} event filters", listen_filters_max));
  }
  check_names(problems, nodes, "'any' and 'until'", definition);
}

void compile_on(Compiler& compiler, const Node& on, Definition& definition) {
  Problems& problems = compiler.problems();
  const std::size_t before = problems.reported();
  Fields strategy(problems, on, "'schedule.on'");
  const Node* one = strategy.get("one");
  const Node* any = strategy.get("any", Node::Kind::sequence);
  const Node* all = strategy.get("all", Node::Kind::sequence);
  const Node* until = strategy.get("until");
  strategy.finish();
  if (problems.reported() == before && (one != nullptr) + (any != nullptr) + (all != nullptr) != 1) {
    problems.add(on.position, "'schedule.on' must have exactly one of 'one', 'any' and 'all'");
    return;
  }
  if (one != nullptr) compile_event(compiler, *one, definition);
  if (until != nullptr && any == nullptr) problems.add(until->position, "'until' goes with 'any' only");
  if (any != nullptr) compile_any(compiler, *any, definition);
  if (any != nullptr && until != nullptr) compile_until(compiler, *any, *until, definition);
  if (all != nullptr) compile_all(compiler, *all, definition);
}

/// A length of time that the text itself has.
std::optional<CalendarDuration> compile_length(Compiler& compiler, const Node& node, std::string_view field) {
  Problems& problems = compiler.problems();
  const std::size_t before = problems.reported();
  const auto value = compiler.duration(&node, Site::event_filter);
  if (!value || problems.reported() != before) return std::nullopt;
  if (!value->is_constant()) {
    problems.add(node.position, fmt::format("'{}' of a schedule must be a length of time such as PT1H: there is no "
                                            "instance yet that an expression could look at",
                                            field));
    return std::nullopt;
  }
  const auto length = duration_of(value->constant_value());
  if (!length) return std::nullopt;
  if (length->months == 0 && length->days == 0 && length->rest < shortest) {
    problems.add(node.position, fmt::format("'{}' of a schedule must be a second or longer", field));
    return std::nullopt;
  }
  return *length;
}

std::optional<Schedule> compile_times(Compiler& compiler, const Node* every, const Node* cron, const Node* after) {
  Problems& problems = compiler.problems();
  Schedule schedule;
  if (every != nullptr) {
    const auto length = compile_length(compiler, *every, "every");
    if (!length) return std::nullopt;
    if (length->months != 0) {
      problems.add(
          every->position,
          "'every' cannot count months or years, which have no fixed length; write for example cron: '0 0 1 * *'");
      return std::nullopt;
    }
    schedule.kind = Schedule::Kind::every;
    schedule.every = std::chrono::days(length->days) + length->rest;
    schedule.text = "every " + to_text(*length);
  } else if (cron != nullptr) {
    auto parsed = Cron::parse(cron->text);
    if (!parsed) {
      problems.add(cron->position, parsed.error().message());
      return std::nullopt;
    }
    schedule.kind = Schedule::Kind::cron;
    schedule.text = "cron " + parsed->text();
    schedule.cron = *std::move(parsed);
  } else {
    const auto length = compile_length(compiler, *after, "after");
    if (!length) return std::nullopt;
    schedule.kind = Schedule::Kind::after;
    schedule.after = *length;
    schedule.text = "after " + to_text(*length);
  }
  return schedule;
}

}  // namespace

void Compiler::missed_runs(const Node* metadata) {
  if (metadata == nullptr || metadata->kind != Node::Kind::mapping) return;
  for (const Entry& property : metadata->entries) {
    if (property.key != "missedRuns") continue;
    missed_ = &property.value;
    static constexpr std::string_view known[] = {"once", "all", "skip"};
    if (property.value.is_string() && std::ranges::find(known, property.value.text) != std::end(known)) continue;
    problems_.add(property.value.position, "'metadata.missedRuns' must be once, all or skip");
  }
}

void Compiler::schedule(Fields& root) {
  const Node* node = root.get("schedule");
  if (node == nullptr) {
    if (missed_ != nullptr) problems_.warn(missed_->position, "'metadata.missedRuns' says nothing without a schedule");
    return;
  }
  const std::size_t before = problems_.reported();
  Fields fields(problems_, *node, "'schedule'");
  const std::optional<ReadAs> read = compile_read(fields);
  const Node* every = fields.get("every");
  const Node* cron = fields.get("cron", Node::Kind::string);
  const Node* after = fields.get("after");
  const Node* on = fields.get("on");
  fields.finish();
  if (on != nullptr) compile_on(*this, *on, definition_);
  if (read) definition_.starts_read = *read;
  if (read && on == nullptr) {
    problems_.add(fields.place_of("read"), "'read' of 'schedule' says how events are read, and goes with 'on' only");
  }
  const int times = (every != nullptr) + (cron != nullptr) + (after != nullptr);
  if (problems_.reported() == before && (times > 1 || (times == 0 && on == nullptr))) {
    problems_.add(node->position, "'schedule' must have one of 'every', 'cron' and 'after', or 'on', or both");
  }
  if (times != 1) return;
  definition_.schedule = compile_times(*this, every, cron, after);
  if (!definition_.schedule || missed_ == nullptr) return;
  if (after != nullptr)
    problems_.warn(missed_->position, "'metadata.missedRuns' says nothing with 'after': no run is missed");
  if (missed_->text == "all") definition_.schedule->missed = Missed::all;
  if (missed_->text == "skip") definition_.schedule->missed = Missed::skip;
}

std::optional<base::Timestamp> Schedule::first(base::Timestamp now) const {
  if (kind != Kind::after) return next(now);
  const auto time = after.after(now);
  return time ? std::optional(*time) : std::nullopt;
}

std::optional<base::Timestamp> Schedule::next(base::Timestamp due) const {
  if (kind == Kind::after) return std::nullopt;
  if (kind == Kind::cron) return cron->next(due);
  TRV_EXPECTS(every >= shortest);
  std::int64_t ns = 0;
  if (__builtin_add_overflow(due.ns(), every.count(), &ns)) return std::nullopt;
  return base::Timestamp(ns);
}

base::Timestamp Schedule::last(base::Timestamp due, base::Timestamp now) const {
  TRV_EXPECTS(due <= now);
  if (kind == Kind::after) return due;
  if (kind == Kind::every) return due + every * ((now - due) / every);
  // Not before `due`, whatever the time zones' data say by now.
  return std::max(cron->last(now).value_or(due), due);
}

Firing fire(const Schedule& schedule, base::Timestamp due, base::Timestamp now) {
  TRV_EXPECTS(due <= now);
  // The latest of the times that have come, the last one first.
  std::vector<base::Timestamp> times = {schedule.last(due, now)};
  while (times.size() <= missed_max && times.back() > due) {
    times.push_back(schedule.last(due, std::max(due, base::Timestamp(times.back().ns() - 1))));
  }
  Firing firing;
  firing.next = schedule.next(times.front());
  const bool is_on_time = now - times.front() <= on_time_max;
  const bool starts_one = is_on_time || schedule.missed != Missed::skip || schedule.kind == Schedule::Kind::after;
  const std::size_t starts = schedule.missed == Missed::all ? std::min(times.size(), missed_max) : starts_one ? 1 : 0;
  firing.missed = static_cast<std::uint32_t>(std::min(times.size() - starts, missed_max));
  times.resize(starts, due);
  firing.starts.assign(times.rbegin(), times.rend());
  TRV_ENSURES(firing.starts.size() <= missed_max && (!firing.next || *firing.next > now));
  return firing;
}

}  // namespace trv::definition
