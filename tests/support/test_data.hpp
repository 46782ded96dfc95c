#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace tessera::test {

/// The repository's root.
std::filesystem::path source_folder();

/// Real models and texts that are not part of the repository: $TESSERA_TEST_DATA, else
/// ../shared/data beside it. nullopt when @p name is not there; tests then skip, saying so:
///     const auto model = test_data("models/stories260K");
///     if (!model) GTEST_SKIP() << missing_data("models/stories260K");
std::optional<std::filesystem::path> test_data(const std::string& name);
std::string missing_data(const std::string& name);

}  // namespace tessera::test
