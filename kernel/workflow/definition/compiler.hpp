#pragma once
// From the tree to the compiled definition. Each task kind has its own file with its own compile_… function.
// One thread, for the time of one compilation.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/definition/catalog.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/definition/problems.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {

struct Advice;

/// Where an expression is; decides which variables it may name (specification, "Data Flow").
enum class Site {
  workflow_input,
  task_input,
  body,
  output_as,
  export_as,
  workflow_output,
  listen,        ///< of an instance, for events
  event_filter,  ///< for events, before there is an instance
};

/// The task that is being compiled.
struct TaskScope {
  TaskIndex index;
  const std::string& name;
  const std::string& reference;
  std::string connection;  ///< metadata.connection
};

class Compiler {
 public:
  /// A variable that tasks declare.
  struct Local {
    std::string name;
    VariableReference reference;
  };

  /// What a call of a function is that the text does not have: a mistake, or a warning and unfetched().
  enum class Absent : std::uint8_t { refused, comes_later };

  /// `text` is what the tree was read from; both must outlive the compiler.
  Compiler(std::string_view text, const Node& root, Absent absent = Absent::refused)
      : text_(text), root_(root), absent_(absent) {}

  [[nodiscard]] base::Result<Definition> run();

  [[nodiscard]] Problems& problems() noexcept { return problems_; }
  /// False where `use` itself is wrong: then a name that it does not have is not reported where it is used.
  [[nodiscard]] bool has_names() const noexcept { return has_names_; }

  /// Whether a value in this place is an expression, as far as its form says.
  [[nodiscard]] bool may_be_expression(const Node& node) const;
  /// A field that is always an expression, bare or within `${}`. nullopt when absent or a problem.
  [[nodiscard]] std::optional<Expression> expression(const Node* node, Site site);
  /// A field whose strings are text unless they hold `${}`. A problem gives a constant null.
  [[nodiscard]] Template value(const Node& node, Site site);
  /// The same, where `${ $secrets.name }` may be a text or a part of one: what goes into a request.
  [[nodiscard]] Template sent_value(const Node& node, Site site);
  [[nodiscard]] std::optional<Template> optional_value(const Node* node, Site site);
  /// A field that is an expression when it is a string, and a template else: from, as.
  [[nodiscard]] std::optional<Template> transformation(const Node* node, Site site);
  /// `schema` of a section of the workflow or of a task; nullopt when absent or a problem.
  [[nodiscard]] std::optional<json_schema::Schema> schema(Fields& section);
  /// `timeout` of a task or of the workflow: {after} or the name of one of use.timeouts.
  [[nodiscard]] std::optional<Template> timeout(const Node* node, const std::string& of, Site site);
  /// Checked now where it is constant.
  [[nodiscard]] std::optional<Template> duration(const Node* node, Site site);
  [[nodiscard]] json::Value constant(const Node& node);

  /// `then` of the task or of a switch case; resolved when its scope is complete. case_index: own_flow for the
  /// task's own, catch_flow for its catch's.
  void flow(const Node* node, TaskIndex task, int case_index);
  static constexpr int own_flow = -1;
  static constexpr int catch_flow = -2;
  /// The same, but none of them comes after another: each is all that its branch does.
  [[nodiscard]] std::vector<TaskIndex> branches(const Node* node, TaskIndex parent, const std::string& reference);
  /// A list of tasks, declared as children. Gives the first; no_task after a problem.
  [[nodiscard]] TaskIndex list(const Node* node, TaskIndex parent, const std::string& reference, bool in_catch = false);

  /// Declares variables for everything compiled until the matching `leave`.
  void declare(std::string_view name, TaskIndex owner, std::uint8_t slot, const Position& at);
  void leave(std::size_t count) {
    TRV_EXPECTS(count <= locals_.size());
    locals_.resize(locals_.size() - count);
  }

  /// A call of a function of use.functions: its text is compiled as the only task within the calling one. nullopt where
  /// there is no function of that name.
  /// It sees the variables `sees` only.
  [[nodiscard]] std::optional<TaskIndex> function(const Node& name, const TaskScope& caller,
                                                  std::vector<Local> sees = {});
  [[nodiscard]] std::vector<std::string_view> function_names() const;
  [[nodiscard]] std::vector<std::string_view> catalog_names() const;
  [[nodiscard]] const Node* catalog(std::string_view name) const;
  struct Catalog {
    std::string endpoint;
    json::Value authentication;  ///< null: none
  };
  /// Of a catalog that is there; nullopt after a problem.
  [[nodiscard]] std::optional<Catalog> endpoint_of(std::string_view catalog);
  /// For a call whose function the text does not have.
  void fetch_later(UnfetchedFunction function);
  /// Each once. Not empty: the definition is not whole.
  [[nodiscard]] const std::vector<UnfetchedFunction>& unfetched() const noexcept { return unfetched_; }

  /// A script within its task, after the call that fetches it. Gives the call.
  [[nodiscard]] TaskIndex fetched(const TaskScope& scope, const Position& source, HttpCall call, ProcessTask script);

  /// Call before a part of `use` is compiled where it is used. False after a problem: such parts would make too much of
  /// a short text.
  [[nodiscard]] bool take_copy(const Node& node, const Position& at);
  [[nodiscard]] const Node* named_error(std::string_view name) const;
  [[nodiscard]] const Node* named_retry(std::string_view name) const;
  [[nodiscard]] const Node* named_authentication(std::string_view name) const;
  [[nodiscard]] std::vector<std::string_view> error_names() const;
  [[nodiscard]] std::vector<std::string_view> retry_names() const;
  [[nodiscard]] std::vector<std::string_view> authentication_names() const;
  [[nodiscard]] const std::vector<std::string_view>& secret_names() const noexcept { return secrets_; }

 private:
  struct PendingFlow {
    TaskIndex task;
    int case_index;
    std::string target;
    Position position;
  };

  /// One of use.extensions.
  struct Extension {
    std::string name;
    std::string reference;  ///< of it, in the text
    Position position;
    std::string kind{};  ///< of the tasks that it extends, or all
    const Node* when = nullptr;
    const Node* before = nullptr;
    const Node* after = nullptr;
    bool is_used = false;
  };

  void document(Fields& root);
  void use(Fields& root);
  void use_authentications(const Node* secrets);
  void schedule(Fields& root);
  void missed_runs(const Node* metadata);
  void evaluation(Fields& root);
  void use_extensions(const Node* found);
  void check_unused();
  /// Where a task is; what it does is compiled after it is there.
  struct NewTask {
    std::string_view name;
    Position position;
    TaskIndex parent;
    bool in_catch;
    std::string reference;
    std::size_t text_at;
  };
  TaskIndex add_task(const NewTask& from);
  /// A task with the extensions from `extension` on that are meant for it; gives the outermost.
  /// `flow_of`: whose flow its `then` is; no_task: its own.
  TaskIndex declare_task(const Entry& entry, TaskIndex parent, const std::string& reference, bool in_catch,
                         std::size_t extension, TaskIndex flow_of);
  TaskIndex extend(const Entry& entry, TaskIndex parent, const std::string& reference, bool in_catch,
                   std::size_t extension, TaskIndex flow_of);
  /// What an extension has before a task goes to before_.
  [[nodiscard]] DoTask extension_body(TaskIndex index, const Extension& extension, const std::string& reference);
  /// The task that does what comes after; no_task where nothing does.
  [[nodiscard]] TaskIndex extension_after(TaskIndex index, const Extension& extension, const std::string& reference);
  /// `flow_of`: the task whose `then` it is.
  void task(const Node& node, const Entry& entry, TaskIndex index, const std::string& reference, TaskIndex flow_of);
  /// `metadata.compensate` of a task that is compiled already.
  void compensation(const Entry& compensate, TaskIndex of);
  [[nodiscard]] TaskBody body(std::string_view kind, Fields& fields, const TaskScope& scope);
  [[nodiscard]] std::vector<TaskIndex> children(const Node* node, TaskIndex parent, const std::string& reference,
                                                bool in_catch);
  /// `list`: what the siblings are in; null where none of them can be named.
  void resolve_flows(std::size_t from, const std::vector<TaskIndex>& siblings, const Node* list);
  void warn_of_unreachable(const std::vector<TaskIndex>& siblings);
  /// Of loops that compute for ever.
  void warn_of_endless(const std::vector<TaskIndex>& siblings);
  /// Of a {name} in an address that the input of the call cannot have. `list` is what the siblings are written in.
  void warn_of_missing_names(const std::vector<TaskIndex>& siblings, const Node& list);
  [[nodiscard]] std::optional<Expression> compile_text(std::string_view text, std::size_t offset, const Node& node,
                                                       Site site);
  [[nodiscard]] std::vector<std::pair<std::string, VariableReference>> visible(Site site) const;
  /// The place of a byte of a scalar's value.
  [[nodiscard]] Position within(const Node& node, std::size_t offset) const;
  void add_advice(const Node& node, std::string_view text, std::size_t offset, Advice advice);
  /// What split_expressions() found wrong.
  void add_unsplit(const Node& node, const base::Error& error);
  /// Its field is named once all are known.
  [[nodiscard]] std::shared_ptr<const ExpressionPlace> place_of(const Node& node, std::string_view text);
  /// One problem for a definition in the language of another time; whether it is one.
  bool is_other_language();
  /// evaluate.mode loose: a text that compiles; nullopt for another, and in strict mode.
  [[nodiscard]] std::optional<Template> loose(const Node& node, Site site) const;
  [[nodiscard]] Template text_value(const Node& node, Site site);
  /// nullopt where the text is not a secret's alone, or after a problem.
  [[nodiscard]] std::optional<Template> secret(std::string_view text, const Position& at);

  std::string_view text_;
  const Node& root_;
  const Absent absent_;
  Problems problems_;
  std::vector<std::shared_ptr<ExpressionPlace>> places_;
  Definition definition_;
  std::vector<Local> locals_;
  std::vector<PendingFlow> pending_;
  bool has_names_ = true;
  bool is_loose_ = false;         ///< evaluate.mode
  const Node* missed_ = nullptr;  ///< metadata.missedRuns of the document
  const Node* errors_ = nullptr;
  const Node* retries_ = nullptr;
  std::size_t schema_pattern_bytes_left_ = 1024 * 1024;  ///< of all schemas' regular expressions together
  const Node* timeouts_ = nullptr;
  const Node* authentications_ = nullptr;
  const Node* functions_ = nullptr;
  const Node* catalogs_ = nullptr;
  std::vector<UnfetchedFunction> unfetched_;
  std::vector<Extension> extensions_;
  std::vector<TaskIndex> before_;
  std::vector<std::string_view> called_;   ///< functions that some task calls
  std::vector<std::string_view> calling_;  ///< functions that are being compiled, outermost first
  TaskIndex extending_ = no_task;          ///< the extension whose tasks are being compiled
  bool is_compensation_ = false;           ///< what is being compiled undoes a task
  std::size_t copied_nodes_ = 0;
  std::size_t text_at_ = 0;  ///< of the tasks that are being compiled
  std::vector<std::string_view> secrets_;
  bool is_sent_ = false;  ///< what is being compiled goes into a request
};

// One function for each task kind. Each reads its own properties from `fields`; the common ones are read before.
[[nodiscard]] TaskBody compile_set(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_do(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_switch(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_call(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_http(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_openapi(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_mcp(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_a2a(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_wait(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_raise(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_try(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_for(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_emit(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_listen(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_run(Compiler& compiler, Fields& fields, const TaskScope& scope);
[[nodiscard]] TaskBody compile_fork(Compiler& compiler, Fields& fields, const TaskScope& scope);

/// A part of a JSON pointer.
[[nodiscard]] std::string pointer_part(std::string_view name);
/// The property that makes a task what it is; empty where it has none.
[[nodiscard]] std::string_view kind_in(const Node& task);

/// `read` of `listen` or of a schedule; nullopt when absent or a problem.
[[nodiscard]] std::optional<ReadAs> compile_read(Fields& fields);
/// A URI with {names}, or an expression; `what` is what it is of. `allows_path`: a path may be there instead.
[[nodiscard]] Endpoint compile_address(Compiler& compiler, const Node& node, const std::string& what, bool allows_path);
struct Resource {
  Endpoint address;
  std::optional<CallAuthentication> authentication{};
};
/// `{name, endpoint}`: what is fetched from an address; `what` is what it is.
[[nodiscard]] Resource compile_resource(Compiler& compiler, const Node& node, const std::string& what);
/// From `with` of a filter; nullopt where that is missing.
[[nodiscard]] std::optional<EventFilter> compile_event_filter(Compiler& compiler, const Node* with, Site site);
/// For a type that looks like one of the specification's errors and is none.
void warn_of_error_type(Problems& problems, const Node& type);
/// An error of `raise` or of use.errors.
[[nodiscard]] ErrorTemplate compile_error(Compiler& compiler, const Node& node, std::string what);
/// A policy of an endpoint's `authentication` or of use.authentications; `what` is what it is of. nullopt where there
/// is none, or after a problem.
[[nodiscard]] std::optional<CallAuthentication> compile_authentication(Compiler& compiler, const Node* node,
                                                                       const std::string& what);
/// A policy of `catch.retry` or of use.retries.
[[nodiscard]] RetryPolicy compile_retry(Compiler& compiler, const Node& node, std::string what);

}  // namespace trv::definition
