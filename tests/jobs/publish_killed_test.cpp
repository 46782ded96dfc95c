// Publishing is killed in front of every call that changes a folder, on file systems that can
// exchange two folders and on those that cannot: there is a whole output at every moment, or a run
// that starts finds one.
#include <cerrno>
#include <cstdio>

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/manifest.hpp"
#include "jobs/output_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

/// What this program's own calls do; set in the child that is to be killed.
int g_calls_left = -1;  ///< in front of which call the process ends; -1: never
int g_failing_rename = -1;
bool g_can_exchange = true;

void count() {
  if (g_calls_left >= 0 && g_calls_left-- == 0) _exit(9);
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// These stand before the C library's for the whole program.
extern "C" {
int rename(const char* from, const char* to) noexcept {
  count();
  if (g_failing_rename >= 0 && g_failing_rename-- == 0) {
    errno = EIO;
    return -1;
  }
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  count();
  if (!g_can_exchange) {
    errno = EINVAL;  // as NFS and FUSE say
    return -1;
  }
  return next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(
      from_folder, from, to_folder, to, flags);
}
int unlinkat(int folder, const char* name, int flags) noexcept {
  count();
  return next<int (*)(int, const char*, int)>("unlinkat")(folder, name, flags);
}
int fsync(int fd) {
  count();
  return next<int (*)(int)>("fsync")(fd);
}
}

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFiles[] = {format::kManifestName, "config.json", "model.safetensors"};

void write_output(const fs::path& folder, const std::string& text) {
  fs::create_directories(folder);
  for (const char* file : kFiles) write_file_atomically(folder / file, text);
}

/// The text that every file of the output holds; empty where it is not whole.
std::string whole(const fs::path& output) {
  std::string text;
  for (const char* file : kFiles) {
    if (!fs::exists(output / file)) return "";
    const std::string found = read_text_file(output / file);
    if (!text.empty() && found != text) return "";
    text = found;
  }
  return text;
}

/// Publishes in another process, which ends in front of its @p nth call. True when it got through.
bool publish_until(const fs::path& output, int nth) {
  const pid_t child = fork();
  if (child == 0) {
    g_calls_left = nth;
    publish_folder(output);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

class PublishKilled : public testing::TestWithParam<bool> {
 protected:
  PublishKilled() { g_can_exchange = GetParam(); }
  ~PublishKilled() override {
    g_can_exchange = true;
    g_failing_rename = -1;
  }
  test::TemporaryFolder folder_;
  fs::path output_ = folder_ / "out";
};
std::string name_of_file_system(const testing::TestParamInfo<bool>& param) {
  return param.param ? "CanExchange" : "CannotExchange";
}
INSTANTIATE_TEST_SUITE_P(FileSystem, PublishKilled, testing::Bool(), name_of_file_system);

TEST_P(PublishKilled, AnOutputIsWholeWhereverItStopped) {
  int num_gaps = 0, num_old = 0, num_new = 0;
  for (int nth = 0;; ++nth) {
    SCOPED_TRACE(nth);
    fs::remove_all(folder_.path());
    write_output(output_, "old");
    write_output(partial_folder(output_), "new");
    const bool has_ended = publish_until(output_, nth);
    if (!fs::exists(output_)) {
      ++num_gaps;
      EXPECT_EQ(whole(folder_ / "out.old"), "old");
      EXPECT_EQ(whole(partial_folder(output_)), "new");
    }
    restore_output(output_);
    const std::string found = whole(output_);
    ASSERT_TRUE(found == "old" || found == "new");
    ++(found == "old" ? num_old : num_new);
    // The run that was killed makes its output again, and gets through.
    write_output(make_partial_folder(output_), "again");
    publish_folder(output_);
    EXPECT_EQ(whole(output_), "again");
    EXPECT_FALSE(fs::exists(folder_ / "out.old"));
    EXPECT_FALSE(fs::exists(partial_folder(output_)));
    if (has_ended) break;
  }
  EXPECT_GT(num_old, 3);                    // while files were flushed
  EXPECT_GT(num_new, 3);                    // while the older one was removed
  EXPECT_EQ(num_gaps, GetParam() ? 0 : 1);  // two renames have one place between them
}

TEST_P(PublishKilled, TheFirstOutputIsWholeOrNotThere) {
  for (int nth = 0;; ++nth) {
    SCOPED_TRACE(nth);
    fs::remove_all(folder_.path());
    write_output(partial_folder(output_), "new");
    const bool has_ended = publish_until(output_, nth);
    restore_output(output_);
    EXPECT_TRUE(whole(output_) == "new" || whole(partial_folder(output_)) == "new");
    EXPECT_EQ(fs::exists(output_), whole(output_) == "new");
    if (has_ended) break;
  }
}

TEST_P(PublishKilled, ARenameThatFailsLeavesTheOldOne) {
  write_output(output_, "old");
  write_output(partial_folder(output_), "new");
  g_failing_rename = 1;  // the second; with an exchange there is none
  if (GetParam()) {
    publish_folder(output_);
    EXPECT_EQ(whole(output_), "new");
    return;
  }
  EXPECT_THROW(publish_folder(output_), MachineError);
  EXPECT_EQ(whole(output_), "old");
  EXPECT_EQ(whole(partial_folder(output_)), "new");
}

TEST(RestoreOutput, TouchesNothingThatIsNotAnInterruptedPublishing) {
  const test::TemporaryFolder folder;
  const fs::path output = folder / "out";
  restore_output(output);
  EXPECT_FALSE(fs::exists(output));
  fs::create_directories(folder / "out.old");
  write_file_atomically(folder / "out.old/thesis.tex", "years");
  restore_output(output);
  EXPECT_FALSE(fs::exists(output));
  write_output(output, "new");
  write_output(folder / "out.old", "old");
  restore_output(output);
  EXPECT_EQ(whole(output), "new");
}

}  // namespace
}  // namespace tessera::jobs
