#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

namespace tessera::model {

/// The tokens that end a text: eos_token_id, a number or a list, of
/// <folder>/generation_config.json, else of config.json; none where neither names any. Throws
/// InputError for what is no token.
std::vector<std::uint32_t> read_end_tokens(const std::filesystem::path& folder);

}  // namespace tessera::model
