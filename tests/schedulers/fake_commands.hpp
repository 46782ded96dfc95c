#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/atomic_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::test {

/// Stand-ins for commands, put before the real ones in PATH for as long as this lives. Each notes
/// its name and words, a line a call, and then runs a body of shell.
class FakeCommands {
 public:
  FakeCommands() : path_(std::getenv("PATH")) {
    ::setenv("PATH", (folder_.path().string() + ":" + path_).c_str(), 1);
  }
  ~FakeCommands() { ::setenv("PATH", path_.c_str(), 1); }
  FakeCommands(const FakeCommands&) = delete;
  FakeCommands& operator=(const FakeCommands&) = delete;

  void make(const std::string& name, const std::string& body) const {
    const auto file = folder_.path() / name;
    std::ofstream(file) << "#!/bin/sh\necho \"" << name << " $*\" >>" << calls_file().string()
                        << "\n"
                        << body << "\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  std::string calls() const {
    return std::filesystem::exists(calls_file()) ? read_text_file(calls_file()) : "";
  }

 private:
  std::filesystem::path calls_file() const { return folder_.path() / "calls"; }

  TemporaryFolder folder_;
  std::string path_;
};

}  // namespace tessera::test
