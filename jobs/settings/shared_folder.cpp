#include "jobs/settings/shared_folder.hpp"

#include <system_error>

namespace tessera::jobs {

std::filesystem::path shared_folder() {
  std::error_code
      unknown;  // where there is no /proc, this program is taken for one of the source tree
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const auto installed = program.parent_path().parent_path() / "share/tessera";
  return std::filesystem::exists(installed / "scripts", unknown) ? installed : TESSERA_SOURCE_TREE;
}

}  // namespace tessera::jobs
