#include "model/check_tensors.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "model/architecture.hpp"

namespace tessera::model {
namespace {

void check_one(const TensorSource& source, const NamedShape& expected,
               std::vector<std::string>& problems) {
  if (!source.contains(expected.name)) {
    problems.push_back(
        fmt::format("{} [{}] is missing{}", expected.name, fmt::join(expected.shape, ", "),
                    expected.name == kHeadName ? " (if the model shares its embeddings, set "
                                                 "tie_word_embeddings to true in config.json)"
                                               : ""));
    return;
  }
  try {
    const TensorInfo info = source.info(expected.name);
    if (info.shape != expected.shape) {
      problems.push_back(fmt::format("{} is {}, not [{}]", expected.name, info.to_text(),
                                     fmt::join(expected.shape, ", ")));
    }
  } catch (const InputError& error) {  // there, but of a type nobody can read
    problems.emplace_back(error.what());
  }
}

}  // namespace

std::vector<std::string> tensor_problems(const TensorSource& source, const ModelConfig& config) {
  std::vector<std::string> problems;
  for (const NamedShape& expected : expected_tensors(config)) check_one(source, expected, problems);
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const LinearLayer& layer : linear_layers(config, block)) {
      if (layer.has_bias || !source.contains(layer.name + ".bias")) continue;
      problems.push_back(
          fmt::format("{}.bias is there, but {} has no such bias as config.json stands", layer.name,
                      config.architecture));
    }
  }
  return problems;
}

void check_tensors(const TensorSource& source, const ModelConfig& config) {
  constexpr std::size_t kMaxShown = 20;
  std::vector<std::string> problems = tensor_problems(source, config);
  if (problems.empty()) return;
  const std::size_t count = problems.size();
  if (count > kMaxShown) {
    problems.resize(kMaxShown);
    problems.push_back(fmt::format("... and {} more", count - kMaxShown));
  }
  throw InputError(fmt::format("{}: the weights do not fit config.json ({} tensors):\n  {}",
                               source.origin(), count, fmt::join(problems, "\n  ")));
}

}  // namespace tessera::model
