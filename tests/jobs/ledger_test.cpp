#include "jobs/ledger.hpp"

#include <cmath>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/jobs/ledger_support.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Ledger append(const std::filesystem::path& file, const LedgerRow& row) {
  return append_to_ledger(file, [&](const Ledger&) { return row; });
}

template <class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Ledger, IsEmptyAndWritesNothingWhereThereIsNoFile) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(read_ledger(folder / "l").rows, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(folder / "l"));
}

TEST(Ledger, GivesBackEveryField) {
  const test::TemporaryFolder folder;
  LedgerRow row = sound_row();
  row.problems = {"a \"quoted\"\nproblem"};
  row.verdict = {VerdictKind::worse, {"why"}, {"also"}, {{"layers.1.x", 0.1, 0.3}}, "then"};
  append(folder / "sub/l", row);
  const Ledger ledger = read_ledger(folder / "sub/l");
  ASSERT_EQ(ledger.rows.size(), 1u);
  EXPECT_EQ(to_json(ledger.rows[0]).to_text(), to_json(row).to_text());
  const LedgerRow& read = ledger.rows[0];
  EXPECT_EQ(read.verdict.worse_layers[0].after, 0.3);
  EXPECT_EQ(read.machine.num_ranks, 8u);
  EXPECT_DOUBLE_EQ(read.total_seconds(), 100);
  EXPECT_DOUBLE_EQ(*read.scores.ratio(), 1.3);
  EXPECT_THAT(to_json(row).to_text(), testing::StartsWith("{\"ledger_version\":1,\"time\""));
}

TEST(Ledger, KeepsWhatIsNotKnownAndWhatIsNoNumber) {
  const test::TemporaryFolder folder;
  LedgerRow row;
  row.layers = {{"layers.0.x", 2.0, std::nan("")}};
  append(folder / "l", row);
  const LedgerRow read = read_ledger(folder / "l").rows.at(0);
  EXPECT_FALSE(read.scores.ratio().has_value());
  EXPECT_FALSE(read.scores.bits_per_weight.has_value());
  EXPECT_TRUE(std::isnan(read.layers[0].proxy_error));
  EXPECT_EQ(read.end, RunEnd::failed);
}

TEST(Ledger, LeavesOutALastLineThatWasCutAnywhereAndSaysSo) {
  const test::TemporaryFolder folder;
  append(folder / "whole", sound_row("first"));
  const std::size_t first_line = read_text_file(folder / "whole").size();
  append(folder / "whole", sound_row("second"));
  const std::string whole = read_text_file(folder / "whole");
  for (std::size_t length = first_line + 1; length + 1 < whole.size(); length += 7) {
    write_file_atomically(folder / "l", whole.substr(0, length));
    const Ledger cut = read_ledger(folder / "l");
    ASSERT_EQ(cut.rows.size(), 1u) << length;
    ASSERT_THAT(cut.remarks, ElementsAre(HasSubstr("line 2 is left out"))) << length;
    append(folder / "l", sound_row("third"));  // must not be glued to the rest of the second
    const Ledger again = read_ledger(folder / "l");
    ASSERT_EQ(again.rows.size(), 2u) << length;
    EXPECT_EQ(again.rows[1].name, "third") << length;
    EXPECT_EQ(again.remarks.size(), 1u) << length;
  }
}

TEST(Ledger, TakesALastRowThatLacksOnlyItsEndOfLine) {
  const test::TemporaryFolder folder;
  append(folder / "l", sound_row("first"));
  std::string text = read_text_file(folder / "l");
  text.pop_back();
  write_file_atomically(folder / "l", text);
  append(folder / "l", sound_row("second"));
  EXPECT_EQ(read_ledger(folder / "l").rows.size(), 2u);
  EXPECT_THAT(read_ledger(folder / "l").remarks, IsEmpty());
}

TEST(Ledger, RefusesWhatItDoesNotKnowByLineAndKey) {
  const test::TemporaryFolder folder;
  append(folder / "l", sound_row());
  const std::string good = read_text_file(folder / "l");
  const auto refusal_of = [&](const std::string& line) {
    write_file_atomically(folder / "l", good + line + "\n");
    return message_of([&] { read_ledger(folder / "l"); });
  };
  EXPECT_THAT(
      refusal_of("{\"ledger_version\":2}"),
      testing::AllOf(HasSubstr("line 2"), HasSubstr("ledger_version is 2"), HasSubstr("knows 1")));
  EXPECT_THAT(refusal_of("{\"ledger_version\":1}"), HasSubstr("time"));
  EXPECT_THAT(refusal_of("[]"), HasSubstr("line 2"));
  std::string other = good.substr(0, good.size() - 1);
  other.replace(other.find("\"first\""), 7, "\"fine\"");
  EXPECT_THAT(refusal_of(other),
              testing::AllOf(HasSubstr("verdict: kind: \"fine\" is none of first, better")));
}

TEST(Ledger, AppendsNothingWhenThereIsNothingToSay) {
  const test::TemporaryFolder folder;
  append(folder / "l", sound_row());
  const std::string before = read_text_file(folder / "l");
  const Ledger ledger =
      append_to_ledger(folder / "l", [](const Ledger& found) -> std::optional<LedgerRow> {
        EXPECT_EQ(found.rows.size(), 1u);
        return std::nullopt;
      });
  EXPECT_EQ(ledger.rows.size(), 1u);
  EXPECT_EQ(read_text_file(folder / "l"), before);
}

// Each sees what the others appended: the n-th row says that n were there before it.
TEST(Ledger, ManyProcessesAppendOneAfterTheOther) {
  const test::TemporaryFolder folder;
  constexpr std::size_t kProcesses = 4, kRows = 8;
  std::vector<pid_t> children;
  for (std::size_t p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (std::size_t k = 0; k < kRows; ++k) {
        append_to_ledger(folder / "l", [](const Ledger& found) {
          LedgerRow row = sound_row(fmt::format("{}", found.rows.size()));
          row.problems.assign(500, "long enough for several writes to mix");
          return row;
        });
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const Ledger ledger = read_ledger(folder / "l");
  EXPECT_THAT(ledger.remarks, IsEmpty());
  ASSERT_EQ(ledger.rows.size(), kProcesses * kRows);
  for (std::size_t k = 0; k < ledger.rows.size(); ++k) {
    EXPECT_EQ(ledger.rows[k].name, fmt::format("{}", k));
  }
}

TEST(Ledger, SaysWhichFileCannotBeWritten) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(append(folder.path(), sound_row()), MachineError);  // a folder
}

}  // namespace
}  // namespace tessera::jobs
