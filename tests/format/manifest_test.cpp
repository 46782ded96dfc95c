#include "format/manifest.hpp"

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ManifestTest : public ::testing::Test {
 protected:
  ManifestTest() {
    write_file_atomically(folder_ / "config.json", "{}");
    write_file_atomically(folder_ / "empty.txt", "");
    fs::create_directories(folder_ / "below");
    write_file_atomically(folder_ / "below/model.safetensors", "weights");
    manifest_.versions = {{"tessera", "0.1.0"}};
    manifest_.inputs = {{"model", "abc"}};
    manifest_.job = "model:\n  path: \"x\"\n";
    manifest_.scores = JsonValue::object().set("bits_per_weight", 2.0625);
    manifest_.files = record_files(folder_.path());
  }
  std::string message_for(const std::string& json) {
    write_file_atomically(folder_ / kManifestName, json);
    try {
      read_manifest(folder_.path());
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  test::TemporaryFolder folder_;
  Manifest manifest_;
};

TEST_F(ManifestTest, ReadsBackAndVerifies) {
  write_manifest(folder_.path(), manifest_);
  const std::string text = read_text_file(folder_ / kManifestName);
  const Manifest read = read_manifest(folder_.path());
  EXPECT_EQ(read.versions, manifest_.versions);
  EXPECT_EQ(read.inputs, manifest_.inputs);
  EXPECT_EQ(read.job, manifest_.job);
  EXPECT_EQ(read.scores.at("bits_per_weight").number(), 2.0625);
  EXPECT_EQ(read.files.size(), 3u);
  EXPECT_EQ(read.files.at("below/model.safetensors").bytes, 7u);
  EXPECT_EQ(read.files.at("empty.txt").sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_THAT(verify_files(folder_.path(), read), IsEmpty());
  // The manifest itself is not among its files, and writing it again changes nothing.
  EXPECT_EQ(record_files(folder_.path()).size(), 3u);
  write_manifest(folder_.path(), read);
  EXPECT_EQ(read_text_file(folder_ / kManifestName), text);
}

TEST_F(ManifestTest, EveryDifferenceIsASentence) {
  write_file_atomically(folder_ / "config.json", "[]");
  write_file_atomically(folder_ / "empty.txt", "x");
  fs::remove(folder_ / "below/model.safetensors");
  write_file_atomically(folder_ / "model-00001-of-00002.safetensors", "stale");
  write_file_atomically(folder_ / "notes.txt", "the user's own");
  EXPECT_THAT(
      verify_files(folder_.path(), manifest_),
      ElementsAre(HasSubstr("below/model.safetensors' is missing"),
                  HasSubstr("config.json' was changed (its sha256 is " + digest_of_text("[]")),
                  HasSubstr("empty.txt' has 1 bytes (the manifest says 0)"),
                  HasSubstr("model-00001-of-00002.safetensors' is not in the manifest")));
}

TEST_F(ManifestTest, MissingManifestMeansIncomplete) {
  try {
    read_manifest(folder_.path());
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("has no tessera_manifest.json"));
  }
}

TEST_F(ManifestTest, HostileManifests) {
  const auto with_files = [&](const std::string& files) {
    return message_for(
        R"({"manifest_version": 1, "versions": {}, "inputs": {}, "job": "", "scores": {},)"
        R"( "files": )" +
        files + "}");
  };
  const std::string digest(64, 'a');
  EXPECT_EQ(with_files(R"({"a": {"bytes": 3, "sha256": ")" + digest + "\"}}"), "");
  EXPECT_THAT(with_files(R"({"../a": {"bytes": 3, "sha256": ")" + digest + "\"}}"),
              HasSubstr("leaves the folder"));
  EXPECT_THAT(with_files(R"({"/etc/passwd": {"bytes": 3, "sha256": ")" + digest + "\"}}"),
              HasSubstr("leaves the folder"));
  EXPECT_THAT(with_files(R"({"a/../../b": {"bytes": 3, "sha256": ")" + digest + "\"}}"),
              HasSubstr("leaves the folder"));
  EXPECT_THAT(with_files(R"({"a": {"bytes": -3, "sha256": ")" + digest + "\"}}"),
              HasSubstr("-3 bytes"));
  EXPECT_THAT(with_files(R"({"a": {"bytes": 3, "sha256": "abc"}})"), HasSubstr("sha256 of"));
  EXPECT_NE(with_files(R"({"a": {"bytes": 3}})"), "");
  EXPECT_NE(with_files("[]"), "");
  EXPECT_NE(message_for("{}"), "");
  EXPECT_NE(message_for("no json"), "");
  EXPECT_THAT(message_for(R"({"manifest_version": 2})"),
              HasSubstr("manifest_version is 2 (this program knows 1)"));
}

}  // namespace
}  // namespace tessera::format
