#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::format {

/// Names of the files of a model folder that belong beside its packed weights, sorted: tokenizer
/// files, generation_config.json, chat templates, licences, and anything else of at most 64 MiB
/// that ends in .json, .model, .txt or .jinja. Not: weights in any format and their indices,
/// config.json (written anew), what another quantizer left.
std::vector<std::string> companion_files(const std::filesystem::path& model_folder);

/// Copies them, each whole or not at all. Returns the names.
std::vector<std::string> copy_companion_files(const std::filesystem::path& model_folder,
                                              const std::filesystem::path& output_folder);

}  // namespace tessera::format
