#pragma once
// What a plugin author includes and writes. Header-only; C++20 and the standard library.
//
//   class Greeter : public trv::sdk::Plugin {
//    public:
//     static trv::sdk::Operations<Greeter> operations() { return {{"greet", &Greeter::greet}}; }
//
//    private:
//     trv::sdk::Task greet(trv::sdk::Call& call) {
//       auto sent = call.http(trv::sdk::get("/greeting"));
//       co_await sent;
//       if (!sent) co_return sent.failure();
//       if (!sent->ok()) co_return trv::sdk::failure_of_status(*sent, "greeting");
//       co_return sent->body;
//     }
//   };
//   TRV_PLUGIN(Greeter, "greeter", "1.0.0")
//
// Everything of one instance runs serially; its members need no lock. Each call is answered exactly once: with what its
// coroutine returns, as cancelled where the host stops it while it waits, or as internal where it throws. A coroutine
// that is stopped is destroyed where it waits, with all that lives in it; it is not resumed.

#include <concepts>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sdk/cpp/blob.hpp"
#include "sdk/cpp/http_failure.hpp"
#include "sdk/cpp/incoming.hpp"
#include "sdk/cpp/session.hpp"
#include "sdk/cpp/uploading.hpp"

namespace trv::sdk {

/// Base of the author's class, which must be default-constructible. The host may be called from activate() on.
class Plugin {
 public:
  Plugin() = default;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  virtual ~Plugin() = default;

  /// Before the first call. `configuration` is a JSON object, borrowed. A Failure says why the plugin cannot start.
  virtual std::optional<Failure> activate(std::string_view configuration) {
    (void)configuration;
    return std::nullopt;
  }
  /// After the last call.
  virtual void deactivate() {}

  /// Overridden together, these two hand what the plugin keeps in memory over to the version that its tenant switches
  /// to (trv.state/1). The instance then serves one tenant. At most 1,000,000 bytes; no call is open.
  virtual Outcome save_state() { return std::string(); }
  /// Before the first call. `version` is that of the plugin which saved, older or newer; both are borrowed. A Failure
  /// stops the switch: that version goes on.
  virtual std::optional<Failure> restore_state(std::string_view version, std::string_view state) {
    (void)version;
    (void)state;
    return std::nullopt;
  }
  /// Overridden: why the plugin would not do its work, asked before a tenant switches to it (trv.health/1).
  virtual std::optional<Failure> check_health() { return std::nullopt; }

 protected:
  /// One line for the operator's log that is about no call. Never secrets or personal data. Any thread.
  void log(Level level, std::string_view text) const noexcept {
    if (services_ != nullptr) services_->write_log(level, 0, text);
  }

 private:
  template <typename P>
  friend class PluginSession;
  const CallServices* services_ = nullptr;
};

/// Whether the author's class has `Task serve(Call&)`, public: it then answers HTTP below the plugin's path, see
/// web.hpp.
template <typename P>
concept Serves = requires(P& plugin, Call& call) {
  { plugin.serve(call) } -> std::same_as<Task>;
};

template <typename P>
struct Operation {
  std::string_view name;  ///< as in the manifest; a literal
  Task (P::*run)(Call&);
};
template <typename P>
using Operations = std::vector<Operation<P>>;

/// The instance of one author's class.
template <typename P>
class PluginSession final : public Session {
 public:
  static_assert(std::is_base_of_v<Plugin, P>);
  // What is inherited from Plugin has its type.
  static constexpr bool saves = !std::is_same_v<decltype(&P::save_state), Outcome (Plugin::*)()>;
  static constexpr bool restores =
      !std::is_same_v<decltype(&P::restore_state),
                      std::optional<Failure> (Plugin::*)(std::string_view, std::string_view)>;
  static constexpr bool has_health = !std::is_same_v<decltype(&P::check_health), std::optional<Failure> (Plugin::*)()>;
  static_assert(saves == restores, "save_state and restore_state are overridden together");

  explicit PluginSession(const trv_host* host) : Session(host), operations_(P::operations()) {}
  ~PluginSession() override = default;

 protected:
  std::optional<Failure> on_activate(std::string_view configuration) override {
    base().services_ = this;
    return base().activate(configuration);
  }
  void on_deactivate() override { base().deactivate(); }
  bool keeps_state() const noexcept override { return saves; }
  bool checks_health() const noexcept override { return has_health; }
  Outcome on_save() override { return base().save_state(); }
  std::optional<Failure> on_restore(std::string_view version, std::string_view state) override {
    return base().restore_state(version, state);
  }
  std::optional<Failure> on_check() override { return base().check_health(); }
  std::optional<Task> start(Call& call) override {
    for (const Operation<P>& operation : operations_)
      if (operation.name == call.operation()) return (plugin_.*operation.run)(call);
    return std::nullopt;
  }
  std::optional<Task> start_serving(Call& call) override {
    if constexpr (Serves<P>) return plugin_.serve(call);
    return std::nullopt;
  }
  bool serves() const noexcept override { return Serves<P>; }
  std::uint32_t operation_count() const noexcept override { return static_cast<std::uint32_t>(operations_.size()); }
  std::string_view operation_name(std::uint32_t index) const noexcept override {
    return index < operations_.size() ? operations_[index].name : std::string_view();
  }

 private:
  Plugin& base() noexcept { return plugin_; }

  P plugin_;
  Operations<P> operations_;
};

/// The library's entry for one author's class; Name has the constants id and version.
template <typename P, typename Name>
struct Entry {
  static constexpr trv_descriptor descriptor = {.struct_size = sizeof(trv_descriptor),
                                                .id = {Name::id.data(), Name::id.size()},
                                                .version = {Name::version.data(), Name::version.size()}};

  static const trv_plugin* create(const trv_host* host, trv_string id) noexcept {
    if (host == nullptr || host->struct_size < TRV_HOST_SIZE_V1 || host->abi_major != TRV_ABI_MAJOR) return nullptr;
    if (view(id) != Name::id) return nullptr;
    try {
      return (new PluginSession<P>(host))->plugin();
    } catch (...) {
      return nullptr;
    }
  }

  static constexpr trv_factory factory = {.struct_size = sizeof(trv_factory),
                                          .count = []() noexcept -> std::uint32_t { return 1; },
                                          .describe = [](std::uint32_t index) noexcept -> const trv_descriptor* {
                                            return index == 0 ? &descriptor : nullptr;
                                          },
                                          .create = &create};

  static constexpr trv_entry entry = {.struct_size = sizeof(trv_entry),
                                      .abi_major = TRV_ABI_MAJOR,
                                      .abi_minor = TRV_ABI_MINOR,
                                      .init = []() noexcept -> std::int32_t { return 0; },
                                      .deinit = []() noexcept {},
                                      .get_factory = [](const char* id) noexcept -> const void* {
                                        return std::string_view(id) == TRV_FACTORY_ID ? &factory : nullptr;
                                      }};
};

}  // namespace trv::sdk

/// Defines what the library exports. Once per library, outside every namespace. id and version as in the manifest.
#define TRV_PLUGIN(Class, plugin_id, plugin_version)                                       \
  namespace {                                                                              \
  struct TrvPluginName {                                                                   \
    static constexpr std::string_view id = plugin_id;                                      \
    static constexpr std::string_view version = plugin_version;                            \
  };                                                                                       \
  }                                                                                        \
  extern "C" {                                                                             \
  constinit const trv_entry trv_entry_v1 = ::trv::sdk::Entry<Class, TrvPluginName>::entry; \
  }
