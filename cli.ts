/**
 * The migstream command.
 *
 * ```text
 * deno run -R cli.ts info FILE --json
 * ```
 *
 * @module
 */

import { runMain, type Streams } from "./cli/main.ts";
import config from "./deno.json" with { type: "json" };

/** Runs the command line `args` and gives the exit code. */
async function run(args: readonly string[], { out, err }: Streams): Promise<number> {
  // Answered here, because what parses command lines takes longer to load than all the rest.
  if (args[0] === "--version" || args[0] === "-V") {
    out.line(`migstream ${config.version}`);
    return 0;
  }
  const { runProgram } = await import("./cli/program.ts");
  return await runProgram(args, { out, err });
}

if (import.meta.main) {
  const { args } = Deno;
  await runMain("migstream", args.includes("--debug"), (streams) => run(args, streams));
}
