// A work file: a damaged one must be refused by its seal, before HDF5 sees it. With
// TESSERA_FUZZ_RESEAL set the seal is made good first, so that our reader (and HDF5 itself) is what
// is tried.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "core/error.hpp"
#include "core/matrix.hpp"
#include "store/archive.hpp"
#include "store/sealed_file.hpp"
#include "tests/fuzz/archive_item.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace {

using namespace tessera;

void read_everything(const std::filesystem::path& file) {
  store::ArchiveReader reader(file);
  static_cast<void>(reader.identity());
  Matrix<double> sum;
  reader("sum", sum, store::ArchiveReader::LowerTriangle{});
  Matrix<float> matrix;
  reader("matrix", matrix);
  std::string text;
  reader("text", text);
  std::vector<std::string> texts;
  reader("texts", texts);
  std::vector<fuzz::Item> items;
  reader("items", items);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool reseal = std::getenv("TESSERA_FUZZ_RESEAL") != nullptr;
  static const auto file = std::filesystem::temp_directory_path() /
                           ("tessera-fuzz-archive-" + std::to_string(::getpid()));
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    if (reseal && size > store::kSealBytes) static_cast<void>(store::seal(file));
    read_everything(file);
  } catch (const InputError&) {
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return 0;
}
