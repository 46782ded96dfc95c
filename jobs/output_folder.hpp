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
/// ours is exchanged with it in the same step and removed afterwards, so that OUTPUT is whole at
/// every moment. File systems that cannot exchange take two renames, the first of which moves the
/// older output to OUTPUT.old; it is moved back where the second fails, and by restore_output where
/// the program ended in between.
void publish_folder(const std::filesystem::path& output);

/// Moves OUTPUT.old back to OUTPUT where a program that was publishing ended between its two
/// renames; nothing otherwise. For the start of a run, before anything is made.
void restore_output(const std::filesystem::path& output);

}  // namespace tessera::jobs
