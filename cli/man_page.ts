/**
 * The program's manual: as a man page, and as a page of documentation.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import type { CommandModel } from "./command_model.ts";
import { TOPICS } from "./help_topics.ts";

const SUMMARY = "decode, encode, check and compare QEMU migration streams";

const EXIT_STATUS = [
  ["0", "Done; for a question, yes."],
  ["1", "A question was answered no: the image is invalid, the images differ, nothing was found."],
  ["2", "It could not be done: a damaged image, a wrong option, a file that isn't there."],
] as const;

/** The man page, in the man macros of roff. */
export function manPage(commands: readonly CommandModel[]): string {
  return [
    `.TH MIGSTREAM 1 "" "migstream ${config.version}" "User Commands"`,
    ".SH NAME",
    `migstream \\- ${roff(SUMMARY)}`,
    ".SH SYNOPSIS",
    ".B migstream",
    "\\fICOMMAND\\fR [\\fIOPTIONS\\fR] \\fIFILE\\fR...",
    ".SH DESCRIPTION",
    roff(
      "FILE is an image in any container, told by its content: a migration stream, a save image " +
        "of libvirt, a qcow2 image with snapshots, any of them compressed, or a folder with the " +
        "channels of a captured migration. - is standard input.",
    ),
    ".SH COMMANDS",
    ...commands.flatMap(manCommand),
    ".SH EXIT STATUS",
    ...EXIT_STATUS.flatMap(([code, text]) => [".TP", `.B ${code}`, roff(text)]),
    ...TOPICS.flatMap(({ name, text }) => [
      `.SH ${roff(name.toUpperCase())}`,
      ".nf",
      ...text.split("\n").map(roff),
      ".fi",
    ]),
  ].join("\n") + "\n";
}

function manCommand({ name, usage, description, options, epilogue }: CommandModel): string[] {
  return [
    `.SS ${roff(`migstream ${name} ${usage}`)}`,
    roff(description),
    ...options.flatMap(({ flags, description }) => [".TP", `.B ${roff(flags)}`, roff(description)]),
    ...(epilogue === "" ? [] : [".PP", ".nf", ...epilogue.split("\n").map(roff), ".fi"]),
  ];
}

/** Text in which nothing is a request or an escape of roff. */
function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^([.'])/, "\\&$1");
}

/** The text of docs/cli.md. */
export function cliMarkdown(commands: readonly CommandModel[]): string {
  const head = `# The command

\`migstream COMMAND [OPTIONS] FILE...\` — ${SUMMARY}. This page is made from the commands' own
definitions; \`deno task docs\` makes it anew, \`migstream man\` prints the same as a man page.

\`FILE\` is an image in any container, told by its content: a migration stream, a save image of
libvirt, a qcow2 image with snapshots, any of them compressed, or a folder with the channels of a
captured migration; \`-\` is standard input. Exit codes: ${
    EXIT_STATUS.map(([code, text]) => `${code}: ${text}`).join(" ")
  }`;
  return `${[head, ...commands.map(markdownCommand)].join("\n\n")}\n`;
}

function markdownCommand({ name, usage, description, options, epilogue }: CommandModel): string {
  const rows = options.map(({ flags, description }) =>
    `| \`${flags.replaceAll("|", "\\|")}\` | ${description.replaceAll("|", "\\|")} |`
  );
  return [
    `## ${name}`,
    `\`migstream ${name} ${usage}\``,
    escapeMarkdown(description),
    ["| option | |", "| --- | --- |", ...rows].join("\n"),
    ...(epilogue === "" ? [] : ["```text\n" + epilogue + "\n```"]),
  ].join("\n\n");
}

function escapeMarkdown(text: string): string {
  return text.replace(/[*_<>[\]\\#]/g, "\\$&");
}
