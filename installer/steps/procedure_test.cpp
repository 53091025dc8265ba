#include "installer/steps/procedure.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "sdk/base/file.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::Status;
using std::filesystem::path;
using testing::HasSubstr;

/// The real changes, but that after `count` of them the process is killed, or each one fails as on a full disk.
class BrokenOff final : public Changes {
 public:
  enum class How : std::uint8_t { not_at_all, killed, full_disk };
  BrokenOff(How how, int count) : how_(how), left_(count) {}

  Status make_folder(const path& folder, unsigned mode) override {
    return step([&] { return host_.make_folder(folder, mode); });
  }
  Status write(const path& file, std::string_view text, unsigned mode) override {
    return step([&] { return host_.write(file, text, mode); });
  }
  Status copy(const path& from, const path& to, unsigned mode, const base::Digest& sha256) override {
    return step([&] { return host_.copy(from, to, mode, sha256); });
  }
  Status rename(const path& from, const path& to) override {
    return step([&] { return host_.rename(from, to); });
  }
  Status link(const path& link, const path& target) override {
    return step([&] { return host_.link(link, target); });
  }
  // What removes needs no room.
  Status remove(const path& at) override {
    return how_ == How::full_disk ? host_.remove(at) : step([&] { return host_.remove(at); });
  }
  Status give(const path&, std::string_view) override { return {}; }
  Status run(const std::vector<std::string>&) override { return {}; }

  [[nodiscard]] int done() const noexcept { return done_; }

 private:
  template <class Step>
  Status step(Step step) {
    ++done_;
    if (how_ == How::full_disk && left_-- <= 0) return base::fail(ErrorCode::exhausted, "no space left on the disk");
    const Status status = step();
    if (how_ == How::killed && --left_ == 0) ::kill(::getpid(), SIGKILL);
    return status;
  }

  HostChanges host_;
  const How how_;
  int left_;
  int done_ = 0;
};

/// A service that remembers in a file which version runs; versions in `sick` never get ready.
class RecordedService final : public Service {
 public:
  RecordedService(const Places& places, path file) : places_(places), file_(std::move(file)) {}
  Status start() override { return restart(); }
  Status restart() override {
    HostChanges changes;
    const std::string name = std::filesystem::read_symlink(places_.current()).string();
    return changes.write(file_, name, 0644);
  }
  Status stop() override { return HostChanges().remove(file_); }
  bool is_running() override { return std::filesystem::exists(file_); }
  Status check(std::string_view version, base::Duration) override {
    if (version == sick) return base::fail(ErrorCode::timeout, "it is not ready after 60 s");
    const auto text = base::read_file(file_, 100);
    if (text && base::as_text(*text) == version) return {};
    return base::fail(ErrorCode::unavailable, "another version runs");
  }
  bool survives_reboot() const override { return true; }
  Status remove() override { return {}; }
  Status make_user(const path&) override { return {}; }

  std::string sick;

 private:
  const Places& places_;
  const path file_;
};

class Procedures : public testing::Test {
 protected:
  Procedures() : folder_(*base::ScratchFolder::make("installer", std::filesystem::temp_directory_path())) {
    begin_anew();
  }

  void begin_anew() {
    std::filesystem::remove_all(folder_.path() / "host");
    std::filesystem::create_directories(folder_.path() / "host");
    places_.root = folder_.path() / "host";
  }

  /// A bundle of three files that says its version; `verified` is what verify() gives for it.
  release::Verified bundle(const std::string& version, std::int64_t counter, std::int64_t writes = 1) {
    const path at = folder_.path() / version;
    release::Verified out;
    out.manifest = {.version = version,
                    .architecture = "x86_64",
                    .release_counter = counter,
                    .security_floor = floor_,
                    .created = "",
                    .reads_schema_min = 1,
                    .reads_schema_max = writes,
                    .writes_schema = writes};
    std::string files;
    for (const std::string name : {"files/bin/travd", "files/bin/trav", "files/share/version"}) {
      std::filesystem::create_directories((at / name).parent_path());
      std::ofstream(at / name) << name << " of " << version;
      const auto sha256 = base::sha256(base::as_bytes(name + " of " + version));
      const std::uint64_t size = name.size() + 4 + version.size();
      out.manifest.files.push_back({.path = name, .size = size, .mode = 0755, .sha256 = sha256});
      files += fmt::format(R"({}{{"path":"{}","size":{},"mode":"0755","sha256":"{}"}})", files.empty() ? "" : ",", name,
                           size, base::to_hex(sha256));
    }
    out.manifest_text = fmt::format(
        R"({{"format":"travertine-bundle/1","version":"{}","architecture":"x86_64","release_counter":{},"security_floor":{},)"
        R"("event_schemas":{{"reads":[1,{}],"writes":{}}},"files":[{}]}})",
        version, counter, floor_, writes, writes, files);
    out.root_text = {.text = "root", .signatures = "signatures"};
    return out;
  }

  Status install(const release::Verified& verified, Changes& changes, RecordedService& service) {
    return steps::install(host(changes, service), verified,
                          {.bundle = folder_.path() / verified.manifest.version,
                           .configuration = "# of the test\n",
                           .accepted = {},
                           .patience = {}});
  }
  static void expect_done(const Status& status) { ASSERT_TRUE(status) << status.error().message(); }
  Host host(Changes& changes, RecordedService& service) {
    return {places_, changes, service, clock_, [](std::string_view) {}};
  }
  RecordedService service() { return {places_, places_.root / "runs"}; }
  Installation installation() { return {places_, whole_}; }

  /// The version is current, whole and runs.
  void expect_well(const release::Verified& verified, std::string_view when) {
    EXPECT_EQ(installation().current(), verified.manifest.version) << when;
    const Status tree = release::verify_tree(places_.current(), verified.manifest);
    EXPECT_TRUE(tree) << when << ": " << tree.error().message();
    RecordedService now = service();
    EXPECT_TRUE(now.check(verified.manifest.version, {})) << when;
    EXPECT_FALSE(*installation().pending()) << when;
  }

  base::ScratchFolder folder_;
  Places places_;
  base::SimulatedClock clock_{base::Timestamp(0)};
  BrokenOff whole_{BrokenOff::How::not_at_all, 0};
  std::int64_t floor_ = 0;
};

TEST_F(Procedures, an_upgrade_and_the_way_back) {
  const release::Verified one = bundle("1.0.0", 100);
  const release::Verified two = bundle("1.1.0", 200);
  RecordedService service = this->service();
  expect_done(install(one, whole_, service));
  expect_well(one, "installed");
  expect_done(install(two, whole_, service));
  expect_well(two, "upgraded");
  EXPECT_EQ(installation().previous(), "1.0.0");
  expect_done(roll_back(host(whole_, service), {}));
  expect_well(one, "rolled back");
  EXPECT_EQ(installation().memory()->release_counter, 200) << "an older bundle is still refused";
  expect_done(roll_back(host(whole_, service), {}));
  expect_well(two, "forward again");
}

TEST_F(Procedures, a_configuration_is_written_once) {
  RecordedService service = this->service();
  expect_done(install(bundle("1.0.0", 100), whole_, service));
  std::ofstream(places_.configuration_file()) << "# of the operator\n";
  expect_done(install(bundle("1.1.0", 200), whole_, service));
  EXPECT_EQ(base::as_text(*base::read_file(places_.configuration_file(), 100)), "# of the operator\n");
}

TEST_F(Procedures, a_version_that_does_not_get_ready_is_left_again) {
  const release::Verified one = bundle("1.0.0", 100);
  RecordedService service = this->service();
  expect_done(install(one, whole_, service));
  service.sick = "1.1.0";
  const Status failed = install(bundle("1.1.0", 200), whole_, service);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(),
              HasSubstr("1.1.0 did not get ready (it is not ready after 60 s); 1.0.0 is current again and runs"));
  expect_well(one, "went back");
  EXPECT_EQ(installation().memory()->release_counter, 100) << "the failed one was never believed";
}

TEST_F(Procedures, killed_after_any_operation_the_old_version_is_whole_and_the_same_command_goes_on) {
  const release::Verified one = bundle("1.0.0", 100);
  const release::Verified two = bundle("1.1.0", 200);
  BrokenOff counted(BrokenOff::How::not_at_all, 0);
  {
    RecordedService service = this->service();
    expect_done(install(one, whole_, service));
    expect_done(install(two, counted, service));
  }
  ASSERT_GT(counted.done(), 12);
  for (int after = 1; after <= counted.done(); ++after) {
    const std::string when = fmt::format("killed after operation {} of {}", after, counted.done());
    begin_anew();
    RecordedService service = this->service();
    expect_done(install(one, whole_, service));
    const pid_t child = ::fork();
    if (child == 0) {
      BrokenOff broken(BrokenOff::How::killed, after);
      static_cast<void>(install(two, broken, service));
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << when;
    EXPECT_TRUE(release::verify_tree(places_.version("1.0.0"), one.manifest)) << when;
    const std::string current = installation().current();
    EXPECT_TRUE(release::verify_tree(places_.current(), current == "1.0.0" ? one.manifest : two.manifest)) << when;
    // A power cut: what is current then is what starts.
    ASSERT_TRUE(service.restart());
    if (after % 2 == 0) {
      const Status again = install(two, whole_, service);
      ASSERT_TRUE(again) << when << ": " << again.error().message();
      expect_well(two, when + ", and done again");
      EXPECT_EQ(installation().previous(), "1.0.0") << when;
      EXPECT_EQ(installation().versions().size(), 2U) << when;
      EXPECT_FALSE(std::filesystem::exists(places_.incoming())) << when;
    } else if (*installation().pending()) {
      const Status back = roll_back(host(whole_, service), {});
      ASSERT_TRUE(back) << when << ": " << back.error().message();
      expect_well(one, when + ", and gone back");
    } else {
      expect_well(current == "1.0.0" ? one : two, when);
      EXPECT_EQ(installation().previous(), current == "1.0.0" ? "" : "1.0.0") << when;
    }
  }
}

TEST_F(Procedures, a_first_installation_that_is_killed_after_any_operation_goes_on) {
  const release::Verified one = bundle("1.0.0", 100);
  BrokenOff counted(BrokenOff::How::not_at_all, 0);
  {
    RecordedService service = this->service();
    expect_done(install(one, counted, service));
  }
  for (int after = 1; after <= counted.done(); ++after) {
    const std::string when = fmt::format("killed after operation {} of {}", after, counted.done());
    begin_anew();
    RecordedService service = this->service();
    const pid_t child = ::fork();
    if (child == 0) {
      BrokenOff broken(BrokenOff::How::killed, after);
      static_cast<void>(install(one, broken, service));
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << when;
    const Status again = install(one, whole_, service);
    ASSERT_TRUE(again) << when << ": " << again.error().message();
    expect_well(one, when);
  }
}

TEST_F(Procedures, a_disk_that_is_full_at_any_step_leaves_the_old_version_running) {
  const release::Verified one = bundle("1.0.0", 100);
  const release::Verified two = bundle("1.1.0", 200);
  for (int before = 0;; ++before) {
    const std::string when = fmt::format("full before operation {}", before);
    begin_anew();
    RecordedService service = this->service();
    expect_done(install(one, whole_, service));
    BrokenOff full(BrokenOff::How::full_disk, before);
    const Status failed = install(two, full, service);
    if (failed) {
      EXPECT_GT(before, 10);
      break;
    }
    EXPECT_EQ(failed.error().code(), ErrorCode::exhausted) << when << ": " << failed.error().message();
    EXPECT_TRUE(release::verify_tree(places_.version("1.0.0"), one.manifest)) << when;
    // What runs is one of the two, and whole.
    RecordedService now = this->service();
    EXPECT_TRUE(now.check("1.0.0", {}) || now.check("1.1.0", {})) << when;
    ASSERT_TRUE(install(two, whole_, service)) << when << ", and then there is room";
    expect_well(two, when + ", and then there is room");
  }
}

TEST_F(Procedures, uninstalling_keeps_the_data_alone_and_may_be_killed_anywhere) {
  const release::Verified one = bundle("1.0.0", 100);
  for (int after = 0; after < 9; ++after) {
    begin_anew();
    RecordedService service = this->service();
    expect_done(install(one, whole_, service));
    std::filesystem::create_directory(places_.root / "data");
    std::ofstream(places_.root / "data/log") << "events";
    const pid_t child = after == 0 ? -1 : ::fork();
    if (child == 0) {
      BrokenOff broken(BrokenOff::How::killed, after);
      static_cast<void>(uninstall(host(broken, service), places_.root / "data", "", Data::kept));
      ::_exit(0);
    }
    if (child > 0) {
      ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    }
    expect_done(uninstall(host(whole_, service), places_.root / "data", "", Data::kept));
    std::vector<std::string> left;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(places_.root)) {
      if (!entry.is_directory()) left.push_back(entry.path().lexically_relative(places_.root).string());
    }
    EXPECT_THAT(left, testing::UnorderedElementsAre("data/log", "data/travd.toml.kept")) << after;
  }
}

TEST_F(Procedures, a_rollback_refuses_what_has_a_hole_or_was_changed) {
  RecordedService service = this->service();
  expect_done(install(bundle("1.0.0", 100), whole_, service));
  floor_ = 150;
  expect_done(install(bundle("1.1.0", 200), whole_, service));
  const Status holed = roll_back(host(whole_, service), {});
  ASSERT_FALSE(holed);
  EXPECT_THAT(holed.error().message(), HasSubstr("below the security floor 150"));
  floor_ = 0;
  expect_done(install(bundle("1.2.0", 300), whole_, service));
  std::ofstream(places_.version("1.1.0") / "bin/travd") << "something else";
  const Status changed = roll_back(host(whole_, service), {});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), ErrorCode::corrupt) << changed.error().message();
}

TEST_F(Procedures, an_upgrade_without_a_way_back_is_refused_unless_it_is_accepted) {
  RecordedService service = this->service();
  expect_done(install(bundle("1.0.0", 100), whole_, service));
  const Status refused = install(bundle("2.0.0", 200, 2), whole_, service);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("there would be no way back. Accept that with --no-way-back"));
  EXPECT_FALSE(std::filesystem::exists(places_.version("2.0.0"))) << "nothing was written";
}

TEST_F(Procedures, a_dry_run_names_every_change_and_makes_none) {
  ListedChanges listed;
  RecordedService service = this->service();
  const release::Verified one = bundle("1.0.0", 100);
  const Status done =
      steps::install(host(listed, service), one,
                     {.bundle = folder_.path() / "1.0.0", .configuration = "#\n", .accepted = {}, .starts = false});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(std::filesystem::is_empty(places_.root));
  std::string all;
  for (const std::string& line : listed.lines()) all += line + "\n";
  for (const std::string_view part :
       {"copy     ", ".incoming/bin/travd (0755)", "rename   ", "travd.toml (0644", "command  ", "link     "}) {
    EXPECT_THAT(all, HasSubstr(part));
  }
}

}  // namespace
}  // namespace trv::steps
