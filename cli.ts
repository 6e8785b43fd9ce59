/**
 * The migstream command. One subcommand a file, loaded when it is called.
 *
 * ```text
 * deno run -R cli.ts info FILE --json
 * ```
 *
 * @module
 */

import { Command, CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, runMain, type Streams } from "./cli/main.ts";
import config from "./deno.json" with { type: "json" };

type MakeCommand = (
  streams: Streams,
  finish: (code: number) => void,
  program: () => Promise<CommandUnknownOpts>,
) => CommandUnknownOpts;

/** The subcommands, in the order in which the help shows them. */
const SUBCOMMANDS: Record<string, () => Promise<{ readonly makeCommand: MakeCommand }>> = {
  info: () => import("./cli/info_command.ts"),
  analyze: () => import("./cli/analyze_command.ts"),
  layout: () => import("./cli/layout_command.ts"),
  extract: () => import("./cli/extract_command.ts"),
  search: () => import("./cli/search_command.ts"),
  read: () => import("./cli/read_command.ts"),
  validate: () => import("./cli/validate_command.ts"),
  convert: () => import("./cli/convert_command.ts"),
  registers: () => import("./cli/registers_command.ts"),
  roundtrip: () => import("./cli/roundtrip_command.ts"),
  capture: () => import("./cli/capture_command.ts"),
  send: () => import("./cli/send_command.ts"),
  completions: () => import("./cli/completions_command.ts"),
};

function newProgram(): Command {
  return new Command("migstream")
    .description("Decodes, checks and compares QEMU migration streams.")
    .version(`migstream ${config.version}`, "-V, --version", "print the version")
    .helpCommand("help [command]", "help for a command")
    .addHelpText(
      "after",
      `
Exit codes: 0 done, 1 a question was answered 'no', 2 it could not be done.

Examples:
  migstream info guest.img
  migstream analyze guest.img > state.json
  migstream layout guest.img --at 0x10000`,
    );
}

/** The program with the subcommands of the given names. */
async function makeProgram(
  names: readonly string[],
  streams: Streams,
  finish: (code: number) => void,
): Promise<Command> {
  const program = newProgram();
  const whole = () => makeProgram(Object.keys(SUBCOMMANDS), streams, finish);
  for (const name of names) {
    const { makeCommand } = await SUBCOMMANDS[name]!();
    program.addCommand(makeCommand(streams, finish, whole));
  }
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => streams.out.text(text),
      writeErr: (text) => streams.err.text(text.replace(/^error:/, "migstream:")),
      // Said here, because the framework would look at environment variables, which takes a permission.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: terminalWidth,
      getErrHelpWidth: terminalWidth,
    });
  }
  return program;
}

function terminalWidth(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 80;
}

/** Runs the command line `args` and gives the exit code. */
async function run(args: readonly string[], streams: Streams): Promise<number> {
  let code: number = EXIT.DONE;
  const called = args.find((argument) => !argument.startsWith("-"));
  const isKnown = called !== undefined && Object.hasOwn(SUBCOMMANDS, called);
  // Help and mistyped names need all commands; a call needs one.
  const names = isKnown && called === args[0] ? [called] : Object.keys(SUBCOMMANDS);
  const program = await makeProgram(names, streams, (result) => code = result);
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.DONE : EXIT.FAILED;
  }
  return code;
}

if (import.meta.main) {
  const { args } = Deno;
  await runMain("migstream", args.includes("--debug"), (streams) => run(args, streams));
}
