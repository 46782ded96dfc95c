#pragma once
#include <filesystem>

namespace tessera::jobs {

/// Where scripts/ and configs/ are: beside the installed program (../share/tessera), else in the
/// source tree it was built from.
std::filesystem::path shared_folder();

}  // namespace tessera::jobs
