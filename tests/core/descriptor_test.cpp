#include "core/descriptor.hpp"

#include <csignal>
#include <string>
#include <thread>
#include <type_traits>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Descriptor, IsClosedOnceHoweverItIsMoved) {
  const test::TemporaryFolder folder;
  int number = -1;
  {
    Descriptor first(folder / "file", O_WRONLY | O_CREAT);
    number = first.get();
    Descriptor second = std::move(first);
    EXPECT_EQ(second.get(), number);
    EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(Descriptor, SaysWhatCannotBeOpened) {
  EXPECT_THAT([] { Descriptor("/nowhere/file", O_RDONLY); },
              ThrowsMessage<MachineError>(
                  AllOf(HasSubstr("cannot open /nowhere/file"), HasSubstr("No such file"))));
}

TEST(WriteAll, WritesNothingAndMuchBehindWhatIsThere) {
  const test::TemporaryFolder folder;
  const Descriptor out(folder / "file", O_WRONLY | O_CREAT | O_APPEND);
  const std::string much(1'000'003, 'x');
  write_all(out, "", folder / "file");
  EXPECT_EQ(read_text_file(folder / "file"), "");
  write_all(out, "a\n", folder / "file");
  write_all(out, much, folder / "file");
  EXPECT_EQ(read_text_file(folder / "file"), "a\n" + much);
}

/// A pipe that is full, and signals without SA_RESTART, make calls end early.
TEST(WriteAll, GoesOnWhereACallEndsEarly) {
  struct sigaction quiet {
  }, before{};
  quiet.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &quiet, &before), 0);
  const test::TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const std::string sent = [] {
    std::string text;
    for (int i = 0; i < 300'000; ++i) text += static_cast<char>('a' + i % 26);
    return text;
  }();
  const Descriptor out(folder / "pipe", O_RDWR);  // of a pipe: does not wait for a reader
  std::string received;
  const pthread_t writer = ::pthread_self();
  std::thread reader([&] {
    const Descriptor in(folder / "pipe", O_RDONLY);
    char piece[997];
    while (received.size() < sent.size()) {
      ::pthread_kill(writer, SIGUSR1);
      const ssize_t got = ::read(in.get(), piece, sizeof piece);
      if (got > 0) received.append(piece, static_cast<std::size_t>(got));
    }
  });
  write_all(out, sent, folder / "pipe");
  reader.join();
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(received, sent);
}

/// A limit on files stands for a disk that is full.
TEST(WriteAll, SaysWhatWasNotWritten) {
  const test::TemporaryFolder folder;
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{1000, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Descriptor out(folder / "file", O_WRONLY | O_CREAT);
  std::string said;
  try {
    write_all(out, std::string(1001, 'x'), folder / "file");
  } catch (const MachineError& error) {
    said = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);
  EXPECT_THAT(said, AllOf(HasSubstr("cannot write 1001 bytes to " + (folder / "file").string()),
                          HasSubstr("File too large")));
}

}  // namespace
}  // namespace tessera
