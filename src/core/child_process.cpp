#include "core/child_process.hpp"

#include <csignal>
#include <memory>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"

extern char** environ;

namespace tessera {
namespace {

constexpr std::size_t kLinesKept = 20;

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};

/// What the child does with its descriptors before it starts.
class FileActions {
 public:
  explicit FileActions(const ChildDescriptors& given) {
    posix_spawn_file_actions_init(&actions_);
    if (given.in) {
      posix_spawn_file_actions_adddup2(&actions_, *given.in, STDIN_FILENO);
    } else {
      posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    if (given.out) posix_spawn_file_actions_adddup2(&actions_, *given.out, STDOUT_FILENO);
    if (given.err) posix_spawn_file_actions_adddup2(&actions_, *given.err, STDERR_FILENO);
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// No signal is blocked in the child, whatever is blocked here.
class Attributes {
 public:
  explicit Attributes(bool own_session) {
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    const int session = own_session ? POSIX_SPAWN_SETSID : 0;
    posix_spawnattr_setflags(&attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | session));
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

/// Waits until the child says something or ends; ends it when the run is to stop.
void wait_for_words(int descriptor, pid_t child, const StopFlag& stop) {
  constexpr int kGlanceMs = 100;
  pollfd words{descriptor, POLLIN, 0};
  while (::poll(&words, 1, kGlanceMs) == 0) {
    if (stop.is_set()) ::kill(child, SIGTERM);
  }
}

void read_lines(int descriptor, pid_t child, const StopFlag& stop,
                const std::function<void(const std::string&)>& on_line,
                std::vector<std::string>& kept) {
  const std::unique_ptr<FILE, CloseFile> in(fdopen(descriptor, "r"));
  if (!in) throw MachineError::from_errno("cannot read what a program says");
  char* buffer = nullptr;
  std::size_t capacity = 0;
  setvbuf(in.get(), nullptr, _IONBF, 0);  // what was read ahead would not wake the poll
  for (ssize_t length;;) {
    wait_for_words(descriptor, child, stop);
    length = getline(&buffer, &capacity, in.get());
    if (length < 0) break;
    std::string line(buffer, static_cast<std::size_t>(length));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    on_line(line);
    if (kept.size() == kLinesKept) kept.erase(kept.begin());
    kept.push_back(std::move(line));
  }
  free(buffer);
}

}  // namespace

int wait_for_child(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw MachineError::from_errno("cannot wait for a program");
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

pid_t start_child(const std::vector<std::string>& argv, const ChildDescriptors& descriptors) {
  require(!argv.empty(), "a program has a name");
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const FileActions actions(descriptors);
  const Attributes attributes(descriptors.own_session);
  errno = posix_spawnp(&child, argv[0].c_str(), actions.get(), attributes.get(), arguments.data(),
                       environ);
  if (errno != 0) throw MachineError::from_errno("cannot start " + argv[0]);
  return child;
}

ChildResult run_child(const std::vector<std::string>& argv, const StopFlag& stop,
                      const std::function<void(const std::string&)>& on_line) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw MachineError::from_errno("cannot make a pipe");
  pid_t child = 0;
  try {
    child = start_child(argv, {.in = {}, .out = ends[1], .err = ends[1]});
  } catch (...) {
    close(ends[0]);
    close(ends[1]);
    throw;
  }
  close(ends[1]);
  ChildResult result;
  read_lines(ends[0], child, stop, on_line, result.said);
  result.exit_code = wait_for_child(child);
  stop.check();
  return result;
}

}  // namespace tessera
