#include "tests/support/test_data.hpp"

#include <cstdlib>

namespace tessera::test {
namespace {

std::filesystem::path data_folder() {
  const char* set = std::getenv("TESSERA_TEST_DATA");
  return set != nullptr ? std::filesystem::path(set) : source_folder() / ".." / "shared" / "data";
}

}  // namespace

std::filesystem::path source_folder() {
  return TESSERA_SOURCE_DIR;
}

std::optional<std::filesystem::path> test_data(const std::string& name) {
  const auto path = data_folder() / name;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

std::string missing_data(const std::string& name) {
  return "test data '" + name + "' is not in " + data_folder().string() +
         " (it is not part of the repository). Set TESSERA_TEST_DATA to the folder that holds it.";
}

}  // namespace tessera::test
