#include "format/companion_files.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::format {
namespace {

constexpr std::uintmax_t kMaxBytes = std::uintmax_t{64} << 20;
constexpr std::string_view kEndings[] = {".json", ".model", ".txt", ".jinja"};
constexpr std::string_view kKnown[] = {"LICENSE",        "LICENSE.md", "NOTICE",    "USE_POLICY.md",
                                       "tokenizer.json", "merges.txt", "vocab.json"};
// Written anew, or said of other weights than the packed ones.
constexpr std::string_view kLeftOut[] = {"config.json", "tessera_manifest.json",
                                         "quantize_config.json", "quantization_config.json",
                                         "adapter_config.json"};

template <std::size_t count>
bool is_one_of(std::string_view name, const std::string_view (&list)[count]) {
  return std::ranges::find(list, name) != std::end(list);
}

bool belongs(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  if (!entry.is_regular_file() || is_one_of(name, kLeftOut) || name.ends_with(".index.json")) {
    return false;
  }
  if (is_one_of(name, kKnown)) return true;
  return is_one_of(entry.path().extension().string(), kEndings) && entry.file_size() <= kMaxBytes;
}

}  // namespace

std::vector<std::string> companion_files(const fs::path& model_folder) {
  std::error_code error;
  fs::directory_iterator entries(model_folder, error);
  if (error) {
    throw InputError("cannot list " + model_folder.string() + " (" + error.message() +
                     "). Check model.path.");
  }
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries) {
    if (belongs(entry)) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> copy_companion_files(const fs::path& model_folder,
                                              const fs::path& output_folder) {
  const std::vector<std::string> names = companion_files(model_folder);
  for (const std::string& name : names) {
    write_atomically(output_folder / name, [&](const fs::path& temporary) {
      std::error_code error;
      fs::copy_file(model_folder / name, temporary, fs::copy_options::overwrite_existing, error);
      if (error) {
        throw MachineError("cannot copy " + (model_folder / name).string() + " to " +
                           output_folder.string() + " (" + error.message() + ")");
      }
      // The original may be read-only; its copy is the user's.
      fs::permissions(temporary, fs::perms::owner_write, fs::perm_options::add, error);
    });
  }
  return names;
}

}  // namespace tessera::format
