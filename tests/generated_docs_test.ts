/** Pages that are made from the program: they say what the program says today. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { rulesMarkdown } from "../analyze/validate/markdown.ts";
import { modelOf } from "../cli/command_model.ts";
import { TOPICS } from "../cli/help_topics.ts";
import { cliMarkdown, manPage } from "../cli/man_page.ts";
import { Output } from "../cli/output.ts";
import { wholeProgram } from "../cli/program.ts";
import { migstream } from "./process.ts";

async function commands(): Promise<ReturnType<typeof modelOf>> {
  const nowhere = new Output({ writeSync: (bytes) => bytes.length });
  return modelOf(await wholeProgram({ out: nowhere, err: nowhere }, () => {}));
}

/** Text without what a formatter may change: blanks, line ends, dashes of table heads. */
function words(text: string): string {
  return text.replace(/-{3,}/g, "---").replace(/\s+/g, " ").trim();
}

async function assertUpToDate(name: string, text: string): Promise<void> {
  const page = await Deno.readTextFile(new URL(`../docs/${name}`, import.meta.url));
  assertEquals(words(page), words(text), `deno task docs makes docs/${name} anew`);
}

Deno.test("docs: the rules are those of the table", async () => {
  await assertUpToDate("rules.md", rulesMarkdown());
});

Deno.test("docs: the commands are those of the program", async () => {
  await assertUpToDate("cli.md", cliMarkdown(await commands()));
});

Deno.test("docs: the man page has every command and option, and no stray request", async () => {
  const all = await commands();
  const page = manPage(all);
  for (const { name, options } of all) {
    assert(page.includes(`.SS migstream ${name} `), name);
    for (const { flags } of options) {
      assert(page.includes(`.B ${flags.replaceAll("-", "\\-")}`), flags);
    }
  }
  const known = /^\.(TH|SH|SS|TP|PP|B|nf|fi)( |$)/;
  for (const line of page.split("\n").filter((line) => line.startsWith("."))) {
    assertMatch(line, known);
  }
  const { out, code } = await migstream(["man"]);
  assertEquals([code, out], [0, page]);
});

Deno.test("docs: help has words on formats, which fit a terminal", async () => {
  for (const { name, text } of TOPICS) {
    const { out, code } = await migstream(["help", name]);
    assertEquals([code, out], [0, `${text}\n`]);
    for (const line of text.split("\n")) assert(line.length <= 79, line);
  }
  const { out } = await migstream(["--help"]);
  for (const { name } of TOPICS) assert(out.includes(name), name);
});
