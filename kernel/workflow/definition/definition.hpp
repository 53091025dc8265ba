#pragma once
// A workflow definition of the Open Workflow Specification DSL 1.0.x, compiled: a flat table of tasks that an instance
// walks by index, with every expression compiled and every constant part built. Immutable; any thread.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernel/json_schema/schema.hpp"
#include "kernel/workflow/definition/duration.hpp"
#include "kernel/workflow/definition/expression.hpp"
#include "kernel/workflow/definition/node.hpp"
#include "kernel/workflow/definition/schedule.hpp"
#include "sdk/base/digest.hpp"

namespace trv::definition {

/// Where the flow goes after a task. `next` is the following sibling, or the end of the scope.
struct Flow {
  enum class Kind : std::uint8_t { next, exit, end, jump };
  Kind kind = Kind::next;
  TaskIndex target = no_task;  ///< jump: a task of the same scope
};

struct SetTask {
  Template value;
};

/// `do`, and what is compiled to one: a call of a function of use.functions, a task with what an extension puts before
/// and after it, a script with the call that fetches it, and what undoes a task that has completed.
struct DoTask {
  TaskIndex first = no_task;
  bool is_function = false;
  bool is_script = false;
  std::optional<Template> arguments{};  ///< of a function: its input; none: the task's own
  TaskIndex extended = no_task;         ///< of an extension: the task itself, which gets the input of this one
  std::optional<Expression> when{};     ///< of an extension; where it is false, the task runs alone
  TaskIndex compensates = no_task;      ///< of a compensation: the task that it undoes
};

struct SwitchCase {
  std::string name;
  std::optional<Expression> when;  ///< none: always
  Flow then;
};

struct SwitchTask {
  std::vector<SwitchCase> cases;
};

/// Text with {name} in it, looked up at the top level of the input; or an expression.
struct Endpoint {
  struct Part {
    bool name = false;
    std::string text;
  };
  std::vector<Part> parts;
  std::optional<Template> expression;

  /// The address, where it is in the text; nullopt where it depends on the input.
  [[nodiscard]] std::optional<std::string> constant() const;
};

/// An address in the input of a call, and the names that lead to its place.
struct PlacedAddress {
  std::vector<std::string> path;
  Endpoint endpoint;
};

/// `call: <plugin>.<operation>:<version>@default`, `call: mcp` and `call: a2a`
struct PluginCall {
  std::string plugin;
  std::string operation;
  std::string version;     ///< empty: the one that the tenant has enabled when the call is made
  std::string connection;  ///< metadata.connection, else the plugin's id
  Template input;
  std::vector<PlacedAddress> addresses{};  ///< that the task's input takes part in
  std::optional<Template> timeout{};       ///< of the call; a shorter one of the task decides
};

enum class HttpOutput : std::uint8_t { content, response, raw };

/// Who a call says that it is. A policy of the workflow's text, or a connection that has the credentials.
struct CallAuthentication {
  std::string scheme;      ///< basic, bearer, digest, oauth2 or oidc
  std::string connection;  ///< one of use.secrets; empty = `parameters` are the policy
  Template parameters;     ///< an object with the policy's properties
};

/// `call: openapi`: what the document says of the operation gives method, address and place of each parameter.
struct OpenApiOperation {
  Endpoint document;
  std::optional<CallAuthentication> document_authentication;
  Template id;
  Template parameters;
};

/// `call: http`, and `call: openapi`, whose `method` and `endpoint` are in the document.
struct HttpCall {
  Template method;
  Endpoint endpoint;
  Template headers;
  Template query;
  std::optional<Template> body;
  HttpOutput output = HttpOutput::content;
  bool redirect = false;
  std::string connection;  ///< metadata.connection, or empty
  std::optional<CallAuthentication> authentication;
  std::optional<OpenApiOperation> operation;
};

struct WaitTask {
  Template duration;
};

struct ErrorTemplate {
  Template type;
  Template status;
  std::optional<Template> instance;
  std::optional<Template> title;
  std::optional<Template> detail;
};

struct RaiseTask {
  ErrorTemplate error;
};

enum class Backoff : std::uint8_t { constant, linear, exponential };

struct RetryPolicy {
  std::optional<Expression> when;
  std::optional<Expression> except_when;
  std::optional<Template> delay;
  Backoff backoff = Backoff::constant;
  std::optional<Template> jitter_from;
  std::optional<Template> jitter_to;
  std::optional<std::uint32_t> attempts_max;     ///< retries; the first run is not one
  std::optional<Template> duration_max;          ///< from the first run's start
  std::optional<Template> attempt_duration_max;  ///< of each run, the first too
};

/// Which errors a catch is meant for; what is absent matches everything.
struct ErrorFilter {
  std::optional<std::string> type;
  std::optional<std::int64_t> status;
  std::optional<std::string> instance;
  std::optional<std::string> title;
  std::optional<std::string> detail;
  std::vector<std::pair<std::string, Template>> computed{};  ///< members that expressions give, by name
};

struct TryTask {
  TaskIndex first = no_task;
  ErrorFilter errors;
  std::string error_name = "error";
  std::optional<Expression> when;
  std::optional<Expression> except_when;
  std::optional<RetryPolicy> retry;
  TaskIndex catch_first = no_task;  ///< none: the error is swallowed
  Flow caught_then;                 ///< after an error that was caught; next: the task's own `then`
};

struct ForTask {
  std::string item_name = "item";
  std::string index_name = "index";
  Template in;
  std::optional<Expression> while_;
  TaskIndex first = no_task;
};

struct ForkTask {
  std::vector<TaskIndex> branches;  ///< a task each, which has no sibling
  bool compete = false;             ///< the first that ends decides, and the others are cancelled
};

/// One attribute of an event filter. Text matches when equal, or as a regular expression over the whole of it.
struct AttributeFilter {
  std::string name;
  std::optional<json::Value> literal;
  std::optional<Expression> expression;  ///< of the attribute's value as `.`

  /// Whether its expression looks at the instance that listens.
  [[nodiscard]] bool is_of_instance() const noexcept { return expression && !expression->variables().empty(); }
  /// Whether an attribute of the value `found` passes an expression that gives `result`: a text is what an attribute
  /// other than data has to be; anything else passes unless it is false or null.
  [[nodiscard]] bool agrees(const json::Value& found, const json::Value& result) const;
};

/// Longer ones cannot be subscribed to.
inline constexpr std::size_t event_type_bytes_max = 200;

struct EventFilter {
  std::string type;  ///< literal type; empty = any, the attributes decide
  std::vector<AttributeFilter> attributes;

  /// Whether a CloudEvent, as an object of its attributes and `data`, passes, as far as no instance is asked: what
  /// is_of_instance() passes here. Error: of an expression.
  [[nodiscard]] base::Result<bool> matches(const json::Value& event, base::Timestamp now) const;
};

/// How a definition is found: unique within its tenant.
struct Name {
  std::string space;  ///< the document's namespace
  std::string name;
  std::string version;
  friend bool operator==(const Name&, const Name&) = default;
};

/// `run: {workflow}`
struct RunTask {
  Name workflow;  ///< an empty version is the latest
  std::optional<Template> input;
  bool awaits = true;  ///< its end; else the task ends with its own input
};

/// A shell's or an interpreter's run of a script, in the sandbox.
struct ProcessTask {
  std::string language;     ///< shell, python or javascript
  std::string result;       ///< what becomes of it: stdout, stderr, code, all or none
  Template code;            ///< a text
  Template input;           ///< what it reads from standard input; null: nothing
  Template arguments;       ///< an array
  Template environment;     ///< an object
  bool is_fetched = false;  ///< its input is {"code", "data"}: in place of `code`, and the input of the task around it
};

/// What an event and the instance must agree in.
struct Correlation {
  std::string name;
  Expression from;                 ///< of the event; of the instance too where it names variables
  std::optional<Template> expect;  ///< of the instance, when it begins to listen; none: what the first event has

  [[nodiscard]] base::Result<json::Value> value_in(const json::Value& event, base::Timestamp now) const;
};

struct ListenFilter {
  EventFilter event;
  std::vector<Correlation> correlations;
  bool ends = false;  ///< of `until`: the event is not consumed, and ends the listening

  /// Whether the values of an event that correlate are known without the instance.
  [[nodiscard]] bool correlates_alone() const noexcept;
  [[nodiscard]] bool names(Variable variable) const noexcept;
};

/// How consumed events are given out: their data, all of the event, or the data's bytes as base64.
enum class ReadAs : std::uint8_t { data, envelope, raw };

/// A task cannot have more.
inline constexpr std::size_t listen_filters_max = 64;

struct Schemas;

/// What is done with each event that a task consumes: one after the other, in the order in which they came.
struct ForEachEvent {
  std::string item_name = "item";
  std::string index_name = "index";
  TaskIndex first = no_task;  ///< none: the event is the output
  std::optional<Template> output_as;
  std::optional<Template> export_as;
  std::shared_ptr<const Schemas> schemas;  ///< of output and context; null: none
};

struct ListenTask {
  enum class Strategy : std::uint8_t { one, any, all };
  Strategy strategy = Strategy::one;
  std::vector<ListenFilter> filters;
  bool goes_on = false;             ///< any: until `until` or a filter that ends it
  std::optional<Expression> until;  ///< any: of the consumed events
  bool until_all = false;           ///< any: until each of the filters that end it has passed an event, not the first
  ReadAs read = ReadAs::data;
  std::optional<ForEachEvent> foreach{};
};

struct EmitTask {
  Template event;  ///< its attributes and `data`
};

using TaskBody = std::variant<SetTask, DoTask, SwitchTask, PluginCall, HttpCall, WaitTask, RaiseTask, TryTask, ForTask,
                              ForkTask, EmitTask, ListenTask, RunTask, ProcessTask>;

/// What a workflow or a task holds data against; what is absent holds nothing back.
struct Schemas {
  std::optional<json_schema::Schema> input;     ///< of the input as it comes, before input.from
  std::optional<json_schema::Schema> output;    ///< of what output.as makes
  std::optional<json_schema::Schema> exported;  ///< of what export.as makes
};

struct Task {
  std::string name;
  std::string reference;    ///< JSON pointer, for example /do/0/greet; within a function or an extension see `text_at`
  std::size_t text_at = 0;  ///< where the pointer into the text begins in `reference`; what is before names the task
                            ///< that calls the function or is extended
  Position position;        ///< of the name
  TaskIndex parent = no_task;
  TaskIndex next = no_task;
  bool in_catch = false;  ///< is in the parent's catch.do
  std::optional<Expression> condition;
  std::optional<Template> input_from;
  std::optional<Template> output_as;
  std::optional<Template> export_as;
  std::shared_ptr<const Schemas> schemas;  ///< null: none
  std::optional<Template> timeout;
  Flow then;
  TaskIndex compensation = no_task;  ///< what undoes it where the workflow faults after it has completed
  TaskBody body;

  /// Whether it asks for an effect and waits for its outcome.
  [[nodiscard]] bool has_effect() const noexcept {
    return std::holds_alternative<PluginCall>(body) || std::holds_alternative<HttpCall>(body) ||
           std::holds_alternative<EmitTask>(body) || std::holds_alternative<ProcessTask>(body);
  }
  /// Whether tasks of its own run in the branch that it is in.
  [[nodiscard]] bool is_scope() const noexcept {
    const auto* listens = std::get_if<ListenTask>(&body);
    return std::holds_alternative<DoTask>(body) || std::holds_alternative<TryTask>(body) ||
           std::holds_alternative<ForTask>(body) || (listens != nullptr && listens->foreach);
  }
  /// Whether output.as, export.as or its compensation can see the task's input, so that it has to be kept while the
  /// task waits.
  [[nodiscard]] bool needs_input() const noexcept;
};

/// The task's kind as events and lists name it: set, do, switch, call, wait, raise, try, for, fork, emit, listen, run,
/// compensate.
[[nodiscard]] std::string_view kind_name(const Task& task) noexcept;
inline constexpr std::string_view compensate_kind = "compensate";

/// `until` of schedule.on: a condition, or filters of `starts` that end it.
struct StartsUntil {
  std::optional<Expression> condition;  ///< of the events so far, as the input has them
  bool all = false;                     ///< each of the filters that end it has passed an event, not the first

  [[nodiscard]] base::Result<bool> holds(const json::Value& events, base::Timestamp now) const;
};

struct Definition {
  Name name;
  std::string title;
  std::string summary;
  base::Digest digest{};                    ///< SHA-256 of the text
  std::vector<ListenFilter> starts;         ///< schedule.on: any of them starts an instance
  bool starts_with_all = false;             ///< an event for each of them starts one
  std::optional<StartsUntil> starts_until;  ///< any: events are gathered until then, and start one together
  ReadAs starts_read = ReadAs::envelope;    ///< how its input has the events
  std::optional<Schedule> schedule;         ///< when it starts by itself
  std::optional<Template> input_from;
  std::optional<Template> output_as;
  std::shared_ptr<const Schemas> schemas;  ///< of the workflow; null: none
  std::optional<Template> timeout;
  std::vector<Task> tasks;
  TaskIndex first = no_task;
  json::Value document;  ///< the whole text as a value: $workflow.definition

  [[nodiscard]] const Task& task(TaskIndex index) const;
  /// Whether events wait until they start an instance together.
  [[nodiscard]] bool gathers() const noexcept { return starts_with_all || starts_until.has_value(); }
  /// Whether a `try` around the task has a `retry`, which says when the task runs again.
  [[nodiscard]] bool is_retried(TaskIndex index) const;
  /// The task itself: where `index` is an extension's, the task that it extends.
  [[nodiscard]] TaskIndex inner(TaskIndex index) const;
  /// $task.definition
  [[nodiscard]] json::Value task_definition(TaskIndex index) const;
};

/// Reads, validates and compiles. What the specification has and we do not execute yet is refused by name.
/// Error: invalid or too_large, with line and column; of several problems the first in the text.
[[nodiscard]] base::Result<Definition> compile(std::string_view text, Format format);

}  // namespace trv::definition
