#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace tessera::cli {

using Arguments = std::vector<std::string>;

/// " Did you mean X?", or nothing when no candidate is near @p word.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);

/// The options and arguments of one verb: reads them, and prints the help page. The only user of
/// Boost.Program_options.
///
///     CommandLine line("run", "Runs a job.");
///     line.argument("JOB.yaml", "the job", job);
///     line.flag("fresh", "discard what the work folder holds", fresh);
///     line.example("tessera run configs/jobs/smollm2_vptq_2bit.yaml --resume");
///     if (!line.parse(arguments)) return 0;   // help was asked for, and printed
class CommandLine {
 public:
  CommandLine(std::string verb, std::string summary);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// A word that must be given, without a dash; in this order.
  void argument(std::string name, std::string text, std::string& value);
  /// What follows the arguments: any number of words, at least one; @p name as in "WORK_DIR...".
  void rest(std::string name, std::string text, std::vector<std::string>& values);
  /// --name
  void flag(std::string name, std::string text, bool& value, char letter = '\0');
  /// --name VALUE; @p value keeps what it holds when the option is absent.
  void option(std::string name, std::string placeholder, std::string text, std::string& value);
  /// The same for a whole number of at least @p minimum.
  void option(std::string name, std::string placeholder, std::string text, std::size_t& value,
              std::size_t minimum);
  /// The same for a real number from @p minimum to @p maximum.
  void option(std::string name, std::string placeholder, std::string text, double& value,
              double minimum, double maximum);
  /// --name VALUE, any number of times.
  void options(std::string name, std::string placeholder, std::string text,
               std::vector<std::string>& values);
  void example(std::string command) { examples_.push_back(std::move(command)); }

  /// Fills the values. Returns false after printing the help page to stdout when --help is among
  /// the arguments. Throws InputError for an unknown option (with a near match), a missing or
  /// surplus argument or value.
  bool parse(const Arguments& arguments);
  std::string help() const;

 private:
  struct WholeNumber {
    std::size_t* value;
    std::size_t minimum;
  };
  struct RealNumber {
    double* value;
    double minimum, maximum;
  };
  struct Option {
    std::string name, placeholder, text;
    char letter = '\0';
    std::variant<bool*, std::string*, WholeNumber, RealNumber, std::vector<std::string>*> target;
    bool is_flag() const { return placeholder.empty(); }
    std::string boost_name() const;  ///< "verbose,v"
  };
  struct Argument {
    std::string name, text;
    std::string* value;  ///< null: `values` takes this word and all that follow
    std::vector<std::string>* values;
  };
  struct Parsed;

  Parsed split(const Arguments& arguments) const;
  void store(const Option& option, const std::vector<std::string>& values) const;
  void store_arguments(const std::vector<std::string>& words) const;
  std::string usage() const;
  [[noreturn]] void refuse(const std::string& problem) const;
  [[noreturn]] void refuse_unknown(const std::string& option) const;

  std::string verb_, summary_;
  std::vector<Argument> arguments_;
  std::vector<Option> options_;
  std::vector<std::string> examples_;
  bool wants_help_ = false;
};

}  // namespace tessera::cli
