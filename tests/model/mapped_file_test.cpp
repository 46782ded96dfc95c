#include "model/mapped_file.hpp"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/atomic_file.hpp"
#include "tests/model/safetensors_bytes.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::model {
namespace {

using test::input_error_of;
using testing::HasSubstr;

TEST(MappedFile, HoldsTheFilesBytesAlsoAfterTheyWereReleased) {
  const test::TemporaryFolder folder;
  std::string content(10'000, 'x');
  content[9'999] = 'y';
  write_file_atomically(folder / "file", content);
  const MappedFile file(folder / "file");
  ASSERT_EQ(file.bytes().size(), content.size());
  file.will_read(file.bytes());
  EXPECT_EQ(file.bytes()[9'999], std::byte{'y'});
  file.release(file.bytes().subspan(5'000));  // in the middle of a page
  EXPECT_EQ(file.bytes()[9'999], std::byte{'y'});
  EXPECT_EQ(file.bytes()[4'999], std::byte{'x'});
}

TEST(MappedFile, MayBeEmptyAndMoved) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "empty", "");
  write_file_atomically(folder / "file", "x");
  MappedFile file(folder / "empty");
  EXPECT_TRUE(file.bytes().empty());
  file = MappedFile(folder / "file");
  EXPECT_EQ(file.bytes().size(), 1u);
  const MappedFile moved = std::move(file);
  EXPECT_EQ(moved.bytes()[0], std::byte{'x'});
  EXPECT_EQ(moved.path(), folder / "file");
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(input_error_of([&] { MappedFile(folder / "absent"); }),
              HasSubstr("absent (No such file or directory)"));
  EXPECT_THAT(input_error_of([&] { MappedFile(folder.path()); }), HasSubstr("not a regular file"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(input_error_of([&] { MappedFile(folder / "pipe"); }),
              HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace tessera::model
