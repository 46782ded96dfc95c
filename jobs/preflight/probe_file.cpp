#include "jobs/preflight/probe_file.hpp"

#include <fmt/core.h>

#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {

fs::path existing_folder(const fs::path& folder) {
  fs::path found = fs::absolute(folder);
  while (!fs::exists(found) && found.has_relative_path()) found = found.parent_path();
  require_input(fs::is_directory(found),
                fmt::format("{} cannot be made ({} is no folder). Name another folder.",
                            folder.string(), found.string()));
  return found;
}

}  // namespace tessera::jobs
