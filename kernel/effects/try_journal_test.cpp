#include "kernel/effects/try_journal.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

namespace trv::effects {
namespace {

using record::Lsn;

class TryJournalTest : public testing::Test {
 protected:
  TryJournalTest()
      : file_(std::filesystem::path(testing::TempDir()) /
              (std::string("tries_") + testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove(file_);
  }
  ~TryJournalTest() override {
    journal_.reset();
    std::filesystem::remove(file_);
  }
  void open(std::size_t effects_max = 8, LastEnd last_end = LastEnd::crashed) {
    journal_.reset();
    auto opened = TryJournal::open(file_, effects_max, last_end);
    ASSERT_TRUE(opened) << opened.error().message();
    journal_ = *std::move(opened);
  }
  /// Runs `work` on a journal in a process that then ends without any farewell.
  template <typename Work>
  void in_a_process_that_dies(Work work, LastEnd before = LastEnd::crashed) {
    journal_.reset();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      open(8, before);
      work(*journal_);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  void expect_past(std::uint64_t position, std::uint32_t tries, std::uint32_t deaths) {
    const PastTries past = journal_->past(Lsn(position));
    EXPECT_EQ(past.tries, tries) << position;
    EXPECT_EQ(past.deaths, deaths) << position;
  }

  std::filesystem::path file_;
  std::unique_ptr<TryJournal> journal_;
  base::TenantId acme_{"acme"};
};

TEST_F(TryJournalTest, a_try_under_way_when_the_process_dies_is_a_death_and_tries_are_kept) {
  in_a_process_that_dies([&](TryJournal& journal) {
    journal.begin(acme_, Lsn(7));
    journal.end(Lsn(7));
    journal.begin(acme_, Lsn(7));
    journal.begin(acme_, Lsn(8));
    journal.end(Lsn(8));
    journal.begin(acme_, Lsn(9));
    journal.forget(Lsn(9));
  });
  open();
  expect_past(7, 2, 1);
  expect_past(8, 1, 0);
  expect_past(9, 0, 0);
  in_a_process_that_dies([&](TryJournal& journal) { journal.begin(acme_, Lsn(7)); });
  open();
  expect_past(7, 3, 2);
}

TEST_F(TryJournalTest, of_ends_that_are_not_crashes_every_fourth_is_a_death) {
  for (std::uint32_t kills = 1; kills <= 9; ++kills) {
    in_a_process_that_dies([&](TryJournal& journal) { journal.begin(acme_, Lsn(7)); }, LastEnd::other);
    open(8, LastEnd::other);
    expect_past(7, kills, kills / 4);
  }
  in_a_process_that_dies([&](TryJournal& journal) { journal.begin(acme_, Lsn(7)); }, LastEnd::other);
  open(8, LastEnd::crashed);
  expect_past(7, 10, 3);
}

TEST_F(TryJournalTest, the_end_of_a_process_that_stops_by_itself_is_no_death) {
  open();
  journal_->begin(acme_, Lsn(7));
  journal_->close();
  open();
  expect_past(7, 1, 0);
}

TEST_F(TryJournalTest, notes_of_effects_that_ended_go) {
  open();
  journal_->begin(acme_, Lsn(1));
  journal_->begin(base::TenantId("other"), Lsn(2));
  journal_->keep([](const base::TenantId& tenant, Lsn position) {
    return tenant == base::TenantId("other") && position == Lsn(2);
  });
  expect_past(1, 0, 0);
  expect_past(2, 1, 0);
}

TEST_F(TryJournalTest, a_full_file_gives_the_place_of_what_was_not_tried_since) {
  open(2);
  journal_->begin(acme_, Lsn(1));
  journal_->begin(acme_, Lsn(2));
  open(2);
  journal_->begin(acme_, Lsn(2));
  journal_->begin(acme_, Lsn(3));
  expect_past(1, 0, 0);
  expect_past(2, 2, 0);
  expect_past(3, 1, 0);
}

TEST_F(TryJournalTest, a_file_of_another_length_or_with_garbage_is_read_as_far_as_it_makes_sense) {
  std::ofstream(file_) << std::string(160, '\xff') << std::string(80, '\0') << "abc";
  open();
  for (std::uint64_t position = 1; position <= 8; ++position) journal_->begin(acme_, Lsn(position));
  expect_past(8, 1, 0);
}

TEST_F(TryJournalTest, a_file_that_cannot_be_written_is_refused_with_its_path) {
  const auto opened = TryJournal::open("/proc/none/tries", 8, LastEnd::other);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), base::ErrorCode::unavailable);
  EXPECT_NE(opened.error().message().find("/proc/none/tries"), std::string::npos);
}

}  // namespace
}  // namespace trv::effects
