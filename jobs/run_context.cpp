#include "jobs/run_context.hpp"

#include <cstdlib>

namespace tessera::jobs {

std::filesystem::path helper_folder() {
  const char* set = std::getenv("TESSERA_HELPERS");
  if (set != nullptr && *set != '\0') return set;
  std::error_code
      unknown;  // where there is no /proc, this program is taken for one of the source tree
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const auto installed = program.parent_path().parent_path() / TESSERA_INSTALLED_SCRIPTS;
  return std::filesystem::exists(installed / "tokenize", unknown) ? installed
                                                                  : TESSERA_SCRIPTS_FOLDER;
}

}  // namespace tessera::jobs
