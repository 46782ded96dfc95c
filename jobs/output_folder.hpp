#pragma once
#include <filesystem>

// The folder that a user takes away, and how it appears: whole or not at all.
namespace tessera::jobs {

/// OUTPUT.partial, in which the output is made.
std::filesystem::path partial_folder(const std::filesystem::path& output);

/// Throws InputError when @p output exists and is neither empty nor an output of this program
/// (which has a manifest): such a folder is not ours to replace.
void require_replaceable(const std::filesystem::path& output);

/// OUTPUT.partial, empty.
std::filesystem::path make_partial_folder(const std::filesystem::path& output);

/// Flushes every file of OUTPUT.partial and makes it OUTPUT with one rename; an older output of
/// ours is exchanged with it in the same step and removed afterwards. (On file systems that cannot
/// exchange, the older output is first moved to OUTPUT.old; a crash in between leaves
/// OUTPUT.partial whole, and the resumed run publishes it.)
void publish_folder(const std::filesystem::path& output);

}  // namespace tessera::jobs
