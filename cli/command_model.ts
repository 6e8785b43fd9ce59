/**
 * The commands' own definitions as plain values, for what is made from them: completions, the man page, docs/cli.md.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** An option. */
export interface OptionModel {
  /** As it is written: `-o, --out <path>`. */
  readonly flags: string;
  /** Long name: `--out`. */
  readonly long: string;
  /** Short name: `-o`. */
  readonly short: string | undefined;
  /** What it does. */
  readonly description: string;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  /** The only values, if there are few. */
  readonly choices: readonly string[];
}

/** A command. */
export interface CommandModel {
  /** Its name. */
  readonly name: string;
  /** What follows the name: `[options] <file>`. */
  readonly usage: string;
  /** In a few words. */
  readonly summary: string;
  /** In a few sentences. */
  readonly description: string;
  /** What stands behind the options in its help: examples. */
  readonly epilogue: string;
  /** Its arguments and what they are. */
  readonly arguments: readonly { readonly name: string; readonly description: string }[];
  /** Its options. */
  readonly options: readonly OptionModel[];
}

/** The commands of a program. */
export function modelOf(program: CommandUnknownOpts): CommandModel[] {
  return program.commands.map((command) => ({
    name: command.name(),
    usage: command.usage(),
    summary: command.summary(),
    description: command.description(),
    epilogue: epilogueOf(command),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      description: argument.description,
    })),
    options: command.options.map((option) => ({
      flags: option.flags,
      long: option.long ?? "",
      short: option.short,
      description: describeOption(option),
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
    })).filter(({ long }) => long !== ""),
  }));
}

function describeOption(option: CommandUnknownOpts["options"][number]): string {
  const { description, argChoices, defaultValue } = option;
  const notes = [
    ...(argChoices === undefined ? [] : [argChoices.join(", ")]),
    ...(typeof defaultValue === "string" ? [`default: ${defaultValue}`] : []),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join("; ")})`;
}

/** The text that a command adds behind its own help. */
function epilogueOf(command: CommandUnknownOpts): string {
  let text = "";
  const { writeOut } = command.configureOutput();
  command.configureOutput({ writeOut: (part) => text += part });
  command.outputHelp();
  command.configureOutput({ writeOut: writeOut! });
  return text.slice(text.indexOf(command.helpInformation()) + command.helpInformation().length)
    .trim();
}
