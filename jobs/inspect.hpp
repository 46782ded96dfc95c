#pragma once
#include <filesystem>

#include "core/json_value.hpp"

namespace tessera::jobs {

/// What is in @p path, as one document: "path", "kind", facts (texts, numbers, or objects of such)
/// and tables (lists of objects with the same keys). Kinds and their tables:
///
///     "model"             a Hugging Face folder             "tensors"
///     "packed model"      one with quantization_config      "layers", "tensors"
///     "safetensors file"  one file                          "tensors"
///     "residual file"     or the index or folder of several "residuals"
///     "work folder"       of a run                          "layers" (when it finished), "files"
///     "work file"         an .h5 file of a work folder      "inputs" (statistics), "remarks"
///
/// A packed model with residuals beside it has "residual" and "residuals" as well.
///
/// Contents are checked as a reader of that kind checks them. Throws InputError for anything else,
/// saying what is possible.
JsonValue inspect(const std::filesystem::path& path);

/// The kinds; path and kind are added by inspect().
JsonValue inspect_safetensors_file(const std::filesystem::path& file);
JsonValue inspect_model_folder(const std::filesystem::path& folder);
JsonValue inspect_residuals(const std::filesystem::path& path);  ///< a model's folder, too
JsonValue inspect_work_folder(const std::filesystem::path& folder);
JsonValue inspect_work_file(const std::filesystem::path& file);

}  // namespace tessera::jobs
