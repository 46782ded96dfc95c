#pragma once
#include <string>

namespace tessera::cli {

/// The git commit that the program was built from, 40 digits, with "-dirty" behind it where the
/// tree held other changes; empty where it was not built from a checkout. Its source is written
/// when the program is built (cmake/BuiltCommit.cmake).
std::string built_commit();

}  // namespace tessera::cli
