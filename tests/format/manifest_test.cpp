#include "format/manifest.hpp"

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

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
    for (const std::string& file : files_below(folder_.path())) {
      manifest_.files[file] = record_of(folder_ / file);
    }
    manifest_.config = JsonValue::object().set("hidden_size", 24);
    manifest_.tensors = {{"a.weight", {"F16 [2, 3]", std::string(64, 'c')}}};
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
  EXPECT_EQ(read.config.at("hidden_size").integer(), 24);
  EXPECT_EQ(read.tensors.at("a.weight").form, "F16 [2, 3]");
  EXPECT_EQ(read.tensors.at("a.weight").sha256, std::string(64, 'c'));
  // The manifest itself is not among its files, and writing it again changes nothing.
  EXPECT_EQ(files_below(folder_.path()).size(), 3u);
  write_manifest(folder_.path(), read);
  EXPECT_EQ(read_text_file(folder_ / kManifestName), text);
}

TEST_F(ManifestTest, EveryDifferenceIsASentence) {
  write_file_atomically(folder_ / "config.json", "[]");
  write_file_atomically(folder_ / "empty.txt", "x");
  fs::remove(folder_ / "below/model.safetensors");
  const auto problem = [&](const std::string& file) {
    return file_problem(folder_.path(), file, manifest_.files.at(file));
  };
  EXPECT_THAT(problem("below/model.safetensors"), HasSubstr("below/model.safetensors' is missing"));
  EXPECT_THAT(problem("config.json"),
              HasSubstr("config.json' was changed (its sha256 is " + digest_of_text("[]")));
  EXPECT_THAT(problem("empty.txt"), HasSubstr("empty.txt' has 1 bytes (the manifest says 0)"));
  write_file_atomically(folder_ / "empty.txt", "");
  EXPECT_EQ(problem("empty.txt"), "");
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
  EXPECT_THAT(message_for(R"({"manifest_version": 3})"),
              HasSubstr("manifest_version is 3 (this program knows 1 and 2)"));
  EXPECT_THAT(message_for(R"({"manifest_version": 2, "versions": {}, "inputs": {}, "job": "",
                              "scores": {}, "files": {}, "config": null,
                              "tensors": {"a": {"form": "F16 [1]", "sha256": "abc"}}})"),
              HasSubstr("sha256 of 'a'"));
}

}  // namespace
}  // namespace tessera::format
