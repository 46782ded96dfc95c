#include "jobs/gate/output_files.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "format/manifest.hpp"

namespace tessera::jobs {
namespace {

constexpr std::string_view kEnding = ".safetensors";

WeightFile open(const std::filesystem::path& folder, const std::string& name) {
  WeightFile file{name, {}, {}};
  try {
    file.content.emplace(folder / name);
  } catch (const InputError& error) {
    file.problem = error.what();
  }
  return file;
}

}  // namespace

bool is_of_stem(std::string_view name, std::string_view stem) {
  constexpr std::string_view kNumbers = "-00000-of-00000";
  if (!name.starts_with(stem) || !name.ends_with(kEnding)) return false;
  if (name.size() < stem.size() + kEnding.size()) return false;
  const auto middle = name.substr(stem.size(), name.size() - stem.size() - kEnding.size());
  return middle.empty() || std::ranges::equal(middle, kNumbers, [](char found, char wanted) {
           return wanted == '0' ? found >= '0' && found <= '9' : found == wanted;
         });
}

OutputFiles::OutputFiles(std::filesystem::path folder)
    : folder_(std::move(folder)), names_(format::files_below(folder_)) {
  for (const std::string& name : names_) {
    if (name.ends_with(kEnding)) weights_.push_back(open(folder_, name));
  }
  for (const WeightFile& file : weights_) {
    if (!file.content) continue;
    for (const std::string& tensor : file.content->names()) tensors_[tensor].push_back(&file);
  }
}

bool OutputFiles::has(const std::string& name) const {
  return std::ranges::binary_search(names_, name);
}

std::vector<const WeightFile*> OutputFiles::of_stem(std::string_view stem) const {
  std::vector<const WeightFile*> files;
  for (const WeightFile& file : weights_) {
    if (is_of_stem(file.name, stem)) files.push_back(&file);
  }
  return files;
}

}  // namespace tessera::jobs
