#include "cli/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct Values {
  std::string job, text;
  std::size_t windows = 7;
  double share = 0.5;
  std::vector<std::string> set;
  bool resume = false, verbose = false;

  bool parse(const Arguments& words) {
    CommandLine line("run", "Runs a job.");
    line.argument("JOB.yaml", "the job", job);
    line.flag("resume", "go on", resume);
    line.flag("verbose", "log more", verbose, 'v');
    line.option("text", "FILE", "a text", text);
    line.option("windows", "N", "windows to score", windows, 1);
    line.option("share", "P", "a share", share, 0, 1);
    line.options("set", "KEY=VALUE", "another value", set);
    line.example("tessera run job.yaml --resume");
    return line.parse(words);
  }
};

void expect_refusal(const Arguments& words, const testing::Matcher<std::string>& message) {
  Values values;
  EXPECT_THAT([&] { values.parse(words); }, ThrowsMessage<InputError>(message));
}

TEST(CommandLine, TakesOptionsBeforeBetweenAndAfterArguments) {
  Values values;
  EXPECT_TRUE(values.parse({"--set", "a.b=1", "job.yaml", "--set=c=-2 x", "-v", "--windows", "3"}));
  EXPECT_EQ(values.job, "job.yaml");
  EXPECT_THAT(values.set, ElementsAre("a.b=1", "c=-2 x"));
  EXPECT_EQ(values.windows, 3u);
  EXPECT_TRUE(values.verbose);
  EXPECT_FALSE(values.resume);
}

TEST(CommandLine, KeepsDefaults) {
  Values values;
  EXPECT_TRUE(values.parse({"job.yaml"}));
  EXPECT_EQ(values.windows, 7u);
  EXPECT_TRUE(values.set.empty());
}

TEST(CommandLine, AWordAfterTwoDashesIsAnArgument) {
  Values values;
  EXPECT_TRUE(values.parse({"--", "--odd.yaml"}));
  EXPECT_EQ(values.job, "--odd.yaml");
}

TEST(CommandLine, TheLastOfAnOptionWins) {
  Values values;
  EXPECT_TRUE(values.parse({"job.yaml", "--text", "a", "--text", "b"}));
  EXPECT_EQ(values.text, "b");
}

TEST(CommandLine, SaysWhichOptionWasPerhapsMeant) {
  expect_refusal({"job.yaml", "--resum"},
                 AllOf(HasSubstr("unknown option --resum"), HasSubstr("Did you mean --resume?")));
  expect_refusal({"job.yaml", "--stet=1"}, HasSubstr("Did you mean --set?"));
  expect_refusal({"job.yaml", "--zzzz"},
                 AllOf(HasSubstr("unknown option --zzzz."), HasSubstr("tessera run --help")));
}

TEST(CommandLine, RefusesMissingAndSurplusWords) {
  expect_refusal({}, HasSubstr("JOB.yaml is missing (the job)"));
  expect_refusal({"a", "b"}, HasSubstr("\"b\" is one argument too many"));
  expect_refusal({"a", "--text"}, HasSubstr("--text"));
  expect_refusal({"a", "--resume=yes"}, HasSubstr("--resume"));
}

TEST(CommandLine, RefusesWhatIsNoNumber) {
  for (const char* word : {"x", "3.5", "", "4x", "0", "99999999999999999999"}) {
    expect_refusal({"a", std::string("--windows=") + word}, HasSubstr("--windows"));
  }
  expect_refusal({"a", "--windows=0"},
                 HasSubstr("--windows is \"0\" (it must be a whole number, at least 1)"));
}

TEST(CommandLine, HelpNeedsNoArguments) {
  Values values;
  testing::internal::CaptureStdout();
  EXPECT_FALSE(values.parse({"--help"}));
  const std::string page = testing::internal::GetCapturedStdout();
  EXPECT_THAT(page,
              AllOf(HasSubstr("Runs a job."), HasSubstr("-v, --verbose"),
                    HasSubstr("--set KEY=VALUE"), HasSubstr("tessera run job.yaml --resume")));
}

TEST(CommandLine, RealNumbersHaveARange) {
  Values values;
  EXPECT_TRUE(values.parse({"job.yaml"}));
  EXPECT_EQ(values.share, 0.5);
  EXPECT_TRUE(values.parse({"job.yaml", "--share", "1e-3"}));
  EXPECT_EQ(values.share, 1e-3);
  for (const char* bad : {"-0.1", "1.01", "nan", "half", "", "0.5x"}) {
    expect_refusal({"job.yaml", std::string("--share=") + bad}, HasSubstr(std::string("share")));
  }
  expect_refusal({"job.yaml", "--share", "2"},
                 HasSubstr("--share is \"2\" (it must be a number from 0 to 1)"));
}

}  // namespace
}  // namespace tessera::cli
