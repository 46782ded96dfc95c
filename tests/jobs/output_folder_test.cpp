#include "jobs/output_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/manifest.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_file_atomically(file, text);
}

TEST(OutputFolder, PartialFolderStandsBesideAlsoWithASlashAtTheEnd) {
  EXPECT_EQ(partial_folder("models/x"), "models/x.partial");
  EXPECT_EQ(partial_folder("models/x/"), "models/x.partial");
  EXPECT_EQ(partial_folder("./x"), "x.partial");
}

TEST(OutputFolder, AppearsWhole) {
  const test::TemporaryFolder folder;
  const fs::path output = folder / "out";
  write(make_partial_folder(output) / "sub/a.txt", "new");
  publish_folder(output);
  EXPECT_EQ(read_text_file(output / "sub/a.txt"), "new");
  EXPECT_FALSE(fs::exists(partial_folder(output)));
}

TEST(OutputFolder, ReplacesAnOlderOutputOfOurs) {
  const test::TemporaryFolder folder;
  const fs::path output = folder / "out";
  write(output / format::kManifestName, "{}");
  write(output / "stale.safetensors", "old");
  write(make_partial_folder(output) / "a.txt", "new");
  publish_folder(output);
  EXPECT_TRUE(fs::exists(output / "a.txt"));
  EXPECT_FALSE(fs::exists(output / "stale.safetensors"));  // trap 11: no stale weights
  EXPECT_FALSE(fs::exists(partial_folder(output)));
  EXPECT_FALSE(fs::exists(folder / "out.old"));
}

TEST(OutputFolder, NeverReplacesWhatIsNotOurs) {
  const test::TemporaryFolder folder;
  write(folder / "out/thesis.tex", "years");
  EXPECT_THAT([&] { require_replaceable(folder / "out"); },
              testing::ThrowsMessage<InputError>(testing::HasSubstr("tessera_manifest.json")));
  write(make_partial_folder(folder / "out") / "a.txt", "new");
  EXPECT_THROW(publish_folder(folder / "out"), InputError);
  EXPECT_EQ(read_text_file(folder / "out/thesis.tex"), "years");
  write(folder / "file", "");
  EXPECT_THROW(require_replaceable(folder / "file"), InputError);
}

TEST(OutputFolder, AnEmptyOrMissingFolderIsFree) {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "empty");
  EXPECT_NO_THROW(require_replaceable(folder / "empty"));
  EXPECT_NO_THROW(require_replaceable(folder / "missing"));
}

TEST(OutputFolder, PartialFolderIsMadeAnew) {
  const test::TemporaryFolder folder;
  write(make_partial_folder(folder / "out") / "left_over", "");
  EXPECT_TRUE(fs::is_empty(make_partial_folder(folder / "out")));
}

}  // namespace
}  // namespace tessera::jobs
