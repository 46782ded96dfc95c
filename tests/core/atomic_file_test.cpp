#include "core/atomic_file.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::size_t num_files(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(AtomicFile, ReadsBackWhatWasWritten) {
  const test::TemporaryFolder folder;
  for (const std::string& content : {std::string(), std::string("x"), std::string("a\0b\n", 4)}) {
    write_file_atomically(folder / "file", content);  // replaces the one before
    EXPECT_EQ(read_text_file(folder / "file"), content);
    EXPECT_EQ(num_files(folder.path()), 1u);
  }
}

TEST(AtomicFile, IsNotThereUnderItsNameWhileItIsWritten) {
  const test::TemporaryFolder folder;
  write_atomically(folder / "file", [&](const fs::path& temporary) {
    EXPECT_EQ(temporary, folder / "file.tmp");
    std::ofstream(temporary) << "half";
    EXPECT_FALSE(fs::exists(folder / "file"));
  });
  EXPECT_EQ(read_text_file(folder / "file"), "half");
}

TEST(AtomicFile, AFailedWriteLeavesTheOldFileAndNothingElse) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "file", "old");
  const auto fails = [&] {
    write_atomically(folder / "file", [](const fs::path& temporary) {
      std::ofstream(temporary) << "new";
      throw InputError("stop");
    });
  };
  EXPECT_THAT(fails, ThrowsMessage<InputError>(HasSubstr("stop")));
  EXPECT_EQ(read_text_file(folder / "file"), "old");
  EXPECT_EQ(num_files(folder.path()), 1u);
}

TEST(AtomicFile, WhatTheMachineRefusesIsAMachineErrorWithThePath) {
  const test::TemporaryFolder folder;
  EXPECT_THAT([&] { write_file_atomically(folder / "no" / "file", "x"); },
              ThrowsMessage<MachineError>(
                  AllOf(HasSubstr("no/file.tmp"), HasSubstr("No such file or directory"))));
  fs::create_directory(folder / "taken");
  write_file_atomically(folder / "taken" / "inside",
                        "x");  // a file cannot replace a folder that holds one
  EXPECT_THAT([&] { write_file_atomically(folder / "taken", "x"); },
              ThrowsMessage<MachineError>(HasSubstr("taken.tmp into place")));
  EXPECT_FALSE(fs::exists(folder / "taken.tmp"));
}

TEST(AtomicFile, ReadingRefusesWhatIsMissingAFolderOrTooLong) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "file", "12345");
  EXPECT_THAT([&] { read_text_file(folder / "absent"); },
              ThrowsMessage<InputError>(HasSubstr("cannot open")));
  EXPECT_THAT([&] { read_text_file(folder.path()); },
              ThrowsMessage<InputError>(HasSubstr("cannot open")));
  EXPECT_EQ(read_text_file(folder / "file", 5), "12345");
  EXPECT_THAT([&] { read_text_file(folder / "file", 4); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("5 bytes"), HasSubstr("at most 4"))));
}

}  // namespace
}  // namespace tessera
