#include "kernel/plugin_run/local_host.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "kernel/json/parse.hpp"
#include "kernel/plugin_host/named_secrets.hpp"
#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_run {

using base::Result;

Result<std::unique_ptr<LocalPackage>> LocalPackage::open(base::BytesView package, const std::filesystem::path& scratch,
                                                         const base::Clock& clock) {
  TRV_EXPECTS(scratch.is_absolute());
  std::unique_ptr<LocalPackage> opened(new LocalPackage());
  TRV_TRY_ASSIGN(opened->archives_,
                 blob::FolderBlobStore::open(scratch / "packages", {.bytes_max = package::package_bytes_max}, clock,
                                             opened->random_));
  opened->plugins_ = scratch / "plugins";
  TRV_TRY_ASSIGN(opened->store_, plugin_host::PluginStore::open_folder(opened->plugins_, *opened->archives_));
  TRV_TRY_ASSIGN(opened->stored_, opened->store_->put(package));
  return opened;
}

namespace {

// Not a number that the zygote's own files have.
base::OpenFile moved_up(int number) {
  const base::OpenFile before(number);
  return base::OpenFile(::fcntl(before.number(), F_DUPFD_CLOEXEC, sandbox::refused_file + 1));
}

}  // namespace

Result<std::unique_ptr<LocalHost>> LocalHost::start(LocalPackage& package, const LocalWiring& wiring,
                                                    const std::optional<std::string>& configuration, Walls walls,
                                                    const base::Clock& clock) {
  TRV_EXPECTS(wiring.program.is_absolute());
  std::unique_ptr<LocalHost> started(new LocalHost());
  plugin_host::HostConfiguration host{.run_on_caller = false, .serve = wiring.serve, .trial_program = wiring.program};
  if (std::array<int, 2> ends{}; wiring.hears_refused && ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0) {
    started->refused_in_ = base::OpenFile(ends[0]);
    started->refused_out_ = moved_up(ends[1]);
  }
  auto isolated = plugin_host::Isolation::start({.program = wiring.program,
                                                 .folder = package.plugins_,
                                                 .ready_count = 1,
                                                 .needs_namespaces = false,
                                                 .refused = started->refused_out_.number()},
                                                {}, clock);
  if (isolated) {
    started->isolation_ = *std::move(isolated);
    host.isolation = started->isolation_.get();
    if (const std::string& without = started->isolation_->walls().no_namespaces; !without.empty()) {
      started->remarks_.push_back("the plugin shares the namespaces of this machine: " + without);
    }
  } else if (walls == Walls::needed || package.manifest().isolation == package::Isolation::sandboxed) {
    return base::fail(isolated.error());
  } else {
    started->remarks_.push_back("the plugin runs without isolation: " + isolated.error().message());
  }
  TRV_TRY_ASSIGN(started->host_,
                 plugin_host::PluginHost::start(std::move(host), *package.store_, wiring.http, clock, wiring.log));
  TRV_TRY_ASSIGN(const plugin_host::Stored examined, started->host_->examine(package.stored_->package_digest));
  TRV_TRY(started->host_->load(examined, configuration, {}, plugin_host::PluginHost::Known::from_now));
  return started;
}

std::vector<std::string> LocalHost::take_refused_calls() {
  std::string text;
  std::array<char, 4'096> part;
  for (ssize_t size = 0; (size = ::read(refused_in_.number(), part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<std::size_t>(size));
  }
  std::vector<std::string> names;
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    names.push_back(plugin_host::printable(text.substr(begin, end - begin), 64));
  }
  return names;
}

std::vector<std::string> secrets_named_in(const package::Manifest& manifest,
                                          const std::optional<std::string>& configuration) {
  std::vector<std::string> names;
  const auto schema = json::parse(manifest.configuration, {.depth_max = 512});
  const auto value = json::parse(configuration.value_or("{}"));
  if (!schema || !value) return names;
  for (auto& one : plugin_host::named_secrets(*schema, *value)) names.push_back(std::move(one.name));
  return names;
}

std::string operation_names(const package::Manifest& manifest) {
  std::string names;
  for (const package::Operation& one : manifest.operations) names += (names.empty() ? "" : ", ") + one.name;
  return names;
}

}  // namespace trv::plugin_run
