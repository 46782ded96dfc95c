// Runs that are killed with SIGKILL at each of their events, and resumed.
#include <functional>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;

void kill_this_process() {
  raise(SIGKILL);
}

/// Runs @p work in a process of its own; returns how it ended, and what memory it took.
int in_child(const std::function<void()>& work, rusage* usage = nullptr) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      work();
      _exit(0);
    } catch (...) {
      _exit(1);
    }
  }
  int status = 0;
  rusage unused{};
  wait4(child, &status, 0, usage != nullptr ? usage : &unused);
  return status;
}

TEST(Killed, Trap07AtAnyEventAndResumedGivesTheSameBytes) {
  const test::TemporaryFolder folder;
  auto job = test::write_tiny_job(folder.path());
  ASSERT_EQ(in_child([&] { test::run_job(job); }), 0);
  const auto expected = contents_of(job.output.dir);

  bool was_killed = true;
  int num_killed = 0;
  for (int event = 1; was_killed; event += 2) {
    fs::remove_all(job.output.dir);
    fs::remove_all(job.runtime.work_dir);
    const int status = in_child([&] {
      test::EventLog log(event, kill_this_process);
      test::run_job(job, ExistingRun::resume, 2, log);
    });
    was_killed = WIFSIGNALED(status);
    num_killed += was_killed ? 1 : 0;
    if (was_killed) {
      ASSERT_EQ(in_child([&] { test::run_job(job, ExistingRun::resume, 1); }), 0) << event;
    }
    ASSERT_TRUE(contents_of(job.output.dir) == expected) << "killed at event " << event;
    ASSERT_FALSE(fs::exists(folder / "out.partial")) << event;
  }
  EXPECT_GT(num_killed, 15);
}

TEST(Killed, AgainAndAgainStillArrives) {
  const test::TemporaryFolder folder;
  auto job = test::write_tiny_job(folder.path());
  ASSERT_EQ(in_child([&] { test::run_job(job); }), 0);
  const auto expected = contents_of(job.output.dir);
  fs::remove_all(job.output.dir);
  fs::remove_all(job.runtime.work_dir);

  // Scoring walks both models before a score is committed: 20 events let every attempt commit
  // something.
  const auto attempt = [&] {
    test::EventLog log(20, kill_this_process);
    test::run_job(job, ExistingRun::resume, 2, log);
  };
  int num_killed = 0;
  while (WIFSIGNALED(in_child(attempt)) && num_killed < 50) ++num_killed;
  EXPECT_GT(num_killed, 1);
  EXPECT_TRUE(contents_of(job.output.dir) == expected);
}

/// Largest resident set of a job on a model of this many blocks, each of 3.4 MB in fp32.
long peak_kib(std::size_t num_blocks) {
  const test::TemporaryFolder folder;
  test::TinyModel sizes;
  sizes.hidden_size = 256;
  sizes.intermediate_size = 768;
  sizes.num_heads = 8;
  sizes.num_kv_heads = 8;
  sizes.head_dim = 32;
  sizes.num_blocks = num_blocks;
  auto job = test::write_tiny_job(folder.path(), sizes);
  job.quantize.targets = {"o_proj", "up_proj"};
  job.quantize.vptq.kmeans_iterations = 1;
  job.quantize.vptq.refine_rounds = 0;
  rusage usage{};
  EXPECT_EQ(in_child([&] { test::run_job(job, ExistingRun::refuse, 1); }, &usage), 0);
  return usage.ru_maxrss;
}

TEST(Memory, Trap20DoesNotGrowWithTheNumberOfBlocks) {
  const long few = peak_kib(2);
  const long many = peak_kib(10);
  const long block_kib = (4 * 256 * 256 + 3 * 256 * 768) * 4 / 1024;
  // Pages of the memory-mapped files count as resident until the system takes them back, how many
  // depends on the page cache: so the bound is that the eight blocks more are not all kept, in the
  // original's or any other form.
  EXPECT_LT(many - few, 8 * block_kib) << few << " KiB for 2 blocks, " << many << " for 10";
}

}  // namespace
}  // namespace tessera
