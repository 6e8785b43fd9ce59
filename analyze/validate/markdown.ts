/**
 * The rules as a page of documentation.
 *
 * @module
 */

import { type Rule, RULE_GROUPS } from "./rule.ts";
import { RULES } from "./rules/mod.ts";

/** The text of docs/rules.md. */
export function rulesMarkdown(): string {
  const groups = Object.entries(RULE_GROUPS).map(([group, title]) => {
    const rules = RULES.filter(({ id }) => id.startsWith(`${group}-`));
    return [`## ${group}: ${title}`, ...rules.map(ruleMarkdown)].join("\n\n");
  });
  return `${[HEAD, ...groups].join("\n\n")}\n`;
}

const HEAD = `# Rules

What holds for every stream that QEMU writes, and what a loading QEMU does where it does not. This
page is made from the table that \`migstream validate\` checks with; \`deno task docs\` makes it anew.

A stream that breaks a rule of severity _error_ is invalid. One that breaks a _warning_ is read as
it was meant, but no QEMU writes it; an _info_ says what a destination has to agree on, or what is
worth knowing. "Tried" names the QEMU releases on which the reaction was seen with a real stream
that was changed in one place.`;

function ruleMarkdown({ id, severity, title, qemu, tried }: Rule): string {
  const evidence = tried.length === 0 ? "Not tried." : `Tried: ${tried.join(", ")}.`;
  return `### ${id}\n\n_${severity}_ — ${escape(title)}\n\nQEMU: ${escape(qemu)} ${evidence}`;
}

/** Text in which nothing is markup but code in backquotes. */
function escape(text: string): string {
  return text.split("`").map((part, index) =>
    index % 2 === 1 ? `\`${part}\`` : part.replace(/[*_<>[\]\\#|]/g, "\\$&")
  ).join("");
}
