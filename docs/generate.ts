/**
 * Writes the pages of this folder that are made from the program: docs/rules.md and docs/cli.md.
 *
 * @module
 */

import { rulesMarkdown } from "../analyze/validate/markdown.ts";
import { modelOf } from "../cli/command_model.ts";
import { cliMarkdown } from "../cli/man_page.ts";
import { Output } from "../cli/output.ts";
import { wholeProgram } from "../cli/program.ts";

const streams = { out: new Output(Deno.stdout), err: new Output(Deno.stderr) };
const program = await wholeProgram(streams, () => {});

const PAGES = {
  "rules.md": rulesMarkdown(),
  "cli.md": cliMarkdown(modelOf(program)),
};
for (const [name, text] of Object.entries(PAGES)) {
  await Deno.writeTextFile(new URL(name, import.meta.url), text);
}
