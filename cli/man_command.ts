/**
 * The definition of `migstream man`.
 *
 * @module
 */

import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, type Streams } from "./main.ts";

/** Makes the command; `program` gives the whole program with all of its subcommands. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
  program: () => Promise<CommandUnknownOpts>,
): CommandUnknownOpts {
  return new Command("man")
    .summary("print the man page")
    .description("Prints the man page, made from the commands' own definitions.")
    .option("--debug", "print the stack of an error")
    .addHelpText(
      "after",
      `
Examples:
  migstream man | man -l -
  migstream man > /usr/local/share/man/man1/migstream.1`,
    )
    .action(async () => {
      const { manPage } = await import("./man_page.ts");
      const { modelOf } = await import("./command_model.ts");
      streams.out.text(manPage(modelOf(await program())));
      finish(EXIT.DONE);
    });
}
