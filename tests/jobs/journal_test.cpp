#include "jobs/journal.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

JsonValue line(int number) {
  return JsonValue::object().set("n", number);
}

TEST(Journal, IsEmptyAndWritesNothingWhenThereIsNoFile) {
  const test::TemporaryFolder folder;
  const Journal journal(folder / "journal.jsonl");
  EXPECT_TRUE(journal.lines().empty());
  EXPECT_FALSE(std::filesystem::exists(journal.file()));
}

TEST(Journal, GivesBackWhatWasAppended) {
  const test::TemporaryFolder folder;
  Journal(folder / "j").append(line(1));
  Journal second(folder / "j");
  second.append(line(2));
  const Journal third(folder / "j");
  ASSERT_EQ(third.lines().size(), 2u);
  EXPECT_EQ(third.lines()[1].at("n").integer(), 2);
  const std::string text = read_text_file(folder / "j");
  EXPECT_THAT(text, testing::MatchesRegex("\\{\"n\":1\\} [0-9a-f]+\n\\{\"n\":2\\} [0-9a-f]+\n"));
}

TEST(Journal, LeavesOutATornLastLineWhereverItWasTorn) {
  const test::TemporaryFolder folder;
  Journal(folder / "whole").append(line(1));
  const std::size_t first_line = read_text_file(folder / "whole").size();
  Journal(folder / "whole").append(line(2));
  const std::string whole = read_text_file(folder / "whole");
  for (std::size_t length = first_line; length < whole.size(); ++length) {
    write_file_atomically(folder / "j", whole.substr(0, length));
    Journal journal(folder / "j");
    ASSERT_EQ(journal.lines().size(), 1u) << length;
    journal.append(line(3));  // must not be glued to the rest of line 2
    const Journal again(folder / "j");
    ASSERT_EQ(again.lines().size(), 2u) << length;
    EXPECT_EQ(again.num_damaged_lines(), 0u) << length;
    EXPECT_EQ(again.lines()[1].at("n").integer(), 3) << length;
  }
}

TEST(Journal, CountsDamagedLinesAndKeepsTheOthers) {
  const test::TemporaryFolder folder;
  Journal(folder / "j").append(line(1));
  const std::string good = read_text_file(folder / "j");
  write_file_atomically(folder / "j", good + "garbage\n{\"n\":1}\n\n" + good);
  const Journal journal(folder / "j");
  EXPECT_EQ(journal.lines().size(), 2u);
  EXPECT_EQ(journal.num_damaged_lines(), 3u);
}

TEST(Journal, NoticesEveryFlippedBit) {
  const test::TemporaryFolder folder;
  Journal(folder / "j").append(line(1));
  const std::string good = read_text_file(folder / "j");
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string flipped = good;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    write_file_atomically(folder / "j", flipped);
    EXPECT_TRUE(Journal(folder / "j").lines().empty()) << "bit " << bit;
  }
}

TEST(Journal, SaysWhichFileCannotBeWritten) {
  const test::TemporaryFolder folder;
  Journal journal(folder / "missing/j");
  EXPECT_THROW(journal.append(line(1)), MachineError);
}

}  // namespace
}  // namespace tessera::jobs
