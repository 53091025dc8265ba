// trav-plugin-check: runs the conformance suite against a package, or against a library with its manifest. Each check
// runs in a child process under a time limit; a crash or a hang is a finding of that check, with the call that it was
// in. Exit code 0 = all hold.

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sdk/conformance/suite/apart.hpp"
#include "sdk/conformance/suite/library.hpp"
#include "sdk/conformance/suite/suite.hpp"
#include "sdk/package/package.hpp"

namespace {

namespace base = trv::base;
namespace filesystem = std::filesystem;
namespace package = trv::package;
namespace suite = trv::conformance::suite;

constexpr std::chrono::seconds check_time_max(30);

/// A folder for the library of a package, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (filesystem::temp_directory_path() / "trav-plugin-check-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) filesystem::remove_all(path_, ignored);
  }
  const filesystem::path& path() const { return path_; }

 private:
  filesystem::path path_;
};

struct Subject {
  package::Manifest manifest;
  filesystem::path library;
};

base::Result<Subject> subject_of_package(const filesystem::path& path, const filesystem::path& scratch) {
  TRV_TRY_ASSIGN(package::Package read, package::read(path));
  const package::Library* library = read.manifest.find_library(package::this_platform());
  if (library == nullptr)
    return base::fail(base::ErrorCode::not_found,
                      "the package has no library for " + std::string(package::this_platform()));
  const base::Bytes* bytes = read.find_file(library->path);
  Subject subject = {std::move(read.manifest), scratch / "plugin.so"};
  std::ofstream out(subject.library, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes->data()), static_cast<std::streamsize>(bytes->size()));
  out.close();
  if (!out) return base::fail(base::ErrorCode::unavailable, "cannot write " + subject.library.string());
  return subject;
}

base::Result<Subject> subject_of_library(const filesystem::path& library, const filesystem::path& manifest) {
  std::ifstream in(manifest, std::ios::binary);
  if (!in) return base::fail(base::ErrorCode::not_found, "cannot read " + manifest.string());
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  TRV_TRY_ASSIGN(package::Manifest parsed, package::parse_manifest(text, package::ManifestForm::source));
  return Subject{std::move(parsed), library};
}

/// Whether the check holds.
bool run_apart(std::string_view check, const Subject& subject, suite::Options options) {
  std::fflush(stdout);
  const suite::ApartOutcome outcome = suite::run_apart(
      [&](const suite::Doing& doing) {
        options.doing = doing;
        doing("load the library");
        const auto entry = suite::load_library(subject.library);
        if (!entry) return entry.error().message() + "\n";
        std::string findings;
        for (const std::string& finding : suite::run_check(check, **entry, subject.manifest, options))
          findings += finding + "\n";
        return findings;
      },
      check_time_max);
  std::string_view rest = outcome.output;
  for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1))
    std::printf("     %.*s\n", static_cast<int>(end), rest.data());
  if (!outcome.trouble.empty()) std::printf("     %s\n", outcome.trouble.c_str());
  const bool good = outcome.output.empty() && outcome.trouble.empty();
  std::printf("%s %.*s\n", good ? "ok  " : "FAIL", static_cast<int>(check.size()), check.data());
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  std::string package_path;
  std::string library_path;
  std::string manifest_path;
  suite::Options options;
  CLI::App app(
      "Checks a plugin against the rules of the ABI.\n\n"
      "  trav-plugin-check hello-1.0.0.trvp\n"
      "  trav-plugin-check --library build/plugin.so --manifest manifest.json");
  auto* package_option = app.add_option("package", package_path, "Package, .trvp");
  auto* library_option = app.add_option("--library", library_path, "Shared object")->excludes(package_option);
  app.add_option("--manifest", manifest_path, "Source manifest of the library")->needs(library_option);
  app.add_option("--configuration", options.configuration, "JSON object that the plugin accepts")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (package_path.empty() && (library_path.empty() || manifest_path.empty())) {
    std::fprintf(stderr, "trav-plugin-check: give a package, or --library and --manifest\n");
    return 2;
  }
  const ScratchFolder scratch;
  const auto subject = package_path.empty() ? subject_of_library(library_path, manifest_path)
                                            : subject_of_package(package_path, scratch.path());
  if (!subject) {
    std::fprintf(stderr, "trav-plugin-check: %s\n", subject.error().message().c_str());
    return 2;
  }
  int failed = 0;
  for (const std::string_view check : suite::checks()) failed += run_apart(check, *subject, options) ? 0 : 1;
  std::printf("%s %s: %zu checks, %d failed\n", subject->manifest.id.c_str(), subject->manifest.version.c_str(),
              suite::checks().size(), failed);
  return failed == 0 ? 0 : 1;
}
