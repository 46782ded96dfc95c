# Writes a source that says which commit is being built: cmake -D SOURCE=tree -D OUTPUT=file.cpp -P BuiltCommit.cmake
# An unchanged answer leaves the file alone, so that nothing is built again.
cmake_minimum_required(VERSION 3.25)
find_package(Git QUIET)
set(commit "")
if(GIT_FOUND AND EXISTS ${SOURCE}/.git)   # not the repository around an unpacked archive
  execute_process(COMMAND ${GIT_EXECUTABLE} --no-optional-locks describe --always --dirty --abbrev=40 --exclude=*
    WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "cli/built_commit.hpp"

namespace tessera::cli {

std::string built_commit() {
  return "@commit@";
}

}  // namespace tessera::cli
]])
