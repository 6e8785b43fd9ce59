/**
 * The program: its name, and its subcommands, one a file and loaded when it is called.
 *
 * @module
 */

import { Command, CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import config from "../deno.json" with { type: "json" };
import { findTopic, TOPICS } from "./help_topics.ts";
import { EXIT, type Streams } from "./main.ts";
import { outputWidth, USUAL_WIDTH } from "./terminal.ts";

type MakeCommand = (
  streams: Streams,
  finish: (code: number) => void,
  program: () => Promise<CommandUnknownOpts>,
) => CommandUnknownOpts;

/** The subcommands, in the order in which the help shows them. */
const SUBCOMMANDS: Record<string, () => Promise<{ readonly makeCommand: MakeCommand }>> = {
  info: () => import("./info_command.ts"),
  analyze: () => import("./analyze_command.ts"),
  layout: () => import("./layout_command.ts"),
  extract: () => import("./extract_command.ts"),
  search: () => import("./search_command.ts"),
  read: () => import("./read_command.ts"),
  registers: () => import("./registers_command.ts"),
  validate: () => import("./validate_command.ts"),
  diff: () => import("./diff_command.ts"),
  report: () => import("./report_command.ts"),
  convert: () => import("./convert_command.ts"),
  roundtrip: () => import("./roundtrip_command.ts"),
  capture: () => import("./capture_command.ts"),
  send: () => import("./send_command.ts"),
  completions: () => import("./completions_command.ts"),
  man: () => import("./man_command.ts"),
};

function newProgram(): Command {
  return new Command("migstream")
    .description("Decodes, encodes, checks and compares QEMU migration streams.")
    .version(`migstream ${config.version}`, "-V, --version", "print the version")
    .helpCommand("help [command|topic]", "help for a command, or a few words on a format")
    .addHelpText(
      "after",
      `
Topics: ${TOPICS.map(({ name }) => name).join(", ")}

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
  for (const name of names) {
    const { makeCommand } = await SUBCOMMANDS[name]!();
    program.addCommand(makeCommand(streams, finish, () => wholeProgram(streams, finish)));
  }
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => streams.out.text(text),
      writeErr: (text) => streams.err.text(text.replace(/^error:/, "migstream:")),
      // Said here, because the framework would look at environment variables, which takes a permission.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => outputWidth(USUAL_WIDTH),
      getErrHelpWidth: () => outputWidth(USUAL_WIDTH),
    });
  }
  return program;
}

/** The program with all subcommands. */
export function wholeProgram(
  streams: Streams,
  finish: (code: number) => void,
): Promise<Command> {
  return makeProgram(Object.keys(SUBCOMMANDS), streams, finish);
}

/** Runs the command line `args` and gives the exit code. */
export async function runProgram(args: readonly string[], streams: Streams): Promise<number> {
  const topic = args[0] === "help" && args.length === 2 ? findTopic(args[1]!) : undefined;
  if (topic !== undefined) {
    streams.out.line(topic.text);
    return EXIT.DONE;
  }
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
