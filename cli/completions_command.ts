/**
 * `migstream completions`: shell completions, made from the commands' own definitions.
 *
 * @module
 */

import { Argument, Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CommandModel, OptionModel } from "./command_model.ts";
import { EXIT, type Streams } from "./main.ts";

/** Shells that completions are made for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** Makes the command; `program` gives the whole program with all of its subcommands. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
  program: () => Promise<CommandUnknownOpts>,
): CommandUnknownOpts {
  return new Command("completions")
    .summary("shell completions for bash, zsh or fish")
    .description("Prints a script that completes migstream's commands and options.")
    .addArgument(new Argument("<shell>", "for which shell").choices(SHELLS))
    .option("--debug", "print the stack of an error")
    .addHelpText(
      "after",
      `
Examples:
  source <(migstream completions bash)
  migstream completions zsh > "\${fpath[1]}/_migstream"
  migstream completions fish > ~/.config/fish/completions/migstream.fish`,
    )
    .action(async (shell) => {
      const { modelOf } = await import("./command_model.ts");
      const all = modelOf(await program()).map((command) => ({
        ...command,
        options: [...command.options, VERSION],
      }));
      streams.out.text(shell === "fish" ? fish(all) : shell === "zsh" ? zsh(all) : bash(all));
      finish(EXIT.DONE);
    });
}

/** What all commands have besides their own options. */
const VERSION: OptionModel = {
  flags: "-V, --version",
  long: "--version",
  short: "-V",
  description: "print the version",
  takesValue: false,
  choices: [],
};

function bash(commands: readonly CommandModel[]): string {
  const cases = commands.map(({ name, options }) =>
    `    ${name}) words="${options.map(({ long }) => long).join(" ")} --help" ;;`
  );
  return `_migstream() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${commands.map(({ name }) => name).join(" ")} help --help --version"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  elif [ "\${current#-}" != "$current" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _migstream migstream
`;
}

function zsh(commands: readonly CommandModel[]): string {
  const quote = (text: string) =>
    text.replace(/['[\]:\\]/g, (character) => character === "'" ? "'\\''" : `\\${character}`);
  const names = commands.map(({ name, summary }) => `    '${name}:${quote(summary)}'`);
  const cases = commands.map(({ name, options }) => {
    const specs = options.map(({ long, description, takesValue, choices }) => {
      const value = !takesValue
        ? ""
        : choices.length > 0
        ? `:value:(${choices.join(" ")})`
        : ":value:_files";
      return `'${long}[${quote(description)}]${value}'`;
    });
    return `    ${name}) _arguments ${[...specs, "'*:file:_files'"].join(" ")} ;;`;
  });
  return `#compdef migstream
_migstream() {
  local -a commands=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local name=\${words[2]}
  shift words
  (( CURRENT-- ))
  case $name in
${cases.join("\n")}
  esac
}
compdef _migstream migstream
`;
}

function fish(commands: readonly CommandModel[]): string {
  const quote = (text: string) => `'${text.replace(/['\\]/g, (character) => `\\${character}`)}'`;
  const lines = commands.flatMap(({ name, summary, options }) => [
    `complete -c migstream -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    ...options.map(({ long, short, description, takesValue, choices }) =>
      [
        `complete -c migstream -n '__fish_seen_subcommand_from ${name}' -l ${long.slice(2)}`,
        short === undefined ? "" : ` -s ${short.slice(1)}`,
        takesValue ? " -r" : "",
        choices.length > 0 ? ` -f -a ${quote(choices.join(" "))}` : "",
        ` -d ${quote(description)}`,
      ].join("")
    ),
  ]);
  return `${lines.join("\n")}\n`;
}
