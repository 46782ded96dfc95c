#include "jobs/run_context.hpp"

#include <cstdlib>

namespace tessera::jobs {

std::filesystem::path helper_folder() {
  const char* set = std::getenv("TESSERA_HELPERS");
  return set != nullptr && *set != '\0' ? set : TESSERA_SCRIPTS_FOLDER;
}

}  // namespace tessera::jobs
