#include "cli/terminal_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// What a log prints while @p use uses it.
template <class Use>
std::string printed(TerminalLog::Options options, Use use) {
  const test::TemporaryFolder folder;
  std::FILE* file = std::fopen((folder / "out").c_str(), "w");
  {
    TerminalLog log(file, options);
    use(log);
  }
  std::fclose(file);
  return read_text_file(folder / "out");
}

Progress solved(std::size_t done) {
  return {"solve", "layers", done, 100, static_cast<double>(done) / 100, "mlp.up_proj"};
}

TEST(TerminalLog, WithoutATerminalOnlyTheFirstAndTheLastOfAFastStage) {
  const std::string text = printed({}, [](Log& log) {
    for (std::size_t done = 0; done <= 100; ++done) log.progress(solved(done));
  });
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  EXPECT_THAT(text, StartsWith("solve      0/100 layers"));
  EXPECT_THAT(text, HasSubstr("solve      100 layers in 0.0s"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(TerminalLog, VerboseGivesALineAUnitAndDetails) {
  const std::string text = printed({.verbose = true}, [](Log& log) {
    log.detail("three dead columns");
    for (std::size_t done = 1; done <= 5; ++done) log.progress(solved(done));
  });
  EXPECT_EQ(std::ranges::count(text, '\n'), 6);
  EXPECT_THAT(text, StartsWith("three dead columns\n"));
}

TEST(TerminalLog, DetailsAreForVerboseOnly) {
  EXPECT_EQ(printed({}, [](Log& log) { log.detail("x"); }), "");
}

TEST(TerminalLog, TextNeverMixesWithTheLiveLine) {
  const std::string text = printed({.is_terminal = true}, [](Log& log) {
    log.progress(solved(1));
    log.warning("careful");
    log.progress(solved(100));
  });
  EXPECT_THAT(text, HasSubstr("\r\x1b[Kwarning: careful\n\r\x1b[Ksolve"));
  EXPECT_THAT(text, testing::EndsWith("\n"));
}

TEST(TerminalLog, TheLiveLineFitsTheTerminal) {
  Progress long_one = solved(1);
  long_one.detail = std::string(500, 'x');
  const std::string text =
      printed({.is_terminal = true}, [&](Log& log) { log.progress(long_one); });
  EXPECT_LT(text.size(), 100u);
}

TEST(TerminalLog, AStageWithoutUnitsIsDrawnAndNotFinished) {
  const std::string text = printed({}, [](Log& log) {
    log.progress({"solve", "layers", 0, 0, 0, ""});
  });
  EXPECT_THAT(text, StartsWith("solve      0/0 layers"));
}

}  // namespace
}  // namespace tessera::cli
