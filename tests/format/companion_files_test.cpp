#include "format/companion_files.hpp"

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CompanionFiles, TokenizerAndFriendsButNoWeights) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(companion_files(folder.path()), ElementsAre());
  for (const char* name : {"config.json",
                           "model.safetensors",
                           "model.safetensors.index.json",
                           "pytorch_model.bin",
                           "model.gguf",
                           "x.pt",
                           "pytorch_model.bin.index.json",
                           "README.md",
                           "modeling.py",
                           "quantize_config.json",
                           "tessera_manifest.json",
                           "tokenizer.json",
                           "tokenizer.model",
                           "tokenizer_config.json",
                           "special_tokens_map.json",
                           "merges.txt",
                           "generation_config.json",
                           "chat_template.jinja",
                           "LICENSE",
                           "USE_POLICY.md"}) {
    write_file_atomically(folder / name, name);
  }
  fs::create_directories(folder / "onnx.json");
  EXPECT_THAT(companion_files(folder.path()),
              ElementsAre("LICENSE", "USE_POLICY.md", "chat_template.jinja",
                          "generation_config.json", "merges.txt", "special_tokens_map.json",
                          "tokenizer.json", "tokenizer.model", "tokenizer_config.json"));
}

TEST(CompanionFiles, CopiesAreWritableAndWhole) {
  const test::TemporaryFolder folder;
  const test::TemporaryFolder output;
  write_file_atomically(folder / "tokenizer.json", "{}");
  fs::permissions(folder / "tokenizer.json", fs::perms::owner_read);
  fs::create_symlink(folder / "tokenizer.json", folder / "vocab.json");  // as in the hub's cache
  EXPECT_THAT(copy_companion_files(folder.path(), output.path()),
              ElementsAre("tokenizer.json", "vocab.json"));
  copy_companion_files(folder.path(), output.path());  // again is fine
  EXPECT_EQ(read_text_file(output / "tokenizer.json"), "{}");
  EXPECT_FALSE(fs::is_symlink(output / "vocab.json"));
  EXPECT_NE(fs::status(output / "tokenizer.json").permissions() & fs::perms::owner_write,
            fs::perms::none);
}

TEST(CompanionFiles, AFolderThatIsNotThere) {
  try {
    companion_files("/nowhere/at/all");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot list /nowhere/at/all"));
  }
}

}  // namespace
}  // namespace tessera::format
