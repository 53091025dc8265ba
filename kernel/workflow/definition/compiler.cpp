#include "kernel/workflow/definition/compiler.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "kernel/json/value.hpp"
#include "kernel/workflow/definition/advice.hpp"
#include "kernel/workflow/definition/places.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"
#include "sdk/base/version.hpp"

namespace trv::definition {
namespace {

// Metadata is the author's, and a word of ours that is misspelt would pass for it.
void warn_of_metadata(Problems& problems, const Entry& property) {
  static constexpr std::string_view ours[] = {"compensate", "connection"};
  const std::string_view meant = base::nearest(property.key, ours);
  if (meant.empty()) return;
  problems.warn(property.position, fmt::format("nothing reads 'metadata.{}'; did you mean '{}'?", property.key, meant),
                {.suggestion = std::string(meant)});
}

constexpr std::size_t task_name_bytes_max = 200;

bool is_name(std::string_view text) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty() || text.size() > 63 || !alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
}

/// The properties that make a task one of its kind. `for` also has a `do`, so it is before it.
constexpr std::string_view supported_kinds[] = {"set", "switch", "call", "wait",   "raise", "try",
                                                "for", "fork",   "emit", "listen", "run",   "do"};
constexpr std::string_view common_properties[] = {"if", "input", "output", "export", "timeout", "then", "metadata"};

}  // namespace

std::string_view kind_in(const Node& task) {
  for (const std::string_view name : supported_kinds) {
    if (task.find(name) != nullptr) return name;
  }
  return {};
}

bool Compiler::is_other_language() {
  if (!root_.is_mapping() || root_.find("document") != nullptr || root_.find("do") != nullptr) return false;
  const auto has = [&](std::string_view name) { return root_.find(name) != nullptr; };
  if (!has("states") && !has("specVersion") && !(has("id") && (has("functions") || has("start")))) return false;
  const Node* version = root_.find("specVersion");
  problems_.add(
      root_.position,
      fmt::format("this is a workflow of Serverless Workflow {}, which has states and functions; here the "
                  "language is DSL 1.0.3: begin with 'document: {{dsl: '1.0.3', namespace: …, name: …, "
                  "version: …}}' and write the steps as tasks in 'do'",
                  version == nullptr || version->text.empty() || version->text.size() > 20 ? "0.8" : version->text),
      {.expected = "document, do"});
  return true;
}

base::Result<Definition> Compiler::run() {
  if (is_other_language()) return base::fail(problems_.first());
  Fields root(problems_, root_, "the definition");
  definition_.digest = base::sha256(base::as_bytes(text_));
  document(root);
  evaluation(root);
  use(root);
  Schemas schemas;
  if (const Node* input = root.get("input")) {
    Fields fields(problems_, *input, "'input' of the workflow");
    schemas.input = schema(fields);
    definition_.input_from = transformation(fields.get("from"), Site::workflow_input);
    fields.finish();
  }
  if (const Node* output = root.get("output")) {
    Fields fields(problems_, *output, "'output' of the workflow");
    schemas.output = schema(fields);
    definition_.output_as = transformation(fields.get("as"), Site::workflow_output);
    fields.finish();
  }
  if (schemas.input || schemas.output) definition_.schemas = std::make_shared<const Schemas>(std::move(schemas));
  definition_.timeout = timeout(root.get("timeout"), "the workflow", Site::workflow_input);
  schedule(root);
  definition_.first = list(root.require("do"), no_task, "/do");
  check_unused();
  root.finish();
  if (!problems_.empty()) return base::fail(problems_.first());

  // Every scope was left, and every flow leads to a task.
  TRV_ENSURES(definition_.first < definition_.tasks.size());
  TRV_ENSURES(locals_.empty() && pending_.empty());
  name_fields(places_, root_);
  definition_.document = constant(root_);
  if (!problems_.empty()) return base::fail(problems_.first());
  return std::move(definition_);
}

void Compiler::document(Fields& root) {
  const Node* node = root.require("document");
  if (node == nullptr) return;
  Fields fields(problems_, *node, "'document'");
  const Node* dsl = fields.require("dsl", Node::Kind::string);
  if (dsl != nullptr) {
    static constexpr std::string_view supported[] = {"1.0.0", "1.0.1", "1.0.2", "1.0.3"};
    // What was written for a preview of 1.0.0 differs in no task.
    static constexpr std::string_view previews = "1.0.0-alpha";
    const bool is_preview = dsl->text.starts_with(previews) && dsl->text.size() == previews.size() + 1 &&
                            dsl->text.back() >= '1' && dsl->text.back() <= '5';
    if (is_preview) {
      problems_.warn(dsl->position,
                     fmt::format("'{}' was a preview of the language, and is read as 1.0.0; write '1.0.3'", dsl->text),
                     {.suggestion = "1.0.3"});
    } else if (std::ranges::find(supported, dsl->text) == std::end(supported)) {
      problems_.add(dsl->position,
                    fmt::format("'dsl' is the version of the language, and '{}' is not supported; write one of {}",
                                dsl->text, fmt::join(supported, ", ")));
    }
  }
  const auto name = [&](std::string_view field) {
    const Node* text = fields.require(field, Node::Kind::string);
    if (text == nullptr) return std::string();
    if (!is_name(text->text)) {
      problems_.add(text->position, fmt::format("'{}' of the document must be 1 to 63 letters, digits and '-', with no "
                                                "'-' at either end, not '{}'",
                                                field, text->text));
    }
    return text->text;
  };
  definition_.name.space = name("namespace");
  definition_.name.name = name("name");
  const Node* version = fields.require("version");
  if (version != nullptr) {
    if (!version->is_string() || !base::Version::parse(version->text)) {
      problems_.add(version->position,
                    fmt::format("'version' of the document must be a semantic version such as '1.0.0', "
                                "not {}",
                                version->is_string() ? "'" + version->text + "'" : to_json(*version)));
    }
    definition_.name.version = version->text;
  }
  definition_.title = fields.text("title");
  definition_.summary = fields.text("summary");
  (void)fields.get("tags", Node::Kind::mapping);
  missed_runs(fields.get("metadata", Node::Kind::mapping));
  fields.finish();
}

void Compiler::use(Fields& root) {
  const Node* node = root.get("use");
  if (node == nullptr) return;
  const std::size_t before = problems_.reported();
  Fields fields(problems_, *node, "'use'");
  errors_ = fields.get("errors", Node::Kind::mapping);
  retries_ = fields.get("retries", Node::Kind::mapping);
  timeouts_ = fields.get("timeouts", Node::Kind::mapping);
  authentications_ = fields.get("authentications", Node::Kind::mapping);
  const Node* secrets = fields.get("secrets", Node::Kind::sequence);
  functions_ = fields.get("functions", Node::Kind::mapping);
  catalogs_ = fields.get("catalogs", Node::Kind::mapping);
  const Node* extensions = fields.get("extensions", Node::Kind::sequence);
  fields.finish();
  has_names_ = problems_.reported() == before;
  use_extensions(extensions);
  use_authentications(secrets);
  if (errors_ != nullptr) {
    for (const Entry& entry : errors_->entries) {
      (void)compile_error(*this, entry.value, fmt::format("error '{}'", entry.key));
    }
  }
  if (timeouts_ != nullptr) {
    for (const Entry& entry : timeouts_->entries) {
      (void)timeout(&entry.value, fmt::format("'{}' of 'use.timeouts'", entry.key), Site::body);
    }
  }
  if (retries_ != nullptr) {
    // What its conditions may name depends on the `catch` that uses it; there they are compiled again.
    for (const Entry& entry : retries_->entries) {
      Problems conditions_come_later;
      Fields check(conditions_come_later, entry.value, fmt::format("retry policy '{}'", entry.key));
      if (check.get("when") == nullptr && check.get("exceptWhen") == nullptr) {
        (void)compile_retry(*this, entry.value, fmt::format("retry policy '{}'", entry.key));
      }
    }
  }
}

void Compiler::evaluation(Fields& root) {
  const Node* evaluate = root.get("evaluate");
  if (evaluate == nullptr) return;
  Fields fields(problems_, *evaluate, "'evaluate'");
  if (const Node* language = fields.get("language", Node::Kind::string);
      language != nullptr && language->text != "jq") {
    problems_.unsupported(language->position, fmt::format("the expression language '{}'", language->text));
  }
  if (const Node* mode = fields.get("mode", Node::Kind::string)) {
    is_loose_ = mode->text == "loose";
    if (!is_loose_ && mode->text != "strict") {
      problems_.add(mode->position, fmt::format("'mode' of 'evaluate' must be strict or loose, not '{}'", mode->text),
                    {.expected = "strict or loose"});
    }
  }
  fields.finish();
}

TaskIndex Compiler::list(const Node* node, TaskIndex parent, const std::string& reference, bool in_catch) {
  const std::size_t flows_before = pending_.size();
  const std::size_t problems_before = problems_.reported();
  const std::vector<TaskIndex> siblings = children(node, parent, reference, in_catch);
  for (std::size_t i = 1; i < siblings.size(); ++i) definition_.tasks[siblings[i - 1]].next = siblings[i];
  resolve_flows(flows_before, siblings, node);
  TRV_ENSURES(pending_.size() == flows_before);
  if (problems_.reported() == problems_before && !siblings.empty()) {
    warn_of_unreachable(siblings);
    warn_of_endless(siblings);
    warn_of_missing_names(siblings, *node);
  }
  return siblings.empty() ? no_task : siblings.front();
}

std::vector<TaskIndex> Compiler::branches(const Node* node, TaskIndex parent, const std::string& reference) {
  const std::size_t flows_before = pending_.size();
  std::vector<TaskIndex> found = children(node, parent, reference, false);
  resolve_flows(flows_before, {}, nullptr);
  return found;
}

std::vector<TaskIndex> Compiler::children(const Node* node, TaskIndex parent, const std::string& reference,
                                          bool in_catch) {
  TRV_EXPECTS(parent == no_task || parent < definition_.tasks.size());
  if (node == nullptr) return {};
  if (!node->is_sequence() || node->items.empty()) {
    problems_.add(node->position, fmt::format("a list of tasks must be a sequence of at least one task, not {}",
                                              node->is_sequence() ? "an empty one" : describe(node->kind)));
    return {};
  }
  std::vector<TaskIndex> siblings;
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const Node& item = node->items[i];
    if (!item.is_mapping() || item.entries.size() != 1) {
      std::string message = "each item of a list of tasks must be a mapping of exactly one name to its task";
      if (item.entries.size() > 1) {
        message += fmt::format(", and this one has {} properties; indent what belongs to '{}' below it",
                               item.entries.size(), item.entries.front().key);
      }
      problems_.add(item.position, std::move(message));
      continue;
    }
    const Entry& entry = item.entries.front();
    if (entry.key.empty() || entry.key.size() > task_name_bytes_max) {
      problems_.add(entry.position, fmt::format("a task's name must have 1 to {} bytes", task_name_bytes_max));
    }
    if (std::ranges::any_of(entry.key, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
      problems_.add(entry.position, "a task's name must not have control characters");
    }
    if (entry.key == "continue" || entry.key == "exit" || entry.key == "end") {
      problems_.add(entry.position, fmt::format("'{}' is a flow directive and cannot be a task's name", entry.key));
    }
    if (!names.insert(entry.key).second) {
      problems_.add(entry.position, fmt::format("a task named '{}' is in this list already", entry.key));
    }
    siblings.push_back(declare_task(entry, parent, fmt::format("{}/{}/{}", reference, i, pointer_part(entry.key)),
                                    in_catch, 0, no_task));
  }
  return siblings;
}

void Compiler::task(const Node& node, const Entry& entry, TaskIndex index, const std::string& reference,
                    TaskIndex flow_of) {
  TRV_EXPECTS(index < definition_.tasks.size());
  Fields fields(problems_, node, fmt::format("task '{}'", entry.key));
  if (!node.is_mapping()) return;
  std::string_view kind = kind_in(node);
  std::string_view other;
  for (const std::string_view name : supported_kinds) {
    // The `do` of a `for` is the loop's.
    if (name != kind && node.find(name) != nullptr && !(kind == "for" && name == "do")) other = name;
  }
  if (!other.empty()) {
    if (fields.place_of(kind).offset > fields.place_of(other).offset) std::swap(kind, other);
    problems_.add(fields.place_of(other),
                  fmt::format("task '{}' is of two kinds, '{}' and '{}'; make a task of each", entry.key, kind, other));
    return;
  }
  if (kind.empty()) {
    std::size_t known = 0;
    for (const std::string_view name : supported_kinds) static_cast<void>(fields.get(name));
    for (const std::string_view name : common_properties) known += fields.get(name) == nullptr ? 0 : 1;
    // They belong to the kind, whose name is wrong or missing.
    for (const std::string_view name : {"with", "catch", "while", "foreach"}) {
      known += fields.get(name) == nullptr ? 0 : 1;
    }
    if (known == node.entries.size()) {
      problems_.add(entry.position, fmt::format("task '{}' does not say what to do: it needs one of {}", entry.key,
                                                fmt::join(supported_kinds, ", ")));
    }
    fields.finish();
    return;
  }

  std::optional<Expression> condition = expression(fields.get("if"), Site::task_input);
  std::optional<Template> input_from;
  std::optional<Template> output_as;
  std::optional<Template> export_as;
  Schemas schemas;
  const auto section = [&](std::string_view name, std::string_view field, Site site, std::optional<Template>& out,
                           std::optional<json_schema::Schema>& held_against) {
    const Node* part = fields.get(name);
    if (part == nullptr) return;
    Fields part_fields(problems_, *part, fmt::format("'{}' of task '{}'", name, entry.key));
    held_against = schema(part_fields);
    out = transformation(part_fields.get(field), site);
    part_fields.finish();
  };
  section("input", "from", Site::task_input, input_from, schemas.input);
  section("output", "as", Site::output_as, output_as, schemas.output);
  section("export", "as", Site::export_as, export_as, schemas.exported);
  flow(fields.get("then"), flow_of, own_flow);

  std::string connection;
  const Entry* compensate = nullptr;
  if (const Node* metadata = fields.get("metadata", Node::Kind::mapping)) {
    for (const Entry& property : metadata->entries) {
      if (property.key == "compensate") {
        compensate = &property;
        continue;
      }
      if (property.key != "connection") {
        warn_of_metadata(problems_, property);
        continue;
      }
      if (property.value.is_string() && !property.value.text.empty()) {
        connection = property.value.text;
      } else {
        problems_.add(property.value.position, "'metadata.connection' must be the name of a connection");
      }
    }
  }
  std::optional<Template> limit = timeout(fields.get("timeout"), fmt::format("task '{}'", entry.key), Site::body);

  TaskBody compiled = body(kind, fields, {index, entry.key, reference, std::move(connection)});
  fields.finish();
  Task& task = definition_.tasks[index];
  task.condition = std::move(condition);
  task.input_from = std::move(input_from);
  task.output_as = std::move(output_as);
  task.export_as = std::move(export_as);
  if (schemas.input || schemas.output || schemas.exported) {
    task.schemas = std::make_shared<const Schemas>(std::move(schemas));
  }

  task.timeout = std::move(limit);
  task.body = std::move(compiled);
  if (compensate != nullptr) compensation(*compensate, index);
}

TaskBody Compiler::body(std::string_view kind, Fields& fields, const TaskScope& scope) {
  if (kind == "set") return compile_set(*this, fields, scope);
  if (kind == "switch") return compile_switch(*this, fields, scope);
  if (kind == "call") return compile_call(*this, fields, scope);
  if (kind == "wait") return compile_wait(*this, fields, scope);
  if (kind == "raise") return compile_raise(*this, fields, scope);
  if (kind == "try") return compile_try(*this, fields, scope);
  if (kind == "for") return compile_for(*this, fields, scope);
  if (kind == "fork") return compile_fork(*this, fields, scope);
  if (kind == "emit") return compile_emit(*this, fields, scope);
  if (kind == "listen") return compile_listen(*this, fields, scope);
  if (kind == "run") return compile_run(*this, fields, scope);
  TRV_ASSERT(kind == "do");
  return compile_do(*this, fields, scope);
}

void Compiler::flow(const Node* node, TaskIndex task, int case_index) {
  TRV_EXPECTS(task < definition_.tasks.size() && case_index >= catch_flow);
  if (node == nullptr) return;
  if (!node->is_string() || node->text.empty()) {
    problems_.add(node->position, "'then' must be continue, exit, end or the name of a task of the same list");
    return;
  }
  pending_.push_back({task, case_index, node->text, node->position});
}

namespace {

/// Whether a list has an item that is not a task but was probably meant to be the one of this name.
bool is_meant_as_task(const Node* list, std::string_view name) {
  return list != nullptr && std::ranges::any_of(list->items, [&](const Node& item) {
           return item.text == name || (item.entries.size() > 1 && item.find(name) != nullptr);
         });
}

}  // namespace

void Compiler::resolve_flows(std::size_t from, const std::vector<TaskIndex>& siblings, const Node* list) {
  TRV_EXPECTS(from <= pending_.size());
  if (from == pending_.size()) return;
  std::vector<std::string_view> names = {"continue", "exit", "end"};
  std::unordered_map<std::string_view, TaskIndex> named;  // of two with one name the later one
  for (const TaskIndex sibling : siblings) {
    names.push_back(definition_.tasks[sibling].name);
    named[names.back()] = sibling;
  }
  for (std::size_t i = from; i < pending_.size(); ++i) {
    const PendingFlow& pending = pending_[i];
    Flow flow;
    if (pending.target == "exit") {
      flow.kind = Flow::Kind::exit;
    } else if (pending.target == "end") {
      flow.kind = Flow::Kind::end;
    } else if (pending.target != "continue") {
      flow.kind = Flow::Kind::jump;
      if (const auto found = named.find(pending.target); found != named.end()) flow.target = found->second;
      if (flow.target == no_task && !is_meant_as_task(list, pending.target)) {
        problems_.unknown(pending.position,
                          fmt::format("'then' names '{}', which is not a task of the same list", pending.target),
                          pending.target, names, "; write continue, exit, end or the name of one that is");
      }
    }
    TRV_ASSERT(pending.task < definition_.tasks.size());
    TRV_ASSERT(flow.kind != Flow::Kind::jump || !problems_.empty() || flow.target != no_task);
    Task& task = definition_.tasks[pending.task];
    if (pending.case_index == own_flow) {
      task.then = flow;
    } else if (auto* caught = std::get_if<TryTask>(&task.body)) {
      TRV_ASSERT(pending.case_index == catch_flow);
      caught->caught_then = flow;
    } else if (auto* cases = std::get_if<SwitchTask>(&task.body)) {
      TRV_ASSERT(static_cast<std::size_t>(pending.case_index) < cases->cases.size());
      cases->cases[static_cast<std::size_t>(pending.case_index)].then = flow;
    }
  }
  pending_.resize(from);
}

void Compiler::declare(std::string_view name, TaskIndex owner, std::uint8_t slot, const Position& at) {
  TRV_EXPECTS(owner < definition_.tasks.size() && slot <= 1);
  static constexpr std::string_view taken[] = {"context",  "input",   "output",  "task",
                                               "workflow", "runtime", "secrets", "authorization"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const bool named = !name.empty() && letter(name.front()) &&
                     std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
  if (!named)
    problems_.add(at, fmt::format("'{}' cannot be the name of a variable; use letters, digits and '_'", name));
  if (std::find(std::begin(taken), std::end(taken), name) != std::end(taken)) {
    problems_.add(at, fmt::format("the variable '${}' is the runtime's own; choose another name", name));
  }
  locals_.push_back({std::string(name), {Variable::local, owner, slot}});
}

namespace {

const Node* named(const Node* mapping, std::string_view name) {
  return mapping == nullptr ? nullptr : mapping->find(name);
}

std::vector<std::string_view> names_of(const Node* mapping) {
  std::vector<std::string_view> names;
  if (mapping == nullptr) return names;
  for (const Entry& entry : mapping->entries) names.push_back(entry.key);
  return names;
}

}  // namespace

const Node* Compiler::named_error(std::string_view name) const {
  return named(errors_, name);
}
std::optional<Template> Compiler::timeout(const Node* node, const std::string& of, Site site) {
  if (node == nullptr) return std::nullopt;
  if (!node->is_string()) {
    Fields fields(problems_, *node, fmt::format("'timeout' of {}", of));
    std::optional<Template> after = duration(fields.require("after"), site);
    fields.finish();
    return after;
  }
  if (const Node* named_timeout = named(timeouts_, node->text); named_timeout != nullptr && named_timeout != node) {
    if (!take_copy(*named_timeout, node->position)) return std::nullopt;
    if (!named_timeout->is_string()) return timeout(named_timeout, fmt::format("'{}'", node->text), site);
  }
  if (!has_names_) return std::nullopt;
  if (const auto meant = duration_meant(node->text); meant || node->text.starts_with('P')) {
    const std::string after = meant ? meant->iso : node->text;
    problems_.add(node->position,
                  fmt::format("'timeout' of {} is a mapping, or the name of one of 'use.timeouts'; write 'timeout: "
                              "{{after: {}}}'",
                              of, after),
                  {.expected = "{after: …}", .suggestion = fmt::format("{{after: {}}}", after)});
    return std::nullopt;
  }
  problems_.unknown(node->position, fmt::format("'use.timeouts' has no timeout '{}'", node->text), node->text,
                    names_of(timeouts_), ". A timeout of its own is written 'timeout: {after: PT5S}'");
  return std::nullopt;
}

const Node* Compiler::named_retry(std::string_view name) const {
  return named(retries_, name);
}
const Node* Compiler::named_authentication(std::string_view name) const {
  return named(authentications_, name);
}
std::vector<std::string_view> Compiler::authentication_names() const {
  return names_of(authentications_);
}
std::vector<std::string_view> Compiler::error_names() const {
  return names_of(errors_);
}
std::vector<std::string_view> Compiler::retry_names() const {
  return names_of(retries_);
}

base::Result<Definition> compile(std::string_view text, Format format) {
  TRV_TRY_ASSIGN(const Node root, read(text, format));
  return Compiler(text, root).run();
}

}  // namespace trv::definition
