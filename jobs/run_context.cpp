#include "jobs/run_context.hpp"

#include <cstdlib>

#include "jobs/settings/shared_folder.hpp"

namespace tessera::jobs {

std::filesystem::path helper_folder() {
  const char* set = std::getenv("TESSERA_HELPERS");
  if (set != nullptr && *set != '\0') return set;
  return shared_folder() / "scripts";
}

}  // namespace tessera::jobs
